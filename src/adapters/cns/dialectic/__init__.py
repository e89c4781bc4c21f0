"""Proposer, antagonist and synthesizer as pure functions: rules, prompts, and readers of replies.

Called by the actors of the dialectic through ``CnsArguments``. Nothing here asks a model. Results that come
from rules alone say ``heuristic``, those read from a model's reply name the backend.
"""

from .antagonist import antagonise
from .arguments import CnsArguments
from .prompts import challenge_prompt, synthesis_prompt
from .proposer import propose, thesis_of_answer
from .replies import read_challenges, read_synthesis
from .stamps import write
from .synthesizer import synthesise

__all__ = [
    "CnsArguments",
    "antagonise",
    "challenge_prompt",
    "propose",
    "read_challenges",
    "read_synthesis",
    "synthesis_prompt",
    "synthesise",
    "thesis_of_answer",
    "write",
]
