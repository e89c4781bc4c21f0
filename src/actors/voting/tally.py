"""Counts of an ensemble's votes: agreement, ties, failures, what the early stop saved, who errs with whom.

Filled by ``ensemble``. Whether a member is right is known where the row has a reference: over whole answers
once for each row, over claims once for each claim (``judging``). A byte for each member and judgement, and 17
bytes for each confidence.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...messages.records import Ballots
from ..system_tally import SystemTally
from .agreement import error_agreement
from .calibration import Calibration, calibration_report
from .judging import Judgement

__all__ = ["EnsembleTally"]

_UNKNOWN, _WRONG, _RIGHT = 0, 1, 2
_SELF = ""
"""The ensemble among the members that make claims."""
_VERDICT = {_UNKNOWN: None, _WRONG: False, _RIGHT: True}


class EnsembleTally:
    """Of one ensemble over a run. ``claims``: judgements are of claims, not of whole answers."""

    def __init__(self, members: Sequence[str], backends: Mapping[str, str], *, claims: bool = False) -> None:
        self._members = tuple(members)
        self._claims = claims
        self._systems = {name: SystemTally(backends[name]) for name in members}
        self._verdicts = {name: bytearray() for name in members}
        self._with_winner = dict.fromkeys(members, 0)
        self._abstained = dict.fromkeys(members, 0)
        self._cancelled = dict.fromkeys(members, 0)
        self._not_asked = dict.fromkeys(members, 0)
        self._statuses = {"decided": 0, "no_consensus": 0, "no_answers": 0}
        self._ties = self._stopped = self._disagreements = 0
        self._consensus = 0.0
        self._agreement = array("d")
        self._ensemble = bytearray()
        self._made = dict.fromkeys((*members, _SELF), 0)
        self._made_right = dict.fromkeys((*members, _SELF), 0)
        self._before = array("d")
        self._after = array("d")
        self._holds = bytearray()

    def add(
        self,
        ballots: Ballots,
        keys: Mapping[str, str],
        confidence: float | None,
        judged: Sequence[Judgement],
    ) -> None:
        """Count a vote; ``keys`` are the members' normalised answers, ``confidence`` is the ensemble's."""
        self._statuses[ballots.status] += 1
        self._ties += ballots.tie_rule is not None
        self._stopped += ballots.stopped is not None
        self._consensus += ballots.consensus
        if ballots.agreement is not None:
            self._disagreements += ballots.agreement < 1
            self._agreement.append(ballots.agreement)
        for output in ballots.members:
            self._systems[output.system].add(output)
        for name in self._members:
            self._with_winner[name] += ballots.key is not None and keys.get(name) == ballots.key
            self._abstained[name] += name in ballots.abstained
            self._cancelled[name] += name in ballots.cancelled
            self._not_asked[name] += name in ballots.not_asked
        for judgement in judged:
            self._judge(judgement, confidence)

    def _judge(self, judgement: Judgement, confidence: float | None) -> None:
        if judgement.right:
            for name in self._members:
                right = judgement.right.get(name)
                self._verdicts[name].append(_UNKNOWN if right is None else _RIGHT if right else _WRONG)
        for name in (*judgement.made, *((_SELF,) if judgement.made_by_ensemble else ())):
            self._made[name] += 1
            self._made_right[name] += judgement.holds
        if judgement.ensemble is not None:
            self._ensemble.append(judgement.ensemble)
        if judgement.confidence is not None and (self._claims or confidence is not None):
            self._before.append(judgement.confidence)
            if not self._claims:
                self._after.append(confidence or 0.0)
            self._holds.append(judgement.holds)

    def calibration(self, learned: Calibration | None) -> dict[str, Any]:
        """Confidences against what came out, before and after calibration."""
        holds = [bool(value) for value in self._holds]
        before = calibration_report(self._before, holds)
        told: dict[str, Any] = {"judged": len(holds), "before": msgspec.to_builtins(before), "after": None}
        after = array("d", map(learned.apply, self._before)) if self._claims and learned else self._after
        if holds and after and after != self._before:
            told["after"] = msgspec.to_builtins(calibration_report(after, holds))
        return told

    def metrics(self) -> dict[str, Any]:
        """JSON-ready figures."""
        questions = sum(self._statuses.values())
        asked = sum(tally.asked for tally in self._systems.values()) + sum(self._cancelled.values())
        saved = sum(self._not_asked.values())
        verdicts = {name: [_VERDICT[v] for v in found] for name, found in self._verdicts.items()}
        agreement = error_agreement(verdicts)
        return {
            "questions": questions,
            **self._statuses,
            "disagreements": self._disagreements,
            "ties": self._ties,
            "mean_consensus": self._consensus / questions if questions else None,
            "mean_agreement": sum(self._agreement) / len(self._agreement) if self._agreement else None,
            "judged_by": "claim" if self._claims else "answer",
            "judged": max(map(len, verdicts.values()), default=0),
            "accuracy": sum(self._ensemble) / len(self._ensemble) if self._ensemble else None,
            "accuracy_n": len(self._ensemble),
            **self._precision(_SELF),
            "effective_voters": agreement.effective_voters,
            "mean_error_correlation": agreement.mean_correlation,
            "error_correlations": [msgspec.to_builtins(pair) for pair in agreement.pairs],
            "early_stop": {
                "stopped": self._stopped,
                "requests": asked,
                "not_asked": saved,
                "cancelled": sum(self._cancelled.values()),
                "saved_percent": 100 * saved / (asked + saved) if asked + saved else None,
            },
            "members": {name: self._member(name, verdicts[name]) for name in self._members},
        }

    def _member(self, name: str, verdicts: Sequence[bool | None]) -> dict[str, Any]:
        known = [verdict for verdict in verdicts if verdict is not None]
        return {
            **self._systems[name].metrics(),
            "abstained": self._abstained[name],
            "cancelled": self._cancelled[name],
            "not_asked": self._not_asked[name],
            "with_the_winner": self._with_winner[name],
            "accuracy": sum(known) / len(known) if known else None,
            "accuracy_n": len(known),
            **self._precision(name),
        }

    def _precision(self, name: str) -> dict[str, float | int | None]:
        """Over claims the share of those made that the reference makes too."""
        if not self._claims:
            return {}
        made = self._made[name]
        return {"precision": self._made_right[name] / made if made else None, "precision_n": made}
