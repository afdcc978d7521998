"""Nearest centroid: an item is of the class whose mean embedding is closest; late fusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from srmm import fusion
from srmm.data.embeddings import Embeddings
from srmm.learning.late_fusion import LateFusionClassifier
from srmm.learning.method import MethodAbout
from srmm.learning.standardize import Standardizer
from srmm.recipe import not_negative, parameter, with_parameters

_FAR = 1e3
"""The distance of a class that no training item of a modality had."""


@with_parameters
class NearestCentroidClassifier(LateFusionClassifier):
    """Per modality the distance to each class's centroid; what is present is averaged.

    Probabilities are the softmax of minus the mean squared distance, times `sharpness`, after
    standardisation with the training set's statistics.
    """

    sharpness: float = parameter(0.5, "What the distance is multiplied by.", not_negative)

    def _fit(self, train: Any, held: Any, seed: int) -> None:
        # Nothing is chosen on the held-out instances, and nothing is drawn at random.
        self.standardizer_ = Standardizer.fit(train.embeddings, active=True)
        self.centroids_ = {}
        for name in self.modalities_:
            rows, vectors = train.embeddings.items(name)  # those that are present
            x = self.standardizer_.apply(name, vectors).astype(np.float64)
            # (n, C): how much each item counts for the centroid of each class
            weight = np.eye(len(self.classes_))[train.y[rows]] * train.weight[rows, None]
            with np.errstate(invalid="ignore"):
                self.centroids_[name] = weight.T @ x / weight.sum(axis=0)[:, None]  # (C, d)

    def _outputs(self, embeddings: Embeddings) -> np.ndarray:
        """(n, M, C) probabilities, NaN where an item is absent."""
        shape = (len(embeddings), len(self.modalities_), len(self.classes_))
        outputs = np.full(shape, np.nan)
        for m, name in enumerate(self.modalities_):
            rows, vectors = embeddings.items(name)
            x = self.standardizer_.apply(name, vectors).astype(np.float64)
            apart = x[:, None, :] - self.centroids_[name]  # (n, C, d)
            distance = np.nan_to_num(np.square(apart).mean(axis=2), nan=_FAR)
            nearest = distance.min(axis=1, keepdims=True)
            closeness = np.exp(-self.sharpness * (distance - nearest))
            outputs[rows, m] = closeness / closeness.sum(axis=1, keepdims=True)
        return outputs

    def _fuse(self, outputs: np.ndarray, present: np.ndarray) -> np.ndarray:
        return fusion.fuse(outputs, present, "mean")

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """(JSON-ready settings, arrays): all that `set_state` needs. Nothing is pickled."""
        state, arrays = super().get_state()
        return state, arrays | {f"centroids.{k}": v for k, v in self.centroids_.items()}

    def set_state(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Become the fitted classifier that `get_state` described."""
        super().set_state(state, arrays)
        self.centroids_ = {name: arrays[f"centroids.{name}"] for name in self.modalities_}


ABOUT = MethodAbout(
    name="nearest-centroid",
    classifier=NearestCentroidClassifier,
    source="the textbook's nearest centroid, one per modality",
    parameters={},
)
