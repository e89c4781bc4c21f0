"""A small language model with real LoRA, in numpy: fixed random features of the last two tokens, a fixed
random output matrix W, and a trained low-rank change A B of it. Its gradients are exact and its loss falls.

Used by the server of the tests, in the server's own process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

WIDTH = 48
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Adam:
    """AdamW with the defaults of the service."""

    step: int = 0
    moments: dict[str, tuple[Array, Array]] = field(default_factory=dict)

    def copy(self) -> Adam:
        return Adam(self.step, {name: (m.copy(), v.copy()) for name, (m, v) in self.moments.items()})

    def apply(self, params: dict[str, Array], grads: dict[str, Array], given: dict[str, Any]) -> None:
        self.step += 1
        rate, b1, b2 = given["learning_rate"], given.get("beta1", 0.9), given.get("beta2", 0.95)
        clip = given.get("grad_clip_norm") or 0.0
        norm = float(np.sqrt(sum(float((g**2).sum()) for g in grads.values())))
        scale = min(1.0, clip / norm) if clip and norm else 1.0
        for name, grad in grads.items():
            m, v = self.moments.get(name, (np.zeros_like(grad), np.zeros_like(grad)))
            m, v = b1 * m + (1 - b1) * grad * scale, b2 * v + (1 - b2) * (grad * scale) ** 2
            self.moments[name] = (m, v)
            mean, variance = m / (1 - b1**self.step), v / (1 - b2**self.step)
            params[name] -= rate * given.get("weight_decay", 0.0) * params[name]
            params[name] -= rate * mean / (np.sqrt(variance) + given.get("eps", 1e-12))


class Base:
    """What never changes: one for all models of one name."""

    def __init__(self, vocabulary: int) -> None:
        rng = np.random.default_rng(7)
        self.last = rng.normal(size=(vocabulary, WIDTH))
        self.before = rng.normal(size=(vocabulary, WIDTH)) * 0.7
        self.out = rng.normal(size=(WIDTH, vocabulary)) * 0.05

    def features(self, tokens: Array) -> Array:
        previous = np.concatenate([[0], tokens[:-1]])
        return np.asarray(np.tanh(self.last[tokens] + self.before[previous]))


class Lora:
    """A model being trained."""

    def __init__(self, base: Base, rank: int, seed: int | None) -> None:
        self.base, self.rank = base, rank
        rng = np.random.default_rng(0 if seed is None else seed)
        vocabulary = base.out.shape[1]
        self.params = {
            "lora_a": rng.normal(size=(WIDTH, rank)) / np.sqrt(rank),
            "lora_b": np.zeros((rank, vocabulary)),
        }
        self.grads: dict[str, Array] = {}
        self.adam = Adam()

    def logprobs(self, tokens: Array) -> Array:
        """Of every token after every position: shape (positions, vocabulary)."""
        hidden = self.base.features(tokens)
        logits = hidden @ self.base.out + (hidden @ self.params["lora_a"]) @ self.params["lora_b"]
        logits -= logits.max(axis=1, keepdims=True)
        return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))

    def loss(self, tokens: Array, targets: Array, weights: Array, *, gather: bool) -> tuple[float, Array]:
        """Sum of -logprob * weight, and the logprob of each target."""
        logprobs = self.logprobs(tokens)
        chosen = logprobs[np.arange(len(targets)), targets]
        if gather:
            slope = np.exp(logprobs) * weights[:, None]
            slope[np.arange(len(targets)), targets] -= weights
            hidden = self.base.features(tokens)
            change = hidden.T @ slope
            found = {
                "lora_a": change @ self.params["lora_b"].T,
                "lora_b": self.params["lora_a"].T @ change,
            }
            for name, grad in found.items():
                self.grads[name] = self.grads.get(name, 0.0) + grad
        return float(-(chosen * weights).sum()), chosen

    def step(self, given: dict[str, Any]) -> None:
        if self.grads:
            self.adam.apply(self.params, self.grads, given)
        self.grads = {}

    def saved(self, *, optimizer: bool) -> dict[str, Any]:
        return {
            "rank": self.rank,
            "params": {name: value.copy() for name, value in self.params.items()},
            "adam": self.adam.copy() if optimizer else None,
        }

    @classmethod
    def restored(cls, base: Base, saved: dict[str, Any], *, optimizer: bool) -> Lora:
        model = cls(base, saved["rank"], 0)
        model.params = {name: value.copy() for name, value in saved["params"].items()}
        if optimizer and saved["adam"] is not None:
            model.adam = saved["adam"].copy()
        return model

    def sample(
        self, prompt: list[int], *, limit: int, temperature: float, top_p: float, seed: int, stop: set[int]
    ) -> tuple[list[int], list[float], bool]:
        """Tokens, their logprobs, and whether a stop token ended it (which is then the last one)."""
        rng = np.random.default_rng(seed)
        tokens, logprobs = list(prompt), list[float]()
        while len(logprobs) < limit:
            row = self.logprobs(np.asarray(tokens[-2:]))[-1]
            token = int(row.argmax()) if temperature <= 0 else _draw(row, temperature, top_p, rng)
            tokens.append(token)
            logprobs.append(float(row[token]))
            if token in stop:
                return tokens[len(prompt) :], logprobs, True
        return tokens[len(prompt) :], logprobs, False


def _draw(row: Array, temperature: float, top_p: float, rng: np.random.Generator) -> int:
    scaled = np.exp((row - row.max()) / temperature)
    order = np.argsort(-scaled)
    shares = scaled[order] / scaled.sum()
    kept = int(np.searchsorted(np.cumsum(shares), top_p)) + 1
    shares = shares[:kept] / shares[:kept].sum()
    return int(order[rng.choice(len(shares), p=shares)])
