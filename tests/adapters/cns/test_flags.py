from __future__ import annotations

from collections.abc import Mapping

import pytest

from crucible.adapters.cns.flags import Flag, FlagThresholds, flag_answer, flag_summary
from crucible.adapters.cns.opposition import contested
from crucible.adapters.cns.text import token_f1

SOUND: Mapping[str, float | None] = {
    "parseable": 1.0,
    "citation_hallucination_rate": 0.0,
    "citation_recall": 1.0,
    "chirality": None,
    "polarity_conflict": 0.0,
    "mean_entailment": 0.9,
}


def flagged(**scores: float | None) -> dict[str, str]:
    flag = flag_answer("ex", "model", {**SOUND, **scores})
    return {issue.type: issue.severity for issue in flag.issues} if flag else {}


def test_a_sound_answer_has_no_flag() -> None:
    assert flagged() == {}


@pytest.mark.parametrize(
    ("scores", "issues"),
    [
        ({"parseable": 0.0}, {"NO_CLAIM": "high"}),
        ({"citation_hallucination_rate": 0.5}, {"CITATION_INVALID": "high"}),
        ({"citation_recall": 0.5}, {"CITATION_INCOMPLETE": "medium"}),
        ({"chirality": 0.55}, {"POLARITY_CONTRADICTION": "medium"}),
        ({"chirality": 0.549}, {}),
        ({"chirality": 0.65}, {"POLARITY_CONTRADICTION": "high"}),
        ({"polarity_conflict": 1.0}, {"POLARITY_CONFLICT": "high"}),
        ({"mean_entailment": 0.5}, {}),
        ({"mean_entailment": 0.49}, {"WEAK_ENTAILMENT": "medium"}),
    ],
)
def test_each_issue_has_its_threshold_and_its_severity(
    scores: dict[str, float], issues: dict[str, str]
) -> None:
    assert flagged(**scores) == issues


def test_without_shared_evidence_a_great_chirality_is_not_grave() -> None:
    assert flagged(chirality=0.9, citation_recall=0.1)["POLARITY_CONTRADICTION"] == "medium"


def test_scores_that_are_not_defined_raise_no_flag() -> None:
    assert flag_answer("ex", "model", dict.fromkeys(SOUND)) is None
    assert flag_answer("ex", "model", {}) is None


def test_a_conflict_that_the_reference_has_too_is_no_flag() -> None:
    assert flag_answer("ex", "model", {**SOUND, "polarity_conflict": 1.0}, conflict_expected=True) is None


def test_thresholds_are_parameters() -> None:
    assert flag_answer("ex", "m", SOUND, thresholds=FlagThresholds(entailment=0.95)) is not None


def test_a_flag_is_as_grave_as_its_gravest_issue_which_comes_first() -> None:
    flag = flag_answer("ex", "model", {**SOUND, "mean_entailment": 0.1, "polarity_conflict": 1.0})
    assert flag is not None
    assert flag.severity == "high"
    assert [issue.type for issue in flag.issues] == ["POLARITY_CONFLICT", "WEAK_ENTAILMENT"]


def test_a_hypothesis_against_that_of_the_reference_is_flagged() -> None:
    score = contested("Zinc raises iron levels.", "Zinc lowers iron levels.", token_f1)
    flag = flag_answer("ex", "model", SOUND, contradiction=score)
    assert flag is not None
    assert (flag.issues[0].type, flag.severity) == ("CONTRADICTS_REFERENCE", "high")


def test_a_hypothesis_that_is_only_similar_is_a_medium_flag() -> None:
    score = contested("Zinc salts raise iron.", "Copper oxides raise iron.", lambda *_: 0.9)
    assert score == pytest.approx(0.45)
    flag = flag_answer("ex", "model", SOUND, contradiction=score)
    assert flag is not None
    assert flag.severity == "medium"


@pytest.mark.parametrize(
    "other", ["Zinc raises iron!", "It is zinc that raises iron", "Zinc salts raise iron."]
)
def test_a_text_that_says_no_other_word_is_not_contested(other: str) -> None:
    assert contested("Zinc raises iron.", other.replace("raise iron", "raises iron"), token_f1) == 0.0


def test_the_same_words_in_another_order_around_than_do() -> None:
    left, right = "Zinc works better than iron does.", "Iron works better than zinc does."
    assert contested(left, right, token_f1) > 0.9


def test_a_similarity_out_of_range_is_cut() -> None:
    assert contested("Zinc raises iron.", "Cats purr.", lambda _left, _right: 7.0) == 0.5
    assert contested("Zinc raises iron.", "Cats purr.", lambda _left, _right: -7.0) == 0.0


def test_the_summary_counts_answers_issues_and_severities() -> None:
    flags = [
        flag_answer("a", "m", {**SOUND, "mean_entailment": 0.1}),
        flag_answer("b", "m", {**SOUND, "mean_entailment": 0.1, "polarity_conflict": 1.0}),
    ]
    found: list[Flag] = [flag for flag in flags if flag is not None]
    assert flag_summary(found, 4) == {
        "answers": 4,
        "flagged": 2,
        "share": 0.5,
        "by_severity": {"high": 1, "medium": 1, "low": 0},
        "by_issue": {"WEAK_ENTAILMENT": 2, "POLARITY_CONFLICT": 1},
        "several_issues": 1,
    }


def test_no_answer_at_all_has_no_share() -> None:
    assert flag_summary([], 0)["share"] is None


def test_thirty_nine_of_fifty_paraphrases_are_what_a_saturated_chirality_flags() -> None:
    """The published flags: with distances of hundreds of dimensions any two texts reach the threshold."""
    from crucible.adapters.cns.chirality import chirality_score

    assert chirality_score(11.0, 1.0, conflict=False) == pytest.approx(0.55)
    assert flagged(chirality=chirality_score(17.52, 1.0, conflict=False)) == {
        "POLARITY_CONTRADICTION": "medium"
    }
    assert flagged(chirality=chirality_score(1.414, 1.0, conflict=False)) == {}
