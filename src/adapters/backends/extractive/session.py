"""Training and asking the extractive model, in worker threads.

One owner calls a session, one call at a time, so there are no locks; a sampler works on its own copy of the
weights and is safe to call concurrently.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from ....messages.errors import BackendError, InputError
from ....messages.records import CheckpointRef, Completion, Example, TrainStep
from ....messages.requests import BackendReply, BackendRequest
from ..answers import Evidence, estimated_usage, evidence_answer
from ..checkpoints import read_checkpoint, write_checkpoint
from ..passages import NO_PASSAGE
from .decision import select
from .features import featurise
from .head import Weights
from .model import Model, Row
from .options import ExtractiveOptions
from .targets import read_targets

__all__ = ["ExtractiveSampler", "ExtractiveSession"]


class ExtractiveSampler:
    """Answers with sentences of the passage."""

    def __init__(self, options: ExtractiveOptions, weights: dict[str, Weights]) -> None:
        self._options = options
        self._weights = weights

    async def sample(self, request: BackendRequest) -> BackendReply:
        """The answer with the highest expected F1; raises BackendError for a prompt without a passage."""
        start = time.perf_counter()
        answer = await asyncio.to_thread(self.answer, request.prompt.text)
        completions = (answer,) * request.params.n
        return BackendReply(
            completions=completions,
            usage=estimated_usage(request, completions),
            latency_s=time.perf_counter() - start,
            cost_usd=0.0,
            model="extractive",
        )

    def answer(self, prompt: str) -> Completion:
        """Read, decide, write. Confidence is the expected share of evidence lines that are right."""
        features = featurise(prompt, self._options)
        if features is None:
            raise BackendError(f"extractive: {NO_PASSAGE}")
        may_be_empty = features.claim is not None and self._options.allow_no_evidence
        evident = self._weights["selection"].probabilities(features.selection)
        presence = float(self._weights["presence"].probabilities(features.presence)[0])
        selection = select(
            evident,
            presence=presence if may_be_empty else None,
            minimum=0 if may_be_empty else 1,
            maximum=self._options.max_claims,
        )
        if not selection.chosen:
            text = evidence_answer(features.hypothesis, ())
            return Completion(text=text, confidence=selection.expected_f1)
        supported = self._weights["relation"].probabilities(features.relation)
        evidence, sure = [], 0.0
        for place in selection.chosen:
            document_id, sentence = features.sentences[place]
            supports = bool(supported[place] >= 0.5)
            evidence.append(Evidence(document_id, sentence, "supports" if supports else "refutes"))
            sure += float(evident[place] * max(supported[place], 1 - supported[place]))
        text = evidence_answer(features.hypothesis, evidence)
        return Completion(text=text, confidence=min(sure / len(evidence), 1.0))


class ExtractiveSession:
    """A model being trained."""

    def __init__(self, options: ExtractiveOptions, workdir: Path) -> None:
        self._options = options
        self._workdir = workdir
        self._model = Model(options)
        self._cache: dict[bytes, Row] = {}

    async def train_step(self, batch: Sequence[Example]) -> TrainStep:
        """Gather the gradient of a batch; raises InputError for a row that cannot teach."""
        return await asyncio.to_thread(self._loss, batch, gather=True)

    async def optim_step(self, learning_rate: float) -> None:
        """Apply the gathered gradients; raises BackendError when there are none."""
        if not self._model.gathered:
            raise BackendError("extractive: optim_step without train_step")
        await asyncio.to_thread(self._model.step, learning_rate)

    async def evaluate(self, batch: Sequence[Example]) -> TrainStep:
        """Loss without gradients."""
        return await asyncio.to_thread(self._loss, batch, gather=False)

    async def save_checkpoint(self, name: str, *, step: int, epoch: int, loss: float | None) -> CheckpointRef:
        """Save weights, optimiser state and step count (not gradients that wait for a step)."""
        data = await asyncio.to_thread(self._model.dump)
        return await asyncio.to_thread(
            write_checkpoint, self._workdir, name, ".npz", data, step=step, epoch=epoch, loss=loss
        )

    async def load_checkpoint(self, ref: CheckpointRef) -> None:
        """Restore bit for bit; raises BackendError for a file that is damaged or does not fit."""
        self._model = await asyncio.to_thread(self._read, ref)

    async def sampler(self, checkpoint: CheckpointRef | None = None) -> ExtractiveSampler:
        """A sampler with a copy of the weights of now, or of the checkpoint."""
        model = self._model if checkpoint is None else await asyncio.to_thread(self._read, checkpoint)
        return ExtractiveSampler(self._options, model.weights())

    async def aclose(self) -> None:
        """Forget the cached features."""
        self._cache.clear()

    def _read(self, ref: CheckpointRef) -> Model:
        data = read_checkpoint(self._workdir, ref)
        try:
            return Model.restore(self._options, data)
        except ValueError as error:
            raise BackendError(f"{ref.uri}: {error}") from error

    def _loss(self, batch: Sequence[Example], *, gather: bool) -> TrainStep:
        if not batch:
            return TrainStep(loss_sum=0.0, weight_sum=0.0, unit="label", examples=0)
        loss = self._model.loss([self._row(example) for example in batch], gather=gather)
        return TrainStep(
            loss_sum=loss.total, weight_sum=float(loss.labels), unit="label", examples=len(batch)
        )

    def _row(self, example: Example) -> Row:
        if example.reference is None:
            raise InputError(f"example {example.id!r}: reference: training needs one")
        key = hashlib.blake2b(f"{len(example.input)} {example.input}{example.reference}".encode()).digest()
        row = self._cache.get(key)
        if row is None:
            row = self._featurise(example, example.reference)
            if len(self._cache) < self._options.cache_rows:  # epochs would flush a cache that evicts
                self._cache[key] = row
        return row

    def _featurise(self, example: Example, reference: str) -> Row:
        features = featurise(example.input, self._options)
        if features is None:
            raise InputError(f"example {example.id!r}: input: {NO_PASSAGE}")
        return Row.of(features, read_targets(reference, features.documents))
