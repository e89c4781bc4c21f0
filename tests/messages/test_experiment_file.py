"""From a file to an experiment and back: what is refused, in which words, and that nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.messages.checks import check_experiment
from crucible.messages.errors import ExperimentError, Problem
from crucible.messages.experiment import Experiment
from crucible.messages.experiment_file import (
    Syntax,
    decode_document,
    decode_experiment_json,
    encode_experiment,
    load_experiment,
    parse_document,
    read_document,
)

GOOD = """\
id = "scifact-claims"
seed = 17
[backend]
id = "tinkex"
[backend.options]
lora_rank = 16
learning_rate = 2e-4
[[pipeline]]
name = "data_load"
[[pipeline]]
name = "cns_metrics"
[pipeline.options]
mode = "sample"
[reliability.ensemble]
strategy = "majority_vote"
members = [{ id = "tinkex" }, { id = "mock" }]
[reliability.hedging]
strategy = "fixed_delay"
delay_ms = 20
[reliability.stats]
tests = ["mannwhitney", "mann_whitney_u", "welch", "paired_t", "ttest"]
correction = "fdr"
"""


def load(data: str | bytes, tmp_path: Path, *overrides: str, name: str = "exp.toml") -> Experiment:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return load_experiment(path, overrides)


def refused(data: str | bytes, tmp_path: Path, *overrides: str, name: str = "exp.toml") -> list[str]:
    """The lines of the error, without the folder of the test."""
    with pytest.raises(ExperimentError) as caught:
        load(data, tmp_path, *overrides, name=name)
    return str(caught.value).replace(f"{tmp_path}/", "").split("\n")


def test_a_toml_file_is_loaded_and_older_spellings_are_understood(tmp_path: Path) -> None:
    experiment = load(GOOD, tmp_path)

    assert experiment.backend.id == "tinker"
    assert experiment.backend.options == {"lora_rank": 16, "learning_rate": 2e-4}
    assert [stage.name for stage in experiment.pipeline] == ["data_load", "analysis_metrics"]
    assert experiment.pipeline[1].options == {"mode": "sample"}
    assert experiment.reliability.ensemble.strategy == "majority"
    assert [member.id for member in experiment.reliability.ensemble.members] == ["tinker", "mock"]
    assert experiment.reliability.hedging.strategy == "fixed"
    assert experiment.reliability.hedging.delay_ms == 20.0
    assert experiment.reliability.stats.tests == (
        "mann_whitney",
        "mann_whitney",
        "welch_ttest",
        "paired_ttest",
        "ttest",
    )
    assert experiment.reliability.stats.correction == "benjamini_hochberg"


def test_overrides_change_what_the_file_says(tmp_path: Path) -> None:
    experiment = load(
        GOOD, tmp_path, "backend.options.lora_rank=8", "pipeline.cns_metrics.options.mode=train"
    )

    assert experiment.backend.options["lora_rank"] == 8
    assert experiment.pipeline[1].options == {"mode": "train"}


def test_json_is_known_by_its_name_and_by_its_first_character(tmp_path: Path) -> None:
    text = '  {"id": "a", "backend": {"id": "mock"}, "pipeline": [{"name": "report"}]}'

    assert load(text, tmp_path, name="exp.json") == load(text, tmp_path, name="exp")
    assert load("\ufeff" + text, tmp_path, name="exp.conf").id == "a"


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    expected = load(GOOD, tmp_path)
    assert load(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(), tmp_path) == expected


def test_every_problem_is_told_with_file_line_and_path(tmp_path: Path) -> None:
    text = GOOD.replace("seed = 17", "seed = -1").replace('id = "scifact-claims"', 'idd = "a"')
    text = text.replace("[pipeline.options]", "[pipeline.optoins]").replace(
        "delay_ms = 20", "delay_ms = '20'"
    )
    text = text.replace('"fdr"', '"fdrr"')

    choices = "'none', 'bonferroni', 'holm', 'benjamini_hochberg', 'benjamini_yekutieli'"
    assert refused(text, tmp_path) == [
        "exp.toml:1: idd: unknown key; did you mean 'id'?",
        "exp.toml:2: seed: expected int >= 0 and < 4294967296, got -1",
        "exp.toml:12: pipeline[1].optoins: unknown key; did you mean 'options'?",
        'exp.toml:19: reliability.hedging.delay_ms: expected float >= 0, got "20"',
        f'exp.toml:22: reliability.stats.correction: expected one of {choices}, got "fdrr"',
        "exp.toml: id: missing; expected str (at most 100 characters) matching ^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    ]


def test_a_missing_key_is_told_at_the_line_of_its_table(tmp_path: Path) -> None:
    text = (
        'id = "a"\n[backend]\nprofile = "p"\n[[pipeline]]\nname = "report"\n\n[[pipeline]]\nenabled = true\n'
    )
    assert refused(text, tmp_path) == [
        "exp.toml:2: backend.id: missing; expected str (1 to 200 characters)",
        "exp.toml:7: pipeline[1].name: missing; expected str (1 to 200 characters)",
    ]


def test_problems_in_json_have_lines_too(tmp_path: Path) -> None:
    text = '{"id": "a",\n "backend": {"id": "m"},\n "pipeline": [\n  {"name": "report"},\n  {"name": 3}]}'
    assert refused(text, tmp_path, name="exp.json") == [
        "exp.json:5: pipeline[1].name: expected str (1 to 200 characters), got 3"
    ]


def test_a_problem_that_an_override_made_names_the_override(tmp_path: Path) -> None:
    assert refused(GOOD, tmp_path, "seed=x", "pipeline.data_load.enabled=3", "backend={}") == [
        'exp.toml: seed: expected int >= 0 and < 4294967296, got "x" (from --set seed)',
        "exp.toml: backend.id: missing; expected str (1 to 200 characters) (from --set backend)",
        "exp.toml: pipeline[0].enabled: expected bool, got 3 (from --set pipeline.data_load.enabled)",
    ]


def test_an_override_that_does_not_apply_is_the_problem(tmp_path: Path) -> None:
    assert refused(GOOD, tmp_path, "seed.x=1") == ["--set seed.x: seed is not a table"]


VALUE = "; expected a value: text in quotes, a number, true, false, [a list] or {a table}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "exp.toml: is empty"),
        (b" \n\t\n", "exp.toml: is empty"),
        (b"a = 1\nb = \xff\n", "exp.toml:2: not UTF-8: byte 0xff at offset 10"),
        (b"a = 1\n\n\0", "exp.toml:3: NUL byte at offset 7; is this a text file?"),
        (b"\xff\xfea\0", "exp.toml: is UTF-16 text; save it as UTF-8"),
        (b"a = 1\na = \n", f"exp.toml:2: TOML syntax: Invalid value at column 5{VALUE}"),
        (b"a = 1\nb = [\n", "exp.toml:2: TOML syntax: Invalid value at the end of the file"),
        (b"a = " + b"1" * 5000, "exp.toml:1: TOML syntax: a number has too many digits"),
        (b"a = " + b"[" * 101 + b"]" * 101, "exp.toml: tables and lists are nested deeper than 100 levels"),
        (b"a = " + b"[" * 9999, "exp.toml: tables and lists are nested deeper than 100 levels"),
        (b"#" * (16 * 1024**2 + 1), "exp.toml: is larger than 16 MiB; an experiment file is small"),
    ],
)
def test_a_file_that_is_no_toml_is_refused_in_one_line(data: bytes, message: str, tmp_path: Path) -> None:
    assert refused(data, tmp_path) == [message]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n "b" 2}', "exp.json:2: JSON syntax: Expecting ':' delimiter at column 6"),
        ("[1]", "exp.json: expected a table at the top level, got a list"),
        ("3", "exp.json: expected a table at the top level, got a single value"),
        ('{"a": {"x": 1,\n "x": 2}}', "exp.json:2: a.x: key is given twice"),
        ('{"a": ' + "9" * 5000 + "}", "exp.json:1: JSON syntax: a number has too many digits"),
        ('{"a": ' + "[" * 99999, "exp.json: tables and lists are nested deeper than 100 levels"),
        ('{"a": {"x": 1, "x": ' + "[" * 300 + "]" * 300 + "}}", "exp.json: tables and lists are nested"),
        ('{"id": "\\ud800"}', "exp.json:1: id: expected str (at most 100 characters) matching"),
        ('{"metadata": {"x": NaN}}', "exp.json:1: metadata.x: expected a finite number, got nan"),
        ('{"metadata": {"x": 1e999}}', "exp.json:1: metadata.x: expected a finite number, got inf"),
    ],
)
def test_a_file_that_is_no_good_json_is_refused(text: str, message: str, tmp_path: Path) -> None:
    assert refused(text, tmp_path, name="exp.json")[0].startswith(message)


def test_a_path_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.toml", "no such file"),
        (tmp_path, "is a folder, expected a TOML or JSON file"),
        (tmp_path / "a\0b", "cannot be read: not a usable path"),
    ):
        with pytest.raises(ExperimentError) as caught:
            load_experiment(path)
        assert str(caught.value) == f"{path}: {message}"


def test_problems_found_later_get_their_lines_from_the_document(tmp_path: Path) -> None:
    path = tmp_path / "exp.toml"
    path.write_text(GOOD.replace("delay_ms = 20\n", "") + '[metadata]\napi_key = "hunter2"\n')
    document = read_document(path)
    problems = document.located(check_experiment(decode_document(document)))

    assert [(problem.path, problem.line) for problem in problems] == [
        ("reliability.hedging.delay_ms", 17),
        ("metadata.api_key", 23),
    ]
    assert document.located([]) == []
    assert document.located([Problem("seed", "no", 99), Problem("", "no")])[0].line == 99


def test_no_secret_reaches_an_error(tmp_path: Path) -> None:
    text = GOOD + '[metadata]\napi_key = nan\npassword = "hunter2"\nx = 2024-01-01\n'
    lines = refused(text, tmp_path, 'backend.api_key="hunter2"', "backend.name.token=hunter2")

    assert len(lines) >= 3
    assert "hunter2" not in "\n".join(lines)


names = st.text(min_size=1, max_size=5)
identifiers = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,8}\Z")
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
options = st.dictionaries(st.text(max_size=5), plain, max_size=3)
backends = st.fixed_dictionaries(
    {"id": names}, optional={"name": st.none() | st.text(max_size=3), "profile": names, "options": options}
)
experiments = st.fixed_dictionaries(
    {
        "id": identifiers,
        "backend": backends,
        "pipeline": st.lists(
            st.fixed_dictionaries({"name": names}, optional={"enabled": st.booleans(), "options": options}),
            min_size=1,
            max_size=3,
        ),
    },
    optional={
        "seed": st.integers(0, 2**32 - 1),
        "dataset": st.none() | st.fixed_dictionaries({"name": names}, optional={"options": options}),
        "baselines": st.lists(backends, max_size=2),
        "reliability": st.fixed_dictionaries(
            {},
            optional={
                "ensemble": st.fixed_dictionaries(
                    {"strategy": st.sampled_from(["none", "weighted"])}, optional={"options": options}
                ),
                "hedging": st.fixed_dictionaries(
                    {},
                    optional={
                        "delay_ms": st.none() | st.floats(0, 1e300),
                        "percentile": st.floats(0.1, 99.9),
                    },
                ),
                "stats": st.fixed_dictionaries({"alpha": st.floats(1e-12, 0.999)}),
            },
        ),
        "outputs": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from(["a", "b.c"]), "formats": st.just(["json"])}),
            max_size=2,
        ),
        "tags": st.lists(st.text(max_size=3), max_size=2),
        "metadata": options,
        "description": st.none() | st.text(max_size=5),
    },
)


@given(experiments)
def test_json_to_experiment_to_json_loses_nothing(data: dict[str, Any]) -> None:
    first = decode_experiment_json(json.dumps(data).encode())
    text = encode_experiment(first)
    second = decode_experiment_json(text)

    assert second == first
    assert encode_experiment(second) == text
    assert repr(first.metadata) == repr(data.get("metadata", {}))  # repr tells 1 from 1.0 and -0.0 from 0.0
    assert repr([stage.options for stage in second.pipeline]) == repr(
        [stage.get("options", {}) for stage in data["pipeline"]]
    )


@given(experiments)
def test_a_valid_experiment_is_what_msgspec_makes_of_it(data: dict[str, Any]) -> None:
    expected = msgspec.convert(data, Experiment)
    document = parse_document(encode_experiment(expected), source="x")

    assert decode_document(document) == expected


pieces = st.lists(st.sampled_from(list("{}[]\"=:,.# \n\\u1ae'-")), max_size=30).map("".join)


@given(st.binary(max_size=60) | (st.text(max_size=60) | pieces).map(str.encode))
def test_any_bytes_give_an_experiment_or_an_experiment_error(data: bytes) -> None:
    syntaxes: tuple[Syntax | None, ...] = ("toml", "json", None)
    for syntax in syntaxes:
        with pytest.raises(ExperimentError):  # nothing so short is an experiment
            decode_document(parse_document(data, source="x", syntax=syntax))
