"""The sections on hedging, slow requests, votes and disagreements; figures come from the real tallies."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from crucible.actors.hedging.plan import Attempt as Seen
from crucible.actors.hedging.plan import Race as Observed
from crucible.actors.hedging.tally import HedgeTally, figures
from crucible.actors.voting.calibration import IsotonicCalibration
from crucible.actors.voting.judging import Judgement
from crucible.actors.voting.tally import EnsembleTally
from crucible.adapters.reports.build import build_document
from crucible.adapters.reports.document import Document, Section
from crucible.adapters.reports.html import render_html
from crucible.adapters.reports.markdown import render_markdown
from crucible.adapters.reports.plots import draw_plots
from crucible.adapters.reports.racing import told
from crucible.messages.records import Attempt, Ballots, Example, Output, Race
from crucible.messages.report import Disagreement, RunReport, SlowRequest

HOSTILE = "<script>alert(1)</script> | `x` \u202e **bold** ]]> &amp;"
HEDGE_WON = "hedge sent at 100 ms, answered at 150 ms. The hedge won."
NEW = {"votes", "disagreements", "hedging", "slowest"}


def hedging(*, cut: bool = False) -> dict[str, Any]:
    """Of 200 requests 190 took 50 ms; ten took a second, and a duplicate after 0.1 s ended them at 0.15 s.

    ``cut``: those ten were cancelled then, so that nobody knows how long they would have taken.
    """
    tally = HedgeTally()
    for number in range(200):
        slow = number % 20 == 7
        first = Seen(started_s=0.0, latency_s=1.0 if slow else 0.05, outcome="answered")
        if slow and cut:
            first = Seen(started_s=0.0, latency_s=0.15, outcome="cancelled")
        second = Seen(started_s=0.1, latency_s=0.05, outcome="answered")
        attempts = (first, second) if slow else (first,)
        tally.observed(Observed(attempts=attempts, winner=len(attempts) - 1))
        race = Race(winner="hedge", hedged=True, duplicates=1, cancelled=1, extra_cost_usd=0.25)
        tally.settled(race if slow else Race(winner="first"), len(attempts))
    tally.refused = 3
    return {"strategy": "fixed", **figures([tally])}


def votes(*, claims: bool = False) -> dict[str, Any]:
    """Member a is right on 8 of 10, b on 6, c never answers; a and b err together on two."""
    tally = EnsembleTally("abc", dict.fromkeys("abc", "mock"), claims=claims)
    for number in range(10):
        right = {"a": number < 8, "b": number < 6}
        members = tuple(
            Output(example_id=str(number), system=name, backend="mock", latency_s=0.04, cost_usd=0.5)
            for name in "ab"
        )
        agreement = 1.0 if right["a"] == right["b"] else 0.5
        ballots = Ballots(
            status="decided", strategy="majority", reason="", members=members, key="k", votes=2,
            consensus=agreement, agreement=agreement, failed={"c": "timed out"},
            tie_rule=None if agreement == 1 else "member order", not_asked=("c",) if number == 0 else (),
        )  # fmt: skip
        judged = Judgement(right, ensemble=right["a"], confidence=agreement, holds=right["a"], made=("a",))
        tally.add(ballots, {"a": "k", "b": "k" if agreement == 1 else "l"}, 0.8, [judged])
    learned = IsotonicCalibration(thresholds=(0.5,), values=(0.8,))
    calibration = {"method": "isotonic", "learned_from": 40, "members": [], **tally.calibration(learned)}
    told = {"strategy": "majority", "execution": "parallel", "normalizer": "text", **tally.metrics()}
    learned_from = {"rows": 40, "requests": 120, "cost_usd": 0.5}
    return {**told, "calibration": calibration, "learned": learned_from}


def slow(*attempts: Attempt, winner: Any = "hedge", **fields: Any) -> SlowRequest:
    race = Race(winner=winner, hedged=True, reason="fixed delay", attempts=attempts)
    return SlowRequest(example_id="row-1", system="a", latency_s=0.15, ensemble="jury", race=race, **fields)


RACED = slow(
    Attempt(kind="first", backend="a", started_s=0.0, ended_s=0.15, outcome="cancelled"),
    Attempt(kind="hedge", backend="a", started_s=0.1, ended_s=0.15, outcome="won"),
)


def dispute(text: str) -> Disagreement:
    members = (
        Output(example_id="row-1", system="a", backend="m", text=text, confidence=0.7),
        Output(example_id="row-1", system="b", backend="m", text="I don't know"),
        Output(example_id="row-1", system="c", backend="m", error="timed out"),
    )
    ballots = Ballots(
        status="decided", strategy="majority", reason="1 of 2 votes", members=members, winner_member="a",
        key=text, votes=1, scores={text: 1.0}, agreement=0.5, abstained={"b": "says it does not know"},
        not_asked=("d",), stopped="settled",
    )  # fmt: skip
    output = Output(example_id="row-1", system="jury", backend="ensemble", text=text, ballots=ballots)
    return Disagreement(example=Example(id="row-1", input=text, reference=text), output=output)


def with_figures(report: RunReport, **more: Any) -> RunReport:
    stages = tuple(
        msgspec.structs.replace(stage, metrics={**stage.metrics, **more})
        if stage.stage == "backend_call"
        else stage
        for stage in report.stages
    )
    return msgspec.structs.replace(report, stages=stages)


@pytest.fixture(scope="module")
def whole(build: Callable[[str], RunReport]) -> RunReport:
    report = with_figures(build("plain"), hedging=hedging(), ensemble=votes())
    return msgspec.structs.replace(report, slowest=(RACED,), disagreements=(dispute(HOSTILE),))


def section(document: Document, key: str) -> Section:
    return next(each for each in document.sections if each.key == key)


def row(found: Section, table: int, name: str) -> list[str]:
    return next([c.text for c in row] for row in found.tables[table].rows if row[0].text == name)


def test_the_sections_are_there_only_with_something_to_show(report: RunReport, whole: RunReport) -> None:
    assert {each.key for each in build_document(whole).sections} >= NEW
    assert not {each.key for each in build_document(report).sections} & NEW
    empty = with_figures(report, hedging={"requests": 0}, ensemble={"questions": 0})
    assert not {each.key for each in build_document(empty).sections} & NEW


def test_hedging_shows_latency_with_and_without_and_the_price(whole: RunReport) -> None:
    found = section(build_document(whole), "hedging")
    assert found.lead == (
        "10 of 200 requests (5 %) got a duplicate, which won 10 times."
        " P99: 150 ms, without hedging about 1.00 s. Policy: fixed."
    )
    p99 = found.tables[0].rows[0][4]
    assert (p99.text, p99.detail) == ("150 ms", "1.00 s · 6.7 ×")
    names = found.tables[1].heads
    shown = dict(zip(names, row(found, 1, "all"), strict=True))
    assert (shown["refused"], shown["cancelled"], shown["extra cost"]) == ("3", "10", "$2.500")


def test_where_all_slow_ones_were_cancelled_the_estimate_is_a_lower_bound_and_marked(
    whole: RunReport,
) -> None:
    report = with_figures(whole, hedging=hedging(cut=True))
    found = section(build_document(report), "hedging")
    assert "P99: 150 ms, without hedging more than 150 ms." in found.lead
    median, p99 = found.tables[0].rows[0][2], found.tables[0].rows[0][4]
    assert (median.detail, p99.detail) == ("50 ms", "> 150 ms")
    (plot,) = draw_plots(report, {"latency"})["latency"]
    assert plot.caption.endswith("cancelled: there it is higher.")
    assert plot.description.endswith("without hedging, estimated: P50 50 ms, P95 50 ms.")


def test_a_run_without_a_duplicate_says_so(report: RunReport) -> None:
    tally = HedgeTally()
    tally.settled(Race(winner="first"), 1)
    found = section(
        build_document(with_figures(report, hedging={"strategy": "fixed", **figures([tally])})), "hedging"
    )
    assert found.lead == "None of 1 requests got a duplicate. Policy: fixed."


def test_votes_show_outcomes_members_errors_and_calibration(whole: RunReport) -> None:
    found = section(build_document(whole), "votes")
    assert "worth 1.2 independent voters. More of the same kind would add little." in found.lead
    assert row(found, 0, "members disagreed") == ["members disagreed", "2", "20 %"]
    assert row(found, 0, "a tie was broken")[1] == "2"
    assert "40 rows of the validation split were asked to learn from: 120 requests, $0.500." in (
        found.tables[0].note
    )
    heads = found.tables[1].heads
    assert "not asked" in heads
    assert "cancelled" not in heads  # nobody was
    member = dict(zip(heads, row(found, 1, "b"), strict=True))
    assert (member["right"], member["with the winner"], member["cost"]) == ("60 %", "8", "$5.000")
    shares = {cells[0].text: cells[heads.index("right")].detail for cells in found.tables[1].rows}
    assert shares["b"] == "31.3 % to 83.2 % of 10"  # statsmodels: proportion_confint(6, 10, method="wilson")
    assert found.tables[1].note.endswith("where the data have groups, go by the table of scores.")
    pair = row(found, 2, "a")
    assert pair == ["a", "b", "0.612", "2", "10"]
    assert [cells[0].text for cells in found.tables[3].rows] == ["as given", "calibrated"]
    assert "from 40 others, of the validation split" in found.tables[3].note


def test_a_member_that_does_better_than_the_vote_is_named(report: RunReport) -> None:
    told = votes()
    told["accuracy"] = 0.7
    lead = section(build_document(with_figures(report, ensemble=told)), "votes").lead
    assert lead.endswith("a alone does better than the vote: share that is right 0.800 against 0.700.")


def test_over_claims_the_members_have_claims_found_and_right(report: RunReport) -> None:
    found = section(build_document(with_figures(report, ensemble=votes(claims=True))), "votes")
    member = dict(zip(found.tables[1].heads, row(found, 1, "a"), strict=True))
    assert (member["claims found"], member["claims right"]) == ("80 %", "80 %")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (
            RACED,
            f"first sent at 0 ms, cancelled at 150 ms; {HEDGE_WON}",
        ),
        (
            slow(
                Attempt(
                    kind="first", backend="a", started_s=0, ended_s=2, outcome="failed", error="Gone: away"
                ),
                winner=None,
            ),
            "first failed at 2.00 s (Gone: away); no answer",
        ),
        (SlowRequest(example_id="r", system="a", latency_s=1.0, attempts=2), "2 attempts"),
        (
            SlowRequest(example_id="r", system="a", latency_s=1.0, error="timed out"),
            "1 attempt; failed: timed out",
        ),
    ],
)
def test_what_happened_to_a_slow_request_is_told(request_: SlowRequest, words: str) -> None:
    assert told(request_) == words


def test_a_dispute_shows_every_ballot_and_who_was_not_asked(whole: RunReport) -> None:
    quote = section(build_document(whole), "disagreements").quotes[0]
    shown = {text.label: text.text for text in quote.texts}
    assert shown["a, won, confidence 0.700"] == HOSTILE
    assert shown["b, abstained: says it does not know"] == "I don't know"
    assert shown["c"] == "failed: timed out"
    assert shown["d, not asked"] == "(settled)"
    assert quote.title == "Agreement 0.500, decided"


def test_plots_are_drawn_with_their_figures_in_words(whole: RunReport) -> None:
    drawn = draw_plots(whole, {"latency", "reliability", "slowest"})
    words = {name: plots[0].description for name, plots in drawn.items()}
    assert "with hedging: P50 50 ms, P95 50 ms, P99 150 ms" in words["latency"]
    assert "without hedging, estimated: P50 50 ms, P95 50 ms, P99 1.00 s" in words["latency"]
    assert (
        "as given: confidence 0.500, right 1.000 of 2, confidence 1.000, right 0.750 of 8"
        in (words["reliability"])
    )
    assert "row-1 · a: first sent at 0 ms" in words["slowest"]
    assert draw_plots(whole, {"latency", "slowest"}) == {n: drawn[n] for n in ("latency", "slowest")}


def test_the_caption_names_the_dots_that_few_requests_have(whole: RunReport) -> None:
    figures = hedging()
    shares = figures["latency_curve"]["share"]
    few = sum(share < 0.99 for share in shares)
    figures["latency_curve"] = {key: values[:few] for key, values in figures["latency_curve"].items()}
    (all_dots,) = draw_plots(whole, {"latency"})["latency"]
    (two_dots,) = draw_plots(with_figures(whole, hedging=figures), {"latency"})["latency"]
    assert all_dots.caption.endswith("Dots: P50, P95, P99.")
    assert two_dots.caption.endswith("Dots: P50, P95.")


def test_hostile_ballots_are_shown_and_never_interpreted(build: Callable[[str], RunReport]) -> None:
    hedged = slow(
        Attempt(kind="first", backend=HOSTILE, started_s=0, ended_s=1, outcome="failed", error=HOSTILE),
        error=HOSTILE,
    )
    hedged = msgspec.structs.replace(hedged, example_id=HOSTILE, system=HOSTILE, ensemble=HOSTILE)
    told = votes()
    told["members"][HOSTILE] = told["members"].pop("c")
    report = with_figures(
        build("plain"), hedging={**hedging(), "systems": {HOSTILE: hedging()}}, ensemble=told
    )
    report = msgspec.structs.replace(report, slowest=(hedged,), disagreements=(dispute(HOSTILE),))
    document = build_document(report)
    html = render_html(document, report)
    assert "<script" not in html
    assert "\u202e" not in html
    assert "**bold**" not in outside_fences(render_markdown(document).splitlines())


def outside_fences(lines: Sequence[str]) -> str:
    kept, inside = [], False
    for line in lines:
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def test_the_json_report_has_the_same_and_comes_back(whole: RunReport) -> None:
    data = msgspec.json.encode(whole)
    read = msgspec.json.decode(data, type=RunReport)
    assert (read.slowest, read.disagreements) == (whole.slowest, whole.disagreements)
    decoded = json.loads(data)
    assert decoded["slowest"][0]["race"]["attempts"][1]["outcome"] == "won"
    assert decoded["disagreements"][0]["output"]["ballots"]["members"][2]["error"] == "timed out"
