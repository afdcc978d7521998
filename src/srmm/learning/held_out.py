"""The figures by which every method chooses, all on held-out instances, never on test ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.learning.base import Labelled


def held_out_figures(
    probabilities: Callable[[Embeddings], np.ndarray], held: Labelled
) -> dict[str, float]:
    """How good `probabilities` (n, C) are on the held-out instances, of which there are some.

    "accuracy" and "loss" of the instances as they are, "accuracy_alone" of each of their items
    alone, and "score", the mean of the two accuracies: a model is used both ways.
    """
    as_they_are = probabilities(held.embeddings)
    own = as_they_are[np.arange(len(held.y)), held.y]
    right = as_they_are.argmax(axis=1) == held.y
    right_alone, weight_alone = [], []
    modalities = np.arange(len(held.embeddings.modalities))
    for m in modalities:
        rows = np.flatnonzero(held.embeddings.present[:, m])
        if len(rows):
            lone = held.embeddings[rows].mask(modalities == m)
            right_alone.append(probabilities(lone).argmax(axis=1) == held.y[rows])
            weight_alone.append(held.weight[rows])
    accuracy = float(np.average(right, weights=held.weight))
    alone = float(np.average(np.concatenate(right_alone), weights=np.concatenate(weight_alone)))
    return {
        "loss": float(np.average(-np.log(np.maximum(own, 1e-12)), weights=held.weight)),
        "accuracy": accuracy,
        "accuracy_alone": alone,
        "score": (accuracy + alone) / 2,
    }
