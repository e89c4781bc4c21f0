"""Critics of narrative objects: grounding, logic, novelty, bias, causal, and a verdict over them.

Pure functions over ``Sno``, called by the dialectic and by the metrics adapter. What compares texts comes
in as a ``Profile``: ``LEXICAL`` counts words, ``model_profile`` asks models that are handed in. The
formulas are the same for both; every report names the profile that its score is from, and the two are not
comparable.
"""

from .bias import bias
from .causal import causal
from .grounding import grounding
from .logic import logic
from .meta import WEIGHTS, judge
from .novelty import novelty
from .panel import CRITICS, critique
from .profiles import LEXICAL, Profile, model_profile

__all__ = [
    "CRITICS",
    "LEXICAL",
    "WEIGHTS",
    "Profile",
    "bias",
    "causal",
    "critique",
    "grounding",
    "judge",
    "logic",
    "model_profile",
    "novelty",
]
