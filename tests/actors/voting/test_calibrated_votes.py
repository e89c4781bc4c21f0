"""Confidences that were calibrated on the validation split: what they change, and how they fit elsewhere."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from crucible.messages.control import Progress
from crucible.messages.records import Completion
from crucible.messages.requests import BackendReply, BackendRequest
from crucible.testing import TestKit

from .claim_texts import text
from .jury import Jury, Member

KNOWN = 40


class Coin(Member):
    """Right with the given chance, by a seeded coin for each question."""

    def __init__(self, kit: TestKit, name: str, chance: float) -> None:
        super().__init__(kit, "")
        self._name, self._chance = name, chance

    async def sample(self, request: BackendRequest) -> BackendReply:
        right = random.Random(f"{self._name}/{request.example_id}").random() < self._chance
        return BackendReply(completions=(Completion(text="yes" if right else "no"),))


def by_turns(first: float, second: float, count: int) -> dict[str, float]:
    """Confidences that alternate, of known questions and of one that is asked."""
    return {f"v{i}": first if i % 2 else second for i in range(count)}


@pytest.mark.parametrize("method", ["isotonic", "temperature"])
async def test_the_ensembles_confidence_is_calibrated_and_measured_on_other_rows(
    tmp_path: Path, method: str
) -> None:
    async with TestKit() as kit:
        members = [Coin(kit, name, 0.55) for name in "abc"]
        jury = Jury(kit, tmp_path, *members, calibration=method, early_stop="off")
        got, result = await jury.ask(400, learn=["yes"] * 400, reference="yes")
        told = result.metrics["ensemble"]["calibration"]
        assert (told["method"], told["learned_from"], told["judged"]) == (method, 400, 400)
        assert told["before"]["error"] > 0.1
        assert told["after"]["error"] < told["before"]["error"] / 2
        for output in got:
            assert output.ballots is not None
            assert output.ballots.uncalibrated in (pytest.approx(2 / 3), 1.0)
            assert output.confidence != output.ballots.uncalibrated
        bins = told["after"]["bins"]
        of_outputs = math.fsum(output.confidence or 0.0 for output in got)
        assert math.fsum(b["count"] * b["confidence"] for b in bins if b["count"]) == pytest.approx(
            of_outputs
        )


async def test_while_rows_are_learned_from_the_progress_is_told(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Coin(kit, name, 0.55) for name in "abc"]
        jury = Jury(kit, tmp_path, *members, calibration="isotonic", early_stop="off")
        await jury.ask(learn=["yes"] * 10, reference="yes")
        told = [each for each in jury.supervisor.messages if isinstance(each, Progress)]
        assert [(each.done, each.total) for each in told if each.phase == "learn"][-1] == (10, 10)


async def test_without_calibration_confidences_stay_and_nothing_is_asked_for_it(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "yes"), Member(kit, "yes"), Member(kit, "no")]
        got, result = await Jury(kit, tmp_path, *members, early_stop="off").ask(
            learn=["yes"] * KNOWN, reference="yes"
        )
        told = result.metrics["ensemble"]
        assert got[0].confidence == pytest.approx(2 / 3)
        assert (told["calibration"]["learned_from"], told["calibration"]["after"]) == (0, None)
        assert "learned" not in told
        assert len(members[0].asked) == 1


async def test_members_confidences_are_calibrated_before_the_vote_looks_at_them(tmp_path: Path) -> None:
    async with TestKit() as kit:
        boaster = Member(
            kit,
            {f"v{i}": "yes" if i % 4 == 0 else "no" for i in range(KNOWN)} | {"q0": "no"},
            confidence=dict.fromkeys([*(f"v{i}" for i in range(KNOWN)), "q0"], 0.99),
        )
        modest = Member(kit, "yes", confidence=0.6)
        jury = Jury(kit, tmp_path, boaster, modest, strategy="best_confidence", calibration="isotonic")
        got, result = await jury.ask(learn=["yes"] * KNOWN, reference="yes")
        assert got[0].text == "yes"
        assert result.metrics["ensemble"]["calibration"]["members"] == ["a", "b"]
        assert got[0].ballots is not None
        assert got[0].ballots.scores == {"no": 0.25, "yes": 1.0}


async def test_a_cascade_goes_by_calibrated_confidences_and_tells_the_members_own(tmp_path: Path) -> None:
    async with TestKit() as kit:
        answers = {f"v{i}": "yes" if i % 2 else "no" for i in range(KNOWN)} | {"q0": "no"}
        boaster, other = Member(kit, answers, confidence=0.95), Member(kit, "yes", confidence=0.9)
        jury = Jury(kit, tmp_path, boaster, other, execution="cascade", calibration="isotonic")
        got, _ = await jury.ask(learn=["yes"] * KNOWN, reference="yes")
        assert got[0].text == "yes"  # 0.95 of the first is worth 0.5
        assert got[0].confidence == 1.0
        assert got[0].ballots is not None
        assert got[0].ballots.uncalibrated == 0.9


async def test_the_answer_of_one_member_alone_is_as_sure_as_that_member(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a", confidence=0.92), Member(kit, "b")]
        output, _ = await Jury(kit, tmp_path, *members, execution="cascade").one()
        assert output.confidence == 0.92
    async with TestKit() as kit:
        output, _ = await Jury(kit, tmp_path, Member(kit, "a"), Member(kit, "b"), execution="hedged").one()
        assert output.confidence is None


async def test_few_rows_teach_nothing_and_the_figures_say_so(tmp_path: Path) -> None:
    async with TestKit() as kit:
        jury = Jury(kit, tmp_path, Member(kit, "yes"), Member(kit, "yes"), calibration="isotonic")
        got, result = await jury.ask(learn=["no"] * 9, reference="no")
        assert got[0].confidence == 1.0
        told = result.metrics["ensemble"]
        assert told["learned"]["rows"] == 9
        assert (told["calibration"]["learned_from"], told["calibration"]["after"]) == (0, None)


async def test_rows_that_it_was_learned_on_are_not_measured(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Coin(kit, name, 0.62) for name in "abc"]
        jury = Jury(kit, tmp_path, *members, calibration="isotonic", early_stop="off", evaluate="all")
        got, result = await jury.ask(30, learn=["yes"] * 50, reference="yes")
        assert len(got) == 80
        told = result.metrics["ensemble"]
        assert (told["questions"], told["judged"], told["calibration"]["judged"]) == (80, 30, 30)


async def test_over_claims_the_share_behind_a_claim_is_calibrated(tmp_path: Path) -> None:
    right, wrong = "The dose was ten milligrams.", "All lived in Oslo then."
    async with TestKit() as kit:
        members = [Member(kit, text(right, wrong)), Member(kit, text(right, wrong)), Member(kit, text(right))]
        jury = Jury(kit, tmp_path, *members, normalizer="claims", calibration="isotonic")
        got, result = await jury.ask(5, learn=[text(right)] * 20, reference=text(right))
        told = result.metrics["ensemble"]
        assert told["judged_by"] == "claim"
        assert told["calibration"]["before"]["error"] == pytest.approx(1 / 3)
        assert told["calibration"]["after"]["error"] == 0
        assert (told["accuracy"], told["precision"]) == (1.0, 0.5)
        assert [each["accuracy"] for each in told["members"].values()] == [1.0, 1.0, 1.0]
        assert [each["precision"] for each in told["members"].values()] == [0.5, 0.5, 1.0]
        assert got[0].confidence == 0.5  # of its two claims one is certain, one is never right


@pytest.mark.parametrize("strategy", ["dawid_skene", "weighted", "unanimous"])
async def test_every_strategy_has_its_confidence_calibrated(tmp_path: Path, strategy: str) -> None:
    async with TestKit() as kit:
        members = [Coin(kit, name, 0.55) for name in "abc"]
        jury = Jury(kit, tmp_path, *members, strategy=strategy, calibration="isotonic", early_stop="off")
        got, result = await jury.ask(150, learn=["yes"] * 150, reference="yes")
        told = result.metrics["ensemble"]["calibration"]
        assert told["learned_from"] > 20
        assert told["after"]["error"] < told["before"]["error"]
        decided = [each for each in got if each.ballots is not None and each.ballots.status == "decided"]
        assert told["judged"] == len(decided)
        assert any(each.confidence != each.ballots.uncalibrated for each in decided if each.ballots)
