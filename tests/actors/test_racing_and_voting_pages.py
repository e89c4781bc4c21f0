"""docs/hedging.md and docs/voting.md name every option of the strategies.

The tables are made here from the Structs. To write them anew after a change, run this file as a program.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

import crucible
from crucible.actors.hedging.options import TierOptions
from crucible.actors.hedging.racing_options import RacingOptions
from crucible.actors.hedging.registry import OPTIONS
from crucible.actors.voting.settings import EnsembleOptions, MemberOptions
from crucible.messages.option_help import describe_options

DOCS = Path(__file__).parents[2] / "docs"
Section = tuple[str, type[msgspec.Struct]]

PAGES: dict[str, Sequence[Section]] = {
    "hedging.md": (
        ("every strategy", RacingOptions),
        *((f"`{name}`", type_) for name, type_ in OPTIONS.items() if type_.__struct_fields__),
        ("`tiers`, each", TierOptions),
    ),
    "voting.md": (("ensemble", EnsembleOptions), ("a member", MemberOptions)),
}


def table(sections: Sequence[Section]) -> str:
    rows = ["| of | option | type | default | meaning |", "|---|---|---|---|---|"]
    for title, type_ in sections:
        for row in describe_options(type_, nested=False):
            default = "required" if row.required else f"`{row.default}`"
            meaning = (row.description or "").replace("|", "\\|")
            rows.append(f"| {title} | `{row.name}` | {row.type} | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def with_table(name: str, page: str) -> str:
    before, mark, rest = page.partition(f"<!-- options: written by tests/actors/{Path(__file__).name} -->\n")
    _, end, after = rest.partition("<!-- end of options -->")
    assert mark, name
    assert end, name
    return f"{before}{mark}\n{table(PAGES[name])}\n{end}{after}"


@pytest.mark.parametrize("name", PAGES)
def test_the_table_of_options_is_up_to_date(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert with_table(name, page) == page, f"run `python {Path(__file__).name}` to write the tables anew"


def test_the_example_with_tiers_is_a_good_experiment(tmp_path: Path) -> None:
    page = (DOCS / "hedging.md").read_text(encoding="utf-8")
    (tiered,) = [
        block.partition("```")[0] for block in page.split("```toml\n") if 'strategy = "tiered"' in block
    ]
    stages = "".join(f'[[pipeline]]\nname = "{name}"\n\n' for name in ("data_load", "backend_call"))
    file = tmp_path / "tiers.toml"
    file.write_text(
        f'id = "tiers"\n{tiered}\n[dataset]\nname = "x"\nprovider = "memory"\n\n{stages}'
        '[[outputs]]\nname = "report"\n'
    )
    assert crucible.load_experiment(file).reliability.hedging.strategy == "tiered"


if __name__ == "__main__":
    for page_name in PAGES:
        path = DOCS / page_name
        path.write_text(with_table(page_name, path.read_text(encoding="utf-8")), encoding="utf-8")
