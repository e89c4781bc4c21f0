"""Topology of clouds of points: distances, persistent homology, fragility."""
