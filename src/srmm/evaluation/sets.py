"""Prediction sets: what they promise, what they keep on test rows, and as lists of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.modality import Pattern, pattern_mask
from srmm.evaluation.outputs import Remembered, remembering
from srmm.evaluation.said import COVERAGES
from srmm.evaluation.shares import wilson
from srmm.learning.base import Scorer

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
    scorer = remembering(scorer, len(test), y, calibration)
    found = [{"present": None, **_scored(scorer, rows, there, hidden=False)}]
    for pattern in patterns:
        mask = pattern_mask(pattern, test.modalities)
        just_so = np.flatnonzero((there == mask).all(axis=1))
        hidden = len(just_so) < _FEWEST
        mine = np.flatnonzero(there[:, mask].all(axis=1)) if hidden else just_so
        if len(mine):
            shown = np.tile(mask, (len(mine), 1))
            found.append({"present": list(pattern), **_scored(scorer, mine, shown, hidden=hidden)})
    return found


def _scored(
    scorer: Remembered, rows: np.ndarray, present: np.ndarray, *, hidden: bool
) -> dict[str, Any]:
    found = scorer.said(rows, present)
    coverages = []
    for k, promised in enumerate(COVERAGES):
        hits, sizes = found.hits[:, k], found.sizes[:, k]
        share, ends = wilson(int(hits.sum()), len(hits))
        coverages.append(
            {
                "promised": promised,
                "found": share,
                "found_ci": ends,
                "mean_size": float(sizes.mean()),
                "single": float((sizes == 1).mean()),
            }
        )
    return {"n": len(rows), "hidden": hidden, "coverages": coverages}
