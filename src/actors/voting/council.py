"""The decisions of one ensemble: who won, how sure it is, whether more answers are needed. Pure.

Called by the ensemble actor after every answer, and by the ensemble for what is learned first (weights,
calibration) and for the strategy that decides all questions at once. Members' confidences are calibrated
before they are looked at, the ensemble's own after the vote.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from ...messages.experiment import EnsembleConfig
from ...messages.records import Ballots, Output
from . import strategies
from .ballots import Ballot, Poll, Rules, VoteResult, poll
from .calibration import Calibration, fit_isotonic, fit_temperature
from .claims import poll_claims, vote_claims
from .dawid_skene import DawidSkene, dawid_skene
from .early_stop import Stop, certain, certain_by_log_odds, settled
from .judging import Judgement, judge_answer, judge_claims
from .settings import EnsembleSettings

__all__ = ["MIN_CALIBRATION", "Council", "ballot", "ballots_record"]

MIN_CALIBRATION = 10
"""Judgements from which a calibration is learned; with fewer the confidences stay as they are."""


class Council:
    """Decides by the configured strategy; what is learned is learned once and then stays."""

    def __init__(self, settings: EnsembleSettings) -> None:
        self.settings = settings
        given = settings.config.weights
        self.weights: dict[str, float] = dict(
            zip(settings.members, given or (1.0,) * len(settings.members), strict=True)
        )
        self.tallies: dict[str, tuple[int, int]] = {}
        """Right answers and questions by member, that the weights were learned from."""
        self.member_calibration: dict[str, Calibration] = {}
        self.calibration: Calibration | None = None
        """Of the ensemble's confidence (over claims: of the share behind a claim)."""
        self.calibrated_on = 0
        """Judgements that it was learned from."""

    @property
    def config(self) -> EnsembleConfig:
        """As in the file."""
        return self.settings.config

    def poll(self, ballots: Sequence[Ballot]) -> Poll:
        """The ballots sorted out."""
        if self.settings.normalise is None:
            return poll_claims(self._in_order(ballots))
        return poll(self._in_order(ballots), self.settings.normalise)

    def vote(self, ballots: Sequence[Ballot], rules: Rules | None = None) -> VoteResult:
        """The outcome. A vote that is decided with all others (deferred) is a majority vote until then."""
        rules = rules or self.settings.rules
        if self.settings.merge is not None:
            return vote_claims(self._in_order(ballots), self.settings.merge, self._claim_weights(), rules)[0]
        votes = self.poll(ballots)
        if self.config.strategy == "weighted":
            return strategies.weighted(votes, self.weights, rules)
        if self.config.strategy == "best_confidence":
            return strategies.best_confidence(votes, rules)
        if self.config.strategy == "unanimous":
            return strategies.unanimous(votes, rules)
        if self.config.strategy == "custom" and self.settings.score is not None:
            return strategies.custom(votes, self.settings.score, rules)
        return strategies.majority(votes, rules)

    def vote_all(self, questions: Sequence[Sequence[Ballot]]) -> tuple[list[VoteResult], DawidSkene]:
        """All questions together."""
        return dawid_skene([self.poll(ballots) for ballots in questions], self.settings.rules)

    def learn(self, questions: Sequence[tuple[Sequence[Ballot], str]]) -> None:
        """Weights and calibrations from questions whose answers are known."""
        if self.settings.learns_weights:
            self._learn_weights(questions)
        if self.config.calibration != "off":
            self._learn_calibration(questions)

    def _learn_weights(self, questions: Sequence[tuple[Sequence[Ballot], str]]) -> None:
        right, asked = dict.fromkeys(self.settings.members, 0), dict.fromkeys(self.settings.members, 0)
        for ballots, reference in questions:
            key = self.key(reference)
            for vote in self.poll(ballots).votes:
                asked[vote.member] += 1
                right[vote.member] += vote.key == key
        self.tallies = {name: (right[name], asked[name]) for name in self.settings.members}
        if any(asked.values()):
            options = self.settings.options
            self.weights = strategies.log_odds_weights(self.tallies, options.answers, options.strength)

    def _learn_calibration(self, questions: Sequence[tuple[Sequence[Ballot], str]]) -> None:
        """First each member's, since votes may look at them, then that of what was voted with them."""
        fit = fit_isotonic if self.config.calibration == "isotonic" else fit_temperature
        said: dict[str, list[tuple[float, bool]]] = {name: [] for name in self.settings.members}
        if self.settings.merge is None:
            for ballots, reference in questions:
                key = self.key(reference)
                for vote in self.poll(ballots).votes:
                    if vote.confidence is not None:
                        said[vote.member].append((vote.confidence, vote.key == key))
        self.member_calibration = {
            name: fit(*zip(*pairs, strict=True))
            for name, pairs in said.items()
            if len(pairs) >= MIN_CALIBRATION
        }
        polled = [ballots for ballots, _ in questions]
        results = self.vote_all(polled)[0] if self.settings.deferred else [self.vote(each) for each in polled]
        judged = [
            judgement
            for (ballots, reference), result in zip(questions, results, strict=True)
            for judgement in self.judge(ballots, result, reference, self.raw_confidence(result))
            if judgement.confidence is not None
        ]
        self.calibrated_on = len(judged)
        if len(judged) >= MIN_CALIBRATION:
            self.calibration = fit([j.confidence or 0.0 for j in judged], [j.holds for j in judged])

    def judge(
        self, ballots: Sequence[Ballot], result: VoteResult, reference: str, confidence: float | None
    ) -> list[Judgement]:
        """Who was right; empty when the reference is no answer."""
        votes = self.poll(ballots)
        if self.settings.merge is not None:
            if self.settings.check is None:
                return []
            weights = self._claim_weights()
            shares = [1.0 if weights is None else weights[vote.member] for vote in votes.votes]
            needed = self.config.min_agreement or 0.5
            return judge_claims(votes, result, reference, self.settings.check, shares, needed)
        key = self.key(reference)
        return [] if key is None else [judge_answer(votes, result, key, confidence)]

    def raw_confidence(self, result: VoteResult) -> float | None:
        """The ensemble's confidence in its answer before calibration; None without an answer."""
        return min(1.0, result.consensus) if result.status == "decided" else None

    def confidence(self, result: VoteResult) -> float | None:
        """The same, calibrated if that was learned: over claims the mean of those beside the hypothesis."""
        raw = self.raw_confidence(result)
        if raw is None or self.calibration is None:
            return raw
        if self.settings.merge is None:
            return self.calibration.apply(raw)
        scores = [score for name, score in result.scores.items() if name != "c1"]
        if not scores:
            return raw
        total = math.fsum(result.scores.values()) / len(result.scores) / result.consensus
        return math.fsum(self.calibration.apply(min(1.0, score / total)) for score in scores) / len(scores)

    def member_confidence(self, member: str, confidence: float | None) -> float | None:
        """A member's confidence, calibrated if that was learned."""
        if confidence is None or member not in self.member_calibration:
            return confidence
        return self.member_calibration[member].apply(confidence)

    def key(self, answer: str) -> str | None:
        """The answer as it is compared; None when it is none, or when the vote is over claims."""
        return None if self.settings.normalise is None else self.settings.normalise(answer).key

    def enough(self, ballots: Sequence[Ballot], outstanding: Sequence[str]) -> Stop:
        """Whether the answers still to come are not needed."""
        config = self.config
        goes_on = Stop(stop=False, reason="")
        counted = ("majority", "weighted", "unanimous")
        if config.early_stop == "off" or config.strategy not in counted or self.settings.merge is not None:
            return goes_on
        votes, rules = self.poll(ballots), self.settings.rules
        if config.strategy == "unanimous":
            rules = Rules(quorum=rules.quorum, min_agreement=1.0)
        weights = self.weights if config.strategy == "weighted" else dict.fromkeys(self.settings.members, 1.0)
        scores = strategies.summed(votes.votes, lambda vote: weights[vote.member])
        members = len(self.settings.members)
        exact = settled(scores, [weights[name] for name in outstanding], len(votes.votes), members, rules)
        if exact.stop or config.early_stop == "exact" or config.strategy == "unanimous":
            return exact
        best = max(scores.values(), default=0.0)
        if len(votes.votes) < rules.needed(members) or best < rules.min_agreement * sum(scores.values()):
            return goes_on
        if config.strategy == "majority":
            return certain({key: len(votes.voters(key)) for key in scores}, config.epsilon)
        if self.settings.learns_weights and any(total for _, total in self.tallies.values()):
            return certain_by_log_odds(scores, self.settings.options.answers, config.epsilon)
        return goes_on

    def confident(self, last: Ballot, ballots: Sequence[Ballot]) -> bool:
        """Whether a cascade ends with this answer: a confident vote, and the quorum asked for is there."""
        sure = self.member_confidence(last.member, last.confidence)
        if last.error is not None or sure is None or sure < self.config.min_confidence:
            return False
        if self.settings.merge is None and not self.poll([last]).votes:
            return False
        return self.config.quorum is None or len(ballots) >= self.config.quorum

    def _claim_weights(self) -> Mapping[str, float] | None:
        return self.weights if self.config.strategy == "weighted" else None

    def _in_order(self, ballots: Sequence[Ballot]) -> list[Ballot]:
        """Ties go by the members' order in the file, whatever order the answers came in; calibrated."""
        ordered = sorted(ballots, key=lambda each: self.settings.members.index(each.member))
        if not self.member_calibration:
            return ordered
        return [
            msgspec.structs.replace(each, confidence=self.member_confidence(each.member, each.confidence))
            for each in ordered
        ]


def ballot(output: Output) -> Ballot:
    """What a member answered, as a ballot."""
    return Ballot(member=output.system, text=output.text, confidence=output.confidence, error=output.error)


def ballots_record(
    result: VoteResult,
    members: Sequence[Output],
    *,
    cancelled: Sequence[str] = (),
    not_asked: Sequence[str] = (),
    stop: Stop | None = None,
    uncalibrated: float | None = None,
) -> Ballots:
    """The record that goes with the ensemble's output."""
    return Ballots(
        status=result.status,
        strategy=result.strategy,
        reason=result.reason,
        members=tuple(members),
        winner_member=result.winner_member,
        key=result.key,
        support=result.support,
        votes=result.votes,
        scores=result.scores,
        consensus=result.consensus,
        agreement=result.agreement,
        uncalibrated=uncalibrated,
        tie_rule=result.tie_rule,
        abstained={each.member: each.reason for each in result.abstained},
        failed={each.member: each.reason for each in result.failed},
        cancelled=tuple(cancelled),
        not_asked=tuple(not_asked),
        stopped=stop.reason if stop is not None else None,
        error_bound=stop.error_bound if stop is not None else 0.0,
    )
