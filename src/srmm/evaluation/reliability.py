"""Whether probabilities mean what they say, and what it costs to answer only when sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.modality import Pattern, pattern_mask
from srmm.evaluation.outputs import remembering
from srmm.evaluation.said import Said, said
from srmm.evaluation.sets import set_scores
from srmm.learning.base import Scorer

BINS = 10
TARGETS = (0.9, 0.95, 0.98, 0.99)
_LEAST = 1e-15
_STEPS = 50


def reliability(y: np.ndarray, outputs: np.ndarray | Said) -> dict[str, Any]:
    """Log loss, calibration error, and the reliability diagram of outputs (n, C) for classes (n,).

    Returns
    -------
    {"n", "log_loss", "calibration_error", "calibration_error_by_chance", "bins"}; a bin of the
    highest probability has "low", "high", "n", "confidence" (its mean) and "accuracy"; bins without
    rows are left out. Rows of a class the model does not know (−1) are wrong answers, but have no
    log loss.
    """
    found = said(y, outputs)
    confidence, right = found.confidence, found.predicted == y
    index = _bins(confidence, BINS)
    known = np.flatnonzero(y >= 0)
    own = found.own[known]
    return {
        "n": len(y),
        "log_loss": float(-np.log(np.maximum(own, _LEAST)).mean()) if len(known) else None,
        "calibration_error": calibration_error(confidence, right, BINS),
        "calibration_error_by_chance": error_by_chance(confidence, BINS),
        "bins": [
            {
                "low": b / BINS,
                "high": (b + 1) / BINS,
                "n": int((index == b).sum()),
                "confidence": float(confidence[index == b].mean()),
                "accuracy": float(right[index == b].mean()),
            }
            for b in np.unique(index).tolist()
        ],
    }


def describe_trust(
    model: Any, scorer: Scorer, test: Embeddings, y: np.ndarray, patterns: Sequence[Pattern]
) -> dict[str, Any]:
    """How far to trust the outputs: on the test set as it is, and per presence pattern.

    Returns
    -------
    {"overall", "patterns", "selective", "sets"}: `reliability` of all rows as they are and of those
    that have each pattern (with "present"), `selective` of all, and `set_scores`.
    """
    there, rows = np.asarray(test.present), np.arange(len(test))
    scorer = remembering(scorer, len(test), y, getattr(model, "calibration_", None))
    as_it_is = scorer.said(rows, there)
    by_pattern = []
    for pattern in patterns:
        mask = pattern_mask(pattern, test.modalities)
        mine = np.flatnonzero(there[:, mask].all(axis=1))
        if len(mine):
            outputs = scorer.said(mine, mask)
            by_pattern.append({"present": list(pattern), **reliability(y[mine], outputs)})
    return {
        "overall": reliability(y, as_it_is),
        "patterns": by_pattern,
        "selective": selective(y, as_it_is),
        "sets": set_scores(model, scorer, test, y, patterns),
    }


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int) -> float:
    """Expected calibration error: mean |accuracy − confidence| over bins of equal width.

    >>> calibration_error(np.array([0.9, 0.9]), np.array([True, False]), 10)
    0.4
    """
    gap = np.bincount(_bins(confidence, bins), right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(right))


def error_by_chance(confidence: np.ndarray, bins: int) -> float:
    """About what the calibration error of so many rows is where every probability is honest.

    It is above 0, since what is right in a bin scatters: its standard deviation is the root of
    Σ p (1 − p), and the mean distance √(2/π) of that, but at most 2 Σ p (1 − p).

    >>> few, many = np.full(100, 0.8), np.full(10_000, 0.8)
    >>> round(error_by_chance(few, 10), 3), round(error_by_chance(many, 10), 3)
    (0.032, 0.003)
    """
    variance = np.bincount(_bins(confidence, bins), confidence * (1 - confidence), minlength=bins)
    return float(np.minimum(np.sqrt(2 / np.pi * variance), 2 * variance).sum() / len(confidence))


def selective(y: np.ndarray, outputs: np.ndarray | Said) -> dict[str, Any]:
    """Accuracy on the rows of highest probability, and how few must be left to a person.

    Returns
    -------
    {"n", "answered", "accuracy", "targets"}: lists of shares of the rows that are answered and of
    the accuracy on them, and per wanted accuracy {"accuracy", "handed_over", "found", "threshold"}:
    the smallest share of rows, those of lowest probability, without which it is reached (None where
    it never is), and the probability below which a row is handed over.
    """
    found = said(y, outputs)
    confidence, right = found.confidence, found.predicted == y
    order = np.argsort(-confidence, kind="stable")
    sure, hits, n = confidence[order], right[order], len(y)
    accuracy = np.cumsum(hits) / np.arange(1, n + 1)
    # Rows of equal probability are answered together or not at all.
    ends = np.flatnonzero(np.append(np.diff(sure) < 0, True))
    wanted = np.unique(np.ceil(np.linspace(1 / _STEPS, 1, _STEPS) * n).astype(int)) - 1
    shown = np.unique(ends[np.minimum(np.searchsorted(ends, wanted), len(ends) - 1)])
    return {
        "n": n,
        "answered": ((shown + 1) / n).tolist(),
        "accuracy": accuracy[shown].tolist(),
        "targets": [_target(goal, ends, accuracy, sure) for goal in TARGETS],
    }


def _target(
    goal: float, ends: np.ndarray, accuracy: np.ndarray, sure: np.ndarray
) -> dict[str, float | None]:
    enough = ends[accuracy[ends] >= goal - 1e-12]
    if not len(enough):
        return {"accuracy": goal, "handed_over": None, "found": None, "threshold": None}
    last = int(enough[-1])
    return {
        "accuracy": goal,
        "handed_over": 1 - (last + 1) / len(sure),
        "found": float(accuracy[last]),
        "threshold": float(sure[last]),
    }


def _bins(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.minimum((confidence * bins).astype(int), bins - 1)
