"""The record of a vote without what must not be kept, as the guardrails say. Called by the ensemble.

A vote is counted on what the members said; what is kept and shown of it is redacted like the answer.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ...messages.records import Ballots, Output

__all__ = ["redacted_ballots"]


def redacted_ballots(
    record: Ballots, redact: Callable[[str], str], key_of: Callable[[str], str | None]
) -> Ballots:
    """The record with every text redacted, and the keys made from one; ``key_of`` makes a text a key.

    A key may no longer look like what it was made from (a normaliser writes small letters, say): the key of a
    redacted text is that of what is left of it. Keys that become the same are numbered.
    """
    members = tuple(_member(each, redact) for each in record.members)
    left = dict[str, str]()
    for before, after in zip(record.members, members, strict=True):
        key = key_of(before.text) if before.text != after.text else None
        if key is not None and key not in left:
            left[key] = key_of(after.text) or after.text

    scores, names = dict[str, float](), dict[str, str]()
    for key, score in record.scores.items():
        names[key] = shown = _another(redact(left.get(key, key)), scores)
        scores[shown] = score
    key = record.key
    return msgspec.structs.replace(
        record,
        members=members,
        key=None if key is None else names.get(key) or redact(left.get(key, key)),
        scores=scores,
        reason=redact(record.reason),
        abstained={name: redact(why) for name, why in record.abstained.items()},
        failed={name: redact(why) for name, why in record.failed.items()},
    )


def _member(output: Output, redact: Callable[[str], str]) -> Output:
    error = None if output.error is None else redact(output.error)
    return msgspec.structs.replace(output, text=redact(output.text), error=error)


def _another(name: str, taken: dict[str, float]) -> str:
    number, one = 1, name
    while one in taken:
        number += 1
        one = f"{name} ({number})"
    return one
