"""Significance of differences between methods: paired bootstrap over test instances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from srmm.evaluation.metrics import interval, resample_counts

N_RESAMPLES = 4000
_PER_PAIR = 80  # resamples per comparison, so that Holm's correction can still find something


def bootstrap_means(
    scores: Sequence[np.ndarray],
    rows: Sequence[np.ndarray],
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """Means of K methods' scores over resampled test instances and seeds: (n_resamples, K).

    Parameters
    ----------
    scores : per seed an array of shape (n_test, K)
    rows : per seed an int array of shape (n_test,)
        Which instance each score belongs to. An instance keeps its weight in all seeds that
        tested it, and in all methods: their differences are paired.

    Seeds are resampled as well, since another split and other initial weights would give other
    scores. With one seed, only the choice of test instances is accounted for.
    """
    n = 1 + max(int(numbers.max()) for numbers in rows)
    rng = np.random.default_rng([seed, 1])
    means = []
    for weights in resample_counts(n, n_resamples, seed):
        drawn = rng.multinomial(len(scores), np.full(len(scores), 1 / len(scores)), len(weights))
        total = np.zeros((len(weights), scores[0].shape[1]))
        count = np.zeros((len(weights), 1))
        for s, (values, numbers) in enumerate(zip(scores, rows, strict=True)):
            own = weights[:, numbers] * drawn[:, s, None]  # (resamples, n_test)
            total += own @ values
            count += own.sum(axis=1, keepdims=True)
        means.append(total / count)
    return np.concatenate(means)


def difference(means: np.ndarray, a: int, b: int) -> tuple[list[float], float]:
    """(95 % interval, two-sided p) of method a minus method b, from `bootstrap_means`.

    The p-value is twice the smaller share of resamples on either side of zero, at least
    2 / (n_resamples + 1): a bootstrap cannot tell smaller ones.
    """
    gap = means[:, a] - means[:, b]
    below, above = int((gap <= 0).sum()), int((gap >= 0).sum())
    return interval(gap), min(1.0, 2 * (min(below, above) + 1) / (len(gap) + 1))


def enough_resamples(n_pairs: int) -> int:
    """So many that the smallest p, after Holm's correction for `n_pairs`, is below 0.05."""
    return max(N_RESAMPLES, _PER_PAIR * n_pairs)
