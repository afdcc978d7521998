"""Stratified splits that survive rare classes."""

from __future__ import annotations

import math

import numpy as np


def stratified_split(
    y: np.ndarray, held_out: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(kept, held out) row indices, sorted, with every class split in the same proportion.

    A class keeps at least one row, so one with a single row is never held out. Per class the
    number held out is rounded at random so that the total is as asked.
    """
    out: list[np.ndarray] = []
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        count = math.floor(held_out * len(rows) + rng.random())
        out.append(rows[: min(count, len(rows) - 1)])
    held = np.sort(np.concatenate(out)) if out else np.empty(0, dtype=np.int64)
    return np.setdiff1d(np.arange(len(y)), held), held
