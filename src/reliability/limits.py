"""Can the limits of an experiment be kept? The money only when the price of every request is known."""

from __future__ import annotations

from collections.abc import Iterator

from .. import registry
from ..actors.limits.run import base_url
from ..actors.ports import Priced
from ..composition import Prepared, PreparedBackend, call_options, system_name
from ..messages.errors import Problem
from ..messages.paths import child
from ..messages.records import Prompt
from ..messages.requests import BackendRequest
from .hedging import further_tiers

__all__ = ["check_limits"]

LIMITS = "reliability.limits"


def check_limits(prepared: Prepared) -> list[Problem]:
    """Every problem."""
    limits = prepared.experiment.reliability.limits
    money = [] if limits.max_cost_usd is None else [*_check_asking(prepared), *_check_training(prepared)]
    return [*money, *_check_pools(prepared)]


def asked(prepared: Prepared) -> list[PreparedBackend]:
    """The systems that are sent requests."""
    model, *baselines = prepared.backend_options
    if prepared.ensemble is not None:
        return [*prepared.members, *baselines]
    tiers = {spec.name for spec in further_tiers(prepared)}
    return [model, *baselines, *(found for found in prepared.members if system_name(found[0]) in tiers)]


def _check_asking(prepared: Prepared) -> Iterator[Problem]:
    probe = BackendRequest(key="", example_id="", prompt=Prompt(text=""))
    for ref, options, _ in asked(prepared):
        backend = registry.load("backend", ref.id)()
        if not isinstance(backend, Priced) or backend.most_usd(options, probe) is None:
            told = f"cannot be guaranteed: what a request to {system_name(ref)!r} (backend {ref.id!r}) costs "
            told += "at most is unknown; set its prices, and let it send max_tokens"
            yield Problem(f"{LIMITS}.max_cost_usd", told)


def _check_training(prepared: Prepared) -> Iterator[Problem]:
    if call_options(prepared.experiment).get("mode", "sample") == "sample":
        return
    model, *others = [*prepared.backend_options, *prepared.members]
    for ref, _, _ in (model, *(found for found in others if found[0].train)):
        if not registry.load("backend", ref.id)().capabilities.free_training:
            told = f"cannot be guaranteed: what training {system_name(ref)!r} costs is unknown"
            yield Problem(f"{LIMITS}.max_cost_usd", told)


def _check_pools(prepared: Prepared) -> Iterator[Problem]:
    known: dict[str, None] = {}
    for ref, options, _ in asked(prepared):
        url = base_url(options)
        known |= dict.fromkeys([ref.id] if url is None else [ref.id, url, url + "/"])
    for name in prepared.experiment.reliability.limits.pools:
        if name not in known:
            told = ", ".join(name for name in known if not name.endswith("/"))
            yield Problem(child(f"{LIMITS}.pools", name), f"no system is asked there; expected one of {told}")
