"""The figures by which every method chooses, all on held-out instances, never on test ones."""

from __future__ import annotations

import numpy as np

from srmm.learning.base import Scorer
from srmm.learning.labelled import Labelled

_ROWS = 4096  # what networks are asked at once anyway


def held_out_figures(scorer: Scorer, held: Labelled) -> dict[str, float]:
    """How good a scorer over the held-out embeddings is, of which there are some.

    "accuracy" and "loss" of the instances as they are, "accuracy_alone" of each of their items
    alone, and "score", the mean of the two accuracies: a model is used both ways.
    """
    present = held.embeddings.present
    M = present.shape[1]
    own, right = _asked(scorer, np.arange(len(held.y)), present, held.y)
    right_alone = np.zeros(present.shape, dtype=bool)
    for m in range(M):
        rows = np.flatnonzero(present[:, m])
        if len(rows):
            lone = np.zeros((len(rows), M), dtype=bool)
            lone[:, m] = True
            right_alone[rows, m] = _asked(scorer, rows, lone, held.y)[1]
    # Modality by modality, not row by row: sums of weights are rounded in their order, and an epoch
    # may be chosen by the last bit.
    alone_right, alone_weight = right_alone.T[present.T], np.tile(held.weight, (M, 1))[present.T]
    accuracy = float(np.average(right, weights=held.weight))
    alone = float(np.average(alone_right, weights=alone_weight))
    return {
        "loss": float(np.average(-np.log(np.maximum(own, 1e-12)), weights=held.weight)),
        "accuracy": accuracy,
        "accuracy_alone": alone,
        "score": (accuracy + alone) / 2,
    }


def _asked(
    scorer: Scorer, rows: np.ndarray, present: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The probability of each row's own class, and whether it is the highest: (len(rows),) each.

    Some rows at a time, since all probabilities of many rows and classes are too many.
    """
    own, right = np.empty(len(rows)), np.empty(len(rows), dtype=bool)
    for start in range(0, len(rows), _ROWS):
        some = slice(start, start + _ROWS)
        found, mine = scorer(rows[some], present[some]), y[rows[some]]
        own[some] = found[np.arange(len(found)), mine]
        right[some] = found.argmax(axis=1) == mine
    return own, right
