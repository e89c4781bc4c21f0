"""Claims in scientific text: grammar, passages, sentences, claim graphs and the metrics over them.

Pure functions over ``messages``; imports numpy and the standard library and nothing of the engine.
"""

from .parser import format_claims, parse_claims
from .passage import parse_passage, stated_claim
from .sentences import MATCH_THRESHOLD, match_sentence, split_sentences

__all__ = [
    "MATCH_THRESHOLD",
    "format_claims",
    "match_sentence",
    "parse_claims",
    "parse_passage",
    "split_sentences",
    "stated_claim",
]
