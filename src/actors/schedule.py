"""What to train on when, and at which learning rate: pure functions of the settings and the seed.

Called by the training loop. Nothing here touches a backend.
"""

from __future__ import annotations

import math
import random
from array import array

from ..messages.training import TrainingConfig

__all__ = ["default_warmup", "epoch_order", "learning_rate", "steps_per_epoch"]


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """Optimiser steps of one epoch; the last batch may be short."""
    return math.ceil(rows / batch_size)


def default_warmup(rows: int, batch_size: int) -> int:
    """``min(100, (rows // batch_size) // 10)``: 5 for 404 rows in batches of 8."""
    return min(100, (rows // batch_size) // 10)


def learning_rate(config: TrainingConfig, step: int, total_steps: int, rows: int) -> float:
    """Learning rate of ``step`` (from 0) out of ``total_steps``.

    Warm-up rises linearly and reaches the peak at its last step; then the rate stays, or decays linearly
    or by a half cosine (Loshchilov & Hutter 2017) and would reach ``final_learning_rate`` one step after
    the last, so that no step is wasted at a rate of zero.
    """
    warmup = config.warmup_steps
    if warmup is None:
        warmup = default_warmup(rows, config.batch_size)
    peak, final = config.learning_rate, config.final_learning_rate
    if step < warmup:
        return peak * (step + 1) / warmup
    if config.schedule == "constant":
        return peak
    progress = (step - warmup) / max(1, total_steps - warmup)
    remaining = 1 - progress if config.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
    return final + (peak - final) * remaining


def epoch_order(rows: int, epoch: int, seed: int, *, shuffle: bool) -> array[int]:
    """Row numbers in the order of ``epoch`` (from 0): a seeded permutation of its own, 8 bytes a row."""
    order = array("q", range(rows))
    if shuffle:
        random.Random(f"{seed}/epoch/{epoch}").shuffle(order)
    return order
