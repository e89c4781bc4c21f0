"""Adapters of the three analysis stages: metrics, surrogates, persistence; and no-ops for each."""
