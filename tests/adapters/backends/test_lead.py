from __future__ import annotations

import pytest

from crucible.adapters.backends.lead import LeadOptions, LeadSampler
from crucible.adapters.cns import parse_claims
from crucible.messages.errors import BackendError

from .support import INPUT, VERIFY_INPUT, request


async def answer(text: str, k: int = 2) -> str:
    return (await LeadSampler(LeadOptions(k=k)).sample(request(text))).completions[0].text


async def test_the_first_sentences_of_each_document_are_the_evidence() -> None:
    two = INPUT.replace("\n\nTask:", "\nDocument 8: Other\n\nOne here. Two here. Three here.\n\nTask:")
    claims = parse_claims(await answer(two), strict=True).claims
    assert [(claim.document_id, claim.text) for claim in claims[1:]] == [
        ("7", "Green tea is widely drunk."),
        ("7", "We gave green tea to 120 adults for a year."),
        ("8", "One here."),
        ("8", "Two here."),
    ]


async def test_all_evidence_supports_and_the_answer_is_in_the_grammar() -> None:
    parsed = parse_claims(await answer(INPUT, k=3), strict=True)
    assert parsed.diagnostics == ()
    assert [relation.label for relation in parsed.relations] == ["supports"] * 3


@pytest.mark.parametrize(
    ("text", "hypothesis"),
    [
        (VERIFY_INPUT, "Green tea lowers blood pressure."),
        (INPUT, "Green tea and blood pressure"),
        (INPUT.replace("Green tea and blood pressure", ""), "Green tea is widely drunk."),
    ],
)
async def test_the_hypothesis_is_the_stated_claim_else_the_title_else_the_first_sentence(
    text: str, hypothesis: str
) -> None:
    assert parse_claims(await answer(text)).claims[0].text == hypothesis


async def test_a_prompt_without_a_passage_is_refused() -> None:
    with pytest.raises(BackendError, match="no passage"):
        await answer("What is tea?")
