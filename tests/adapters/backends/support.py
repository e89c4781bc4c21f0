"""What the tests of several backends share: a small invented passage, requests and rows."""

from __future__ import annotations

from crucible.messages.records import Example, Prompt, SamplingParams
from crucible.messages.requests import BackendRequest

TASK = (
    "\n\nTask:\n1. Restate the passage's central hypothesis as CLAIM[c1].\n"
    "2. List evidence as CLAIM[c#] (Document <doc_id>): <text>.\n"
    "3. Use RELATION: <source_id> <supports|refutes> <target_id>.\n\n"
)
ABSTRACT = (
    "Green tea is widely drunk. We gave green tea to 120 adults for a year. "
    "Green tea lowered blood pressure by 4 mmHg (P < 0.01). Weight did not change."
)
INPUT = "You extract claims.\n\nPassage:\nDocument 7: Green tea and blood pressure\n\n" + ABSTRACT + TASK
VERIFY_INPUT = "You check a claim.\n\nClaim: Green tea lowers blood pressure.\n\n" + INPUT.split("\n\n", 1)[1]
REFERENCE = (
    "CLAIM[c1]: Green tea lowers blood pressure.\n"
    "CLAIM[c2] (Document 7): Green tea lowered blood pressure by 4 mmHg (P < 0.01).\n"
    "RELATION: c2 supports c1"
)


def request(
    text: str = INPUT, *, key: str = "k", example_id: str = "e", attempt: int = 1, n: int = 1
) -> BackendRequest:
    return BackendRequest(
        key=key, example_id=example_id, prompt=Prompt(text=text), params=SamplingParams(n=n), attempt=attempt
    )


def row(number: int = 0, *, text: str = INPUT, reference: str | None = REFERENCE) -> Example:
    return Example(id=f"row-{number}", input=text, reference=reference, split="train")
