"""When the answers still to come are not needed.

Called after every ballot; what is outstanding can then be cancelled.

Exact: whatever the outstanding members answer, abstain from or fail at, the status and the winning answer
stay. (The winner's share, and which of the equal texts is shown, may still differ.) Statistical: the
posterior probability that the leader is the answer that a further member is likeliest to give is at least 1
- epsilon.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from .ballots import Rules

__all__ = ["Stop", "certain", "certain_by_log_odds", "leading_probability", "settled"]


class Stop(NamedTuple):
    """Whether to stop, and why; ``error_bound`` is the probability that the outcome would have changed."""

    stop: bool
    reason: str
    error_bound: float = 0.0


_GO_ON = Stop(stop=False, reason="the outcome can still change")


def settled(
    scores: Mapping[str, float], outstanding: list[float], cast: int, members: int, rules: Rules
) -> Stop:
    """The exact rule for majority, weighted and unanimous votes (unanimous: ``min_agreement = 1``).

    Args:
        scores: summed weights by answer, of the votes cast.
        outstanding: the weights of the members that have not answered, abstained or failed.
        cast: how many votes were cast.
        members: how many were asked.
        rules: the quorum and the agreement needed.
    """
    rest, total = math.fsum(outstanding), math.fsum(scores.values())
    if not outstanding:
        return Stop(stop=True, reason="all members are heard")
    if cast and cast + len(outstanding) < rules.needed(members):
        return Stop(stop=True, reason="the quorum can no longer be reached")
    ordered = sorted(scores.values(), reverse=True)
    best = ordered[0] if ordered else 0.0
    second = ordered[1] if len(ordered) > 1 else 0.0
    margin = 1e-9 * (total + rest)
    # At best all of the outstanding vote for the leader; at worst they all vote for something else.
    if total + rest > 0 and (best + rest) / (total + rest) < rules.min_agreement - 1e-6:
        return Stop(stop=True, reason="the agreement needed can no longer be reached")
    agreed = best > 0 and best / (total + rest) >= rules.min_agreement
    if agreed and cast >= rules.needed(members) and best - second > rest + margin:
        return Stop(stop=True, reason=f"{rest:.4g} outstanding cannot overtake a lead of {best - second:.4g}")
    return _GO_ON


def certain(counts: Mapping[str, int], epsilon: float) -> Stop:
    """The statistical rule for equal votes: Adaptive-Consistency (Aggarwal et al. 2023).

    With a uniform prior the chance that a rival is likelier than the leader is P(Beta(v1 + 1, v2 + 1) < 1/2);
    it is summed over all rivals seen and one unseen (the paper looks at the runner-up alone). The bound is a
    posterior probability, hence valid whenever one looks; it speaks of further members like those seen, so
    correlated errors are not in it.
    """
    error = 1.0 - leading_probability(counts)
    told = f"the leader is ahead with probability {1 - error:.4f}"
    return Stop(stop=error <= epsilon, reason=told, error_bound=error)


def leading_probability(counts: Mapping[str, int]) -> float:
    """A lower bound of the posterior probability that the leader is the likeliest answer; 0 without votes."""
    ordered = sorted(counts.values(), reverse=True)
    if not ordered or ordered[0] == 0:
        return 0.0
    rivals = [*ordered[1:], 0]
    return max(0.0, 1.0 - math.fsum(_overtakes(ordered[0], rival) for rival in rivals))


def certain_by_log_odds(scores: Mapping[str, float], answers: int, epsilon: float) -> Stop:
    """The statistical rule for weights that are log odds (``strategies.log_odds_weights``).

    For independent members the posterior of an answer is proportional to exp(score); ``answers`` is how
    many answers the question has.
    """
    ordered = sorted(scores.values(), reverse=True)
    if not ordered:
        return Stop(stop=False, reason="no votes", error_bound=1.0)
    unseen = max(0, answers - len(ordered))
    rivals = math.fsum(math.exp(score - ordered[0]) for score in ordered[1:]) + unseen * math.exp(-ordered[0])
    error = rivals / (1 + rivals)
    return Stop(
        stop=error <= epsilon,
        reason=f"the leader is right with probability {1 - error:.4f}",
        error_bound=error,
    )


def _overtakes(leader: int, rival: int) -> float:
    """P(Beta(leader + 1, rival + 1) < 1/2) = P(Bin(leader + rival + 1, 1/2) > leader)."""
    trials = leader + rival + 1
    return sum(math.comb(trials, k) for k in range(leader + 1, trials + 1)) / (1 << trials)
