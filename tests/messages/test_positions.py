"""Lines of keys: right for every path of generated documents, or none at all."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crucible.messages.paths import child, is_within, item, parent
from crucible.messages.positions import json_duplicates, json_lines, toml_lines


def paths_of(node: Any, path: str = "") -> set[str]:
    if isinstance(node, dict):
        inner = [(child(path, key), value) for key, value in node.items()]
    elif isinstance(node, list):
        inner = [(item(path, index), value) for index, value in enumerate(node)]
    else:
        return set()
    return {place for place, _ in inner}.union(*(paths_of(value, place) for place, value in inner))


TEXT = '''\
# a comment with [brackets] and "quotes
id = "a # b"           # trailing
text = """
[not.a.header]
key = 1 \\""" still text""""
raw = \'\'\'
x = "\'\'
\'\'\'\'
"quoted.key" = { a = 1, b.c = [1, { d = "]" }] }
when = 2024-01-01 00:00:00
dotted . "x y" = 3
[[pipeline]]
name = "one"
[pipeline.options]
list = [
  "a",  # ]
  [1, 2],

  { k = 1 },
]
[[pipeline]]
[[pipeline.steps]]
n = 1
[[pipeline.steps]]
n = 2
[reliability.stats]
alpha = 1
'''


def test_every_path_of_a_toml_text_is_found_on_its_line() -> None:
    lines = toml_lines(TEXT)

    assert set(lines) == paths_of(tomllib.loads(TEXT))
    assert {path: lines[path] for path in ("id", "text", "raw", "when", 'dotted."x y"')} == {
        "id": 2,
        "text": 3,
        "raw": 6,
        "when": 10,
        'dotted."x y"': 11,
    }
    assert lines['"quoted.key".b.c[1].d'] == 9
    assert lines["pipeline"] == lines["pipeline[0]"] == 12
    assert lines["pipeline[0].options.list"] == 15
    assert [lines[f"pipeline[0].options.list[{index}]"] for index in range(3)] == [16, 17, 19]
    assert lines["pipeline[1]"] == 21
    assert lines["pipeline[1].steps[1].n"] == 25
    assert lines["reliability"] == 26
    assert lines["reliability.stats.alpha"] == 27


def test_escapes_in_keys_are_read_as_their_language_reads_them() -> None:
    assert set(toml_lines('"\\U0001F600" = 1\n"\\t" = 2\n\'a\\b\' = 3')) == {
        json.dumps(key) for key in ("\U0001f600", "\t", "a\\b")
    }
    assert set(json_lines('{"\\ud83d\\ude00": 1, "a\\/b": 2}')) == {json.dumps("\U0001f600"), '"a/b"'}


def test_windows_line_ends_count_once() -> None:
    assert toml_lines("a = 1\r\nb = [\r\n1]\r\n") == {"a": 1, "b": 2, "b[0]": 3}


keys = st.sampled_from(["a", "b", "c-d", "e.f", "g h", 'i"j', "k\\l", "ü", "/", "😀"])
scalars = st.one_of(
    st.booleans(), st.integers(-5, 5), st.sampled_from([0.5, "x", "a # b", "[x]", 'q"q', "}", "\\", "'"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


class TomlWriter:
    """Writes TOML in one of many layouts and notes the line of each path as it goes."""

    def __init__(self, data: Any) -> None:
        self.text = ""
        self.lines: dict[str, int] = {}
        self.data = data

    def write(self) -> None:
        draw = self.data.draw
        for name in draw(st.lists(keys, unique=True, max_size=3), label="keys"):
            self.gap()
            self.pair(name, draw(values), "")
        for index in range(draw(st.integers(0, 2))):
            self.text += "[[pipe]]"
            if index == 0:
                self.note("pipe")
            self.note(item("pipe", index))
            self.gap()
            self.pair("n", draw(values), item("pipe", index))
        if draw(st.booleans()):
            self.text += '[ "t.x" . y ]'
            self.note('"t.x"')
            self.note('"t.x".y')
            self.gap()
            self.pair("z", draw(values), '"t.x".y')

    def note(self, path: str) -> None:
        self.lines[path] = self.text.count("\n") + 1

    def gap(self) -> None:
        self.text += self.data.draw(st.sampled_from(["\n", " # note ] = \n", "\r\n\n\t", "\n#\n"]))

    def pair(self, key: str, value: Any, path: str) -> None:
        self.note(child(path, key))
        self.text += json.dumps(key, ensure_ascii=False) + self.data.draw(st.sampled_from(["=", " = "]))
        self.value(value, child(path, key))
        if not path.endswith("}"):
            self.gap()

    def value(self, value: Any, path: str) -> None:
        if isinstance(value, dict):
            self.text += "{"
            for number, (key, inner) in enumerate(value.items()):
                self.text += ", " if number else " "
                self.note(child(path, key))
                self.text += json.dumps(key, ensure_ascii=False) + "="
                self.value(inner, child(path, key))
            self.text += " }"
        elif isinstance(value, list):
            self.text += "["
            for index, inner in enumerate(value):
                self.gap()
                self.note(item(path, index))
                self.value(inner, item(path, index))
                self.text += self.data.draw(st.sampled_from([",", "\n,"]))
            self.text += "]"
        else:
            self.text += json.dumps(value)


@given(st.data())
def test_lines_of_generated_toml_are_right(data: st.DataObject) -> None:
    writer = TomlWriter(data)
    writer.write()

    parsed = tomllib.loads(writer.text)
    assert toml_lines(writer.text) == writer.lines
    assert set(writer.lines) == paths_of(parsed)


@given(st.dictionaries(keys, values, max_size=4), st.sampled_from([None, 0, 2]))
def test_every_path_of_a_json_text_is_found(document: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    lines = json_lines(text)

    assert set(lines) == paths_of(document)
    if indent is None:
        assert set(lines.values()) <= {1}
    else:  # every key and item has a line of its own
        assert len(set(lines.values())) == len(lines)


def test_a_key_given_twice_in_json_is_found_with_its_line() -> None:
    text = '{"a": [{"x": 1,\n "y": 2,\n "\\u0078": 3}],\n "s\\/t": 1, "s/t": 2}'
    assert json_duplicates(text) == [("a[0].x", 3), ('"s/t"', 4)]
    assert json_duplicates('{"a": {"x": 1}, "b": {"x": 1}}') == []


def test_paths_lead_up_one_step_at_a_time() -> None:
    assert [parent('a[0]."b.c"[12].d'), parent('a[0]."b.c"[12]'), parent('a[0]."b.c"'), parent("a")] == [
        'a[0]."b.c"[12]',
        'a[0]."b.c"',
        "a[0]",
        "",
    ]
    assert is_within("a.b", "a")
    assert is_within("a[0]", "a")
    assert not is_within("ab", "a")
