"""Accuracy, macro-F1 and AUROC with intervals over instances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.metrics import roc_auc_score

from srmm.evaluation.said import Said, said
from srmm.evaluation.shares import wilson

_SAME = 1e-12
_CHUNK = 1 << 22  # numbers held at once while resampling (32 MB)
_REMEMBERED = 1 << 25  # of one byte


def metric_names(n_classes: int) -> list[str]:
    """The metrics that apply: AUROC for two classes only (paper: Hateful Memes)."""
    return ["accuracy", "macro_f1"] + (["auroc"] if n_classes == 2 else [])


def point_scores(y: np.ndarray, outputs: np.ndarray | Said) -> dict[str, float | None]:
    """Each metric's value.

    Parameters
    ----------
    y : int array of shape (n,)
        Class indices; −1 for a class the model has never seen, which is always wrong.
    outputs : array of shape (n, n_classes), or Said
        Probabilities, or what of them counts.

    Returns
    -------
    dict with "accuracy", "macro_f1" (over the classes that occur in `y` or are predicted) and,
    for two classes, "auroc" (None if only one of them occurs).
    """
    found = said(y, outputs)
    right = found.predicted == y
    scores: dict[str, float | None] = {
        "accuracy": float(right.mean()),
        "macro_f1": _macro_f1_of(y, found.predicted, right, found.n_classes),
    }
    if found.n_classes == 2:
        both = len(np.unique(y)) == 2 and y.min() >= 0
        scores["auroc"] = float(roc_auc_score(y, found.positive)) if both else None
    return scores


def scores_with_intervals(
    y: np.ndarray, outputs: np.ndarray | Said, *, n_resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """`point_scores`, and for each metric `<metric>_ci`, a 95 % interval.

    Accuracy is a share of rows: its interval is Wilson's. That of the others is a percentile
    bootstrap's: instances are resampled with replacement, with the same seed the same ones for
    every pattern and method with equally many instances.
    """
    found = said(y, outputs)
    scores: dict[str, Any] = {"n": len(y), **point_scores(y, found)}
    predicted = found.predicted
    scores["accuracy_ci"] = wilson(int((predicted == y).sum()), len(y))[1]
    samples: dict[str, list[np.ndarray]] = {"macro_f1": [], "auroc": []}
    for counts in resample_counts(len(y), n_resamples, seed):
        samples["macro_f1"].append(_macro_f1(y, predicted, counts))
        if scores.get("auroc") is not None:
            samples["auroc"].append(_auroc(y, found.positive, counts))
    for name, parts in samples.items():
        if parts:
            scores[f"{name}_ci"] = bootstrap_interval(np.concatenate(parts))
    return scores


def bootstrap_interval(samples: np.ndarray) -> list[float] | None:
    """`interval` of a bootstrap's samples; None where they are all one.

    A bootstrap that has no mistake to draw says nothing of rows that were not seen.
    """
    low, high = interval(samples)
    return None if high - low < _SAME else [low, high]


def resample_counts(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each instance stands in each bootstrap sample: chunks (≤ n_resamples, n)."""
    drawn = _drawn(n, n_resamples, seed) if n * n_resamples <= _REMEMBERED else None
    step = max(1, _CHUNK // max(n, 1))
    parts: Iterable[np.ndarray] = _draw(n, n_resamples, seed, step)
    if drawn is not None:
        parts = (drawn[start : start + step] for start in range(0, n_resamples, step))
    for counts in parts:
        yield counts.astype(float)


@lru_cache(maxsize=4)  # the parts of a report ask for the same: 134 MB at the most
def _drawn(n: int, n_resamples: int, seed: int) -> np.ndarray | None:
    """All of them in bytes, a quarter of the time of drawing; None if one does not fit a byte."""
    counts = np.empty((n_resamples, n), dtype=np.uint8)
    step, start = max(1, _CHUNK // max(n, 1)), 0
    for part in _draw(n, n_resamples, seed, step):
        if part.max(initial=0) > 255:
            return None
        counts[start : start + len(part)] = part
        start += len(part)
    return counts


def _draw(n: int, n_resamples: int, seed: int, step: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for start in range(0, n_resamples, step):
        drawn = rng.integers(n, size=(min(step, n_resamples - start), n))
        drawn += np.arange(len(drawn))[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=len(drawn) * n).reshape(-1, n)


def interval(samples: np.ndarray) -> list[float]:
    """[lower, upper] of the middle 95 % of the samples that are defined."""
    return [float(bound) for bound in np.nanpercentile(samples, [2.5, 97.5])]


def _macro_f1(y: np.ndarray, predicted: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Macro-F1 of each resample (row of `counts`): F1 of a class is 2·hits / (true + predicted)."""
    each = np.ascontiguousarray(counts.T)
    labels, index = np.unique(np.concatenate([y, predicted]), return_inverse=True)
    true, claimed = index[: len(y)], index[len(y) :]

    def per_class(of: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """How often each class stands among these rows of each resample: (n_labels, resamples)."""
        where = csr_array((np.ones(len(rows)), (of[rows], rows)), shape=(len(labels), len(y)))
        return np.asarray(where @ each)

    everyone = np.arange(len(y))
    total = per_class(true, everyone) + per_class(claimed, everyone)
    hits = per_class(true, np.flatnonzero(y == predicted))
    f1 = np.divide(2 * hits, total, out=np.zeros_like(total), where=total > 0)
    return np.ascontiguousarray(f1.T).sum(axis=1) / (total > 0).sum(axis=0)


def _macro_f1_of(y: np.ndarray, predicted: np.ndarray, right: np.ndarray, n_classes: int) -> float:
    """Macro-F1 of the instances as they are, each once."""
    classes = n_classes + 1  # and that of no class of the model, −1, first
    total = np.bincount(y + 1, minlength=classes) + np.bincount(predicted + 1, minlength=classes)
    hits = np.bincount(y[right] + 1, minlength=classes)
    there = total > 0
    return float((2 * hits[there] / total[there]).sum() / there.sum())


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
