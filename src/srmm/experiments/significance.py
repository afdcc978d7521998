"""Is one method better than another? Paired bootstrap over test instances, Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from srmm.metrics import interval, resample_counts

N_RESAMPLES = 4000


def paired_bootstrap(
    difference: np.ndarray, count: np.ndarray, *, seed: int = 0, n_resamples: int = N_RESAMPLES
) -> tuple[float, list[float], float]:
    """(mean difference, its 95 % interval, two-sided p) of two methods on the same instances.

    Parameters
    ----------
    difference : array of shape (n,)
        Per test instance the sum over seeds of score A − score B.
    count : array of shape (n,)
        In how many seeds it was a test instance, at least 1.

    The p-value is twice the smaller share of resamples on either side of zero, at least
    2 / (n_resamples + 1): a bootstrap cannot tell smaller ones. Seeds of an instance stay
    together, as they are no independent evidence.
    """
    means = np.concatenate(
        [
            (weights @ difference) / (weights @ count)
            for weights in resample_counts(len(difference), n_resamples, seed)
        ]
    )
    below, above = int((means <= 0).sum()), int((means >= 0).sum())
    p = min(1.0, 2 * (min(below, above) + 1) / (n_resamples + 1))
    return float(difference.sum() / count.sum()), interval(means), p


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for all these comparisons (Holm 1979), in the given order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    reached = 0.0
    for rank, i in enumerate(order):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = reached
    return [round(float(p), 12) for p in adjusted]
