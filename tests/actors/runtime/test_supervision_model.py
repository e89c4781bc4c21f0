"""Supervision against a model of Erlang/OTP's supervisor, over random histories.

The model restates the rules of supervisor.erl on plain lists. Compared after every step: the exact order in
which incarnations ended ("-a") and began ("+a"), who is alive, and whether the supervisor has given up.
"""

import asyncio
from typing import Any, get_args

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from crucible.actors.runtime import (
    Actor,
    ActorRef,
    ActorSystem,
    RestartIntensity,
    RestartType,
    Strategy,
    SupervisionPolicy,
    VirtualClock,
    handler,
)

PERIOD_S = 10.0


class Crash:
    pass


class Exit:
    pass


class Child(Actor):
    def __init__(self, log: list[str], name: str) -> None:
        self.log = log
        self.name = name

    async def on_start(self) -> None:
        self.log.append(f"+{self.name}")

    async def on_stop(self) -> None:
        self.log.append(f"-{self.name}")

    @handler
    async def on_crash(self, message: Crash) -> None:
        raise ValueError(self.name)

    @handler
    def on_exit(self, message: Exit) -> None:
        self.context.stop_self()


class Supervisor(Actor):
    def __init__(self, log: list[str], policy: SupervisionPolicy, kinds: list[RestartType]) -> None:
        self.log = log
        self.policy = policy
        self.kinds = kinds
        self.refs: dict[str, ActorRef] = {}

    async def on_start(self) -> None:
        for index, kind in enumerate(self.kinds):
            name = f"c{index}"
            self.refs[name] = self.context.spawn(
                lambda name=name: Child(self.log, name),  # type: ignore[misc]  # mypy: lambda default
                name=name,
                restart=kind,
                policy=self.policy,
            )

    async def on_stop(self) -> None:
        self.log.append("-supervisor")


class OtpModel:
    """supervisor.erl in small: children in start order, restarts in a sliding window."""

    def __init__(self, strategy: Strategy, intensity: int, kinds: list[RestartType]) -> None:
        self.strategy = strategy
        self.intensity = intensity
        self.children = {f"c{index}": kind for index, kind in enumerate(kinds)}
        self.restarts: list[float] = []
        self.given_up = False
        self.log = [f"+{name}" for name in self.children]

    def crash(self, name: str, now: float) -> None:
        if self.children[name] == "temporary":
            self._remove(name)
        else:
            self._restart(name, now)

    def exit(self, name: str, now: float) -> None:
        if self.children[name] == "permanent":
            self._restart(name, now)
        else:
            self._remove(name)

    def stop(self, name: str) -> None:
        self._remove(name)

    def _remove(self, name: str) -> None:
        self.log.append(f"-{name}")
        del self.children[name]

    def _restart(self, name: str, now: float) -> None:
        self.restarts = [at for at in self.restarts if at >= now - PERIOD_S] + [now]
        if len(self.restarts) > self.intensity:
            self.log += [f"-{one}" for one in reversed(self.children)] + ["-supervisor"]
            self.children = {}
            self.given_up = True
            return
        names = list(self.children)
        position = names.index(name)
        concerned = {"one_for_one": [name], "one_for_all": names, "rest_for_one": names[position:]}[
            self.strategy
        ]
        self.log += [f"-{one}" for one in reversed(concerned)]
        for one in concerned:
            if self.children[one] == "temporary":
                del self.children[one]
            else:
                self.log.append(f"+{one}")


class SupervisionMachine(RuleBasedStateMachine):
    """Drives a real supervisor and the model side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.log: list[str] = []

    @initialize(
        strategy=st.sampled_from(get_args(Strategy)),
        intensity=st.integers(0, 3),
        kinds=st.lists(st.sampled_from(get_args(RestartType)), min_size=1, max_size=5),
    )
    def begin(self, strategy: Strategy, intensity: int, kinds: list[RestartType]) -> None:
        self.model = OtpModel(strategy, intensity, kinds)
        policy = SupervisionPolicy(strategy=strategy, intensity=RestartIntensity(intensity, PERIOD_S))
        self.clock = VirtualClock()
        self.system = ActorSystem(clock=self.clock)
        self.supervisor = Supervisor(self.log, policy, kinds)

        async def start() -> ActorRef:
            self.system.start()
            ref = self.system.spawn(lambda: self.supervisor, restart="temporary", name="supervisor")
            await self.system.quiescent()
            return ref

        self.ref = self.runner.run(start())

    def _tell(self, name: str, message: object) -> None:
        async def tell() -> None:
            await self.supervisor.refs[name].tell(message)
            await self.system.quiescent()

        self.runner.run(tell())

    @precondition(lambda self: bool(self.model.children))
    @rule(data=st.data())
    def crash(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.children)))
        self.model.crash(name, self.clock.now())
        self._tell(name, Crash())

    @precondition(lambda self: bool(self.model.children))
    @rule(data=st.data())
    def exit(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.children)))
        self.model.exit(name, self.clock.now())
        self._tell(name, Exit())

    @precondition(lambda self: bool(self.model.children))
    @rule(data=st.data())
    def stop(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.children)))
        self.model.stop(name)
        self.runner.run(self.supervisor.refs[name].stop())

    @rule(seconds=st.sampled_from([1.0, 4.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.runner.run(self.clock.advance(seconds))

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert self.log == self.model.log
        assert self.ref.is_alive is not self.model.given_up
        alive = {name for name, ref in self.supervisor.refs.items() if ref.is_alive}
        assert alive == set(self.model.children)

    def teardown(self) -> None:
        if hasattr(self, "system"):
            self.runner.run(self.system.stop())
        self.runner.close()


TestSupervisionAgainstOtp = SupervisionMachine.TestCase
TestSupervisionAgainstOtp.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
