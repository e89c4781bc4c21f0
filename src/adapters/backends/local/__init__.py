"""Fine-tunes and asks a causal language model on this machine, by LoRA.

``options`` says what can be set, ``backend`` opens a session, ``session`` and ``sampler`` are its two sides,
``process`` keeps the worker process, ``protocol`` is what travels. In the worker: ``serve`` takes calls and
``host`` does them; ``base`` holds the model, ``adapters`` its LoRA adapters; ``trainer`` trains one,
``encoding`` makes tokens of rows, ``generation`` answers, ``folder`` writes checkpoints. Only these import
torch, and only the worker imports them.
"""

from .backend import LocalBackend
from .options import LocalOptions

__all__ = ["LocalBackend", "LocalOptions"]
