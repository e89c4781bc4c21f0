"""What a person sees while a run goes on: bars on a terminal, plain lines elsewhere, nothing if quiet."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TextIO

import msgspec

from ...messages.control import (
    Progress,
    RunCompleted,
    RunEvent,
    RunStarted,
    StageCompleted,
    StageFailed,
    StageStarted,
)
from .pipes import quiet_pipe

__all__ = ["ProgressView", "View", "make_progress"]

LINE_EVERY_S = 5.0
View = Literal["auto", "log", "none"]


class ProgressView(Protocol):
    """Shows events."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        ...

    def show(self, event: RunEvent) -> None:
        """Show one event."""
        ...


def make_progress(stream: TextIO, view: View) -> ProgressView:
    """The view that was asked for; ``auto`` takes the one that suits the stream."""
    if view == "none":
        return Silent()
    if view == "log":
        return JsonLog(stream)
    return Bars(stream) if stream.isatty() else Lines(stream)


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""

    def show(self, event: RunEvent) -> None:
        """Nothing."""


class JsonLog(Silent):
    """One JSON object for each event, with time and level, by structlog."""

    def __init__(self, stream: TextIO) -> None:
        import structlog

        self._stream = stream
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(stream),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )

    def show(self, event: RunEvent) -> None:
        """Write the event; results without their long parts, which are in the report."""
        with quiet_pipe(self._stream):
            match event:
                case StageCompleted(result=result):
                    counts = {"received": result.received, "emitted": result.emitted}
                    seconds = {"seconds": result.seconds, "busy_seconds": result.busy_seconds}
                    self._log.info(
                        "StageCompleted", stage=result.stage, status=result.status, **counts, **seconds
                    )
                case RunCompleted(result=result):
                    self._log.info(
                        "RunCompleted", run_id=result.run_id, status=result.status, failure=result.failure
                    )
                case StageFailed():
                    self._log.error("StageFailed", stage=event.stage, reason=event.reason)
                case _:
                    self._log.info(type(event).__name__, **msgspec.structs.asdict(event))


def _to_json(content: object, **_options: object) -> str:
    return msgspec.json.encode(content).decode()


class Lines(Silent):
    """One plain line when a stage is done, and every five seconds while one is at work.

    That a stage failed is not said here: the command says it in its last line, with --quiet too.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = time.monotonic()

    def show(self, event: RunEvent) -> None:
        """Print a line if the event deserves one."""
        text = self._text(event)
        if text is not None:
            with quiet_pipe(self._stream):
                print(text, file=self._stream)

    def _text(self, event: RunEvent) -> str | None:
        match event:
            case RunStarted(run_id=run_id):
                return f"run {run_id}"
            case StageCompleted(result=result):
                counts = f"{result.received} in, {result.emitted} out"
                return f"{result.stage}: {result.status}, {counts}, {result.seconds:.1f} s"
            case Progress() if time.monotonic() - self._last >= LINE_EVERY_S:
                self._last = time.monotonic()
                return f"{event.stage}: {_counted(event)}"
        return None


def _counted(event: Progress) -> str:
    total = "" if event.total is None else f" of {event.total}"
    return " ".join(part for part in (event.phase, f"{event.done}{total}", event.note) if part)


class Bars:
    """A bar for each stage, and one for each phase of a stage."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(file=stream),
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Take over the lower lines of the terminal."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state of the bars on the screen."""
        self._bars.stop()

    def show(self, event: RunEvent) -> None:
        """Move the bars."""
        match event:
            case StageStarted(stage=stage):
                self._task(stage)
            case Progress(stage=stage, phase=phase):
                name = f"{stage}: {phase}" if phase else stage
                self._bars.update(self._task(name), completed=event.done, total=event.total, note=event.note)
            case StageCompleted(result=result):
                done = max(result.received, 1)
                self._bars.update(self._task(result.stage), completed=done, total=done)
            case StageFailed(stage=stage):
                self._bars.update(self._task(stage), note="failed")

    def _task(self, name: str) -> Any:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=None, note="")
        return self._tasks[name]
