from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pytest

from crucible.adapters.backends.extractive.cues import SECTIONS, find_cues, section_of
from crucible.adapters.backends.extractive.features import RELATION, SELECTION, Features, featurise
from crucible.adapters.backends.extractive.options import ExtractiveOptions

from ..support import ABSTRACT, INPUT, TASK, VERIFY_INPUT


def read(prompt: str, **given: Any) -> Features:
    features = featurise(prompt, msgspec.convert(given, ExtractiveOptions))
    assert features is not None
    return features


def column(features: Features, name: str) -> list[float]:
    return [float(value) for value in features.selection.dense[:, SELECTION.index(name)]]


def contrast(claim: str, sentence: str) -> dict[str, float]:
    features = read(f"Claim: {claim}\n\nPassage:\nDocument 1: T\n\n{sentence}{TASK}")
    return dict(zip(RELATION, features.relation.dense[0].tolist(), strict=True))


def test_there_is_one_row_for_each_sentence() -> None:
    features = read(INPUT)
    assert [sentence.document_id for sentence in features.sentences] == ["7"] * 4
    assert features.selection.dense.shape == (4, len(SELECTION))
    assert features.relation.dense.shape == (4, len(RELATION))
    assert set(features.selection.rows.tolist()) == {0, 1, 2, 3}


def test_a_prompt_without_a_passage_has_no_features() -> None:
    assert featurise("What is tea?", ExtractiveOptions()) is None


def test_the_hashed_part_of_a_row_has_length_one() -> None:
    matrix = read(INPUT).selection
    squares = np.bincount(matrix.rows, weights=matrix.values**2)
    assert squares == pytest.approx(np.ones(4))
    assert matrix.columns.max() < 2**14


def test_position_can_be_left_out() -> None:
    assert column(read(INPUT), "first") == [1, 0, 0, 0]
    assert column(read(INPUT), "relative") == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert column(read(INPUT, use_position=False), "relative") == [0, 0, 0, 0]


def test_without_position_a_sentence_counts_the_same_wherever_it_stands() -> None:
    sentences = ABSTRACT.split(". ")
    turned = INPUT.replace(ABSTRACT, ". ".join([sentences[2], *sentences[:2], sentences[3]]))
    forward, backward = (read(text, use_position=False).selection.dense for text in (INPUT, turned))
    assert backward[[1, 2, 0, 3]] == pytest.approx(forward)


def test_the_stated_claim_can_be_left_out() -> None:
    assert max(column(read(VERIFY_INPUT), "claim_stems")) > 0.5
    assert max(column(read(VERIFY_INPUT, use_claim=False), "claim_stems")) == 0
    assert max(column(read(INPUT), "claim")) == 0


def test_words_can_be_left_out() -> None:
    assert len(read(INPUT, use_words=False).selection.values) == 0


def test_the_sentence_that_shares_most_with_the_claim_is_marked() -> None:
    assert column(read(VERIFY_INPUT), "claim_best") == [0, 0, 1, 0]


def test_the_hypothesis_is_the_claim_or_the_most_central_title_or_sentence() -> None:
    assert read(VERIFY_INPUT).hypothesis == "Green tea lowers blood pressure."
    assert read(INPUT).hypothesis in {"Green tea and blood pressure", *ABSTRACT.split(". ")}


@pytest.mark.parametrize(
    ("claim", "sentence", "expected"),
    [
        ("Tea lowers pressure.", "Tea did not lower pressure.", "negation_mismatch"),
        ("Tea does not lower pressure.", "Tea did not lower pressure.", "negation_both"),
        ("Tea increases pressure.", "Tea reduced pressure.", "opposite_direction"),
        ("Tea increases pressure.", "Tea raises and enhances pressure.", "same_direction"),
        ("Tea lowers pressure by 4.", "Tea lowered pressure by 9.", "numbers_differ"),
    ],
)
def test_contrasts_between_claim_and_sentence_are_seen(claim: str, sentence: str, expected: str) -> None:
    assert contrast(claim, sentence)[expected] == 1.0
    assert contrast("Tea is a drink.", "Tea is hot.")[expected] == 0.0


@pytest.mark.parametrize(
    ("sentence", "section"),
    [
        ("RESULTS Of 20 samples, 3 were positive.", "results"),
        ("CONCLUSIONS: tea helps.", "conclusion"),
        ("ContextChronic illness is common.", "background"),
        ("Methods: we asked people.", "methods"),
    ],
)
def test_headings_of_structured_abstracts_are_read(sentence: str, section: str) -> None:
    assert section_of(sentence, None) == SECTIONS.index(section)


def test_a_sentence_without_heading_continues_the_section() -> None:
    assert section_of("It went on.", 2) == 2
    assert section_of("Studying tea is fun.", None) is None


def test_cues_are_counted() -> None:
    found = find_cues("We may not see it (P < 0.05).", ["we", "may", "not", "see", "it", "p", "0", "05"])
    assert (found.negation, found.hedge, found.first_person, found.statistic) == (1, 1 / 3, 1, 1 / 3)
    assert sum(find_cues("", [])) == 0


def test_the_dimension_is_a_power_of_two() -> None:
    with pytest.raises(msgspec.ValidationError, match="power of two"):
        msgspec.convert({"dimension": 1000}, ExtractiveOptions)


def test_features_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    code = (
        "import sys\n"
        "from crucible.adapters.backends.extractive.features import featurise\n"
        "from crucible.adapters.backends.extractive.options import ExtractiveOptions\n"
        "features = featurise(sys.stdin.read(), ExtractiveOptions())\n"
        "arrays = (*features.selection, *features.relation, *features.presence)\n"
        "sys.stdout.buffer.write(b''.join(array.tobytes() for array in arrays))\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            input=VERIFY_INPUT.encode(),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    ]
    assert len(outputs[0]) > 1000
    assert outputs[0] == outputs[1] == outputs[2]
