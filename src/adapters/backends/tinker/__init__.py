"""LoRA training and sampling on the Tinker service, through its official SDK (extra ``tinker``, 0.38).

``backend`` checks what is given and opens a ``session``. ``service`` speaks to the SDK and ``sdk`` loads it;
``journal`` puts requests in order and repeats them on a rebuilt client when the service fails; ``faults``
says which failures can be repeated. ``tokens`` and ``datums`` turn rows into what the service trains on,
``accounts`` counts, ``manifest`` is the checkpoint file, ``sampler`` asks, ``storage`` lists and downloads.

The SDK is imported when a session is opened and never before.
"""

from .backend import TinkerBackend
from .options import TinkerOptions

__all__ = ["TinkerBackend", "TinkerOptions"]
