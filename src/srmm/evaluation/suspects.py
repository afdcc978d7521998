"""Training labels that look wrong: what networks that never saw an instance say of its label."""

from __future__ import annotations

from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.ensemble.own_rows import OutOfFoldScorer, out_of_fold_scorer
from srmm.evaluation.describe import describe_items
from srmm.evaluation.said import in_short
from srmm.learning.probabilities import rows_at_once

_SHOWN = 12
_MOST = 50_000_000  # probabilities kept (0.2 GB)


def suspect_labels(model: Any, train: Embeddings) -> dict[str, Any]:
    """The training labels that out-of-fold outputs contradict most (confident learning).

    A label is suspect if some other class is as probable as it usually is for instances of that
    class (Northcutt et al., Confident Learning, 2021); the worst come first, by how much less
    probable their label is than the most probable class. Instances of a class that lies in one fold
    are not asked about.

    Returns
    -------
    {"n", "n_suspect", "items"}, an item as in "mistakes" with "own", its label's probability; or
    {"reason"} where the model has no out-of-fold outputs of these instances.
    """
    scorer = out_of_fold_scorer(model, train)
    if isinstance(scorer, str):
        return {"reason": scorer}
    found = Contradicted(scorer, len(model.classes_))
    order = np.flatnonzero(found.suspect)
    order = order[np.argsort(found.margin[order], kind="stable")][:_SHOWN]
    items = _items(scorer, order, found, model)
    return {"n": len(scorer.y), "n_suspect": int(found.suspect.sum()), "items": items}


class Contradicted:
    """Which labels another class contradicts, by how much, and what was said instead: (n,) each.

    Out-of-fold outputs are asked for in blocks, twice where they are too many to keep: what is
    usual in a class must be known before anything is unusual.
    """

    def __init__(self, scorer: OutOfFoldScorer, n_classes: int) -> None:
        n, y = len(scorer.y), scorer.y
        step = rows_at_once(n_classes)
        blocks = [np.arange(start, min(start + step, n)) for start in range(0, n, step)]
        keep = n * n_classes <= _MOST
        kept: list[np.ndarray] = []
        self.own, self.margin = np.empty(n), np.empty(n)
        self.suspect = np.zeros(n, dtype=bool)
        parts = []
        for rows in blocks:
            outputs = scorer(rows, scorer.present[rows])
            kept += [outputs] if keep else []
            self.own[rows] = outputs[np.arange(len(rows)), y[rows]]
            self.margin[rows] = _margin(outputs, y[rows])
            parts.append(in_short(outputs, y[rows]))
        self.said = parts[0].empty(n)
        judged = np.isin(np.arange(n), scorer.judged)
        usual = _usual(self.own[judged], y[judged], n_classes)
        for b, rows in enumerate(blocks):
            self.said.put(rows, parts[b])
            outputs = kept[b] if keep else scorer(rows, scorer.present[rows])
            self.suspect[rows] = judged[rows] & _contradicts(outputs, y[rows], usual)


def _usual(own: np.ndarray, y: np.ndarray, n_classes: int) -> np.ndarray:
    """(C,): how probable a class usually is for instances of it; infinite where there are none."""
    count = np.bincount(y, minlength=n_classes)
    usual = np.bincount(y, own, minlength=n_classes) / np.maximum(count, 1)
    usual[count == 0] = np.inf
    return usual


def _contradicts(probabilities: np.ndarray, y: np.ndarray, usual: np.ndarray) -> np.ndarray:
    confident = np.where(probabilities >= usual, probabilities, -1.0)
    chosen = confident.argmax(axis=1)
    return (confident.max(axis=1) > 0) & (chosen != y)


def _margin(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
    others = probabilities.copy()
    others[np.arange(len(y)), y] = -1.0
    return probabilities[np.arange(len(y)), y] - others.max(axis=1)


def _items(
    scorer: OutOfFoldScorer, rows: np.ndarray, found: Contradicted, model: Any
) -> list[dict[str, Any]]:
    classes = model.classes_.tolist()
    labels = model.classes_[scorer.y]
    items = describe_items(scorer, scorer.embeddings, rows, labels, found.said, classes)
    for item, row in zip(items, rows.tolist(), strict=True):
        item["own"] = found.own[row]
    return items
