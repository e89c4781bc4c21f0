"""The sample browser: what its list leaves out, and what it says of an answer."""

import msgspec
import pytest

from crucible.adapters.http.dashboard.sample_page import answer_view, shared_start
from crucible.adapters.reports.samples import SampleLine

from ....integration.daemon import sample

HEAD = "You read abstracts and report which of their statements count.\n"


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ([], []),
        ([HEAD + "one"], [HEAD + "one"]),  # alone it has nothing in common
        ([HEAD + "Document 1: a", HEAD + "Document 2: b"], ["Document 1: a", "Document 2: b"]),
        (["x" * 60 + " one", "x" * 60 + " two"], ["one", "two"]),
        (["x" * 60 + "one", "x" * 60 + "two"], ["x" * 60 + "one", "x" * 60 + "two"]),  # no word ends there
        (["Is it so? yes", "Is it so? no"], ["Is it so? yes", "Is it so? no"]),  # a list has room for that
        ([HEAD, HEAD + "more"], ["", "more"]),
        ([HEAD + "one", HEAD + "one"], [HEAD + "one", HEAD + "one"]),
    ],
)
def test_what_all_prompts_begin_with_is_left_out_if_it_is_long(texts: list[str], shown: list[str]) -> None:
    assert [text[shared_start(texts) :] for text in texts] == shown


@pytest.mark.parametrize(("reference", "same"), [("answer 1", True), ("answer 2", False), (None, False)])
def test_an_answer_that_is_the_reference_is_known_as_that(reference: str | None, same: bool) -> None:
    line = msgspec.json.decode(sample(1, reference=reference), type=SampleLine)
    assert answer_view(line, "mock").same is same
