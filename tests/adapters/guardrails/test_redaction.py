import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crucible.adapters.guardrails import GuardOptions, RuleGuard
from crucible.messages.errors import OptionError

LABELLED = Path(__file__).with_name("labelled.jsonl")
TEXTS = [json.loads(line)["text"] for line in LABELLED.read_text("utf-8").splitlines()]
KEY = "a key for tests only"
PIECES = st.sampled_from(
    [
        *TEXTS,
        *("jane@example.org", "4111 1111 1111 1111", "219-09-9999", "+1 202-555-0143", "[EMAIL]", "*", "1"),
        *(
            "-",
            " ",
            "\n",
            "@",
            ".",
            "DE89370400440532013000",
            "203.0.113.77",
            "tel 0",
            "\u200b",
            "a",
            "password: ",
        ),
    ]
)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_TEST_KEY", KEY)


def guard(mode: str) -> RuleGuard:
    return RuleGuard(msgspec.convert({"redact": mode, "hash_key": "env:GUARD_TEST_KEY"}, GuardOptions))


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=6), st.sampled_from(["mask", "placeholder", "hash"]))
def test_redacting_twice_is_redacting_once_and_leaves_nothing_to_redact(pieces: list[str], mode: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GUARD_TEST_KEY", KEY)
        scanner = guard(mode)
    _, once = scanner.scan("".join(pieces), side="output")
    verdict, twice = scanner.scan(once, side="output")
    assert twice == once
    assert not [each for each in verdict.findings if each.detector == "pii" and each.confidence >= 0.7]
    assert not verdict.redacted


@pytest.mark.parametrize("mode", ["mask", "placeholder", "hash"])
def test_no_part_of_a_finding_is_left_in_non_ascii_text(mode: str) -> None:
    text = "\U0001f600é jane.doe@exa\u200bmple.org ﬁn ４１１１ １１１１ １１１１ １１１１ 한"
    verdict, redacted = guard(mode).scan(text, side="input")
    assert verdict.redacted
    assert redacted.startswith("\U0001f600é ")
    assert redacted.endswith(" 한")
    for part in ("jane", "doe", "mple", "org", "１"):
        assert part not in redacted


def test_a_mask_has_the_length_of_what_it_covers() -> None:
    assert guard("mask").scan("mail a.b@example.org!", side="input")[1] == "mail ***************!"


def test_equal_values_get_equal_hashes_and_another_key_gives_others(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a@example.org a@example.org b@example.org"
    first, second, third = guard("hash").scan(text, side="input")[1].split()
    assert first == second != third
    monkeypatch.setenv("GUARD_TEST_KEY", KEY + "!")
    assert guard("hash").scan(text, side="input")[1].split()[0] != first


def test_hashing_without_a_key_is_refused_without_telling_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="env:NAME"):
        RuleGuard(GuardOptions(redact="hash"))
    monkeypatch.setenv("GUARD_TEST_KEY", "tooshort")
    with pytest.raises(OptionError, match="GUARD_TEST_KEY") as caught:
        guard("hash")
    assert "tooshort" not in str(caught.value)


def test_redaction_obeys_the_side() -> None:
    scanner = RuleGuard(GuardOptions(redact="placeholder", redact_inputs=False))
    assert scanner.scan("a@example.org", side="input")[1] == "a@example.org"
    assert scanner.scan("a@example.org", side="output")[1] == "[EMAIL]"


def test_without_redaction_the_text_is_returned_as_it_was() -> None:
    verdict, text = RuleGuard().scan("a@example.org", side="output")
    assert (text, verdict.redacted, verdict.flagged) == ("a@example.org", False, True)


def test_a_text_that_is_too_long_is_replaced_whole_and_flagged() -> None:
    scanner = RuleGuard(GuardOptions(redact="placeholder", max_scan_chars=100))
    verdict, text = scanner.scan("x" * 101, side="input")
    assert (text, verdict.flagged) == ("[UNSCANNED]", True)
    assert [(each.detector, each.category, each.start, each.end) for each in verdict.findings] == [
        ("limits", "unscanned", 0, 101)
    ]
