"""Two methods on the same rows: the difference, how sure it is, and what many tests cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

from srmm.data.modality import Pattern, pattern_mask
from srmm.evaluation.metrics import bootstrap_interval, resample_counts
from srmm.evaluation.outputs import remembering
from srmm.evaluation.shares import weighted_interval
from srmm.learning.base import Scorer

_RESAMPLES = 1000


def paired_difference(ours: np.ndarray, theirs: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Mean of `ours` minus mean of `theirs`, both (n,) of the same rows, and a 95 % interval.

    Of booleans it is Newcombe's for paired shares; of other numbers a percentile bootstrap over
    rows, which keeps each row's two values together, and None where no two rows differ.
    """
    gap = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    if ours.dtype == theirs.dtype == bool:
        ends: list[float] | None = weighted_interval(ours, theirs, (1, -1))
    else:
        draws = [counts @ gap / len(gap) for counts in resample_counts(len(gap), _RESAMPLES, seed)]
        ends = bootstrap_interval(np.concatenate(draws))
    return {"difference": float(gap.mean()), "difference_ci": ends}


def mcnemar(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Exact two-sided p of McNemar's test: rows that only one of two methods has right, (n,) each.

    >>> round(mcnemar(np.array([1, 1, 1, 1, 1, 1]), np.array([0, 0, 0, 0, 0, 0])), 3)
    0.031
    """
    ours, theirs = np.asarray(ours, dtype=bool), np.asarray(theirs, dtype=bool)
    gained, lost = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


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
    return [float(p) for p in adjusted]


def pattern_means(
    scorer: Scorer, present: np.ndarray, y: np.ndarray, patterns: Sequence[Pattern], names: Any
) -> np.ndarray:
    """How often each row (n,) is right over the presence patterns that it can be brought to."""
    right, count = np.zeros(len(y)), np.zeros(len(y))
    scorer = remembering(scorer, len(y), y)
    for pattern in patterns:
        mask = pattern_mask(pattern, names)
        rows = np.flatnonzero(present[:, mask].all(axis=1))
        if len(rows):
            found = scorer.said(rows, mask)
            right[rows] += found.predicted == y[rows]
            count[rows] += 1
    return right / np.maximum(count, 1)


def compared(
    ours: tuple[np.ndarray, np.ndarray],
    beside: Mapping[str, Mapping[str, Any]],
    seed: int,
) -> dict[str, Any]:
    """Each baseline on the very rows of the model: scores, difference, and Holm's p over all.

    Parameters
    ----------
    ours : (right, pattern means), each (n,)
        Of the model: whether a row is right as it is, and its `pattern_means`.
    beside : per baseline "right" and "means" likewise, and "as_is", its scores

    Returns
    -------
    dict of baseline to its scores with "difference" (ours minus theirs), "difference_ci", "p",
    "p_holm", and "patterns" with the same difference averaged over the presence patterns.
    """
    right, means = ours
    table = {
        name: {
            **scored["as_is"],
            **paired_difference(right, scored["right"], seed),
            "p": mcnemar(right, scored["right"]),
            "patterns": paired_difference(means, scored["means"], seed),
        }
        for name, scored in beside.items()
    }
    adjusted = holm([entry["p"] for entry in table.values()])
    for entry, p in zip(table.values(), adjusted, strict=True):
        entry["p_holm"] = p
    return table
