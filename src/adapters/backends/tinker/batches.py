"""Rows as the SDK takes them, and the requests for their passes through the model. Used by ``session``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....messages.records import Example, TrainStep
from .datums import Datum, LongRows, build
from .journal import Request
from .options import TinkerOptions
from .regularisers import Array
from .shaping import Shaped, shape
from .tokens import Tokens

__all__ = ["Batch", "Passed", "encode", "regularised"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one step."""

    data: list[Any]
    datums: list[Datum]
    examples: int
    shaped: Shaped | None = None
    """Of a loss of several terms: ``data`` carries its weights, and ``datums`` still those of the rows."""

    @property
    def weight(self) -> float:
        """Sum of the weights of all rows."""
        return sum(datum.weight for datum in self.datums)

    @property
    def tokens(self) -> int:
        """Inputs of all rows."""
        return sum(len(datum.inputs) for datum in self.datums)


class Passed(Request):
    """A forward pass, with or without a backward one."""

    def __init__(self, batch: Batch, *, backward: bool) -> None:
        super().__init__(self._submit, changes=backward)
        self.batch = batch

    def _submit(self, client: Any) -> Any:
        call = client.forward_backward if self.changes else client.forward
        return call(self.batch.data, "cross_entropy")

    def step(self, output: Any) -> TrainStep:
        """The loss: that of the cross-entropy alone where there are several terms."""
        batch = self.batch
        if batch.shaped is not None:
            loss, terms = batch.shaped.loss_sum, batch.shaped.terms
        else:
            loss, terms = output.metrics.get("loss:sum"), ()
            if loss is None:  # the service did not sum it up
                pairs = zip(output.loss_fn_outputs, batch.datums, strict=True)
                loss = float(sum(-np.dot(found["logprobs"].data, datum.weights) for found, datum in pairs))
        return TrainStep(
            loss_sum=loss, weight_sum=batch.weight, unit="token", examples=batch.examples, terms=terms
        )


def encode(
    examples: Sequence[Example],
    tokens: Tokens,
    options: TinkerOptions,
    limit: int | None,
    long_rows: LongRows,
    types: Any,
) -> Batch:
    """``types`` are the SDK's. Raises InputError for a row that cannot be used."""
    made = [build(example, tokens, options, limit, long_rows) for example in examples]
    datums = [datum for datum in made if datum is not None]
    return Batch([_sent(datum, datum.weights, types) for datum in datums], datums, len(examples))


def regularised(
    batch: Batch, options: TinkerOptions, output: Any, references: Sequence[Array] | None, types: Any
) -> Batch:
    """The batch for the backward pass, from the output of the forward one; raises BackendError."""
    logprobs = [np.asarray(found["logprobs"].data) for found in output.loss_fn_outputs]
    made = shape(options.regularisers, batch.datums, logprobs, references)
    pairs = zip(batch.datums, made.weights, strict=True)
    return replace(batch, data=[_sent(datum, weights, types) for datum, weights in pairs], shaped=made)


def _sent(datum: Datum, weights: Any, types: Any) -> Any:
    return types.Datum(
        model_input=types.ModelInput.from_ints(datum.inputs),
        loss_fn_inputs={
            "target_tokens": types.TensorData(datum.targets, "int64", [len(datum.targets)]),
            "weights": types.TensorData(weights, "float32", [len(weights)]),
        },
    )
