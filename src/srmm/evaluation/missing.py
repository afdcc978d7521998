"""Missing modalities: masks drawn by exact count, and the law of the missing-rate curve."""

from __future__ import annotations

import numpy as np

from srmm.errors import fraction


def draw_missing(
    present: np.ndarray, modality: int, missing_rate: float, rng: np.random.Generator
) -> np.ndarray:
    """A copy of `present` in which a `missing_rate` share of one modality's items is gone.

    Exactly `round(missing_rate · n_present)` items vanish, chosen at random among the instances
    that have the modality. An instance may lose its only item (paper Tables VI and VIII).

    Parameters
    ----------
    present : bool array of shape (n_instances, n_modalities)
    modality : int
        Column of `present`.
    missing_rate : float in [0, 1]
    """
    fraction("missing_rate", missing_rate)
    rows = np.flatnonzero(present[:, modality])
    gone = rng.permutation(rows)[: round(missing_rate * len(rows))]
    left = present.copy()
    left[gone, modality] = False
    return left


def expected_accuracy(
    correct_with: np.ndarray, correct_without: np.ndarray, missing_rates: np.ndarray
) -> np.ndarray:
    """Accuracy expected when a modality is missing at random at each of the rates: exact.

    A random mask leaves each instance complete with probability 1 − r, so the expectation is
    (1 − r) · acc(with) + r · acc(without): no sampling. The paper's Table VI follows this law.

    Parameters
    ----------
    correct_with, correct_without : bool or weight arrays of shape (..., n_instances)
        Whether each instance is right with the modality and without it.
    missing_rates : array of shape (n_rates,)

    Returns
    -------
    array of shape (..., n_rates)

    >>> expected_accuracy(np.array([1, 1, 1, 1]), np.array([1, 0, 0, 1]), np.array([0, 0.5, 1]))
    array([1.  , 0.75, 0.5 ])
    """
    complete = np.mean(correct_with, axis=-1)[..., None]
    reduced = np.mean(correct_without, axis=-1)[..., None]
    return (1 - missing_rates) * complete + missing_rates * reduced


def relative_drop(complete: float, missing: float) -> float:
    """Δ↓ = (P_complete − P_missing) / P_complete (paper, Table I), 0 where P_complete is 0."""
    return (complete - missing) / complete if complete else 0.0
