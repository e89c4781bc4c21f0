"""Counts of an ensemble's votes: agreement, ties, failures, what the early stop saved, who errs with whom.

Filled by ``ensemble``. Whether a member is right is known where the row has a reference and the vote is over
whole answers: then its normalised answer is compared with the normalised reference. A byte for each member
and row.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...messages.records import Ballots
from ..system_tally import SystemTally
from .agreement import error_agreement
from .calibration import calibration_report

__all__ = ["EnsembleTally"]

_UNKNOWN, _WRONG, _RIGHT = 0, 1, 2
_VERDICT = {_UNKNOWN: None, _WRONG: False, _RIGHT: True}


class EnsembleTally:
    """Of one ensemble over a run."""

    def __init__(self, members: Sequence[str], backends: Mapping[str, str]) -> None:
        self._members = tuple(members)
        self._systems = {name: SystemTally(backends[name]) for name in members}
        self._verdicts = {name: bytearray() for name in members}
        self._with_winner = dict.fromkeys(members, 0)
        self._abstained = dict.fromkeys(members, 0)
        self._cancelled = dict.fromkeys(members, 0)
        self._not_asked = dict.fromkeys(members, 0)
        self._statuses = {"decided": 0, "no_consensus": 0, "no_answers": 0}
        self._ties = self._stopped = self._disagreements = 0
        self._consensus = 0.0
        self._confidences = array("d")
        self._correct = bytearray()

    def add(self, ballots: Ballots, keys: Mapping[str, str], reference: str | None) -> None:
        """Count a vote; ``keys`` are the members' normalised answers, ``reference`` the right one."""
        self._statuses[ballots.status] += 1
        self._ties += ballots.tie_rule is not None
        self._stopped += ballots.stopped is not None
        self._disagreements += len(set(keys.values())) > 1
        self._consensus += ballots.consensus
        for output in ballots.members:
            self._systems[output.system].add(output)
        for name in self._members:
            key = keys.get(name)
            self._with_winner[name] += ballots.key is not None and key == ballots.key
            self._abstained[name] += name in ballots.abstained
            self._cancelled[name] += name in ballots.cancelled
            self._not_asked[name] += name in ballots.not_asked
            known = reference is not None and key is not None
            self._verdicts[name].append((_RIGHT if key == reference else _WRONG) if known else _UNKNOWN)
        if ballots.status == "decided" and reference is not None and ballots.key is not None:
            self._confidences.append(min(1.0, ballots.consensus))
            self._correct.append(ballots.key == reference)

    def metrics(self) -> dict[str, Any]:
        """JSON-ready figures."""
        questions = sum(self._statuses.values())
        asked = sum(tally.asked for tally in self._systems.values()) + sum(self._cancelled.values())
        saved = sum(self._not_asked.values())
        verdicts = {name: [_VERDICT[v] for v in found] for name, found in self._verdicts.items()}
        agreement = error_agreement(verdicts)
        calibration = calibration_report(self._confidences, [bool(value) for value in self._correct])
        return {
            "questions": questions,
            **self._statuses,
            "disagreements": self._disagreements,
            "ties": self._ties,
            "mean_consensus": self._consensus / questions if questions else None,
            "accuracy": sum(self._correct) / len(self._correct) if self._correct else None,
            "effective_voters": agreement.effective_voters,
            "mean_error_correlation": agreement.mean_correlation,
            "error_correlations": [msgspec.to_builtins(pair) for pair in agreement.pairs],
            "calibration_error": calibration.error,
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
        }
