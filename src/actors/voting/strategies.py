"""The strategies that decide one question by itself.

Called with a poll; each gives scores to answers, and one rule turns scores into an outcome:

1. no vote: ``no_answers``; fewer votes than the quorum: ``no_consensus``;
2. the highest score wins; of equal scores the answer with the larger summed confidence (an unknown one counts
   as 0), then the one whose first voter stands first among the members;
3. a winner with less than ``min_agreement`` of the total score: ``no_consensus``.

Members that failed or abstained have no vote. The order of members decides nothing but what rule 2 says.
``dawid_skene`` learns from many questions and has a file of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from .ballots import Poll, Rules, Vote, VoteResult

__all__ = [
    "best_confidence",
    "custom",
    "decide",
    "log_odds_weights",
    "majority",
    "summed",
    "unanimous",
    "weighted",
]

_PLAIN = Rules()
_EQUAL = 1e-9  # relative; sums of the same weights in another order are equal


def majority(poll: Poll, rules: Rules = _PLAIN) -> VoteResult:
    """One member, one vote; the most votes win (``min_agreement = 0.5`` asks for half of them)."""
    return decide(poll, summed(poll.votes, lambda _: 1.0), "majority", rules)


def weighted(poll: Poll, weights: Mapping[str, float], rules: Rules = _PLAIN) -> VoteResult:
    """Each member's vote counts as much as its weight.

    Raises:
        ValueError: a weight is missing, negative or not finite.
    """
    for vote in poll.votes:
        weight = weights.get(vote.member)
        if weight is None or not (weight >= 0 and math.isfinite(weight)):
            raise ValueError(f"weight of member {vote.member!r}: expected a number >= 0, got {weight}")
    return decide(poll, summed(poll.votes, lambda vote: weights[vote.member]), "weighted", rules)


def best_confidence(poll: Poll, rules: Rules = _PLAIN) -> VoteResult:
    """The answer of the most confident member; members that give no confidence count for the quorum only."""
    scores: dict[str, float] = {}
    for vote in poll.votes:
        if vote.confidence is not None:
            scores[vote.key] = max(scores.get(vote.key, 0.0), vote.confidence)
    return decide(poll, scores, "best_confidence", rules, consensus=max(scores.values(), default=0.0))


def unanimous(poll: Poll, rules: Rules = _PLAIN) -> VoteResult:
    """All votes agree, or there is no consensus."""
    rules = Rules(quorum=rules.quorum, min_agreement=1.0)
    return decide(poll, summed(poll.votes, lambda _: 1.0), "unanimous", rules)


def custom(
    poll: Poll, score: Callable[[Sequence[Vote]], Mapping[str, float]], rules: Rules = _PLAIN
) -> VoteResult:
    """Scores by a function of one's own.

    Raises:
        ValueError: it scored an answer that nobody gave, or a score is negative or not finite.
    """
    scores = dict(score(poll.votes))
    given = {vote.key for vote in poll.votes}
    for key, value in scores.items():
        if key not in given:
            raise ValueError(f"custom strategy: scored {key!r}, which no member answered")
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"custom strategy: score of {key!r}: expected a number >= 0, got {value}")
    return decide(poll, scores, "custom", rules)


def summed(votes: Sequence[Vote], weight: Callable[[Vote], float]) -> dict[str, float]:
    """The summed weight of each answer, in the order of their first voters."""
    parts: dict[str, list[float]] = {}
    for vote in votes:
        parts.setdefault(vote.key, []).append(weight(vote))
    return {key: math.fsum(values) for key, values in parts.items()}


def decide(
    poll: Poll,
    scores: Mapping[str, float],
    strategy: str,
    rules: Rules = _PLAIN,
    *,
    consensus: float | None = None,
) -> VoteResult:
    """The rule at the head of this file. ``consensus`` replaces the winner's share of the total score."""
    total = math.fsum(scores.values())
    best = max(scores.values(), default=0.0)
    if consensus is None:
        consensus = best / total if total > 0 else 0.0
    outcome = VoteResult(
        status="no_consensus",
        strategy=strategy,
        reason="",
        votes=len(poll.votes),
        scores=dict(scores),
        consensus=consensus,
        agreement=poll.agreement,
        abstained=poll.abstained,
        failed=poll.failed,
    )
    problem = _problem(poll, scores, rules)
    if problem is not None:
        return _with(outcome, status="no_consensus" if poll.votes else "no_answers", reason=problem)
    leaders = [key for key in scores if math.isclose(scores[key], best, rel_tol=_EQUAL, abs_tol=0.0)]
    key, tie_rule = _break_tie(poll, leaders)
    if consensus < rules.min_agreement - _EQUAL:
        told = f"{len(leaders)} answers lead" if tie_rule else "the leading answer"
        reason = f"{told} with {consensus:.3g} of the score, needs {rules.min_agreement:g}"
        return _with(outcome, reason=reason, tie=tie_rule is not None)
    voters = poll.voters(key)
    winner = max(voters, key=lambda vote: -1.0 if vote.confidence is None else vote.confidence)
    reason = f"{len(voters)} of {len(poll.votes)} votes, score {best:.4g} of {total:.4g}"
    return _with(
        outcome,
        status="decided",
        reason=reason + (f"; tie broken by {tie_rule}" if tie_rule else ""),
        answer=winner.text,
        winner_member=winner.member,
        key=key,
        support=len(voters),
        tie=tie_rule is not None,
        tie_rule=tie_rule,
    )


