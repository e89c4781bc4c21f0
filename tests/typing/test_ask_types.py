"""Checked by mypy as much as by pytest: each `assert_type` fails the type check if the inference breaks."""

from typing import TYPE_CHECKING, assert_type

import msgspec

from crucible.actors.runtime import Actor, ActorSystem, Asks, handler


class Count(msgspec.Struct, Asks[int], frozen=True):
    """Declares its reply by the generic base."""

    start: int = 0


class Names(msgspec.Struct, frozen=True):
    """Declares its reply by structure alone, as message modules do that do not import the runtime."""

    prefix: str

    if TYPE_CHECKING:

        def __reply__(self) -> tuple[str, ...]: ...


class Registry(Actor):
    @handler
    def on_count(self, message: Count) -> int:
        return message.start + 1

    @handler
    async def on_names(self, message: Names) -> tuple[str, ...]:
        return (message.prefix + "a",)


async def test_the_type_of_a_reply_follows_from_the_request() -> None:
    async with ActorSystem() as system:
        ref = system.spawn(Registry)
        count = await ref.ask(Count(2), timeout=1)
        assert_type(count, int)
        assert count == 3
        names = await ref.ask(Names("x"))
        assert_type(names, tuple[str, ...])
        assert names == ("xa",)


async def test_a_message_that_declares_no_reply_cannot_be_asked() -> None:
    async with ActorSystem() as system:
        ref = system.spawn(Registry)
        await ref.ask("text", timeout=1) if TYPE_CHECKING else None  # type: ignore[arg-type]  # the point


def test_requests_stay_ordinary_structs() -> None:
    assert msgspec.json.decode(msgspec.json.encode(Count(5)), type=Count) == Count(5)
    assert not hasattr(Count(1), "__dict__")
