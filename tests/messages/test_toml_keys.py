"""The longest dotted key of a TOML text."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.messages.errors import ExperimentError
from crucible.messages.experiment_file import parse_document
from crucible.messages.toml_keys import has_longer_key

FOUR = (
    "a.b.c.d = 1",
    "a . b.\tc. d = 1",
    '"a.x".\'b\'.c."d" = 1',
    "[a.b.c.d]",
    "[[a.b.c.d]]",
    "x = {a.b.c.d = 1}",
)
FEWER = (
    "a.b.c = 1.5",
    'a = "a.b.c.d.e.f"',
    "a = 'a.b.c.d.e.f'",
    'a = """\na.b.c.d.e = 1\n"""',
    "a = '''\na.b.c.d.e = 1\n'''",
    "# a.b.c.d.e.f",
    r'a = "\"a.b.c.d.e"',
    "a = [1.5, 2.5, 3.5, 4.5, 5.5]",
    "a.b = 1\nc.d = 2\ne.f = 3\ng.h = 4",
)


@pytest.mark.parametrize("text", FOUR)
def test_every_part_of_a_key_counts(text: str) -> None:
    tomllib.loads(text)
    assert has_longer_key(text, 3)
    assert not has_longer_key(text, 4)


@pytest.mark.parametrize("text", FEWER)
def test_dots_elsewhere_do_not(text: str) -> None:
    tomllib.loads(text)
    assert not has_longer_key(text, 3)


@given(st.text(alphabet="ab.=\"'#[]\n \\", max_size=60))
def test_a_text_that_has_no_long_key_nests_no_deeper(text: str) -> None:
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    longest, level = 0, [found]
    while level := [inner for table in level for inner in table.values() if isinstance(inner, dict)]:
        longest += 1
    if not has_longer_key(text, 3):
        # A table's key of three parts and one of three in it: six levels, of which the last is a value.
        assert longest <= 5


def test_a_key_that_would_take_all_memory_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(ExperimentError, match="nested deeper than 100 levels"):
        parse_document(b"a." * 500_000 + b"a = 1", source="x.toml", syntax="toml")
