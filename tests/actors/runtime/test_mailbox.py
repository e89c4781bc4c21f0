import asyncio
from dataclasses import dataclass

import pytest

from crucible.actors.runtime import Actor, ActorSystem, DeadLetter, MailboxFull, handler
from crucible.actors.testkit import TestKit


@dataclass(frozen=True)
class Item:
    number: int
    sender: int = 0


class SpecialItem(Item):
    pass


class Wait:
    """Handled until the gate opens."""


class Collector(Actor):
    def __init__(self, seen: list[Item], gate: asyncio.Event) -> None:
        self.seen = seen
        self.gate = gate

    @handler
    async def on_item(self, message: Item) -> None:
        self.seen.append(message)

    @handler
    async def on_wait(self, message: Wait) -> None:
        await self.gate.wait()


class SlowCollector(Collector):
    """Suspends on every message."""

    @handler
    async def on_item(self, message: Item) -> None:
        await asyncio.sleep(0)
        self.seen.append(message)


async def test_messages_of_one_sender_arrive_in_order() -> None:
    seen: list[Item] = []
    async with ActorSystem() as system:
        ref = system.spawn(lambda: Collector(seen, asyncio.Event()), mailbox_capacity=8)
        for number in range(1000):
            await ref.tell(Item(number))
        await system.quiescent()
    assert [item.number for item in seen] == list(range(1000))


@pytest.mark.parametrize("collector", [Collector, SlowCollector])
async def test_eight_producers_lose_nothing_and_keep_their_own_order(collector: type[Collector]) -> None:
    seen: list[Item] = []
    async with ActorSystem() as system:
        ref = system.spawn(lambda: collector(seen, asyncio.Event()), mailbox_capacity=4)

        async def produce(sender: int) -> None:
            for number in range(200):
                await ref.tell(Item(number, sender))

        await asyncio.gather(*(produce(sender) for sender in range(8)))
        await system.quiescent()
        assert ref.statistics().mailbox_high_water <= 4
    assert len(seen) == 1600
    for sender in range(8):
        assert [item.number for item in seen if item.sender == sender] == list(range(200))


async def test_a_full_mailbox_makes_its_sender_wait() -> None:
    gate, seen = asyncio.Event(), list[Item]()
    async with ActorSystem() as system:
        ref = system.spawn(lambda: Collector(seen, gate), mailbox_capacity=2)
        await ref.tell(Wait())
        await system.quiescent()
        for number in range(2):
            await ref.tell(Item(number))
        waiting = asyncio.ensure_future(ref.tell(Item(2)))
        await system.quiescent()
        assert not waiting.done()
        assert ref.statistics().mailbox_depth == 2
        gate.set()
        await waiting
        await system.quiescent()
    assert [item.number for item in seen] == [0, 1, 2]


async def test_waiting_senders_are_served_first_come_first_served_and_are_not_overtaken() -> None:
    gate, seen = asyncio.Event(), list[Item]()
    async with ActorSystem() as system:
        ref = system.spawn(lambda: Collector(seen, gate), mailbox_capacity=1)
        await ref.tell(Wait())
        await system.quiescent()
        tells = [asyncio.ensure_future(ref.tell(Item(number))) for number in range(5)]
        await system.quiescent()
        gate.set()
        await asyncio.gather(*tells)
        await ref.tell(Item(5))
        await system.quiescent()
    assert [item.number for item in seen] == [0, 1, 2, 3, 4, 5]


async def test_a_sender_cancelled_while_waiting_sends_nothing_and_blocks_nobody() -> None:
    gate, seen = asyncio.Event(), list[Item]()
    async with ActorSystem() as system:
        ref = system.spawn(lambda: Collector(seen, gate), mailbox_capacity=1)
        await ref.tell(Wait())
        await system.quiescent()
        first, withdrawn, last = (asyncio.ensure_future(ref.tell(Item(number))) for number in range(3))
        await system.quiescent()
        withdrawn.cancel()
        gate.set()
        await asyncio.gather(first, last)
        await system.quiescent()
    assert [item.number for item in seen] == [0, 2]


