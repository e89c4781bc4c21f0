"""The decisions of one ensemble: who won, and whether more answers are needed. Pure.

Called by the ensemble actor after every answer, and by ``backend_call`` for the weights and for the strategy
that decides all questions at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...messages.experiment import EnsembleConfig
from ...messages.records import Ballots, Output
from . import strategies
from .ballots import Ballot, Poll, Rules, VoteResult, poll
from .claims import vote_claims
from .dawid_skene import DawidSkene, dawid_skene
from .early_stop import Stop, certain, certain_by_log_odds, settled
from .settings import EnsembleSettings

__all__ = ["Council", "ballot", "ballots_record"]


class Council:
    """Decides by the configured strategy; ``weights`` are learned once and then stay."""

    def __init__(self, settings: EnsembleSettings) -> None:
        self.settings = settings
        given = settings.config.weights
        self.weights: dict[str, float] = dict(
            zip(settings.members, given or (1.0,) * len(settings.members), strict=True)
        )
        self.tallies: dict[str, tuple[int, int]] = {}
        """Right answers and questions by member, that the weights were learned from."""

    @property
    def config(self) -> EnsembleConfig:
        """As in the file."""
        return self.settings.config

    def poll(self, ballots: Sequence[Ballot]) -> Poll:
        """The ballots sorted out; only for votes over whole answers."""
        assert self.settings.normalise is not None
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
        """Weights from questions whose answers are known."""
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
        if last.error is not None or last.confidence is None or last.confidence < self.config.min_confidence:
            return False
        if self.settings.merge is None and not self.poll([last]).votes:
            return False
        return self.config.quorum is None or len(ballots) >= self.config.quorum

    def _claim_weights(self) -> Mapping[str, float] | None:
        return self.weights if self.config.strategy == "weighted" else None

    def _in_order(self, ballots: Sequence[Ballot]) -> list[Ballot]:
        """Ties go by the members' order in the file, whatever order the answers came in."""
        return sorted(ballots, key=lambda each: self.settings.members.index(each.member))


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
        tie_rule=result.tie_rule,
        abstained={each.member: each.reason for each in result.abstained},
        failed={each.member: each.reason for each in result.failed},
        cancelled=tuple(cancelled),
        not_asked=tuple(not_asked),
        stopped=stop.reason if stop is not None else None,
        error_bound=stop.error_bound if stop is not None else 0.0,
    )
