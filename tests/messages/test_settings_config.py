"""``config/crucible.toml`` names every setting with its default and its meaning.

Run as a script, this module writes the file anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.messages.errors import ExperimentError
from crucible.messages.settings import Settings
from crucible.messages.settings_file import RELOADABLE, load_settings

FILE = Path(__file__).parents[2] / "config" / "crucible.toml"
HEAD = """\
# Settings of a daemon: crucible serve --config config/crucible.toml
# Every setting is here with its default; a line behind "#" is one that has none. (r): read again on SIGHUP.
"""


def fields(struct: type[msgspec.Struct], prefix: str) -> list[str]:
    lines = []
    for field in msgspec.structs.fields(struct):
        name, default = field.encode_name, field.default
        meaning = meaning_of(field.type)
        if meaning is None and not isinstance(field.type, type):
            meaning = ""
        mark = " (r)" if f"{prefix}{name}" in RELOADABLE else ""
        if default is None:
            lines.append(f"# {name} =  # {meaning}{mark}")
        else:
            lines.append(f"{name} = {literal(default)}  # {meaning}{mark}".rstrip(" #"))
    return lines


def meaning_of(kind: Any) -> str | None:
    for note in getattr(kind, "__metadata__", ()):
        if isinstance(note, msgspec.Meta) and note.description:
            return note.description
    return None


def literal(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def written() -> str:
    parts = [HEAD]
    tables = []
    for field in msgspec.structs.fields(Settings):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            tables.append((field.encode_name, field.type))
        else:
            parts.append(f"{field.encode_name} = {literal(field.default)}  # {meaning_of(field.type)}")
    for name, struct in tables:
        about = (struct.__doc__ or "").splitlines()[0]
        parts += ["", f"[{name}]  # {about}", *fields(struct, f"{name}.")]
    return "\n".join(parts) + "\n"


def test_the_file_names_every_setting_with_its_default_and_meaning() -> None:
    assert FILE.read_text() == written(), f"run `python {Path(__file__).name}` to write the file anew"


def test_the_file_says_the_defaults() -> None:
    assert load_settings(FILE) == Settings()


def test_every_setting_has_a_meaning() -> None:
    for line in FILE.read_text().splitlines():
        if " = " in line and not line.startswith("# Every"):
            assert "  # " in line, line
            assert line.split("  # ")[1].strip(), line


if __name__ == "__main__":
    FILE.write_text(written())


@pytest.mark.parametrize("url", ["postgresql://ada:hush@db/lab", "CRUCIBLE_DATABASE_URL", ""])
def test_an_address_in_the_place_of_a_reference_is_refused_with_its_line_and_not_shown(
    tmp_path: Path, url: str
) -> None:
    path = tmp_path / "crucible.toml"
    path.write_text(f'[store]\nkind = "postgres"\nurl = "{url}"\n')
    with pytest.raises(ExperimentError, match=r":3: store\.url: expected a reference such as env:") as caught:
        load_settings(path)
    assert "hush" not in str(caught.value)
    load_settings(path, ["store.url=env:CRUCIBLE_DATABASE_URL"])
