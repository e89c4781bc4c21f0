"""Vietoris-Rips persistence over Z/2 by the engine that is there, through its shortest safe way.

Ripser (Bauer 2021) is the base, gudhi is taken by ``auto`` where it is installed: it is faster, and it lets
other threads run. Only the parts of gudhi under the MIT licence are used. For pieces alone (dimension 0)
neither is needed: their deaths are the edges of a minimum spanning tree.

``import ripser`` runs an ``__init__`` that loads scikit-learn, persim and matplotlib, about two seconds of
processor time that a distance matrix has no use for. Its compiled core is a module of its own, ``pyRipser``;
it is called here as ``ripser.ripser`` calls it for a distance matrix; likewise gudhi's core. The cores are no
public interfaces, so each is tried on a unit square first, and the public call of Ripser is taken when the
answer is not the known one. The results name the way that was taken; a test holds all to the same bits.

Ripser's core holds the interpreter lock while it works: call it from a worker process where that matters.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...messages.errors import InputError, install_extra
from .contraction import contractible_from

__all__ = [
    "Diagram",
    "Engine",
    "EngineName",
    "engine",
    "gudhi_engine",
    "public_engine",
    "rips",
    "ripser_engine",
    "spanning_tree",
    "worst_case_bytes",
]

EngineName = Literal["auto", "ripser", "gudhi"]

Diagram = list[tuple[float, float]]
"""Births and deaths, infinity for a class that never dies; a list, since most clouds here are tiny."""

Engine = tuple[str, Callable[[NDArray[np.float64], int, float], list[Diagram]]]
"""Name of the way, and (distances, max_dimension, threshold) -> one diagram per dimension."""

_COLLAPSE_FROM = 2
"""Dimension from which collapsing edges first pays (Glisse & Pritam 2022)."""

_ROUNDS = 2
"""Times that edges are collapsed: a second time takes a tenth as long and, on a torus, a fifth more away."""

_PROBE = 50
"""Points on which is tried whether it pays."""


def rips(
    distances: NDArray[np.float64],
    max_dimension: int,
    threshold: float = math.inf,
    name: EngineName = "auto",
) -> tuple[list[Diagram], str]:
    """Diagrams of dimensions 0 to ``max_dimension`` and the name of the engine. Blocking.

    ``distances`` has shape (n, n), n >= 1, and is symmetric with a zero diagonal. Leave ``threshold`` at
    infinity unless the cut is wanted: only then the engines stop at the enclosing radius by themselves.
    Raises InputError for gudhi where it is not installed.
    """
    if max_dimension == 0:
        return [spanning_tree(distances, threshold)], "spanning tree (Prim)"
    found, compute = engine(name)
    if len(distances) == 1:  # the cores take no empty vector of distances
        return [[(0.0, math.inf)], *([] for _ in range(max_dimension))], found
    return compute(distances, max_dimension, threshold), found


def worst_case_bytes(points: int, max_dimension: int) -> int:
    """Memory that a cloud without structure may take: about a byte for each simplex one dimension up."""
    return 8 * points * points + (math.comb(points, max_dimension + 2) if max_dimension else 0)


def spanning_tree(distances: NDArray[np.float64], threshold: float = math.inf) -> Diagram:
    """Dimension 0 by Prim's algorithm (1957), rounded as the engines round; quadratic."""
    single, threshold = distances.astype(np.float32), float(np.float32(threshold))
    nearest = single[0].copy()
    outside = np.ones(len(single), dtype=bool)
    outside[0] = False
    deaths = []
    for _ in range(len(single) - 1):
        place = int(np.where(outside, nearest, np.inf).argmin())
        deaths.append(float(nearest[place]))
        outside[place] = False
        np.minimum(nearest, single[place], out=nearest)
    ended = sorted(death for death in deaths if 0.0 < death <= threshold)
    forever = 1 + sum(death > threshold for death in deaths)
    return [(0.0, death) for death in ended] + [(0.0, math.inf)] * forever


def engine(name: EngineName = "auto") -> Engine:
    """The engine of that name; ``auto`` is gudhi where it is installed, else Ripser."""
    if name == "ripser":
        return ripser_engine()
    found = gudhi_engine()
    if found is not None:
        return found
    if name == "gudhi":
        raise InputError(f"engine: gudhi is not installed or does not fit: {install_extra('topology')}")
    return ripser_engine()


@lru_cache(maxsize=1)
def ripser_engine() -> Engine:
    """The core if it can be had and answers rightly, else the public call."""
    try:
        module = importlib.import_module("pyRipser")
        found: Engine = (f"ripser {_version('ripser')} core", _core_call(module.doRipsFiltrationDM))
        if _knows_the_square(found):
            return found
    except (ImportError, AttributeError, TypeError, ValueError, KeyError):
        pass  # another version with another core: the public call below is always right
    return public_engine()


