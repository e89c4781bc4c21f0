"""Vietoris-Rips persistence over Z/2 by Ripser (Bauer 2021), through the shortest safe way.

``import ripser`` runs an ``__init__`` that loads scikit-learn, persim and matplotlib, about two seconds of
processor time that a distance matrix has no use for. Its compiled core is a module of its own, ``pyRipser``;
it is called here as ``ripser.ripser`` calls it for a distance matrix. The core is not a public interface, so
it is tried on a unit square first, and the public call is taken when the answer is not the known one. The
results name the way that was taken; a test holds both to the same bits.

The core holds the interpreter lock while it works: call it from a worker process where that matters.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Diagram", "Engine", "engine", "public_engine", "rips"]

Diagram = list[tuple[float, float]]
"""Births and deaths, infinity for a class that never dies; a list, since most clouds here are tiny."""

Engine = tuple[str, Callable[[NDArray[np.float64], int, float], list[Diagram]]]
"""Name of the way, and (distances, max_dimension, threshold) -> one diagram per dimension."""


def rips(
    distances: NDArray[np.float64], max_dimension: int, threshold: float = math.inf
) -> tuple[list[Diagram], str]:
    """Diagrams of dimensions 0 to ``max_dimension`` and the name of the engine. Blocking.

    ``distances`` has shape (n, n), n >= 1, and is symmetric with a zero diagonal. Leave ``threshold`` at
    infinity unless the cut is wanted: only then Ripser stops at the enclosing radius by itself.
    """
    name, compute = engine()
    if len(distances) == 1:  # the core takes no empty vector of distances
        return [[(0.0, math.inf)], *([] for _ in range(max_dimension))], name
    return compute(distances, max_dimension, threshold), name


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The core if it can be had and answers rightly, else the public call."""
    try:
        module = importlib.import_module("pyRipser")
        found: Engine = (f"ripser {_version()} core", _core_call(module.doRipsFiltrationDM))
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

    return f"ripser {_version()} public", compute


def _core_call(
    core: Callable[..., Any],
) -> Callable[[NDArray[np.float64], int, float], list[Diagram]]:
    def compute(distances: NDArray[np.float64], max_dimension: int, threshold: float) -> list[Diagram]:
        upper = distances[_above_diagonal(len(distances))].astype(np.float32)
        result = core(upper, max_dimension, threshold, 2, False)  # noqa: FBT003
        flat = result["births_and_deaths_by_dim"]
        return [list(zip(values[::2], values[1::2], strict=True)) for values in flat]

    return compute


@lru_cache(maxsize=32)
def _above_diagonal(size: int) -> NDArray[np.bool_]:
    return np.triu(np.ones((size, size), dtype=np.bool_), 1)


def _knows_the_square(found: Engine) -> bool:
    """A unit square has one loop, born at 1 and filled at the diagonal, √2."""
    root = math.sqrt(2.0)
    square = np.array([[0, 1, root, 1], [1, 0, 1, root], [root, 1, 0, 1], [1, root, 1, 0]])
    points, loops = found[1](square, 1, math.inf)
    return len(points) == 4 and loops == [(1.0, float(np.float32(root)))]


def _version() -> str:
    try:
        return version("ripser")
    except PackageNotFoundError:
        return "?"
