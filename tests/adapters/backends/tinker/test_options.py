"""Bad input to the backend is told in one line, and never with the value of the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.adapters.backends.tinker import TinkerBackend, TinkerOptions
from crucible.adapters.backends.tinker.backend import check_address, read_key
from crucible.messages.errors import InputError

from .support import MARKS, Tenant

SECRET = "sk-not-a-tinker-key"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"lora_rank": 0}, "lora_rank"),
        ({"base_model": ""}, "base_model"),
        ({"api_key": "tml-123"}, "api_key: expected a reference"),
        ({"base_url": "ftp://x"}, "base_url: expected an address that begins"),
        ({"base_url": "https://me:word@x"}, "base_url: expected an address without a password"),
        (
            {"train_mlp": False, "train_attn": False, "train_unembed": False},
            "expected at least one to be true",
        ),
        ({"model_path": "weights/x"}, "model_path: expected a path that begins with tinker://"),
        ({"too_long": "cut"}, "too_long"),
        ({"prices": {"train": -1}}, "prices.train"),
        ({"prices": {"sampel": 1}}, "sampel"),
    ],
)
def test_a_wrong_option_is_named(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.convert({"base_model": "m", **given}, TinkerOptions)


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINKER_API_KEY", raising=False)
    with pytest.raises(InputError, match="environment variable TINKER_API_KEY is not set"):
        read_key(TinkerOptions(base_model="m"))


def test_a_malformed_key_names_the_variable_and_never_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_API_KEY", SECRET)
    with pytest.raises(InputError, match=r"env:TINKER_API_KEY holds no key .*begin with tml-") as caught:
        read_key(TinkerOptions(base_model="m"))
    assert SECRET not in str(caught.value)


def test_a_malformed_address_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_BASE_URL", "tinker.example")
    with pytest.raises(InputError, match="TINKER_BASE_URL: expected an address that begins with http"):
        check_address(TinkerOptions(base_model="m"))
    check_address(TinkerOptions(base_model="m", base_url="https://tinker.example"))


def test_a_missing_or_other_sdk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    from crucible.adapters.backends.tinker.sdk import load_sdk

    monkeypatch.setattr(metadata, "version", lambda _name: "0.15.0")
    with pytest.raises(InputError, match=r"SDK 0\.15\.0 is installed: expected 0\.38"):
        load_sdk()

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(InputError, match=r"needs the SDK: pip install 'tinker==0\.38\.\*'"):
        load_sdk()


def test_all_that_is_missing_is_told_at_once_before_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    monkeypatch.delenv("TINKER_API_KEY", raising=False)
    monkeypatch.setenv("TINKER_BASE_URL", "tinker.example")
    monkeypatch.setattr(metadata, "version", lambda _name: "0.37.2")
    found = TinkerBackend().missing(TinkerOptions(base_model="m"))
    assert [problem.path for problem in found] == ["api_key", "base_url", "base_model"]


async def refusal(tmp_path: Path, **given: Any) -> str:
    options = TinkerOptions(**{"base_model": "tiny/lora", **given})
    with pytest.raises(InputError) as caught:
        await TinkerBackend().open(options, seed=1, workdir=tmp_path)
    return str(caught.value)


class TestWithTheService:
    pytestmark = MARKS

    @pytest.mark.usefixtures("tenant")
    async def test_an_unknown_base_model_gets_a_near_match(self, tmp_path: Path) -> None:
        told = await refusal(tmp_path, base_model="tiny/lara")
        assert told == (
            "backend.options.base_model: the service has no 'tiny/lara'; did you mean 'tiny/lora'?"
        )

    @pytest.mark.usefixtures("tenant")
    async def test_a_key_that_is_refused_names_its_source_only(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TINKER_API_KEY", "tml-revoked-987654")
        told = await refusal(tmp_path)
        assert "api_key: the service refuses env:TINKER_API_KEY" in told
        assert "987654" not in told

    async def test_a_service_that_does_not_answer_is_given_up(self, tmp_path: Path, tenant: Tenant) -> None:
        tenant.control(faults=[{"at": "client/config", "never": True}])
        told = await refusal(tmp_path, connect_timeout_s=0.3)
        assert "does not answer within 0.3 s: check TINKER_BASE_URL" in told
