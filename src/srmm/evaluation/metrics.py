"""Accuracy, macro-F1 and AUROC with bootstrap intervals over instances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

_CHUNK = 1 << 24  # numbers held at once while resampling


def metric_names(n_classes: int) -> list[str]:
    """The metrics that apply: AUROC for two classes only (paper: Hateful Memes)."""
    return ["accuracy", "macro_f1"] + (["auroc"] if n_classes == 2 else [])


def point_scores(y: np.ndarray, probabilities: np.ndarray) -> dict[str, float | None]:
    """Each metric's value.

    Parameters
    ----------
    y : int array of shape (n,)
        Class indices; −1 for a class the model has never seen, which is always wrong.
    probabilities : array of shape (n, n_classes)

    Returns
    -------
    dict with "accuracy", "macro_f1" (over the classes that occur in `y` or are predicted) and,
    for two classes, "auroc" (None if only one of them occurs).
    """
    predicted = probabilities.argmax(axis=1)
    scores: dict[str, float | None] = {
        "accuracy": float((predicted == y).mean()),
        "macro_f1": float(_macro_f1(y, predicted, np.ones((1, len(y))))[0]),
    }
    if probabilities.shape[1] == 2:
        both = len(np.unique(y)) == 2 and y.min() >= 0
        scores["auroc"] = float(roc_auc_score(y, probabilities[:, 1])) if both else None
    return scores


def scores_with_intervals(
    y: np.ndarray, probabilities: np.ndarray, *, n_resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """`point_scores`, and for each metric `<metric>_ci`: a 95 % percentile bootstrap interval.

    Instances are resampled with replacement; the same seed gives the same resamples for every
    pattern and method with equally many instances, so their differences are paired.
    """
    scores: dict[str, Any] = {"n": len(y), **point_scores(y, probabilities)}
    samples: dict[str, list[np.ndarray]] = {"accuracy": [], "macro_f1": [], "auroc": []}
    predicted = probabilities.argmax(axis=1)
    for counts in resample_counts(len(y), n_resamples, seed):
        samples["accuracy"].append(counts @ (predicted == y) / len(y))
        samples["macro_f1"].append(_macro_f1(y, predicted, counts))
        if scores.get("auroc") is not None:
            samples["auroc"].append(_auroc(y, probabilities[:, 1], counts))
    for name, parts in samples.items():
        if parts:
            scores[f"{name}_ci"] = interval(np.concatenate(parts))
    return scores


def resample_counts(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each instance stands in each bootstrap sample: chunks (≤ n_resamples, n)."""
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // max(n, 1))
    for start in range(0, n_resamples, step):
        drawn = rng.integers(n, size=(min(step, n_resamples - start), n))
        drawn += np.arange(len(drawn))[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=len(drawn) * n).reshape(-1, n).astype(float)


def interval(samples: np.ndarray) -> list[float]:
    """[lower, upper] of the middle 95 % of the samples that are defined."""
    return [float(bound) for bound in np.nanpercentile(samples, [2.5, 97.5])]


def _macro_f1(y: np.ndarray, predicted: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Macro-F1 of each resample (row of `counts`): F1 of a class is 2·hits / (true + predicted)."""
    labels, index = np.unique(np.concatenate([y, predicted]), return_inverse=True)
    true, claimed = index[: len(y)], index[len(y) :]

    def per_class(of: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """How often each class stands in each resample, as (n_resamples, n_labels)."""
        n_rows, width = len(weights), len(labels)
        cells = np.arange(n_rows)[:, None] * width + of
        return np.bincount(
            cells.ravel(), weights=weights.ravel(), minlength=n_rows * width
        ).reshape(n_rows, width)

    total = per_class(true, counts) + per_class(claimed, counts)
    hits = per_class(true, counts * (y == predicted))
    f1 = np.divide(2 * hits, total, out=np.zeros_like(total), where=total > 0)
    return f1.sum(axis=1) / (total > 0).sum(axis=1)


def _auroc(y: np.ndarray, score: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """AUROC of each resample: the share of (negative, positive) pairs in order, ties half."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=np.nan) != 0)  # where ties begin
    positive = np.add.reduceat(counts[:, order] * (y[order] == 1), starts, axis=1)
    negative = np.add.reduceat(counts[:, order] * (y[order] == 0), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (positive * below).sum(axis=1) / pairs
