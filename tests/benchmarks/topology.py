"""Persistent homology side by side: plain ``ripser()`` against what Crucible does, equal bars.

    python tests/benchmarks/topology.py [small] [clouds]

Processor seconds, user + system of all threads, in one process and alternating, so that both sides see the
same machine. Both start from points. The bars are equal to 1e-6, or the script stops. gudhi is measured
where it is installed.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crucible.adapters.topology.distances import MetricName, distance_matrix
from crucible.adapters.topology.rips import Diagram, gudhi_engine, rips, ripser_engine

Points = NDArray[np.float64]
Compute = Callable[[Points], Sequence[Sequence[Any]]]
GRAPHS = 400
ROUNDS = 5
ROUNDING = 2e-6


def circle(size: int) -> Points:
    """A noisy circle."""
    random = np.random.default_rng(size)
    angles = random.uniform(0.0, 2.0 * np.pi, size)
    return np.column_stack([np.cos(angles), np.sin(angles)]) + 0.05 * random.normal(size=(size, 2))


def torus(size: int) -> Points:
    """Random points of the torus in three dimensions."""
    u, v = np.random.default_rng(size).uniform(0.0, 2.0 * np.pi, (2, size))
    return np.column_stack([(2 + np.cos(v)) * np.cos(u), (2 + np.cos(v)) * np.sin(u), np.sin(v)])


def embeddings(size: int) -> Points:
    """Clustered unit vectors in 384 dimensions."""
    random = np.random.default_rng(size)
    points = random.normal(size=(10, 384))[random.integers(0, 10, size)] + random.normal(size=(size, 384))
    unit: Points = points / np.linalg.norm(points, axis=1, keepdims=True)
    return unit


def plain(dimension: int) -> Compute:
    """The public call on points, as its manual shows it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ripser import ripser

    def compute(points: Points) -> Sequence[Sequence[Any]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # more dimensions than points
            found = ripser(points, maxdim=dimension)
        return [diagram.tolist() for diagram in found["dgms"]]

    return compute


def ours(dimension: int, engine: str) -> Compute:
    """Distances and bars by Crucible."""
    metric: MetricName = "euclidean"

    def compute(points: Points) -> list[Diagram]:
        return rips(distance_matrix(points, metric), dimension, name=engine)[0]  # type: ignore[arg-type]

    return compute


def same(left: Sequence[Sequence[Any]], right: Sequence[Sequence[Any]]) -> bool:
    """Whether the bars are equal to 1e-6, without those that the other side's rounding of distances makes."""
    for one, other in zip(left, right, strict=True):
        long = [
            sorted(bar for bar in map(tuple, bars) if bar[1] - bar[0] > ROUNDING) for bars in (one, other)
        ]
        if len(long[0]) != len(long[1]) or not np.allclose(long[0] or 0.0, long[1] or 0.0, atol=1e-6):
            return False
    return True


def compare(what: str, clouds: Sequence[Points], dimension: int, rounds: int, goals: dict[str, str]) -> None:
    """Print the processor time of each side and the ratio to the plain call."""
    sides = {"ripser()": plain(dimension), "ripser": ours(dimension, "ripser")}
    if dimension and gudhi_engine() is not None:  # dimension 0 takes neither
        sides["gudhi"] = ours(dimension, "gudhi")
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        answers = {}
        for name, compute in sides.items():
            before = time.process_time()
            answers[name] = [compute(points) for points in clouds]
            spent[name].append(time.process_time() - before)
        if turn == 0 and not all(
            same(*pair) for other in answers.values() for pair in zip(answers["ripser()"], other, strict=True)
        ):
            raise SystemExit(f"{what}: the bars differ")
    base = statistics.median(spent["ripser()"])
    print(f"{what:<44} ripser() {1000 * base / len(clouds):>9.2f} ms", end="")
    for name in list(sides)[1:]:
        mine = statistics.median(spent[name])
        print(
            f"   {name} {1000 * mine / len(clouds):>9.2f} ms {base / mine:>6.1f} x {goals.get(name, '')}",
            end="",
        )
    print(flush=True)


def small() -> None:
    """Many graphs of a few claims."""
    random = np.random.default_rng(0)
    for sizes, goals in (((5, 5), {"ripser": "(goal 8)"}), ((5, 20), {"ripser": "(goal 4)"}), ((50, 50), {})):
        clouds = [
            random.normal(size=(int(random.integers(sizes[0], sizes[1] + 1)), 16)) for _ in range(GRAPHS)
        ]
        what = f"{GRAPHS} clouds of {sizes[0]}" + (f" to {sizes[1]}" if sizes[0] < sizes[1] else "")
        compare(f"{what} points, dimension 1", clouds, 1, ROUNDS, goals)
        if sizes == (50, 50):
            compare(f"{what} points, dimension 0", clouds, 0, ROUNDS, {})


def clouds() -> None:
    """Single clouds; the goals are gudhi's."""
    compare("circle, 300 points, dimension 2", [circle(300)], 2, 3, {"gudhi": "(goal 20)"})
    compare("torus, 300 points, dimension 2", [torus(300)], 2, 3, {"gudhi": "(goal 20)"})
    compare("embeddings, 200 points, dimension 2", [embeddings(200)], 2, 3, {"gudhi": "(goal 3.5)"})
    compare("torus, 500 points, dimension 1", [torus(500)], 1, 3, {"gudhi": "(goal 2)"})
    compare("embeddings, 500 points, dimension 1", [embeddings(500)], 1, 3, {"gudhi": "(goal 2)"})
    compare("torus, 500 points, dimension 0", [torus(500)], 0, 3, {})


def main(chosen: list[str]) -> None:
    """Run what was chosen, everything by default."""
    found = gudhi_engine()
    names = f"{ripser_engine()[0]}, {found[0] if found else 'no gudhi'}"
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}, {names}")
    parts = {"small": small, "clouds": clouds}
    for name in chosen or list(parts):
        parts[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
