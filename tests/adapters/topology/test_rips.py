from __future__ import annotations

import math
import sys
import types

import numpy as np
import pytest
from numpy.typing import NDArray

from crucible.adapters.topology.distances import distance_matrix
from crucible.adapters.topology.landmarks import farthest_points
from crucible.adapters.topology.rips import (
    Diagram,
    engine,
    gudhi_engine,
    public_engine,
    rips,
    ripser_engine,
    spanning_tree,
    worst_case_bytes,
)
from crucible.messages.errors import InputError

Points = NDArray[np.float64]
ENDLESS = math.inf


def circle(size: int) -> Points:
    angles = np.linspace(0.0, 2.0 * np.pi, size, endpoint=False)
    return np.column_stack([np.cos(angles), np.sin(angles)])


CLOUDS: dict[str, Points] = {
    "random": np.random.default_rng(11).normal(size=(18, 3)),
    "octahedron": np.vstack([np.eye(3), -np.eye(3)]),
    "grid": np.array([[x, y] for x in range(3) for y in range(3)], dtype=np.float64),
    "circle": circle(12),
    "line": np.arange(6.0)[:, None],
    "two": np.array([[0.0], [1.0]]),
}
# gudhi 3.13.0, RipsComplex of the float64 distances and its simplex tree, bars of positive length
GUDHI: dict[str, list[Diagram]] = {
    "random": [
        [
            *((0.0, death) for death in (
                0.164660759, 0.233137696, 0.434989987, 0.438703246, 0.729871863, 0.78452423, 0.806128726,
                0.906909638, 0.93588883, 1.053222247, 1.073728759, 1.101382446, 1.114999366, 1.156021191,
                1.291419443, 1.346494857, 1.354341323, ENDLESS,
            )),
        ],
        [(1.210690565, 1.269488763), (1.487038592, 1.502701502)],
        [(2.194359095, 2.220740059)],
    ],
    "octahedron": [[(0.0, 1.414213562)] * 5 + [(0.0, ENDLESS)], [], [(1.414213562, 2.0)]],
    "grid": [[(0.0, 1.0)] * 8 + [(0.0, ENDLESS)], [(1.0, 1.414213562)] * 4, []],
    "circle": [
        [(0.0, 0.51763809)] * 11 + [(0.0, ENDLESS)],
        [(0.51763809, 1.732050808)],
        [(1.732050808, 1.931851653)] * 3,
    ],
    "line": [[(0.0, 1.0)] * 5 + [(0.0, ENDLESS)], [], []],
    "two": [[(0.0, 1.0), (0.0, ENDLESS)], [], []],
}  # fmt: skip


def clouds(seed: int) -> NDArray[np.float64]:
    """Random, on a grid (all ties), or nearly degenerate."""
    random = np.random.default_rng(seed)
    size = int(random.integers(2, 26))
    if seed % 3 == 0:
        return np.unique(random.integers(0, 4, size=(size, 2)).astype(np.float64), axis=0)
    if seed % 3 == 1:
        return random.normal(size=(size, 3))
    return random.normal(size=(size, 1)) * np.ones((1, 3)) + 1e-6 * random.normal(size=(size, 3))


@pytest.mark.parametrize("name", CLOUDS)
def test_bars_equal_those_of_gudhi(name: str) -> None:
    diagrams, _ = rips(distance_matrix(CLOUDS[name], "euclidean"), 2, name="ripser")
    for found, expected in zip(diagrams, GUDHI[name], strict=True):
        assert sorted(found) == [pytest.approx(bar, abs=1e-6) for bar in sorted(expected)]


@pytest.mark.parametrize("dimension", [0, 1, 2])
def test_the_bare_core_and_the_public_call_agree_to_the_bit(dimension: int) -> None:
    name, core = ripser_engine()
    assert name.endswith("core"), "the bare core was not usable; the public call is in use"
    public = public_engine()[1]
    for seed in range(12):
        distances = distance_matrix(clouds(seed), "euclidean")
        cut = float(np.median(distances))
        for threshold in (math.inf, cut):
            assert core(distances, dimension, threshold) == public(distances, dimension, threshold)


@pytest.mark.parametrize("dimension", [0, 1, 2])
def test_gudhi_and_ripser_agree_to_the_bit(dimension: int) -> None:
    pytest.importorskip("gudhi")
    found = gudhi_engine()
    assert found is not None, "gudhi is installed but its core was not usable"
    ripser = ripser_engine()[1]
    for seed in range(40):
        distances = distance_matrix(clouds(seed), "euclidean")
        for threshold in (math.inf, float(np.median(distances))):
            left, right = found[1](distances, dimension, threshold), ripser(distances, dimension, threshold)
            assert [sorted(diagram) for diagram in left] == [sorted(diagram) for diagram in right]


