"""The record of a vote without what must not be kept."""

from __future__ import annotations

from crucible.actors.voting.normalise import numeric, text
from crucible.actors.voting.redaction import redacted_ballots
from crucible.messages.records import Ballots, Output


def redact(said: str) -> str:
    """As a rule that knows a secret by its capital letters."""
    return said.replace("KEY-77", "[KEY]").replace("KEY-88", "[KEY]").replace("555", "[PHONE]")


def member(name: str, said: str = "", error: str | None = None) -> Output:
    return Output(example_id="e", system=name, backend="b", text=said, error=error)


def test_a_key_is_redacted_though_it_no_longer_looks_like_the_secret() -> None:
    members = (member("a", "It is KEY-77"), member("b", "it is KEY-77"), member("c", "no idea"))
    record = Ballots(
        status="decided", strategy="majority", reason="2 of 3 votes", members=members,
        key="it is key-77", scores={"it is key-77": 2.0, "no idea": 1.0},
    )  # fmt: skip
    found = redacted_ballots(record, redact, lambda said: text(said).key)
    assert [each.text for each in found.members] == ["It is [KEY]", "it is [KEY]", "no idea"]
    assert (found.key, found.scores) == ("it is [key]", {"it is [key]": 2.0, "no idea": 1.0})


def test_answers_that_differ_only_in_what_is_redacted_stay_apart() -> None:
    members = (member("a", "KEY-77"), member("b", "KEY-88"))
    record = Ballots(
        status="decided", strategy="majority", reason="", members=members,
        key="key-88", scores={"key-77": 1.0, "key-88": 1.0},
    )  # fmt: skip
    found = redacted_ballots(record, redact, lambda said: text(said).key)
    assert (found.key, found.scores) == ("[key] (2)", {"[key]": 1.0, "[key] (2)": 1.0})


def test_a_key_that_is_nothing_without_the_secret_becomes_what_is_left_of_the_text() -> None:
    key = numeric("call 555").key or ""
    record = Ballots(
        status="decided", strategy="majority", reason="", members=(member("a", "call 555"),),
        key=key, scores={key: 1.0},
    )  # fmt: skip
    found = redacted_ballots(record, redact, lambda said: numeric(said).key)
    assert (found.key, found.scores) == ("call [PHONE]", {"call [PHONE]": 1.0})


def test_errors_and_reasons_are_redacted_too() -> None:
    record = Ballots(
        status="no_answers", strategy="majority", reason="nothing but KEY-77",
        members=(member("a", error="refused KEY-77"),),
        failed={"a": "refused KEY-77"}, abstained={"b": "KEY-77"},
    )  # fmt: skip
    found = redacted_ballots(record, redact, lambda said: text(said).key)
    assert "77" not in repr(found)
