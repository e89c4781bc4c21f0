"""The three regressions of the extractive model and their checkpoint.

``selection`` says which sentences are evidence, ``relation`` whether evidence supports, ``presence`` whether
a passage holds evidence on a stated claim at all. The loss sums over the labels of all three.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from .features import PRESENCE, RELATION, SELECTION, Features
from .head import Head, Weights
from .matrix import Floats, Matrix, join
from .options import ExtractiveOptions
from .targets import Targets

__all__ = ["Loss", "Model", "Row"]

_FORMAT = 1
_PARTS = ("sparse", "dense", "moments")
_NO_CHECKPOINT = "not a checkpoint of extractive"

PRIOR = {
    "selection": {"bias": -2.0, "centrality": 1.0, "claim_stems": 2.0},
    "relation": {},
    "presence": {"bias": 2.0},
}
"""Starting weights that are not 0. Untrained, it ranks by centrality and by overlap with the claim, takes
all evidence to be supporting and expects to find some."""


class Labelled(NamedTuple):
    """Features and their labels, 0 or 1."""

    matrix: Matrix
    labels: Floats


class Row(NamedTuple):
    """One training row."""

    selection: Labelled
    relation: Labelled
    presence: Labelled

    @classmethod
    def of(cls, features: Features, targets: Targets) -> Row:
        """Relation learns from evidence with a direction, presence from prompts that state a claim."""
        directed = sorted(targets.supports)
        supports = np.array([targets.supports[place] for place in directed], dtype=np.float64)
        stated = [0] if features.claim is not None else []
        present = np.full(len(stated), float(targets.evidence.any()))
        return cls(
            selection=Labelled(features.selection, targets.evidence),
            relation=Labelled(features.relation.take(directed), supports),
            presence=Labelled(features.presence.take(stated), present),
        )


class Loss(NamedTuple):
    """Summed negative log-likelihood in nats and the number of labels it was summed over."""

    total: float
    labels: int


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    backend: str
    format: int
    options: str
    features: tuple[str, ...]
    steps: int


_HEADER = msgspec.json.Decoder(_Header)


class Model:
    """Weights, optimiser state and step count."""

    def __init__(self, options: ExtractiveOptions) -> None:
        self._options = options
        self._heads = {
            "selection": Head(options.dimension, _prior("selection", SELECTION)),
            "relation": Head(options.dimension, _prior("relation", RELATION)),
            "presence": Head(0, _prior("presence", PRESENCE)),
        }
        self._steps = 0

    def loss(self, rows: Sequence[Row], *, gather: bool) -> Loss:
        """Loss of at least one row; with ``gather`` the gradient waits for the next step."""
        total, labels = 0.0, 0
        for name, head in self._heads.items():
            parts: list[Labelled] = [getattr(row, name) for row in rows]
            wanted = np.concatenate([part.labels for part in parts])
            total += head.loss(join([part.matrix for part in parts]), wanted, gather=gather)
            labels += len(wanted)
        return Loss(total, labels)

    @property
    def gathered(self) -> int:
        """Labels whose gradient waits for a step."""
        return sum(head.gathered for head in self._heads.values())

    def step(self, learning_rate: float) -> None:
        """Apply the gathered gradients."""
        self._steps += 1
        for head in self._heads.values():
            head.step(learning_rate, self._options.l2, self._steps)

    def weights(self) -> dict[str, Weights]:
        """Copies of the weights by head."""
        return {name: head.weights for name, head in self._heads.items()}

    def dump(self) -> bytes:
        """The state as ``.npz``; gathered gradients are not part of it."""
        header = msgspec.json.encode(self._header(self._steps))
        arrays: dict[str, npt.NDArray[np.generic]] = {"header": np.frombuffer(header, dtype=np.uint8)}
        for name, head in self._heads.items():
            arrays |= {f"{name}_{part}": getattr(head, part) for part in _PARTS}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def restore(cls, options: ExtractiveOptions, data: bytes) -> Model:
        """A model from what ``dump`` wrote, bit for bit; raises ValueError when it does not fit."""
        arrays = _arrays(data)
        header = _decode(arrays)
        model = cls(options)
        if header.options != options.fingerprint():
            raise ValueError(
                "the checkpoint was trained with other options: dimension, l2, use_words, use_position and "
                "use_claim must be the same"
            )
        if header != model._header(header.steps):
            raise ValueError("the checkpoint was written by another version of this backend")
        for name, head in model._heads.items():
            for part in _PARTS:
                _copy(arrays.get(f"{name}_{part}"), getattr(head, part))
        model._steps = header.steps
        return model

    def _header(self, steps: int) -> _Header:
        return _Header(
            backend="extractive",
            format=_FORMAT,
            options=self._options.fingerprint(),
            features=(*SELECTION, *RELATION, *PRESENCE),
            steps=steps,
        )


def _prior(head: str, names: Sequence[str]) -> Floats:
    return np.array([PRIOR[head].get(name, 0.0) for name in names])


def _arrays(data: bytes) -> dict[str, npt.NDArray[np.generic]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(_NO_CHECKPOINT) from error


def _decode(arrays: dict[str, npt.NDArray[np.generic]]) -> _Header:
    try:
        return _HEADER.decode(arrays["header"].tobytes())
    except (KeyError, msgspec.MsgspecError) as error:
        raise ValueError(_NO_CHECKPOINT) from error


def _copy(array: npt.NDArray[np.generic] | None, target: Floats) -> None:
    if array is None or array.shape != target.shape or array.dtype != target.dtype:
        raise ValueError(_NO_CHECKPOINT)
    target[...] = array
