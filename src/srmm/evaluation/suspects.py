"""Training labels that look wrong: what networks that never saw an instance say of its label."""

from __future__ import annotations

from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.ensemble.own_rows import OutOfFoldScorer, out_of_fold_scorer
from srmm.evaluation.describe import describe_items

_SHOWN = 12


def suspect_labels(model: Any, train: Embeddings) -> dict[str, Any]:
    """The training labels that out-of-fold outputs contradict most (confident learning).

    A label is suspect if some other class is as probable as it usually is for instances of that
    class (Northcutt et al., Confident Learning, 2021); the worst come first, by how much less
    probable their label is than the most probable class.

    Returns
    -------
    {"n", "n_suspect", "items"}, an item as in "mistakes" with "own", its label's probability; or
    {"reason"} where the model has no out-of-fold outputs of these instances.
    """
    scorer = out_of_fold_scorer(model, train)
    if isinstance(scorer, str):
        return {"reason": scorer}
    probabilities = scorer(np.arange(len(scorer.y)), scorer.present)
    suspect = is_suspect(probabilities, scorer.y)
    order = np.flatnonzero(suspect)
    order = order[np.argsort(_margin(probabilities, scorer.y)[order], kind="stable")][:_SHOWN]
    items = _items(scorer, order, probabilities, model)
    return {"n": len(scorer.y), "n_suspect": int(suspect.sum()), "items": items}


def is_suspect(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Boolean (n,): labels `y` that another class contradicts, from out-of-fold outputs (n, C)."""
    n, C = probabilities.shape
    own = probabilities[np.arange(n), y]
    usual = np.bincount(y, own, minlength=C) / np.maximum(np.bincount(y, minlength=C), 1)
    usual[np.bincount(y, minlength=C) == 0] = np.inf
    confident = np.where(probabilities >= usual, probabilities, -1.0)
    chosen = confident.argmax(axis=1)
    return (confident.max(axis=1) > 0) & (chosen != y)


def _margin(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
    others = probabilities.copy()
    others[np.arange(len(y)), y] = -1.0
    return probabilities[np.arange(len(y)), y] - others.max(axis=1)


def _items(
    scorer: OutOfFoldScorer, rows: np.ndarray, probabilities: np.ndarray, model: Any
) -> list[dict[str, Any]]:
    classes = model.classes_.tolist()
    labels = model.classes_[scorer.y]
    items = describe_items(scorer, scorer.embeddings, rows, labels, probabilities, classes)
    for item, row in zip(items, rows.tolist(), strict=True):
        item["own"] = probabilities[row, scorer.y[row]]
    return items
