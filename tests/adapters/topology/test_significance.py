from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from crucible.adapters.topology.distances import MetricName, distance_matrix
from crucible.adapters.topology.persistence import persistence
from crucible.adapters.topology.significance import ALPHA, critical_life, critical_ratio
from crucible.messages.findings import PersistenceResult

Points = NDArray[np.float64]
Cloud = Callable[[np.random.Generator], Points]


def circle(random: np.random.Generator) -> Points:
    angles = random.uniform(0.0, 2.0 * np.pi, 200)
    return np.column_stack([np.cos(angles), np.sin(angles)]) + 0.05 * random.normal(size=(200, 2))


def disk(random: np.random.Generator) -> Points:
    angles, radius = random.uniform(0.0, 2.0 * np.pi, 80), np.sqrt(random.uniform(size=80))
    return np.column_stack([radius * np.cos(angles), radius * np.sin(angles)])


def gaussian(random: np.random.Generator) -> Points:
    return random.normal(size=(60, 30))


def two_blobs(random: np.random.Generator) -> Points:
    centres: Points = np.repeat([[0.0, 0.0], [6.0, 0.0]], 30, axis=0)
    return centres + 0.3 * random.normal(size=(60, 2))


def judged(cloud: Cloud, seed: int, metric: MetricName = "euclidean") -> PersistenceResult:
    return persistence(cloud(np.random.default_rng(seed)), metric=metric, engine="ripser")


def test_the_loop_of_a_noisy_circle_and_its_one_piece_are_more_than_noise() -> None:
    for seed in range(5):
        assert judged(circle, seed).significant == {"0": 1, "1": 1}


def test_two_blobs_are_two_pieces_without_a_loop() -> None:
    for seed in range(10):
        found = judged(two_blobs, seed).significant
        assert (found["0"], found.get("1", 0)) == (2, 0)


@pytest.mark.parametrize(
    ("cloud", "metric"), [(disk, "euclidean"), (gaussian, "euclidean"), (gaussian, "cosine")]
)
def test_noise_is_called_more_than_noise_no_more_often_than_promised(
    cloud: Cloud, metric: MetricName
) -> None:
    trials = 40
    results = [judged(cloud, seed, metric) for seed in range(trials)]
    for key, least in (("0", 1), ("1", 0)):
        wrong = sum(result.significant[key] > least for result in results)
        assert wrong <= trials * ALPHA + 2 * math.sqrt(trials * ALPHA * (1 - ALPHA))


def test_the_critical_ratio_is_where_the_corrected_p_value_is_alpha() -> None:
    random = np.random.default_rng(0)
    births = random.uniform(1.0, 2.0, 12)
    diagram = [(float(b), float(b * r)) for b, r in zip(births, random.uniform(1.05, 1.3, 12), strict=True)]
    ratio = critical_ratio(diagram)
    assert ratio is not None
    logs = [math.log(math.log(death / birth)) for birth, death in diagram]
    shifted = math.log(math.log(ratio)) - sum(logs) / 12 - 0.5772156649015329
    assert 12 * math.exp(-math.exp(shifted)) == pytest.approx(ALPHA)


def test_ratios_do_not_depend_on_the_unit_or_on_a_power_of_the_distance() -> None:
    diagram = [(1.0, 1.2), (1.1, 1.3), (0.9, 1.4), (1.0, 1.05), (1.3, 1.5), (1.0, 3.0)]
    ratio = critical_ratio(diagram)
    assert ratio is not None
    assert critical_ratio([(7 * b, 7 * d) for b, d in diagram]) == pytest.approx(ratio)
    assert critical_ratio([(b**2, d**2) for b, d in diagram]) == pytest.approx(ratio**2)


def test_bars_of_rounding_do_not_move_the_limit_and_few_bars_have_none() -> None:
    diagram = [(1.0, 1.2), (1.1, 1.3), (0.9, 1.4), (1.0, 1.05), (1.3, 1.5)]
    assert critical_ratio([*diagram, (1.0, 1.0000002)]) == critical_ratio(diagram)
    assert critical_ratio(diagram[:4]) is None
    assert critical_ratio([]) is None


def test_the_band_is_four_times_the_quantile_of_the_subsamples_distances() -> None:
    points = np.random.default_rng(8).normal(size=(30, 2))
    rng, apart = np.random.default_rng(5), []
    for _ in range(199):
        chosen = rng.choice(30, 9, replace=False)  # 30 / ln 30 = 8.8
        gaps = [min(float(np.linalg.norm(point - points[k])) for k in chosen) for point in points]
        apart.append(max(gaps))
    found = critical_life(distance_matrix(points, "euclidean"), "euclidean", np.random.default_rng(5))
    assert found == pytest.approx(4 * sorted(apart)[189])
    assert np.mean(np.array(apart) <= found / 4) == pytest.approx(0.95, abs=0.01)


def test_the_band_of_the_cosine_is_that_of_the_chord() -> None:
    points = np.random.default_rng(3).normal(size=(40, 6))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    cosine, chord = (
        critical_life(distance_matrix(points, metric), metric, np.random.default_rng(1))
        for metric in ("cosine", "euclidean")
    )
    assert cosine == pytest.approx(chord**2 / 2)


def test_a_result_says_how_it_was_judged_and_the_seed_decides() -> None:
    points = two_blobs(np.random.default_rng(0))
    first, again, other = (persistence(points, metric="euclidean", seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.critical["0"] != other.critical["0"]
    assert "Fasy et al. 2014" in first.significance
    assert "seed 1" in first.significance
    assert "Bobrowski & Skraba 2023" in first.significance


def test_where_nothing_can_be_judged_the_result_says_why() -> None:
    points = two_blobs(np.random.default_rng(0))
    few = persistence(points[:29], metric="euclidean")
    cut = persistence(points, metric="euclidean", max_distance=1.0)
    thinned = persistence(points, metric="euclidean", landmarks=40)
    line = persistence(np.arange(40.0)[:, None], metric="euclidean")
    for result in (few, cut, thinned):
        assert (result.status, result.significant, result.critical) == ("ok", {}, {})
    assert few.significance == "not judged: fewer than 30 distinct points"
    assert "truncated" in cut.significance
    assert "landmarks" in thinned.significance
    assert set(line.significant) == {"0"}
    assert "H1: not judged, fewer than 5 bars" in line.significance
