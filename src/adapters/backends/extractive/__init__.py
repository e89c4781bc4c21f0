"""The embedded model: chooses evidence sentences and says whether they support or refute.

``backend`` holds the backend, ``session`` training and asking, ``model`` the regressions, ``features`` and
``cues`` what they see, ``targets`` what they learn from, ``decision`` how many sentences to answer with.
It copies sentences and writes nothing of its own.
"""

from .backend import ExtractiveBackend
from .options import ExtractiveOptions

__all__ = ["ExtractiveBackend", "ExtractiveOptions"]
