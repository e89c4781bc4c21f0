import random
from typing import Any

import msgspec
import pytest

from crucible.actors.daemon.decisions import (
    Order,
    deadline_left,
    headline_figures,
    headline_verdict,
    lease_margin,
    outranks,
    refused,
    retry_wait,
    room,
    settlement,
    trusted_until,
)
from crucible.messages.control import RunResult
from crucible.messages.experiment import BackendRef, Experiment, StageDef
from crucible.messages.findings import Comparison, Metric
from crucible.messages.flow import StageResult
from crucible.messages.queue import QueuedRun
from crucible.messages.settings import DaemonSettings

SETTINGS = DaemonSettings(retry_base_s=10.0, retry_max_s=600.0)
EXPERIMENT = Experiment(id="e", backend=BackendRef(id="mock"), pipeline=(StageDef(name="data_load"),))


def run(**fields: Any) -> QueuedRun:
    return QueuedRun(
        id="r",
        experiment_id="e",
        spec_hash="h",
        base="/",
        state="running",
        owner="local",
        priority=0,
        submitted_at=0.0,
        run_at=0.0,
        **{"attempt": 1, **fields},
    )


def result(status: Any = "failed", **fields: Any) -> RunResult:
    return RunResult(run_id="r", status=status, experiment=EXPERIMENT, stages=(), **fields)


def decide(of: QueuedRun, came: RunResult, order: Order | None = None) -> Any:
    return settlement(of, came, order, SETTINGS, random.Random(1))


def test_a_lease_is_given_up_before_the_store_ends_it() -> None:
    assert trusted_until(100.0, 30.0) == 125.0
    assert trusted_until(100.0, 6.0) == 105.0
    assert lease_margin(3.0) == 0.5


def test_a_completed_run_is_completed_with_the_means_of_its_model() -> None:
    means = tuple(
        Metric(name="f1", value=value, n=3, method="mean", system=system)
        for system, value in (("lead", 0.1), ("mock", 0.7))
    )
    stages = (StageResult(stage="bench", status="completed", figures=means),)
    done = RunResult(run_id="r", status="completed", experiment=EXPERIMENT, stages=stages, seconds=2.0)
    decided = decide(run(), done)
    assert (decided.state, decided.counted) == ("completed", True)
    assert decided.metrics == {"seconds": 2.0, "f1": 0.7}


DIFFERENCE: dict[str, Any] = {"n_clusters": None, "mean_system": 0.5, "mean_baseline": 0.4, "difference": 0.1}
NAMES = ("exact", "f1", "recall", *(f"extra_{number}" for number in range(20)))


def measured(*, wanted: tuple[str, ...] = (), compared: tuple[str, ...] = ()) -> RunResult:
    """A completed run whose experiment wants some metrics compared, and whose bench compared some."""
    bench = StageDef(name="bench", options={"metrics": list(wanted)} if wanted else {})
    figures = tuple(Metric(name=name, value=0.5, n=3, method="mean", system="mock") for name in NAMES)
    comparisons = tuple(
        Comparison(metric=name, system="mock", baseline="lead", n=3, **DIFFERENCE) for name in compared
    )
    return RunResult(
        run_id="r",
        status="completed",
        experiment=Experiment(id="e", backend=BackendRef(id="mock"), pipeline=(bench,)),
        stages=(
            StageResult(stage="analysis_metrics", status="completed", figures=figures),
            StageResult(stage="bench", status="completed", comparisons=comparisons),
        ),
        seconds=2.0,
    )


@pytest.mark.parametrize(
    ("wanted", "compared", "first"),
    [
        ((), (), ["exact", "f1", "recall"]),
        ((), ("recall", "f1"), ["recall", "f1", "exact"]),
        (("extra_19",), (), ["extra_19", "exact", "f1"]),
        (("extra_19", "unheard_of", "f1"), ("f1", "extra_19"), ["extra_19", "f1", "exact"]),
    ],
)
def test_the_headline_begins_with_what_the_experiment_compares(
    wanted: tuple[str, ...], compared: tuple[str, ...], first: list[str]
) -> None:
    metrics = decide(run(), measured(wanted=wanted, compared=compared)).metrics
    assert list(metrics)[:4] == ["seconds", *first]
    assert len(metrics) == 16
    assert headline_figures(metrics, 2) == [(name, 0.5) for name in first[:2]]


def test_the_headline_says_how_the_model_stands_in_what_is_compared_first() -> None:
    found = measured(wanted=("f1",), compared=("recall", "f1"))
    against_another = Comparison(
        metric="f1", system="mock", baseline="echo", n=3, **DIFFERENCE, verdict="better"
    )
    of_a_baseline = Comparison(
        metric="f1", system="lead", baseline="echo", n=3, **DIFFERENCE, verdict="worse"
    )
    bench = msgspec.structs.replace(
        found.stages[1], comparisons=(*found.stages[1].comparisons, against_another, of_a_baseline)
    )
    metrics = decide(run(), msgspec.structs.replace(found, stages=(found.stages[0], bench))).metrics
    assert headline_verdict(metrics) == "f1: no data against lead, better than echo"
    assert headline_verdict({"verdict": 0.5}) == ""


