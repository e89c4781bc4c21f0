"""Rows become right-shifted targets with a masked prompt, an end token, line weights; long ones are cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crucible.adapters.backends.tinker import TinkerOptions
from crucible.adapters.backends.tinker.datums import Datum, LongRows, build
from crucible.adapters.backends.tinker.tokens import Tokens, load_folder
from crucible.messages.errors import InputError

from ..support import INPUT, REFERENCE, row
from .support import MARKS

pytestmark = MARKS


@pytest.fixture
def tokens(tokenizer: Path) -> Tokens:
    return load_folder(str(tokenizer), None)


def options(**given: object) -> TinkerOptions:
    return TinkerOptions(base_model="tiny/lora", **given)  # type: ignore[arg-type]


def built(tokens: Tokens, limit: int | None = None, **given: object) -> tuple[Datum | None, LongRows]:
    long_rows = LongRows()
    return build(row(), tokens, options(**given), limit, long_rows), long_rows


def made(tokens: Tokens, limit: int | None = None, **given: object) -> Datum:
    datum, _ = built(tokens, limit, **given)
    assert datum is not None
    return datum


def trained_text(tokens: Tokens, datum: Datum) -> str:
    return tokens.text([int(t) for t, w in zip(datum.targets, datum.weights, strict=True) if w > 0])


def test_targets_are_the_inputs_shifted_by_one(tokens: Tokens) -> None:
    datum = made(tokens)
    assert datum.inputs[1:] == datum.targets[:-1].tolist()
    assert len(datum.inputs) == len(datum.targets) == len(datum.weights)
    assert tokens.text(datum.inputs) == INPUT + REFERENCE


def test_only_the_answer_and_the_end_token_are_trained(tokens: Tokens) -> None:
    datum = made(tokens)
    assert trained_text(tokens, datum) == REFERENCE
    assert datum.targets[-1] == tokens.end
    assert datum.weights[-1] == 1.0
    prompt = len(tokens.prompt(INPUT))
    assert not datum.weights[: prompt - 1].any()
    assert datum.weights[prompt - 1] == 1.0  # the last prompt token predicts the first of the answer
    assert datum.weight == len(datum.targets) - (prompt - 1)


def test_weights_go_by_the_line_a_token_begins_in(tokens: Tokens) -> None:
    datum = made(tokens, completion_weight=2.0, c1_weight=5.0, evidence_weight=3.0)
    by_weight = {
        weight: tokens.text(
            [int(t) for t, w in zip(datum.targets, datum.weights, strict=True) if w == weight]
        )
        for weight in sorted(set(datum.weights.tolist()))
    }
    first, second, relation = REFERENCE.splitlines()
    assert set(by_weight) == {0.0, 2.0, 6.0, 10.0}
    assert by_weight[10.0].strip() == first
    assert by_weight[6.0].strip() == second
    assert by_weight[2.0].strip() == relation


def test_weights_need_no_answer_lines(tokens: Tokens) -> None:
    datum = build(row(reference=""), tokens, options(c1_weight=2.0), None, LongRows())
    assert datum is not None
    assert datum.weight == 1.0


def test_a_long_row_loses_the_start_of_its_prompt_and_keeps_its_answer(tokens: Tokens) -> None:
    whole = made(tokens)
    limit = len(whole.inputs) - 30
    datum, long_rows = built(tokens, limit)
    assert datum is not None
    assert len(datum.inputs) == limit
    assert datum.inputs[0] == whole.inputs[0]
    assert trained_text(tokens, datum) == REFERENCE
    assert tokens.text(datum.inputs[1:]) == (INPUT + REFERENCE)[-len(tokens.text(datum.inputs[1:])) :]
    assert (long_rows.truncated, long_rows.skipped) == (1, 0)


def test_an_answer_longer_than_the_context_loses_its_end_and_the_end_token(tokens: Tokens) -> None:
    datum = made(tokens, 20)
    assert len(datum.inputs) == 20
    assert REFERENCE.startswith(trained_text(tokens, datum))
    assert tokens.end not in datum.targets


def test_a_row_of_just_the_context_is_not_too_long(tokens: Tokens) -> None:
    exact = len(made(tokens).inputs)
    datum, long_rows = built(tokens, exact)
    assert datum is not None
    assert long_rows.truncated == 0
    assert np.array_equal(datum.targets, made(tokens).targets)


def test_a_long_row_is_skipped_and_counted_when_asked_for(tokens: Tokens) -> None:
    assert built(tokens, 30, too_long="skip") == (None, LongRows(truncated=0, skipped=1))


def test_a_long_row_is_refused_by_name_when_asked_for(tokens: Tokens) -> None:
    with pytest.raises(InputError, match=r"example 'row-0': \d+ tokens are more than 30: .*too_long"):
        built(tokens, 30, too_long="reject")


def test_a_missing_folder_and_an_unknown_end_token_are_bad_input(tokenizer: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a folder with a file tokenizer\.json"):
        load_folder(str(tmp_path), None)
    with pytest.raises(InputError, match="has no token '</s>'"):
        load_folder(str(tokenizer), "</s>")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        load_folder(str(tmp_path), None)


def test_a_tokenizer_without_an_end_token_asks_for_one(tokenizer: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((tokenizer / "tokenizer.json").read_bytes())
    with pytest.raises(InputError, match="names no end-of-text token: expected end_of_text"):
        load_folder(str(tmp_path), None)
    assert load_folder(str(tmp_path), "<|end|>").end == 0
