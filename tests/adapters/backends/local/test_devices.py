"""Device and number type, decided from what the machine has: no GPU is needed to check it."""

from __future__ import annotations

import pytest

from crucible.adapters.backends.local.devices import Machine, choose_device, choose_dtype
from crucible.messages.errors import InputError

from .support import needs_torch

NOTHING = Machine(cuda=0, mps=False, bfloat16=False)
TWO = Machine(cuda=2, mps=False, bfloat16=True)
OLD = Machine(cuda=1, mps=False, bfloat16=False)
APPLE = Machine(cuda=0, mps=True, bfloat16=False)


@pytest.mark.parametrize(
    ("wanted", "machine", "device"),
    [
        ("auto", NOTHING, "cpu"),
        ("auto", TWO, "cuda:0"),
        ("auto", APPLE, "cpu"),
        ("cpu", TWO, "cpu"),
        ("cuda", TWO, "cuda:0"),
        ("cuda:1", TWO, "cuda:1"),
        ("mps", APPLE, "mps"),
    ],
)
def test_a_device_is_chosen(wanted: str, machine: Machine, device: str) -> None:
    assert choose_device(wanted, machine) == device


@pytest.mark.parametrize(
    ("wanted", "machine", "problem"),
    [
        ("cuda", NOTHING, "this machine's torch has no 'cuda' device"),
        ("cuda:0", APPLE, "this machine's torch has no 'cuda' device"),
        ("mps", TWO, "this machine's torch has no 'mps' device"),
        ("cuda:2", TWO, "'cuda:2', but there are 2 GPUs, counted from 0"),
    ],
)
def test_a_device_that_is_missing_is_refused(wanted: str, machine: Machine, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        choose_device(wanted, machine)


@pytest.mark.parametrize(
    ("wanted", "kind", "machine", "dtype"),
    [
        ("auto", "cpu", TWO, "float32"),
        ("auto", "cuda", TWO, "bfloat16"),
        ("auto", "cuda", OLD, "float32"),  # emulated bfloat16 is slower than float32
        ("auto", "mps", APPLE, "float32"),
        ("bfloat16", "cpu", NOTHING, "bfloat16"),
        ("float32", "cuda", TWO, "float32"),
        ("bfloat16", "cuda", OLD, "bfloat16"),
    ],
)
def test_bfloat16_is_taken_where_the_device_computes_in_it(
    wanted: str, kind: str, machine: Machine, dtype: str
) -> None:
    assert choose_dtype(wanted, kind, machine) == dtype


@needs_torch
def test_what_torch_finds_here_makes_a_device_that_works() -> None:
    import torch

    from crucible.adapters.backends.local.base import look

    machine = look()
    device = torch.device(choose_device("auto", machine))
    dtype = getattr(torch, choose_dtype("auto", device.type, machine))
    assert float(torch.ones(3, device=device, dtype=dtype).sum()) == 3.0
