"""Significance of differences between methods: paired bootstrap over test instances and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t

from srmm.evaluation.metrics import resample_counts

N_RESAMPLES = 4000


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
    scores: one less than there are, without which a few vary too little. With one seed, only the
    choice of test instances is accounted for.
    """
    n = 1 + max(int(numbers.max()) for numbers in rows)
    rng = np.random.default_rng([seed, 1])
    means = []
    for weights in resample_counts(n, n_resamples, seed):
        shares = np.full(len(scores), 1 / len(scores))
        drawn = rng.multinomial(max(1, len(scores) - 1), shares, len(weights))
        total = np.zeros((len(weights), scores[0].shape[1]))
        count = np.zeros((len(weights), 1))
        for s, (values, numbers) in enumerate(zip(scores, rows, strict=True)):
            own = weights[:, numbers] * drawn[:, s, None]  # (resamples, n_test)
            total += own @ values
            count += own.sum(axis=1, keepdims=True)
        means.append(total / count)
    return np.concatenate(means)


def difference(means: np.ndarray, by_seed: np.ndarray, a: int, b: int) -> tuple[list[float], float]:
    """(95 % interval, two-sided p) of method a minus method b.

    Parameters
    ----------
    means : array of shape (n_resamples, K)
        Of `bootstrap_means`: their spread is the standard error.
    by_seed : array of shape (n_seeds, K)
        Mean scores. By Student's t: the fewer seeds there are, and the more of the error is between
        them, the less is it known (Welch and Satterthwaite's degrees of freedom).
    """
    gap = by_seed[:, a] - by_seed[:, b]
    centre, n = float(gap.mean()), len(gap)
    variance = float((means[:, a] - means[:, b]).var(ddof=1))
    if variance <= 0:
        return [centre, centre], 1.0
    between = float(gap.var(ddof=1)) / n if n > 1 else 0.0
    freedom = (n - 1) * max(1.0, variance / between) ** 2 if between else np.inf
    error = np.sqrt(variance)
    reach = float(t.ppf(0.975, freedom) * error)
    return [centre - reach, centre + reach], float(2 * t.sf(abs(centre) / error, freedom))
