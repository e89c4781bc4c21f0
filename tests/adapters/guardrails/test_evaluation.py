from pathlib import Path

import pytest
from scipy.stats import binomtest

from crucible.adapters.guardrails.evaluation import evaluate, main, read_labelled, table, wilson
from crucible.messages.errors import DatasetError

LABELLED = Path(__file__).with_name("labelled.jsonl")
PAGE = Path(__file__).parents[3] / "docs" / "guardrails.md"


def test_the_labelled_set_is_large_and_split_in_halves() -> None:
    rows = read_labelled(LABELLED)
    assert len({row.text for row in rows}) == len(rows) >= 160
    assert sum(not row.labels for row in rows) >= 80
    for half in ("dev", "held_out"):
        assert sum(row.half == half for row in rows) == len(rows) // 2


def test_quality_on_the_development_half_keeps_its_floor() -> None:
    for quality in evaluate(LABELLED, half="dev"):
        assert quality.precision.value is not None
        assert quality.recall.value is not None
        assert quality.precision.value >= 0.95, quality
        assert quality.recall.value >= 0.95, quality


@pytest.mark.parametrize("half", ["dev", "held_out"])
def test_the_page_shows_what_is_measured_now(half: str) -> None:
    assert table(evaluate(LABELLED, half=half)) in PAGE.read_text("utf-8")


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (3, 7), (36, 36), (21, 22)])
def test_the_interval_is_the_wilson_score_interval(hits: int, n: int) -> None:
    ours = wilson(hits, n)
    reference = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_nothing_is_known_of_no_texts() -> None:
    assert (wilson(0, 0).value, wilson(0, 0).low, wilson(0, 0).high) == (None, 0.0, 1.0)


def test_errors_of_the_guard_lower_the_figures(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        '{"id":"1","text":"a@example.org","labels":["pii"]}\n{"id":"2","text":"b@example.org","labels":[]}\n'
        '{"id":"3","text":"nothing here","labels":["pii"]}\n'
    )
    pii = next(quality for quality in evaluate(rows) if quality.detector == "pii")
    assert (pii.precision.value, pii.recall.value, pii.f1) == (0.5, 0.5, 0.5)
    assert pii.false_positive_rate.value == 1.0


def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id":"1","text":"x","labels":[]}\n{"id":"2"}\n')
    with pytest.raises(DatasetError, match=r"rows\.jsonl:2"):
        evaluate(rows)


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(LABELLED), "dev"]) == 0
    assert capsys.readouterr().out == table(evaluate(LABELLED, half="dev")) + "\n"
    assert main([]) == 2
