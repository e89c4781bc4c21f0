"""The ensemble of an experiment: its members' options, the functions that it names, and its settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib import import_module
from typing import Any

import msgspec

from .. import registry
from ..actors.systems import SystemSpec
from ..actors.voting.normalise import NORMALISERS, custom
from ..actors.voting.settings import EnsembleOptions, EnsembleSettings, MemberOptions
from ..composition import (
    Prepared,
    PreparedBackend,
    call_mode,
    call_options,
    system_name,
    system_spec,
)
from ..messages.errors import CrucibleError, Problem
from ..messages.experiment import BackendRef
from ..messages.paths import item
from ..messages.records import SamplingParams
from ..preflight import collected, prepare_backend
from .checks import WHERE, check_ensemble

__all__ = ["members_of", "prepare_ensemble", "prepare_members"]

MEMBERS = f"{WHERE}.members"


def prepare_members(prepared: Prepared) -> list[Problem]:
    """Decode the members' options: those of the backend, of its training, and how it is asked."""
    problems = []
    for index, ref in enumerate(prepared.experiment.reliability.ensemble.members):
        path = item(MEMBERS, index)
        keys = _member_keys(ref)
        asked = {key: value for key, value in ref.options.items() if key in keys}
        own, more = collected(prepared, asked, MemberOptions, f"{path}.options")
        problems += more
        rest = {key: value for key, value in ref.options.items() if key not in keys}
        found, more = prepare_backend(prepared, msgspec.structs.replace(ref, options=rest), path)
        problems += more
        if found is not None:
            prepared.members.append(found)
            prepared.member_params.append(own or MemberOptions())
    return problems


def _member_keys(ref: BackendRef) -> frozenset[str]:
    """The keys of a member that say how it is asked, unless its backend has options of the same name."""
    try:
        backend = registry.load("backend", ref.id)
    except CrucibleError:
        return frozenset()  # told when the backend is prepared
    taken = {field.encode_name for field in msgspec.structs.fields(backend.Options)}
    return frozenset(MemberOptions.__struct_fields__) - taken


def prepare_ensemble(prepared: Prepared) -> list[Problem]:
    """Decode and check the rest."""
    config = prepared.experiment.reliability.ensemble
    options, problems = collected(prepared, config.options, EnsembleOptions, f"{WHERE}.options")
    if options is None:
        return problems
    call = call_options(prepared.experiment)
    problems += check_ensemble(prepared.experiment, call_mode(prepared), options, prepared.broken)
    problems += _check_same(prepared, call)
    normalise, score = NORMALISERS.get(config.normalizer), None
    merge = check = None
    if config.normalizer == "claims":
        from ..adapters.cns.merge import check_claims, merge_claims

        merge, check = merge_claims, check_claims
    elif normalise is None:
        found, more = load_function(config.normalizer, f"{WHERE}.normalizer", "normalizer")
        problems += more
        normalise = None if found is None else custom(found)
    if config.strategy == "custom" and options.function is not None:
        score, more = load_function(options.function, f"{WHERE}.options.function", "voting function")
        problems += more
    if not problems:
        prepared.ensemble = EnsembleSettings(
            config=config,
            options=options,
            members=tuple(system_name(ref) for ref, _, _ in prepared.members),
            normalise=normalise,
            merge=merge,
            check=check,
            score=score,
        )
    return problems


def _check_same(prepared: Prepared, call: dict[str, Any]) -> list[Problem]:
    """Members that cannot differ are one member."""
    if not prepared.broken.spares(MEMBERS, "pipeline"):
        return []
    problems = []
    seen: list[tuple[str, dict[str, Any], bool]] = []
    members = prepared.experiment.reliability.ensemble.members
    for index, (ref, own) in enumerate(zip(members, prepared.member_params, strict=False)):
        me = (ref.id, ref.options, ref.train)
        temperature = call.get("temperature", 0.0) if own.temperature is None else own.temperature
        if me in seen and temperature == 0:
            first = item(MEMBERS, seen.index(me))
            told = f"is the same as {first}, and at temperature 0 it would only agree with it"
            problems.append(Problem(item(MEMBERS, index), told))
        seen.append(me)
    return problems


def load_function(
    reference: str, path: str, kind: registry.Kind
) -> tuple[Callable[..., Any] | None, list[Problem]]:
    """The function that a plug-in's name or ``package.module:name`` stands for."""
    module, _, name = reference.partition(":")
    known = registry.names(kind)
    if not (module and name) and reference not in known:
        names = f"one of {', '.join(known)} or " if known else ""
        return None, [Problem(path, f"expected {names}package.module:function, got {reference!r}")]
    try:
        found = getattr(import_module(module), name) if name else registry.load(kind, reference)
    except Exception as error:  # noqa: BLE001  # foreign code
        return None, [Problem(path, f"{reference!r} cannot be imported: {type(error).__name__}: {error}")]
    if not callable(found):
        return None, [Problem(path, f"{reference!r} is no function")]
    return found, []


def members_of(prepared: Prepared) -> tuple[SystemSpec, ...]:
    """The members as backend_call takes them."""
    if prepared.ensemble is None:
        return ()
    call = call_options(prepared.experiment)
    pairs = zip(prepared.members, prepared.member_params, strict=True)
    return tuple(
        dataclasses.replace(
            system_spec(found),
            is_model=_is_model(found, prepared.experiment.backend),
            params=_params(own, call),
        )
        for found, own in pairs
    )


def _is_model(found: PreparedBackend, model: BackendRef) -> bool:
    """A member with the backend's id and no options of its own, or the same ones."""
    ref = found[0]
    return ref.id == model.id and not ref.train and (not ref.options or ref.options == model.options)


def _params(own: MemberOptions, call: dict[str, Any]) -> SamplingParams | None:
    given: dict[str, Any] = {
        name: getattr(own, name) for name in own.__struct_fields__ if getattr(own, name) is not None
    }
    if not given:
        return None
    names = ("max_tokens", "temperature", "top_p", "stop")
    default: dict[str, Any] = {name: call[name] for name in names if name in call}
    return msgspec.convert(default | given, SamplingParams)
