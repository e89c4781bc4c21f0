"""Any server that speaks OpenAI's HTTP interface: OpenAI itself, vLLM, Ollama, llama.cpp, transformers serve.

``backend`` opens, ``sampler`` asks, ``payload`` writes the request, ``reply`` and ``stream`` read the answer,
``faults`` tells refusals apart. ``client`` is the only module that imports httpx; ``http1``, ``http2`` and
``pool`` are the connections below it. ``secret`` and ``address`` keep keys and hosts safe,
``prices`` counts money.
"""

from .backend import OpenAIBackend
from .options import OpenAIOptions

__all__ = ["OpenAIBackend", "OpenAIOptions"]