@lru_cache(maxsize=1)
def public_engine() -> Engine:
    """``ripser.ripser``, slow to import."""
    call = importlib.import_module("ripser").ripser

    def compute(distances: NDArray[np.float64], max_dimension: int, threshold: float) -> list[Diagram]:
        single = distances.astype(np.float32)
        result = call(single, maxdim=max_dimension, thresh=threshold, distance_matrix=True)
        return [[(birth, death) for birth, death in diagram.tolist()] for diagram in result["dgms"]]

    return f"ripser {_version('ripser')} public", compute


@lru_cache(maxsize=1)
def gudhi_engine() -> Engine | None:
    """The core of ``gudhi.sklearn.RipsPersistence``, without scikit-learn; None where it is not to be had."""
    try:
        core = importlib.import_module("gudhi._ripser_ext")
        collapse = importlib.import_module("gudhi._edge_collapse_ext")._collapse_edges
        call = _gudhi_call(core, collapse)
        found: Engine = (f"gudhi {_version('gudhi')} core", call)
        if _knows_the_square(found) and _knows_the_square(found, max_dimension=_COLLAPSE_FROM):
            return found
    except (ImportError, AttributeError, TypeError, ValueError, KeyError):
        pass  # not installed, or another version with another core
    return None


def _core_call(
    core: Callable[..., Any],
) -> Callable[[NDArray[np.float64], int, float], list[Diagram]]:
    def compute(distances: NDArray[np.float64], max_dimension: int, threshold: float) -> list[Diagram]:
        upper = distances[_above_diagonal(len(distances))].astype(np.float32)
        result = core(upper, max_dimension, threshold, 2, False)  # noqa: FBT003
        flat = result["births_and_deaths_by_dim"]
        return [list(zip(values[::2], values[1::2], strict=True)) for values in flat]

    return compute


def _gudhi_call(
    core: Any, collapse: Callable[..., Any]
) -> Callable[[NDArray[np.float64], int, float], list[Diagram]]:
    def compute(distances: NDArray[np.float64], max_dimension: int, threshold: float) -> list[Diagram]:
        single = distances.astype(np.float32)
        size = len(single)
        top = min(max_dimension, max(0, size - 3))  # a class in dimension k > 0 takes k + 3 points
        options = {"max_dimension": top, "homology_coeff_field": 2}
        if top >= _COLLAPSE_FROM and _collapses_well(single, collapse):
            cut = min(threshold, contractible_from(single))
            edges = _collapsed(single, cut, collapse, rounds=_ROUNDS)[0]
            found = core._sparse(*edges, size, max_edge_length=cut, **options)
        else:
            # Without a bound the core stops at the enclosing radius by itself, in half the time.
            bound = threshold if threshold < float(single.max(axis=1).min()) else math.inf
            found = core._full(single, max_edge_length=bound, **options)
        diagrams = [[(birth, death) for birth, death in d.tolist()] for d in found]
        return [*diagrams, *([] for _ in range(max_dimension + 1 - len(diagrams)))]

    return compute


def _collapses_well(single: NDArray[np.float32], collapse: Callable[..., Any]) -> bool:
    """Whether half of the edges of a thinned cloud would go; embeddings keep nearly all."""
    step = max(1, len(single) // _PROBE)
    few = np.ascontiguousarray(single[::step, ::step])
    return _collapsed(few, float(few.max(axis=1).min()), collapse)[1] <= 0.5


def _collapsed(
    single: NDArray[np.float32], cut: float, collapse: Callable[..., Any], rounds: int = 1
) -> tuple[tuple[Any, Any, Any], float]:
    """Rows, columns and lengths of the edges that matter, and their share of all."""
    rows, columns = np.nonzero(np.triu(single <= cut, 1))
    lengths = single[rows, columns].astype(np.float64)
    (left, right), kept = collapse(rows.astype(np.int32), columns.astype(np.int32), lengths, rounds)
    return (left, right, kept), len(kept) / max(1, len(lengths))


@lru_cache(maxsize=32)
def _above_diagonal(size: int) -> NDArray[np.bool_]:
    return np.triu(np.ones((size, size), dtype=np.bool_), 1)


def _knows_the_square(found: Engine, max_dimension: int = 1) -> bool:
    """A unit square (twice, far apart, for dimension 2) has one loop, born at 1 and filled at √2."""
    root = math.sqrt(2.0)
    square = np.array([[0, 1, root, 1], [1, 0, 1, root], [root, 1, 0, 1], [1, root, 1, 0]])
    if max_dimension > 1:
        far = np.full((4, 4), 9.0)
        square = np.block([[square, far], [far, square]])
    points, loops, *_ = found[1](square, max_dimension, math.inf)
    count = len(square) // 4
    return len(points) == 4 * count and loops == [(1.0, float(np.float32(root)))] * count


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"
