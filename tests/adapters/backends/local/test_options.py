"""Options that cannot work are refused when the file is read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from crucible.adapters.backends.local import LocalBackend, LocalOptions, backend
from crucible.messages.errors import InputError


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lora_rank": 0}, "lora_rank"),
        ({"target_modules": []}, "target_modules"),
        ({"target_modules": [""]}, "target_modules"),
        ({"lora_dropout": 1}, "lora_dropout"),
        ({"device": "gpu"}, "device: expected auto, cpu, mps, cuda or cuda:NUMBER"),
        ({"dtype": "float16"}, "dtype"),
        ({"too_long": "cut"}, "too_long"),
        ({"base_model": ""}, "base_model"),
    ],
)
def test_an_option_that_cannot_work_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({"base_model": "m", **wrong}, LocalOptions)


async def test_without_the_libraries_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(backend, "find_spec", lambda name: None if name == "peft" else object())
    with pytest.raises(InputError, match=r"local needs peft: install the extra local \(in a checkout: pip"):
        await LocalBackend().open(LocalOptions(base_model="m"), seed=0, workdir=tmp_path)
