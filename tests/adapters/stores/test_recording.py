"""What a run records under its lease."""

from __future__ import annotations

import pytest
from tests.adapters.stores.bench import Bench
from tests.support.queue import stage

from crucible.messages.errors import ConflictError, InputError, LeaseLostError, NotFoundError
from crucible.messages.queue import Effect, StoredArtifact, StoredSession


async def test_a_stage_is_recorded_with_its_event(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.advance(2.0)
    await bench.store.record_stage(stage("r1", lease.token, seconds=1.5, result=b"\x00{}"), body={"rows": 3})
    (found,) = await bench.store.stages("r1")
    assert found == stage("r1", lease.token, seconds=1.5, result=b"\x00{}", attempt=1, ended_at=bench.now)
    event = (await bench.store.events(run_id="r1"))[-1]
    assert (event.kind, event.body) == (
        "stage.completed",
        {"stage": "data_load", "seconds": 1.5, "rows": 3},
    )


async def test_a_stage_is_recorded_once(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.store.record_stage(stage("r1", lease.token, result=b"first"))
    await bench.store.record_stage(stage("r1", lease.token, result=b"second"))
    await bench.store.record_stage(stage("r1", lease.token, status="failed"))
    assert [each.result for each in await bench.store.stages("r1")] == [b"first"]
    assert (await bench.kinds()).count("stage.completed") == 1


async def test_stages_are_told_apart_by_name_and_input(bench: Bench) -> None:
    lease = await bench.leased()
    for name, hash_ in (("b", "1"), ("a", "1"), ("b", "2")):
        await bench.store.record_stage(stage("r1", lease.token, name, input_hash=hash_))
    found = [(each.name, each.input_hash) for each in await bench.store.stages("r1")]
    assert found == [("b", "1"), ("a", "1"), ("b", "2")]


async def test_a_failed_stage_makes_way_for_a_later_attempt(bench: Bench) -> None:
    lease = await bench.leased()
    await bench.store.record_stage(stage("r1", lease.token, "a", status="failed"))
    await bench.store.record_stage(stage("r1", lease.token, "a", status="failed", result=b"again"))
    await bench.store.record_stage(stage("r1", lease.token, "b"))
    await bench.advance(30.0)
    await bench.store.rescue(max_interruptions=3)
    (later,) = await bench.store.claim("d1", limit=1, ttl_s=30.0)
    await bench.store.record_stage(stage("r1", later.token, "a", result=b"good"))
    found = [(each.name, each.status, each.result, each.token) for each in await bench.store.stages("r1")]
    assert found == [("b", "completed", b"", lease.token), ("a", "completed", b"good", later.token)]
    assert (await bench.kinds()).count("stage.failed") == 1


async def test_events_keep_their_bodies(bench: Bench) -> None:
    lease = await bench.leased()
    body = {"text": "naïve \u0000 </script>", "list": [1, 2.5, None], "deep": {"a": True}}
    await bench.store.record_event("r1", lease.token, "note", body)
    event = (await bench.store.events())[-1]
    assert (event.kind, event.body, event.at) == ("note", body, bench.now)


async def test_a_body_that_is_no_json_is_refused(bench: Bench) -> None:
    lease = await bench.leased()
    with pytest.raises(InputError, match="JSON"):
        await bench.store.record_event("r1", lease.token, "note", {"a": object()})
    with pytest.raises(InputError, match="JSON"):
        await bench.store.record_stage(stage("r1", lease.token), body={"a": "\ud800"})
    assert await bench.store.stages("r1") == []
    assert await bench.kinds() == ["run.submitted", "run.started"]


async def test_the_list_of_files_is_replaced(bench: Bench) -> None:
    lease = await bench.leased()

    def file(name: str, size: int = 1, sha256: str | None = None) -> StoredArtifact:
        return StoredArtifact(run_id="r1", name=name, media_type="text/plain", bytes=size, sha256=sha256)

    await bench.store.record_artifacts("r1", lease.token, [file("b"), file("a", 5_000_000_000, "ff")])
    assert await bench.store.artifacts("r1") == [file("a", 5_000_000_000, "ff"), file("b")]
    await bench.store.record_artifacts("r1", lease.token, [file("c")])
    assert await bench.store.artifacts("r1") == [file("c")]
    with pytest.raises(LeaseLostError):
        await bench.store.record_artifacts("r1", lease.token + 1, [])
    assert await bench.store.artifacts("r1") == [file("c")]


async def test_an_effect_is_written_down_before_it_is_tried(bench: Bench) -> None:
    lease = await bench.leased()
    effect = Effect(run_id="r1", key="r1/train/3", stage="train", step=3)
    assert (await bench.store.intend(lease.token, effect)).created
    again = await bench.store.intend(lease.token, effect)
    assert (again.created, again.state, again.step) == (False, "intent", 3)
    await bench.store.effect("r1", lease.token, effect.key, "sent")
    await bench.store.effect("r1", lease.token, effect.key, "acknowledged", remote_ref="x:1")
    await bench.store.effect("r1", lease.token, effect.key, "acknowledged")
    known = await bench.store.intend(lease.token, effect)
    assert (known.created, known.state, known.remote_ref) == (False, "acknowledged", "x:1")


async def test_an_effect_key_belongs_to_one_run(bench: Bench) -> None:
    await bench.queued("r1")
    await bench.queued("r2")
    await bench.store.claim("d1", limit=2, ttl_s=30.0)
    await bench.store.intend(1, Effect(run_id="r1", key="k", stage="train", step=0))
    with pytest.raises(ConflictError, match="run r1"):
        await bench.store.intend(1, Effect(run_id="r2", key="k", stage="train", step=0))
    with pytest.raises(NotFoundError, match="'k'"):
        await bench.store.effect("r2", 1, "k", "sent")


async def test_effects_need_the_lease(bench: Bench) -> None:
    lease = await bench.leased()
    effect = Effect(run_id="r1", key="k", stage="train", step=0)
    with pytest.raises(LeaseLostError):
        await bench.store.intend(lease.token + 1, effect)
    await bench.store.intend(lease.token, effect)
    with pytest.raises(LeaseLostError):
        await bench.store.effect("r1", lease.token + 1, "k", "sent")
    with pytest.raises(NotFoundError):
        await bench.store.effect("r1", lease.token, "other", "sent")
    assert (await bench.store.intend(lease.token, effect)).state == "intent"


async def test_a_session_is_replaced(bench: Bench) -> None:
    lease = await bench.leased()
    assert await bench.store.session("r1") is None
    session = StoredSession(run_id="r1", backend="tinker", remote_id="t-1", last_step=4)
    await bench.store.save_session(lease.token, session)
    assert await bench.store.session("r1") == session
    later = StoredSession(run_id="r1", backend="tinker", remote_id="t-2", last_step=9, checkpoint="c")
    await bench.store.save_session(lease.token, later)
    assert await bench.store.session("r1") == later
    with pytest.raises(LeaseLostError):
        await bench.store.save_session(lease.token + 1, session)
    assert await bench.store.session("r1") == later
