"""Stratified splits that survive rare classes."""

from __future__ import annotations

import numpy as np


def stratified_split(
    y: np.ndarray, held_out: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(kept, held out) row indices, sorted, with every class split in the same proportion.

    `round(held_out · n)` rows are held out, shared among the classes by largest remainder (ties at
    random). A class keeps at least one row, so one with a single row is never held out.
    """
    labels, counts = np.unique(y, return_counts=True)
    quota = held_out * counts
    share = np.minimum(np.floor(quota).astype(int), counts - 1)
    # Whoever is furthest below its quota gets the next row, as long as it keeps one itself.
    order = np.lexsort((rng.random(len(labels)), share - quota))
    open_ = order[share[order] < counts[order] - 1]
    share[open_[: max(0, round(held_out * len(y)) - share.sum())]] += 1
    held = [
        rng.permutation(np.flatnonzero(y == label))[:count]
        for label, count in zip(labels, share, strict=True)
    ]
    out = np.sort(np.concatenate([np.empty(0, dtype=np.int64), *held]))
    return np.setdiff1d(np.arange(len(y)), out), out
