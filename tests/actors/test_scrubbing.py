"""Redaction inside a record."""

from __future__ import annotations

from crucible.actors.scrubbing import scrubbed
from crucible.messages.claims import Challenge, Evidence, Sno
from crucible.messages.records import DialecticRound, DialecticStep, Output


def test_every_text_is_redacted_and_nothing_else_is_touched() -> None:
    secret = "me@example.org"
    record = DialecticRound(
        number=1,
        challenges=(Challenge(id="e/k1", target=secret, type="scope", description=f"ask {secret}"),),
        synthesis=Sno(
            id="e/c1",
            claim=f"by {secret}",
            evidence=(Evidence(source="7", content=secret),),
            metadata={"raised": [f"scope: {secret}"]},
        ),
        steps=(
            DialecticStep(
                agent="antagonist", method="openai", problems=(f"line 1: {secret}",),
                output=Output(example_id="e", system="m", backend="openai", text=f"I, {secret}"),
            ),
        ),
    )  # fmt: skip
    asked: list[str] = []

    def redact(text: str) -> str:
        asked.append(text)
        return text.replace(secret, "[EMAIL]")

    found = scrubbed(record, redact)
    assert found.challenges[0].description == "ask [EMAIL]"
    assert found.challenges[0].target == secret  # an id stays one, or nothing could be told apart
    assert found.synthesis is not None
    assert found.synthesis.claim == "by [EMAIL]"
    assert found.synthesis.evidence[0].content == "[EMAIL]"
    assert found.synthesis.metadata["raised"] == ["scope: [EMAIL]"]
    assert found.steps[0].problems == ("line 1: [EMAIL]",)
    assert found.steps[0].output is not None
    assert found.steps[0].output.text == "I, [EMAIL]"
    assert len(asked) == len(set(asked))
