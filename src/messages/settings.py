"""The settings of a daemon, as ``config/crucible.toml`` gives them: strict, each with default and meaning."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .base import Message

__all__ = ["ApiSettings", "DaemonSettings", "LimitSettings", "LogSettings", "Settings", "StoreSettings"]

Seconds = Annotated[float, Meta(gt=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]


class StoreSettings(Message, frozen=True):
    """Where the queue is kept."""

    kind: Annotated[
        Literal["sqlite", "postgres", "memory"],
        Meta(description="sqlite: one daemon; postgres: several; memory: nothing survives"),
    ] = "sqlite"
    url: Annotated[
        str | None,
        Meta(description="of postgres: a reference such as env:CRUCIBLE_DATABASE_URL or file:PATH"),
    ] = None


class DaemonSettings(Message, frozen=True):
    """How runs are worked through."""

    name: Annotated[
        str | None, Meta(description="id of this daemon; default: one kept in the data folder")
    ] = None
    max_running: Annotated[AtLeastOne, Meta(description="runs at once")] = 2
    max_running_by_owner: Annotated[AtLeastOne | None, Meta(description="runs at once of one owner")] = None
    lease_s: Annotated[Seconds, Meta(description="how long a lease lasts without renewal")] = 30.0
    renew_s: Annotated[Seconds, Meta(description="how often leases are renewed")] = 10.0
    poll_s: Annotated[Seconds, Meta(description="how often the queue is looked at, if nothing wakes it")] = (
        1.0
    )
    rescue_s: Annotated[Seconds, Meta(description="how often runs of dead daemons are looked for")] = 5.0
    stop_s: Annotated[Seconds, Meta(description="time to hand everything back after SIGTERM")] = 20.0
    max_interruptions: Annotated[
        AtLeastOne, Meta(description="a run that took that many daemons down in a row is parked")
    ] = 3
    retry_base_s: Annotated[Seconds, Meta(description="wait before the second attempt; doubles")] = 10.0
    retry_max_s: Annotated[Seconds, Meta(description="longest wait between attempts")] = 600.0
    keep_days: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="runs that ended longer ago are deleted with their files; default: never"),
    ] = None


class ApiSettings(Message, frozen=True):
    """Where the API and its page are, and who may use them.

    On loopback whoever can read the token file is the operator, who may read all that the daemon may read.
    """

    host: Annotated[str, Meta(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="0: any free one")] = 8765
    hosts: Annotated[
        tuple[str, ...], Meta(description="names that a Host header may carry besides the loopback's")
    ] = ()
    token_file: Annotated[
        str | None, Meta(description="file with the bearer token; default: token in the data folder")
    ] = None
    backends: Annotated[
        tuple[str, ...] | None, Meta(description="backends that a submission may name; default: all")
    ] = None
    base_urls: Annotated[
        tuple[str, ...] | None,
        Meta(description="servers that a submission may name; default: any on loopback, else none"),
    ] = None
    data_roots: Annotated[
        tuple[str, ...] | None,
        Meta(description="folders that a submission may read; default: any on loopback, else none"),
    ] = None


class LimitSettings(Message, frozen=True):
    """Bounds on what others may ask for."""

    max_queued: Annotated[AtLeastOne, Meta(description="runs that may wait")] = 100_000
    max_queued_by_owner: Annotated[AtLeastOne | None, Meta(description="of one owner; default: all")] = None
    max_body_bytes: Annotated[AtLeastOne, Meta(description="of a request")] = 1_048_576
    max_spec_depth: Annotated[AtLeastOne, Meta(description="levels that an experiment may be nested")] = 32
    max_stages: Annotated[AtLeastOne, Meta(description="of an experiment")] = 64
    max_streams: Annotated[AtLeastOne, Meta(description="event streams at once")] = 100
    max_page: Annotated[AtLeastOne, Meta(description="items of a page of a list")] = 500


class LogSettings(Message, frozen=True):
    """What is logged."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="the least that is logged")
    ] = "info"
    format: Annotated[
        Literal["auto", "json", "text"],
        Meta(description="json: an object a line, for programs; text: for people; auto: text on a terminal"),
    ] = "auto"


class Settings(Message, frozen=True):
    """All settings of a daemon."""

    data: Annotated[
        str,
        Meta(
            min_length=1,
            description="folder of the queue, the runs and the token; CRUCIBLE_DATA goes before it",
        ),
    ] = "crucible-data"
    store: StoreSettings = msgspec.field(default_factory=StoreSettings)
    daemon: DaemonSettings = msgspec.field(default_factory=DaemonSettings)
    api: ApiSettings = msgspec.field(default_factory=ApiSettings)
    limits: LimitSettings = msgspec.field(default_factory=LimitSettings)
    log: LogSettings = msgspec.field(default_factory=LogSettings)