def test_a_mean_that_is_not_there_is_not_among_the_figures_that_are_shown() -> None:
    assert headline_figures({"seconds": 1.0, "f1": None, "recall": 0.25}, 2) == [("recall", 0.25)]


def test_a_report_that_is_there_counts_more_than_an_order_that_came_late() -> None:
    assert decide(run(), result("completed"), Order("cancel", "enough")).state == "completed"


def test_bad_input_is_never_tried_again() -> None:
    decided = decide(run(), result(failure="data_checks: row 3", failure_kind="input"))
    assert (decided.state, decided.reason) == ("failed", "data_checks: row 3")
    assert refused("x.toml:3: seed: wrong\nand more").reason == "x.toml:3: seed: wrong and more"


def test_a_run_whose_stage_said_that_it_failed_is_not_tried_again() -> None:
    said = StageResult(stage="bench", status="failed", reason="nothing was compared")
    came = RunResult(
        run_id="r",
        status="failed",
        experiment=EXPERIMENT,
        stages=(said,),
        failure="bench: nothing was compared",
        failure_kind="stage",
    )
    settled = decide(run(max_attempts=3), came)
    assert (settled.state, settled.reason) == ("failed", "bench: nothing was compared")


@pytest.mark.parametrize("kind", ["stage", "bug", "output"])
def test_other_failures_are_tried_again_after_a_wait(kind: Any) -> None:
    decided = decide(run(attempt=2), result(failure="bench: broke", failure_kind=kind))
    assert decided.state == "queued"
    assert decided.counted
    assert 10.0 <= decided.delay_s <= 20.0
    assert decided.reason == "attempt 2 of 3 failed: bench: broke"


def test_a_run_that_was_retried_in_vain_is_parked_and_one_without_retries_fails() -> None:
    parked = decide(run(attempt=3), result(failure="bench: broke", failure_kind="bug"))
    assert (parked.state, parked.reason) == ("parked", "all 3 attempts failed: bench: broke")
    failed = decide(run(attempt=1, max_attempts=1), result(failure="bench: broke", failure_kind="bug"))
    assert (failed.state, failed.reason) == ("failed", "bench: broke")


def test_an_attempt_that_ended_without_order_or_failure_is_tried_again() -> None:
    assert decide(run(), result("cancelled", failure="stopped")).state == "queued"


@pytest.mark.parametrize(
    ("order", "state", "counted"),
    [
        (Order("stop", "the daemon stops"), "queued", False),
        (Order("pause", "paused"), "paused", False),
        (Order("deadline", "late"), "failed", True),
        (Order("cancel", "not wanted"), "cancelled", True),
    ],
)
def test_an_order_says_how_the_attempt_ends(order: Order, state: str, counted: bool) -> None:
    decided = decide(run(), result("cancelled", failure="x"), order)
    assert (decided.state, decided.counted, decided.delay_s) == (state, counted, 0.0)


def test_only_a_weightier_order_replaces_the_one_that_is_followed() -> None:
    orders = [Order("stop"), Order("pause"), Order("deadline"), Order("cancel")]
    assert outranks(orders[0], None)
    for at, order in enumerate(orders):
        assert [outranks(other, order) for other in orders] == [n > at for n in range(4)]


def test_waits_double_with_jitter_up_to_the_longest() -> None:
    rng = random.Random(7)
    waits = [[retry_wait(attempt, SETTINGS, rng) for _ in range(200)] for attempt in (1, 2, 9, 1000)]
    for found, ceiling in zip(waits, (10.0, 20.0, 600.0, 600.0), strict=True):
        assert ceiling / 2 <= min(found) < max(found) <= ceiling
        assert max(found) - min(found) > ceiling / 4
    assert retry_wait(3, SETTINGS, random.Random(1)) == retry_wait(3, SETTINGS, random.Random(1))


def test_the_deadline_counts_what_earlier_attempts_took() -> None:
    assert deadline_left(run()) is None
    assert deadline_left(run(deadline_s=60.0, ran_s=45.0)) == 15.0
    assert deadline_left(run(deadline_s=60.0, ran_s=61.0)) == 0.0


def test_there_is_room_up_to_the_limit_and_none_below_it() -> None:
    settings = DaemonSettings(max_running=3)
    assert [room(settings, running) for running in (0, 2, 3, 5)] == [3, 1, 0, 0]


def test_reasons_fit_one_line_of_a_list() -> None:
    decided = decide(run(), result(failure="a\nb " + 900 * "x", failure_kind="input"))
    assert decided.reason.startswith("a b x")
    assert len(decided.reason) == 500
