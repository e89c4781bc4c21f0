"""``crucible stages``, ``crucible backends`` and ``crucible --version``."""

import re

import pytest

import crucible
from crucible import registry
from crucible.adapters.cli.app import invoke
from crucible.messages.option_help import describe_options

STAGES = registry.names("stage")
BACKENDS = registry.names("backend")


def option_names(printed: str) -> list[str]:
    return re.findall(r"^  ([\w.\[\]]+)  \(", printed, re.MULTILINE)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["--version"]) == 0
    assert capsys.readouterr().out == f"{crucible.__version__}\n"


def test_every_stage_is_listed_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["stages"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(STAGES)
    assert all(re.search(r"\S  +\S.*\.$", line) for line in lines)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_shown_with_each_of_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["stages", name]) == 0
    printed = capsys.readouterr().out
    kind = registry.load("stage", name)
    assert printed.startswith(f"{name}: {kind.summary}\n")
    own = [option.name for option in describe_options(kind.options())]
    assert option_names(printed)[: len(own)] == own


def test_a_stage_with_an_adapter_shows_the_options_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["stages", "analysis_tda_validation"]) == 0
    printed = capsys.readouterr().out
    for name in registry.names("tda adapter"):
        adapter = registry.load("tda adapter", name)
        _, _, section = printed.partition(f"with tda adapter '{name}':\n")
        theirs = [option.name for option in describe_options(adapter.Options)]
        assert option_names(section)[: len(theirs)] == theirs


def test_the_source_shows_the_options_of_every_loader(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["stages", "data_load"]) == 0
    printed = capsys.readouterr().out
    for name in registry.names("dataset provider"):
        assert f"[dataset.options] '{name}':" in printed


def test_backends_are_listed_with_whether_they_can_be_trained(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["backends"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(BACKENDS)
    for line, name in zip(lines, BACKENDS, strict=True):
        trainable = registry.load("backend", name)().capabilities.trainable
        assert ("trainable" if trainable else "asked only") in line


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_is_shown_with_each_of_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["backends", name]) == 0
    printed = capsys.readouterr().out
    options = [option.name for option in describe_options(registry.load("backend", name).Options)]
    assert printed.startswith(f"{name}: ")
    assert option_names(printed) == options


def test_a_required_option_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["stages", "data_load"]) == 0
    assert "  path  (non-empty str, required)\n" in capsys.readouterr().out


@pytest.mark.parametrize("kind", registry.GROUPS)
def test_every_name_of_the_registry_can_be_loaded(kind: registry.Kind) -> None:
    for name in registry.names(kind):
        assert registry.load(kind, name) is not None