def test_the_spanning_tree_gives_ripsers_pieces_to_the_bit() -> None:
    ripser = ripser_engine()[1]
    for seed in range(40):
        distances = distance_matrix(clouds(seed), "euclidean")
        for threshold in (math.inf, float(np.median(distances)), float(distances.max()) / 4):
            (expected,) = ripser(distances, 0, threshold)
            assert spanning_tree(distances, threshold) == sorted(expected)
    assert rips(distances, 0)[1] == "spanning tree (Prim)"


def test_points_at_distance_zero_make_no_bar_in_any_engine() -> None:
    distances = distance_matrix(np.array([[0.0], [0.0], [0.0], [2.0], [2.0]]), "euclidean")
    expected = [(0.0, 2.0), (0.0, ENDLESS)]
    found = gudhi_engine()
    engines = [ripser_engine(), *([] if found is None else [found])]
    assert spanning_tree(distances) == expected
    for _, compute in engines:
        for dimension in (0, 1, 2):
            pieces, *others = compute(distances, dimension, math.inf)
            assert sorted(pieces) == expected
            assert others == [[]] * dimension


def test_without_a_usable_core_the_public_call_is_taken_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> dict[str, list[list[float]]]:
        return {"births_and_deaths_by_dim": [[0.0, 1.0], []]}

    monkeypatch.setitem(sys.modules, "pyRipser", types.SimpleNamespace(doRipsFiltrationDM=wrong))
    name, compute = ripser_engine.__wrapped__()
    assert name.endswith("public")
    assert compute(distance_matrix(circle(8), "euclidean"), 1, math.inf)[1] == [
        (float(np.float32(2 * math.sin(math.pi / 8))), float(np.float32(2 * math.sin(3 * math.pi / 8))))
    ]


def test_a_gudhi_that_answers_wrongly_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    core = types.SimpleNamespace(_full=lambda *_, **__: [np.zeros((1, 2)), np.zeros((0, 2))])
    edges = types.SimpleNamespace(_collapse_edges=None)
    monkeypatch.setitem(sys.modules, "gudhi", types.ModuleType("gudhi"))
    monkeypatch.setitem(sys.modules, "gudhi._ripser_ext", core)
    monkeypatch.setitem(sys.modules, "gudhi._edge_collapse_ext", edges)
    assert gudhi_engine.__wrapped__() is None


def test_asking_for_gudhi_without_it_is_refused_and_auto_takes_ripser(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crucible.adapters.topology.rips.gudhi_engine", lambda: None)
    with pytest.raises(InputError, match=r"gudhi is not installed.*\[topology\]"):
        engine("gudhi")
    assert engine("auto")[0].startswith("ripser")


def test_a_single_point_has_one_endless_piece() -> None:
    for dimension in (0, 1, 2):
        expected: list[Diagram] = [[(0.0, math.inf)], *([] for _ in range(dimension))]
        assert rips(np.zeros((1, 1)), dimension)[0] == expected


def test_the_worst_case_grows_with_the_dimension() -> None:
    assert worst_case_bytes(1000, 0) == 8_000_000
    assert worst_case_bytes(1000, 1) == 8_000_000 + 166_167_000
    assert worst_case_bytes(1000, 2) > 41_000_000_000


def test_landmarks_are_far_apart_and_cover_the_cloud() -> None:
    points = np.random.default_rng(3).normal(size=(60, 2))
    chosen, radius = farthest_points(points, 10, "euclidean")
    distances = distance_matrix(points, "euclidean")
    among = distances[np.ix_(chosen, chosen)] + 9.0 * np.eye(10)
    assert chosen[0] == 0
    assert len(set(chosen)) == 10
    assert distances[:, chosen].min(axis=1).max() == pytest.approx(radius)
    assert among.min() >= radius


def test_as_many_landmarks_as_points_cover_all() -> None:
    chosen, radius = farthest_points(CLOUDS["grid"], 99, "euclidean")
    assert (sorted(chosen), radius) == (list(range(9)), 0.0)


@pytest.mark.parametrize("size", [60, 110])
def test_collapsing_edges_or_not_gives_ripsers_bars_to_the_bit(size: int) -> None:
    pytest.importorskip("gudhi")
    found = gudhi_engine()
    assert found is not None
    random = np.random.default_rng(size)
    blobs = random.normal(size=(3, 200))[random.integers(0, 3, size)] + 0.5 * random.normal(size=(size, 200))
    for points in (circle(size), blobs):
        distances = distance_matrix(points, "euclidean")
        left, right = found[1](distances, 2, math.inf), ripser_engine()[1](distances, 2, math.inf)
        assert [sorted(diagram) for diagram in left] == [sorted(diagram) for diagram in right]
