"""Tokens of rows and prompts: what is learned, what is cut, where the padding stands."""

from __future__ import annotations

from typing import Any

import pytest

from crucible.adapters.backends.local.encoding import Encoder, cut, pack, pad
from crucible.adapters.backends.local.protocol import Row
from crucible.messages.errors import InputError

END = 0


class Letters:
    """A tokenizer: a letter is a token, and a prompt begins with token 1."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> dict[str, list[int]]:
        self.calls += 1
        return {"input_ids": [1] * add_special_tokens + [ord(letter) for letter in text]}

    def apply_chat_template(self, messages: list[dict[str, str]], **_: Any) -> str:
        return "".join(f"[{m['role']}]{m['content']}" for m in messages) + "[assistant]"


def encoder(tokenizer: Any = None, **changes: Any) -> Encoder:
    given: dict[str, Any] = {"end": END, "limit": None, "too_long": "reject", "chat": False, "cache_rows": 10}
    return Encoder(tokenizer or Letters(), **{**given, **changes})


def letters(text: str) -> tuple[int, ...]:
    return tuple(ord(letter) for letter in text)


def row(prompt: str = "ab", completion: str = "cd") -> Row:
    return Row(id="r", prompt=prompt, completion=completion)


def test_a_row_is_prompt_completion_and_end_and_the_prompt_is_not_learned() -> None:
    encoded = encoder().row(row())
    assert encoded.tokens == (1, *letters("abcd"), END)
    assert encoded.tokens[encoded.start :] == (*letters("cd"), END)


def test_a_prompt_has_the_same_tokens_when_it_is_learned_from_and_when_it_is_asked() -> None:
    made = encoder()
    encoded = made.row(row())
    assert list(encoded.tokens[: encoded.start]) == made.prompt("ab", None).tokens


def test_a_chat_template_makes_the_special_tokens_itself() -> None:
    made = encoder(chat=True)
    assert tuple(made.prompt("ab", "be brief").tokens) == letters("[system]be brief[user]ab[assistant]")


def test_a_row_that_fits_exactly_is_whole() -> None:
    assert cut([1, 2], [3, 4], 4, "reject").tokens == (1, 2, 3, 4)


def test_a_row_that_is_too_long_is_rejected() -> None:
    assert cut([1, 2], [3, 4], 3, "reject").rejected


def test_truncation_takes_the_start_of_the_prompt() -> None:
    encoded = cut([1, 2, 3, 4], [5, 6], 4, "truncate")
    assert (encoded.tokens, encoded.start, encoded.truncated) == ((3, 4, 5, 6), 2, True)


def test_truncation_leaves_one_token_of_the_prompt_to_predict_from() -> None:
    encoded = cut([1, 2], [3, 4, 5, 6], 3, "truncate")
    assert (encoded.tokens, encoded.start) == ((2, 3, 4), 1)


def test_a_row_is_tokenised_once() -> None:
    tokenizer = Letters()
    made = encoder(tokenizer)
    assert made.row(row()) == made.row(row())
    assert tokenizer.calls == 2


def test_rows_beyond_the_cache_are_tokenised_again() -> None:
    tokenizer = Letters()
    made = encoder(tokenizer, cache_rows=0)
    assert made.row(row()) == made.row(row())
    assert tokenizer.calls == 4


def test_rows_that_join_to_the_same_text_are_not_confused() -> None:
    made = encoder()
    assert made.row(row("ab", "cd")).start != made.row(row("abc", "d")).start


def test_a_prompt_without_tokens_cannot_be_learned_from() -> None:
    with pytest.raises(InputError, match="example 'r': input: the tokenizer makes no token of it"):
        encoder(chat=False, tokenizer=lambda *_, **__: {"input_ids": []}).row(row())


def test_a_prompt_leaves_room_for_what_the_context_holds() -> None:
    assert encoder(limit=10).prompt("abc", None).room == 6


def test_a_prompt_that_fills_the_context_is_refused() -> None:
    with pytest.raises(ValueError, match="the prompt has 4 tokens and the model takes 4"):
        encoder(limit=4).prompt("abc", None)


def test_a_truncated_prompt_keeps_its_end_and_leaves_a_quarter_for_the_answer() -> None:
    prompted = encoder(limit=8, too_long="truncate").prompt("abcdefghij", None)
    assert (tuple(prompted.tokens), prompted.room, prompted.truncated) == (letters("efghij"), 2, True)


def test_padding_stands_on_the_left_and_positions_count_from_the_first_token() -> None:
    padded = pad([[7, 8, 9], [5]])
    assert padded.tokens == [[7, 8, 9], [0, 0, 5]]
    assert padded.mask == [[1, 1, 1], [0, 0, 1]]
    assert padded.positions == [[0, 1, 2], [0, 0, 0]]
    assert padded.padding == 2


# weights


class PlacedLetters(Letters):
    """One that says where its tokens stand, as fast tokenizers do."""

    is_fast = True

    def __call__(
        self, text: str, *, add_special_tokens: bool = True, return_offsets_mapping: bool = False
    ) -> dict[str, Any]:
        made: dict[str, Any] = dict(super().__call__(text, add_special_tokens=add_special_tokens))
        if return_offsets_mapping:
            made["offset_mapping"] = [(at, at + 1) for at in range(len(text))]
        return made


ANSWER = "CLAIM[c1]: a\nCLAIM[c2] (Document 7): b\nRELATION: c2 supports c1"


def test_weights_go_by_the_line_and_the_end_weighs_one() -> None:
    made = encoder(PlacedLetters(), c1_weight=5.0, evidence_weight=2.0).row(row("p", ANSWER))
    first, second, third = (len(line) for line in ANSWER.splitlines(keepends=True))
    assert made.weights == (5.0,) * first + (2.0,) * second + (1.0,) * third + (1.0,)
    assert len(made.weights) == len(made.tokens) - made.start
    assert made.weight == 5 * first + 2 * second + third + 1


def test_without_weights_every_learned_token_weighs_one() -> None:
    made = encoder().row(row())
    assert (made.weights, made.weight) == (None, 3.0)


def test_a_completion_that_loses_its_end_loses_the_weights_of_it() -> None:
    made = cut([1, 2], [3, 4, 5], 3, "truncate", [7.0, 8.0, 9.0])
    assert (made.tokens, made.weights) == ((2, 3, 4), (7.0, 8.0))


def test_weights_need_a_tokenizer_that_says_where_tokens_begin() -> None:
    with pytest.raises(InputError, match=r"c1_weight, evidence_weight: .* expected a fast tokenizer"):
        encoder(Letters(), c1_weight=5.0)


# packing


def test_rows_are_packed_without_going_over_the_limit_and_none_is_lost() -> None:
    lengths = [5, 3, 9, 2, 4, 4, 1]
    packs = pack(lengths, 10)
    assert sorted(number for members in packs for number in members) == list(range(7))
    assert all(sum(lengths[number] for number in members) <= 10 for members in packs)
    assert len(packs) == 3  # 28 tokens


def test_a_row_longer_than_the_limit_goes_alone() -> None:
    assert pack([12, 3, 4], 10) == [[0], [2, 1]]
