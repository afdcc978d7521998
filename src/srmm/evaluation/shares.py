"""Shares of rows and what is made of two of them, with intervals that hold near 0 and 1, too."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest


def wilson(k: int, n: int) -> tuple[float | None, list[float] | None]:
    """k of n as a share, and its 95 % interval by Wilson; None of none."""
    if not n:
        return None, None
    ends = binomtest(k, n).proportion_ci(method="wilson")
    return k / n, [float(ends.low), float(ends.high)]


def weighted_interval(
    first: np.ndarray, second: np.ndarray, weights: tuple[float, float]
) -> list[float]:
    """95 % interval of two shares of the same rows, booleans (n,), each times its weight, summed.

    Wilson's interval of each, joined with the correlation between the rows' answers (Zou and
    Donner 2008); with weights (1, −1) this is Newcombe's of a paired difference (1998). Unlike a
    bootstrap's it keeps its width where all rows are right.

    >>> sure = np.ones(20, dtype=bool)
    >>> [round(end, 2) for end in weighted_interval(sure, sure, (0.5, 0.5))]
    [0.84, 1.0]
    """
    spread = float(first.std() * second.std())
    together = float((first & second).mean() - first.mean() * second.mean())
    value, reaches = 0.0, []
    for rows, weight in zip((first, second), weights, strict=True):
        share, ends = wilson(int(rows.sum()), len(rows))
        assert share is not None
        assert ends is not None
        value += weight * share
        reach = [abs(weight) * (share - ends[0]), abs(weight) * (ends[1] - share)]
        reaches.append(reach if weight >= 0 else reach[::-1])
    a_sum = weights[0] * weights[1] > 0
    alike = (1 if a_sum else -1) * together / spread if spread else float(a_sum)
    down, up = (
        float(np.sqrt(max(a * a + b * b + 2 * alike * a * b, 0.0)))
        for a, b in zip(*reaches, strict=True)
    )
    return [value - down, value + up]
