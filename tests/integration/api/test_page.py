"""The pages on the API and its client name everything that there is."""

import inspect
from pathlib import Path

import pytest

import crucible
from crucible.adapters.cli.app import app
from crucible.adapters.http import create_app
from crucible.adapters.stores.memory import MemoryStore
from crucible.messages.api import ProblemCode
from crucible.messages.settings import Settings

from ..daemon import TOKEN, StillLive

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_lists_every_request(tmp_path: Path) -> None:
    made = create_app(MemoryStore(), StillLive(), Settings(), token=TOKEN, data=tmp_path)
    page = (DOCS / "api.md").read_text()
    for path, methods in made.litestar.openapi_schema.to_schema()["paths"].items():
        short = path.removeprefix("/api/v1").replace("{run_id}", "ID").replace("{schedule_id}", "ID")
        short = short.replace("{place}", "PLACE")
        for method in methods:
            assert f"`{method.upper()} {short.replace('{name}', 'NAME')}`" in page


def test_the_page_lists_every_code() -> None:
    page = (DOCS / "api.md").read_text()
    for code in ProblemCode.__args__:  # type: ignore[attr-defined]
        assert f"| `{code}` |" in page


@pytest.mark.parametrize("command", ["submit", "status", "runs", "watch", "logs", "cancel", "retry"])
def test_the_page_names_every_option_of_a_command(command: str) -> None:
    page = (DOCS / "client.md").read_text()
    shared = {"url", "data", "json"}
    (resolved,) = [app[name] for name in [command]]
    assert resolved.default_command is not None
    for parameter in inspect.signature(resolved.default_command).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in shared:
            name = parameter.name.strip("_").replace("_", "-")
            assert f"--{name}" in page, command


def test_the_page_s_client_has_what_it_names() -> None:
    page = (DOCS / "client.md").read_text()
    for name in ("submit", "events", "samples", "run", "wait"):
        assert f"client.{name}(" in page
        assert hasattr(crucible.Client, name)
