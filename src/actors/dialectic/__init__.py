"""The dialectic: a thesis, what speaks against it, and what both come to, round after round.

``convergence`` decides when it ends, ``agents`` ask, ``coordinator`` leads one example through its rounds,
``answers`` makes outputs of it for ``backend_call``. What agents know of claims comes in as ``Arguments``.
"""
