from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from crucible.adapters.cns import parse_claims
from crucible.adapters.cns.chirality import chirality, chirality_score, lexical_distance, productive_conflict
from crucible.adapters.cns.critics import LEXICAL
from crucible.adapters.cns.mahalanobis import Kind, fit_spread, mahalanobis_chirality
from crucible.messages.claims import Evidence, Sno


def cloud(n: int, dimensions: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dimensions)) * np.linspace(0.5, 2.0, dimensions)


def test_the_diagonal_distance_is_the_one_of_the_literature() -> None:
    points = cloud(20, 6)
    spread = fit_spread(points, "diagonal")
    inverse = np.diag(1 / (points.var(axis=0) + 1e-6))
    assert spread.distance(points[0], points[1]) == pytest.approx(mahalanobis(points[0], points[1], inverse))


def test_the_shrunk_covariance_is_the_stated_share_of_the_identity() -> None:
    points = cloud(20, 6)
    spread = fit_spread(points)
    assert spread.shrinkage is not None
    assert spread.precision is not None
    covariance = np.cov(points.T, bias=True)
    mean = np.trace(covariance) / 6
    shrunk = (1 - spread.shrinkage) * covariance + spread.shrinkage * mean * np.eye(6)
    assert np.linalg.inv(spread.precision) == pytest.approx(shrunk, abs=1e-5)


@pytest.mark.parametrize(
    ("n", "dimensions", "published"),
    [(50, 384, 0.9129839618871817), (200, 20, 0.18165512884375593), (5, 3, 0.19634171660166788)],
)
def test_the_shrinkage_is_that_of_an_independent_implementation(
    n: int, dimensions: int, published: float
) -> None:
    """Goldens by ``sklearn.covariance.ledoit_wolf_shrinkage`` 1.9.1, drawn in order from one stream."""
    stream = np.random.default_rng(0)
    for rows, columns in ((50, 384), (200, 20), (5, 3)):
        points = stream.normal(size=(rows, columns)) * np.linspace(0.5, 2, columns)
        if (rows, columns) == (n, dimensions):
            assert fit_spread(points).shrinkage == pytest.approx(published, rel=1e-9)


@pytest.mark.parametrize("kind", ["diagonal", "ledoit_wolf"])
def test_two_texts_of_the_sample_are_one_apart_in_the_root_mean_square(kind: Kind) -> None:
    points = cloud(15, 5)
    spread = fit_spread(points, kind)
    squares = [(spread.relative(a, b) or 0.0) ** 2 for a, b in permutations(points, 2)]
    assert sum(squares) / len(squares) == pytest.approx(1.0)


def test_the_plain_distance_saturates_in_many_dimensions_and_the_relative_one_does_not() -> None:
    points = cloud(60, 384)
    spread = fit_spread(points, "diagonal")
    plain = mahalanobis_chirality(points[0], points[1], spread, overlap=1.0, conflict=False, relative=False)
    relative = mahalanobis_chirality(points[0], points[1], spread, overlap=1.0, conflict=False)
    assert plain is not None
    assert plain > 0.57
    assert relative == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    ("points", "status"),
    [
        (np.zeros((0, 3)), "too_few"),
        (np.zeros((2, 3)), "too_few"),
        (np.zeros((5, 0)), "too_few"),
        (np.ones((5, 3)), "identical_points"),
        (np.full((5, 3), np.nan), "not_finite"),
        (np.full((5, 3), np.inf), "not_finite"),
    ],
)
def test_a_sample_that_says_nothing_has_a_name_and_no_distance(points: np.ndarray, status: str) -> None:
    spread = fit_spread(points)
    assert spread.status == status
    assert spread.distance(np.zeros(3), np.ones(3)) is None
    assert mahalanobis_chirality(np.zeros(3), np.ones(3), spread, overlap=0.0, conflict=True) is None


def test_a_point_that_is_no_number_has_no_distance() -> None:
    spread = fit_spread(cloud(10, 3))
    assert spread.relative(np.array([0.0, np.nan, 0.0]), np.zeros(3)) is None


def test_the_method_says_how_the_spread_was_made() -> None:
    assert (
        fit_spread(cloud(10, 3), "diagonal").method
        == "Mahalanobis, variances + 1e-06, 10 texts, 3 dimensions"
    )
    assert fit_spread(cloud(10, 3)).method.startswith("Mahalanobis, Ledoit-Wolf 0.")


ANSWER = parse_claims(
    "CLAIM[c1]: Lamps lengthen sleep.\nCLAIM[c2] (Document 7): Lamps lengthen sleep.\n"
    "RELATION: c2 supports c1\nCLAIM[c3] (Document 7): Cats purr loudly.\nRELATION: c3 refutes c1"
)


def test_without_an_embedding_words_tell_the_sides_apart() -> None:
    assert chirality(ANSWER, None, conflict=True) == chirality_score(math.sqrt(2), 1.0, conflict=True)


def test_the_lexical_distance_is_symmetric_and_nothing_for_the_same_words() -> None:
    assert lexical_distance(["a b", "c"], ["c b a"]) == 0.0
    assert lexical_distance(["a b"], ["b d"]) == lexical_distance(["b d"], ["a b"]) == pytest.approx(1.0)


def reading(id_: str, claim: str, *sentences: int) -> Sno:
    return Sno(id=id_, claim=claim, evidence=(Evidence(source="7", sentences=sentences),))


def test_a_conflict_is_productive_where_the_same_evidence_is_read_in_two_ways() -> None:
    one = reading("a", "Lamps increase sleep.", 0, 1)
    other = reading("b", "Lamps reduce sleep.", 1, 2)
    assert productive_conflict(one, other, LEXICAL.contradiction) == pytest.approx(1 / 3)
    assert productive_conflict(one, reading("c", "Lamps reduce sleep.", 5), LEXICAL.contradiction) == 0.0
    bare = Sno(id="d", claim="Lamps reduce sleep.")
    assert productive_conflict(bare, bare, LEXICAL.contradiction) is None
