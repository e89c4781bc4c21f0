"""Which device and which number type a model is loaded with: pure, from what the machine has."""

from __future__ import annotations

from typing import NamedTuple

from ....messages.errors import InputError

__all__ = ["Machine", "choose_device", "choose_dtype"]


class Machine(NamedTuple):
    """What torch finds."""

    cuda: int
    """GPUs."""
    mps: bool
    bfloat16: bool
    """Whether the GPUs compute in bfloat16 themselves; older ones only emulate it, slower than float32."""


def choose_device(wanted: str, machine: Machine) -> str:
    """A device of torch, a GPU with its number. Raises InputError for one that is missing."""
    kind, _, number = wanted.partition(":")
    if kind == "auto":
        kind = "cuda" if machine.cuda else "cpu"
    there = {"cpu": True, "cuda": machine.cuda > 0, "mps": machine.mps}
    if not there[kind]:
        raise InputError(f"backend.options.device: this machine's torch has no {kind!r} device")
    if kind != "cuda":
        return kind
    if int(number or 0) >= machine.cuda:
        raise InputError(
            f"backend.options.device: {wanted!r}, but there are {machine.cuda} GPUs, counted from 0"
        )
    return f"cuda:{int(number or 0)}"


def choose_dtype(wanted: str, kind: str, machine: Machine) -> str:
    """What is wanted; "auto" takes bfloat16 where the device computes in it, else float32.

    Never float16: its gradients overflow without a scaled loss. Apple's mps gets float32, since not every
    version of it knows bfloat16.
    """
    if wanted != "auto":
        return wanted
    return "bfloat16" if kind == "cuda" and machine.bfloat16 else "float32"