async def test_tell_nowait_refuses_at_the_bound_and_names_the_actor() -> None:
    gate = asyncio.Event()
    async with ActorSystem() as system:
        ref = system.spawn(lambda: Collector([], gate), name="narrow", mailbox_capacity=1)
        ref.tell_nowait(Wait())
        await system.quiescent()
        ref.tell_nowait(Item(0))
        with pytest.raises(MailboxFull, match=r"crucible/narrow.*full \(1 messages\)"):
            ref.tell_nowait(Item(1))
        gate.set()


async def test_an_actor_that_tells_itself_into_a_full_mailbox_fails_instead_of_hanging() -> None:
    class Selfish(Actor):
        @handler
        async def on_item(self, message: Item) -> None:
            for number in range(3):
                await self.ref.tell(Item(number))

    async with ActorSystem() as system:
        ref = system.spawn(Selfish, mailbox_capacity=2, restart="temporary")
        await ref.tell(Item(0))
        await system.quiescent()
        assert not ref.is_alive
        assert ref.statistics().failed == 1


async def test_messages_to_a_stopped_actor_become_dead_letters() -> None:
    letters: list[DeadLetter] = []
    async with ActorSystem(dead_letters=2) as system:
        system.dead_letters.subscribe(letters.append)
        ref = system.spawn(lambda: Collector([], asyncio.Event()))
        await ref.stop()
        for number in range(3):
            await ref.tell(Item(number))
        ref.tell_nowait(Item(3))
        assert system.dead_letters.count == 4
        assert [letter.message for letter in system.dead_letters] == [Item(2), Item(3)]
    assert [letter.message for letter in letters] == [Item(0), Item(1), Item(2), Item(3)]
    assert {letter.reason for letter in letters} == {"stopped"}


async def test_what_waits_when_an_actor_stops_becomes_dead_letters_and_its_senders_go_on() -> None:
    gate = asyncio.Event()
    async with ActorSystem() as system:
        ref = system.spawn(lambda: Collector([], gate), mailbox_capacity=1)
        await ref.tell(Wait())
        await system.quiescent()
        await ref.tell(Item(0))
        waiting = asyncio.ensure_future(ref.tell(Item(1)))
        await system.quiescent()
        gate.set()
        await ref.stop()
        await waiting
        assert [letter.message for letter in system.dead_letters] == [Item(0), Item(1)]


async def test_a_message_without_a_handler_is_a_dead_letter_and_harms_nobody() -> None:
    async with ActorSystem() as system:
        seen: list[Item] = []
        ref = system.spawn(lambda: Collector(seen, asyncio.Event()))
        await ref.tell("unknown")
        await ref.tell(Item(1))
        await system.quiescent()
        assert [(letter.message, letter.reason) for letter in system.dead_letters] == [
            ("unknown", "unhandled")
        ]
        assert seen == [Item(1)]


async def test_a_handler_serves_the_subclasses_of_its_message_type() -> None:
    seen: list[Item] = []
    async with ActorSystem() as system:
        ref = system.spawn(lambda: Collector(seen, asyncio.Event()))
        await ref.tell(SpecialItem(7))
        await system.quiescent()
    assert seen == [SpecialItem(7)]


async def test_statistics_count_every_message_once() -> None:
    async with TestKit() as kit:
        ref = kit.spawn(lambda: Collector([], asyncio.Event()))
        for number in range(10):
            await ref.tell(Item(number))
        await ref.tell("unknown")
        assert ref.statistics().mailbox_depth == 11
        await kit.quiescent()
        now = ref.statistics()
    assert (now.received, now.handled, now.dropped, now.mailbox_depth) == (11, 10, 1, 0)
    assert now.mailbox_high_water == 11
