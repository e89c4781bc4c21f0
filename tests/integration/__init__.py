"""Whole runs, through each of the three ways in."""