def log_odds_weights(
    tallies: Mapping[str, tuple[int, int]], answers: int = 2, strength: float = 10.0
) -> dict[str, float]:
    """Weights from a validation split: log odds of each member's reliability, shrunk towards equal ones.

    The weight log(p (k - 1) / (1 - p)) is optimal for independent members whose wrong answers are spread
    over k - 1 others (Nitzan and Paroush 1982 for k = 2). p is estimated as if the member had answered
    ``strength`` more questions with the members' pooled reliability. A member no better than guessing
    weighs 0, never less. When all do, all weigh 1.

    Args:
        tallies: right answers and questions by member.
        answers: how many different answers a question has, k >= 2.
        strength: shrinkage in questions, > 0.
    """
    right = sum(good for good, _ in tallies.values())
    asked = sum(total for _, total in tallies.values())
    pooled = (right + 1) / (asked + 2)
    weights = {}
    for member, (good, total) in tallies.items():
        if not 0 <= good <= total:
            raise ValueError(f"member {member!r}: {good} right of {total}; expected 0 <= right <= asked")
        p = (good + strength * pooled) / (total + strength)
        weights[member] = max(0.0, math.log(p * (answers - 1) / (1 - p)))
    return weights if any(weights.values()) else dict.fromkeys(weights, 1.0)


def _problem(poll: Poll, scores: Mapping[str, float], rules: Rules) -> str | None:
    if not poll.votes:
        return f"no votes: {len(poll.failed)} failed, {len(poll.abstained)} abstained"
    needed = rules.needed(poll.members)
    if len(poll.votes) < needed:
        return f"{len(poll.votes)} of {poll.members} members voted, the quorum is {needed}"
    if not scores:
        return "no member gave a confidence"
    return None if any(scores.values()) else "every score is 0"


def _break_tie(poll: Poll, leaders: list[str]) -> tuple[str, str | None]:
    if len(leaders) == 1:
        return leaders[0], None
    sums = {key: math.fsum(vote.confidence or 0.0 for vote in poll.voters(key)) for key in leaders}
    best = max(sums.values())
    surest = [key for key in leaders if math.isclose(sums[key], best, rel_tol=_EQUAL, abs_tol=0.0)]
    if len(surest) == 1:
        return surest[0], "summed confidence"
    return next(vote.key for vote in poll.votes if vote.key in surest), "member order"


def _with(outcome: VoteResult, **changes: object) -> VoteResult:
    import msgspec

    return msgspec.structs.replace(outcome, **changes)
