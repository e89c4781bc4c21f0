"""How several answers become one: pure functions, without clocks, tasks or models.

``ballots`` holds the records, ``normalise`` says when two answers are the same, ``strategies`` decides,
``early_stop`` says when no more answers are needed.
"""
