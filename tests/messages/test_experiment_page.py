"""docs/experiment-file.md says what the code does.

The two tables of the page are made here from the Structs and the alias table. To write them anew after a
change, run this file as a program.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from crucible.loading import decode
from crucible.messages import experiment as ir
from crucible.messages.aliases import ALIASES
from crucible.messages.checks import check_experiment
from crucible.messages.errors import ExperimentError
from crucible.messages.experiment_file import decode_document, parse_document
from crucible.messages.option_help import describe_options

PAGE = Path(__file__).parents[2] / "docs" / "experiment-file.md"

SECTIONS: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("Top level", ir.Experiment),
    ("`[dataset]`", ir.DatasetRef),
    ("`[backend]`, `[[baselines]]` and `[[reliability.ensemble.members]]`", ir.BackendRef),
    ("`[[pipeline]]`", ir.StageDef),
    ("`[reliability]`", ir.Reliability),
    ("`[reliability.ensemble]`", ir.EnsembleConfig),
    ("`[reliability.hedging]`", ir.HedgingConfig),
    ("`[reliability.limits]`", ir.LimitsConfig),
    ("`[reliability.limits.pools.NAME]`", ir.PoolLimits),
    ("`[reliability.cache]`", ir.CacheConfig),
    ("`[reliability.guardrails]`", ir.GuardrailConfig),
    ("`[reliability.stats]`", ir.StatsConfig),
    ("`[reliability.fairness]`", ir.FairnessConfig),
    ("`[[outputs]]`", ir.OutputSpec),
)


def field_tables() -> str:
    return "\n".join(f"### {title}\n\n{field_table(type_)}" for title, type_ in SECTIONS)


def field_table(type_: type[msgspec.Struct]) -> str:
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for row in describe_options(type_, nested=False):
        default = "required" if row.required else f"`{row.default}`"
        type_text = re.sub(r"matching (\S+)", r"matching `\1`", row.type)
        rows.append(f"| `{row.name}` | {type_text} | {default} | {row.description} |")
    return "\n".join(rows) + "\n"


def alias_table() -> str:
    rows = ["| where | also accepted | name |", "|---|---|---|"]
    for where, names in ALIASES.items():
        rows += [f"| `{where}` | `{old}` | `{new}` |" for old, new in names.items()]
    return "\n".join(rows) + "\n"


def with_tables(page: str) -> str:
    for name, table in (("fields", field_tables()), ("aliases", alias_table())):
        before, mark, rest = page.partition(
            f"<!-- {name}: written by tests/messages/{Path(__file__).name} -->\n"
        )
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        assert mark, name
        assert end, name
        page = f"{before}{mark}\n{table}\n{end}{after}"
    return page


def example_of(page: str) -> str:
    found = re.search(r"## Example\n\n```toml\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_tables_of_the_page_are_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page) == page, f"run `python {Path(__file__).name}` to write the tables anew"


def test_every_part_of_an_experiment_has_its_section() -> None:
    parts = {getattr(ir, name) for name in ir.__all__}
    assert {type_ for _, type_ in SECTIONS} == parts


def test_the_example_of_the_page_is_a_good_experiment() -> None:
    text = example_of(PAGE.read_text(encoding="utf-8"))
    experiment = decode_document(parse_document(text.encode(), source="example"))
    assert experiment.id == "scifact-claims"
    assert check_experiment(experiment) == []


def test_the_bad_file_on_the_page_has_the_problems_that_stand_there_and_no_more() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(r"This file has nine:\n\n```toml\n(.*?)```\n\n(.*?)\n\n", page, re.DOTALL)
    assert found is not None
    with pytest.raises(ExperimentError) as caught:
        decode(parse_document(found[1].encode(), source="experiment.toml"), base=PAGE.parent)
    assert str(caught.value).splitlines() == [line.strip() for line in found[2].splitlines()]
    assert len(caught.value.problems) == 9


@pytest.mark.parametrize("override", ["seed=x", "pipeline.backend_cal.options.mode=x"])
def test_the_errors_on_the_page_are_what_a_reader_gets(override: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    source = example_of(page)
    with pytest.raises(ExperimentError) as caught:
        decode_document(parse_document(source.encode(), source="experiment.toml", overrides=[override]))

    for line in str(caught.value).split("\n"):
        assert f"    {line}\n" in page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
