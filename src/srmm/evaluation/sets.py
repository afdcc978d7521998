"""Prediction sets: what they promise, what they keep on test rows, and as lists of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

from srmm.data.embeddings import Embeddings
from srmm.data.modality import Pattern, pattern_mask
from srmm.learning.base import Scorer

COVERAGES = (0.8, 0.9, 0.95)
_FEWEST = 30  # rows that really are so, for a pattern to be judged by these


def label_sets(model: Any, X: Any, coverage: float = 0.9) -> list[list[Any]]:
    """`model.predict_set` in words: per instance its labels, the most probable first."""
    embeddings = model.as_seen(X)
    inside = model.predict_set(embeddings, coverage)
    return ranked_sets(model.classes_, inside, model.predict_proba(embeddings))


def ranked_sets(
    classes: np.ndarray, inside: np.ndarray, probabilities: np.ndarray
) -> list[list[Any]]:
    """The labels of each set `inside` (n, C), the most probable first."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return [
        classes[places[row[places]]].tolist() for row, places in zip(inside, order, strict=True)
    ]


def set_scores(
    model: Any, scorer: Scorer, test: Embeddings, y: np.ndarray, patterns: Sequence[Pattern]
) -> list[dict[str, Any]]:
    """Per presence pattern, the promised coverage and what was found; the test set itself first.

    Returns
    -------
    list of {"present" (None for all rows as they are), "n", "hidden", "coverages"}, empty for a
    model without a calibration. "hidden" says that few rows are just so, and that all which have
    the pattern were taken, with the rest hidden. A coverage has "promised", "found", "found_ci"
    (95 %, Wilson's), "mean_size" and "single", the share of sets of one class.
    """
    calibration = getattr(model, "calibration_", None)
    if calibration is None:
        return []
    there, rows = np.asarray(test.present), np.arange(len(test))
    found = [{"present": None, **_scored(calibration, scorer, rows, there, y, hidden=False)}]
    for pattern in patterns:
        mask = pattern_mask(pattern, test.modalities)
        just_so = np.flatnonzero((there == mask).all(axis=1))
        hidden = len(just_so) < _FEWEST
        mine = np.flatnonzero(there[:, mask].all(axis=1)) if hidden else just_so
        if len(mine):
            shown = np.tile(mask, (len(mine), 1))
            scored = _scored(calibration, scorer, mine, shown, y, hidden=hidden)
            found.append({"present": list(pattern), **scored})
    return found


def _scored(
    calibration: Any,
    scorer: Scorer,
    rows: np.ndarray,
    present: np.ndarray,
    y: np.ndarray,
    *,
    hidden: bool,
) -> dict[str, Any]:
    probabilities, own = scorer(rows, present), y[rows]
    coverages = []
    for promised in COVERAGES:
        inside = calibration.sets(probabilities, present, promised)
        hits = inside[np.arange(len(own)), own] & (own >= 0)
        interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
        sizes = inside.sum(axis=1)
        coverages.append(
            {
                "promised": promised,
                "found": float(hits.mean()),
                "found_ci": [float(interval.low), float(interval.high)],
                "mean_size": float(sizes.mean()),
                "single": float((sizes == 1).mean()),
            }
        )
    return {"n": len(rows), "hidden": hidden, "coverages": coverages}
