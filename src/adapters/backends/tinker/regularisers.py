"""Terms that a training loss may have besides the cross-entropy: their values and slopes, in numpy.

A term sees the log-probabilities ``l`` that the model gives to the answer's tokens of one row, and those of a
reference model, ``r``, where it asks for them. It returns its sum over the tokens and the derivative of that
sum by each ``l``. That is all the service lets a loss depend on: it returns the log-probabilities of the
target tokens, no whole distributions, and takes a derivative by them back. See ``shaping`` for how.

Names are looked up here, built-in ones first, then the entry points ``crucible.loss_terms``.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import Any, Protocol

import numpy as np

from ....messages.errors import InputError, UnknownNameError

__all__ = ["GROUP", "Array", "Term", "find_term", "needs_reference", "term_names"]

GROUP = "crucible.loss_terms"
Array = np.ndarray[Any, np.dtype[np.float64]]


class Term(Protocol):
    """A function; with an attribute ``needs_reference = True`` it is given a reference, else None."""

    def __call__(self, logprobs: Array, reference: Array | None, /) -> tuple[float, Array]:
        """The sum over the tokens, and its derivative by each log-probability."""
        ...


def kl_k1(logprobs: Array, reference: Array | None) -> tuple[float, Array]:
    """The estimator ``l - r`` of KL(model || reference) (k1 of Schulman 2020). Its slope is always 1."""
    return float((logprobs - _given(reference)).sum()), np.ones_like(logprobs)


def kl_k3(logprobs: Array, reference: Array | None) -> tuple[float, Array]:
    """``exp(r - l) - 1 - (r - l)`` (k3 of Schulman 2020): never negative, 0 where both agree."""
    ahead = _given(reference) - logprobs
    with np.errstate(over="ignore"):  # what is not finite is refused by the caller
        excess = np.expm1(ahead)
        return float((excess - ahead).sum()), -excess


def drift_l2(logprobs: Array, reference: Array | None) -> tuple[float, Array]:
    """Half the squared change of the log-probability (k2 of Schulman 2020)."""
    drift = logprobs - _given(reference)
    return float(0.5 * (drift**2).sum()), drift


def confidence(logprobs: Array, _reference: Array | None) -> tuple[float, Array]:
    """``p ln p`` of the target: minus its own part of the entropy.

    The confidence penalty of Pereyra et al. (2017) sums this over the vocabulary, which the service does not
    tell. A probability above 1/e is drawn down to it, and one below it up.
    """
    p = np.exp(logprobs)
    return float((p * logprobs).sum()), p * (logprobs + 1.0)


def _given(reference: Array | None) -> Array:
    if reference is None:
        raise TypeError("needs a reference")
    return reference


for _term in (kl_k1, kl_k3, drift_l2):
    _term.needs_reference = True  # type: ignore[attr-defined]
_BUILT_IN: dict[str, Term] = {
    "kl_k1": kl_k1,
    "kl_k3": kl_k3,
    "drift_l2": drift_l2,
    "confidence": confidence,
}


def needs_reference(term: Term) -> bool:
    """Whether it is to be given the log-probabilities of the reference model."""
    return bool(getattr(term, "needs_reference", False))


@cache
def _plugins() -> dict[str, metadata.EntryPoint]:
    return {entry.name: entry for entry in metadata.entry_points(group=GROUP)}


def term_names() -> tuple[str, ...]:
    """Built-in names in their order, then those of plug-ins."""
    return (*_BUILT_IN, *sorted(_plugins().keys() - _BUILT_IN.keys()))


def find_term(name: str) -> Term:
    """The term of this name. Raises InputError for one that is not there or cannot be imported."""
    built_in = _BUILT_IN.get(name)
    if built_in is not None:
        return built_in
    entry = _plugins().get(name)
    if entry is None:
        raise UnknownNameError("loss term", name, term_names())
    try:
        found: Term = entry.load()
    except Exception as error:
        raise InputError(f"loss term {name!r} of a plug-in cannot be imported: {error}") from error
    return found
