from __future__ import annotations

import math

import numpy as np
import pytest

from crucible.adapters.topology.vectors import betti_curve, entropy, landscape, persistence_image
from crucible.messages.errors import InputError

_random = np.random.default_rng(3)
_births = _random.uniform(0.0, 1.0, 6)
DIAGRAM = np.column_stack([_births, _births + _random.exponential(0.3, 6)])
GRID = np.linspace(0.0, 1.5, 5)
# persim 0.3.8, PersistenceImager over [0, 1]², pixels of 0.25, sigma² 0.04, weight = length
PERSIM_IMAGE = [
    [0.06340042892058399, 0.03321266386274813, 0.02007972774098825, 0.06461185944525363],
    [0.03755574775064788, 0.02564036672646878, 0.0480327660594455, 0.17677905207551264],
    [0.040816220006419726, 0.04851472215472096, 0.045043489010990874, 0.12349915048125126],
    [0.0458772134403017, 0.05908678993412494, 0.02469287984219736, 0.022827790753958035],
]


def test_the_entropy_of_equal_bars_is_the_logarithm_of_their_number() -> None:
    assert entropy([2.0] * 5) == pytest.approx(math.log(5))
    assert entropy([]) == entropy([3.0]) == 0.0


def test_the_entropy_equals_that_of_persim() -> None:
    assert entropy([*(DIAGRAM[:, 1] - DIAGRAM[:, 0])]) == pytest.approx(1.1482691074719484, rel=1e-12)


def test_the_landscape_equals_that_of_gudhi() -> None:
    # gudhi 3.13.0, Landscape / √2 (gudhi scales by √2)
    expected = [0.0, 0.0, 0.3168730597635263, 0.31241848603448075, 0.0]
    assert landscape(DIAGRAM, GRID, 2)[0] == pytest.approx(expected, abs=1e-12)


def test_landscapes_are_tents_one_below_the_other() -> None:
    levels = landscape([(0.0, 4.0), (1.0, 3.0), (2.0, math.inf)], [0.0, 1.0, 2.0, 2.5, 4.0], 3)
    assert levels.tolist() == [[0.0, 1.0, 2.0, 1.5, 0.0], [0.0, 0.0, 1.0, 0.5, 0.0], [0.0] * 5]


def test_the_betti_curve_counts_what_is_alive_from_birth_to_before_death() -> None:
    assert betti_curve([(0.0, 2.0), (1.0, 2.0), (1.0, math.inf)], [0.0, 1.0, 1.9, 2.0]).tolist() == [
        1,
        3,
        3,
        1,
    ]
    assert betti_curve(DIAGRAM, GRID).tolist() == [0, 0, 1, 1, 0]  # as gudhi 3.13.0 says
    assert betti_curve([], [0.0, 1.0]).tolist() == [0, 0]


def test_the_persistence_image_equals_that_of_persim() -> None:
    edges = np.linspace(0.0, 1.0, 5)
    assert persistence_image(DIAGRAM, edges, edges, 0.2) == pytest.approx(np.array(PERSIM_IMAGE), abs=1e-12)


def test_a_wide_image_holds_the_whole_weight() -> None:
    edges = [-100.0, 100.0]
    whole = persistence_image([(0.0, 2.0), (1.0, 2.0), (0.0, math.inf)], edges, edges, 1.0)
    assert whole.tolist() == [[pytest.approx(3.0)]]
    assert persistence_image([], edges, edges, 1.0).tolist() == [[0.0]]


def test_levels_widths_and_edges_without_sense_are_refused() -> None:
    with pytest.raises(InputError, match="levels"):
        landscape(DIAGRAM, GRID, 0)
    with pytest.raises(InputError, match="sigma"):
        persistence_image(DIAGRAM, [0.0, 1.0], [0.0, 1.0], 0.0)
    with pytest.raises(InputError, match="edges"):
        persistence_image(DIAGRAM, [1.0, 0.0], [0.0, 1.0], 0.2)
