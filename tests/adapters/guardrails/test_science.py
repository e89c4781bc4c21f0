"""Scientific text must pass. The corpora are not in the repository; CRUCIBLE_DATA_DIR names their folder."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from crucible.adapters.guardrails import RuleGuard


def rows(name: str) -> Iterator[dict[str, object]]:
    folder = os.environ.get("CRUCIBLE_DATA_DIR")
    if not folder:
        pytest.skip("CRUCIBLE_DATA_DIR is not set")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"CRUCIBLE_DATA_DIR has no {name}")
    for line in path.read_text("utf-8").splitlines():
        yield json.loads(line)


def findings(texts: Iterator[str]) -> list[str]:
    guard, found, seen = RuleGuard(), [], 0
    for text in texts:
        seen += 1
        verdict, _ = guard.scan(text, side="input")
        found += [f"{each.category}: {text[each.start : each.end]}" for each in verdict.findings]
    assert seen > 100
    return found


def test_nothing_is_found_in_prompts_and_completions_of_scientific_abstracts() -> None:
    data = list(rows("scifact/claim_extractor_train.jsonl"))
    assert findings(str(row[field]) for row in data for field in ("prompt", "completion")) == []


@pytest.mark.slow
def test_nothing_is_found_in_sentences_that_cite() -> None:
    data = rows("citation-integrity/corpus.jsonl")
    sentences = (str(sentence) for row in data for sentence in cast("list[str]", row["abstract"]))
    assert findings(sentences) == []
