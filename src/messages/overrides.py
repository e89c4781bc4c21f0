"""``--set KEY=VALUE``: changes to an experiment file from the command line, made on the plain data.

A key is a path as errors print it: ``backend.options.lora_rank``, ``pipeline[3].options.mode``. An item of
a list can also be named: ``pipeline.backend_call.options.mode`` is the stage of that name. A value is read
as TOML (``8``, ``true``, ``["a", "b"]``), and as text where that fails. Errors name the key, never the
value, which may be a secret.
"""

from __future__ import annotations

import copy
import datetime as dt
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from .aliases import canonical
from .errors import Problem, near_match
from .paths import child, item

__all__ = ["apply_overrides"]

_STEP = re.compile(r'(?P<dot>\.?)(?:(?P<bare>[A-Za-z0-9_-]+)|"(?P<quoted>[^"]*)")|\[(?P<index>[0-9]{1,6})\]')

_EXPECTED_PATH = "expected a path like backend.options.lora_rank or pipeline[3].options.mode"

Step = str | int


class _BadOverrideError(Exception):
    """One override cannot be applied."""


def apply_overrides(
    data: dict[str, Any], overrides: Sequence[str]
) -> tuple[dict[str, Any], dict[str, str], list[Problem]]:
    """The changed copy, {path changed: key as given}, and the problems of overrides that do not apply."""
    changed = copy.deepcopy(data) if overrides else data
    paths: dict[str, str] = {}
    problems: list[Problem] = []
    for number, text in enumerate(overrides, 1):
        key, equals, value = text.partition("=")
        key = key.strip()
        try:
            if not equals:
                # Without "=" nothing tells a key from a secret, so the text is not repeated.
                key = f"number {number}"
                raise _BadOverrideError("expected KEY=VALUE, for example seed=3")
            paths[_assign(changed, _steps(key), _value(value))] = key
        except _BadOverrideError as error:
            problems.append(Problem("", f"--set {key}: {error}"))
    return changed, paths, problems


def _steps(key: str) -> list[Step]:
    """``pipeline[3].options."a.b"`` -> ["pipeline", 3, "options", "a.b"]."""
    steps: list[Step] = []
    at = 0
    while at < len(key):
        found = _STEP.match(key, at)
        if found is None or (found["index"] is None and bool(found["dot"]) != bool(steps)):
            raise _BadOverrideError(_EXPECTED_PATH)
        named = found["bare"] if found["bare"] is not None else found["quoted"]
        steps.append(int(found["index"]) if found["index"] is not None else named)
        at = found.end()
    if not steps or isinstance(steps[0], int):
        raise _BadOverrideError(_EXPECTED_PATH)
    return steps


def _value(text: str) -> Any:
    """The text as a TOML value; as it stands where it is none, or is a date (no option is one)."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    if parsed.keys() != {"value"} or isinstance(parsed["value"], dt.date | dt.time):
        return text
    return parsed["value"]


def _assign(data: dict[str, Any], steps: list[Step], value: Any) -> str:
    """Set the value inside ``data``; the path that it was set at, with names turned into indices."""
    node: Any = data
    path = where = ""
    key: Step
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        if isinstance(node, list):
            index = _index(node, step, path, where)
            path, where, key = item(path, index), f"{where}[]", index
        elif isinstance(node, dict) and isinstance(step, str):
            path, where, key = child(path, step), f"{where}.{step}".lstrip("."), step
            if not last and key not in node:
                if isinstance(steps[number + 1], int):
                    raise _BadOverrideError(f"{path} is not in the file, so it has no items")
                node[key] = {}
        else:
            raise _BadOverrideError(f"{path} is not a {'list' if isinstance(step, int) else 'table'}")
        if last:
            node[key] = value
        else:
            node = node[key]
    return path


def _index(items: list[Any], step: Step, path: str, where: str) -> int:
    """The index of the item that a step means, by number or by name."""
    if isinstance(step, int):
        if step >= len(items):
            raise _BadOverrideError(f"{path} has {len(items)} item{'' if len(items) == 1 else 's'}")
        return step
    names = [_name_of(each, where) for each in items]
    wanted = canonical(f"{where}[].name", step)
    found = [index for index, name in enumerate(names) if name == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise _BadOverrideError(f"{path} has {len(found)} items named {wanted!r}; use {item(path, found[0])}")
    known = [name for name in names if name is not None]
    hint = near_match(wanted, known)
    tail = f"did you mean {hint!r}?" if hint else f"there are: {', '.join(known) or 'none'}"
    raise _BadOverrideError(f"{path} has no item named {wanted!r}; {tail}")


def _name_of(entry: Any, where: str) -> str | None:
    """What an item of a list is called by: its name, else its id."""
    if not isinstance(entry, dict):
        return None
    name = entry.get("name", entry.get("id"))
    return canonical(f"{where}[].name", name) if isinstance(name, str) else None
