"""Claim answers for the tests of votes."""

from __future__ import annotations

from crucible.actors.voting.ballots import Ballot

__all__ = ["ballots", "text"]


def text(*claims: str) -> str:
    """An answer with one hypothesis and these claims of document 1."""
    made = [f"CLAIM[c{i}] (Document 1): {claim}" for i, claim in enumerate(claims, start=2)]
    relations = [f"RELATION: c{i} supports c1" for i in range(2, len(claims) + 2)]
    return "\n".join(["CLAIM[c1]: It works.", *made, *relations])


def ballots(*answers: str) -> list[Ballot]:
    """Members m0, m1, ..."""
    return [Ballot(member=f"m{i}", text=answer) for i, answer in enumerate(answers)]
