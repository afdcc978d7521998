"""Logistic regression on concatenated embeddings: the simplest fusion there is."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from srmm.base_classifier import EmbeddingClassifier, Labelled
from srmm.embeddings import Embeddings
from srmm.standardize import Standardizer

_DEFAULT = 0.01  # where nothing is held out
_STRENGTHS = (0.001, 0.01, 0.1)  # inverse regularisation C, chosen on the held-out instances


class ConcatenatedLogisticRegression(EmbeddingClassifier):
    """Multinomial logistic regression on all standardised embeddings side by side.

    An absent item is its modality's training mean, zeros after standardisation: the imputation a
    practitioner would reach for first. The regularisation strength is chosen among three on a
    held-out tenth of the training set, then the model is fitted on all of it.

    Parameters
    ----------
    class_weight, when_nothing_present, random_state
        As in `SingleBranchClassifier`.
    """

    def __init__(
        self,
        *,
        class_weight: Any = None,
        when_nothing_present: str = "error",
        random_state: Any = None,
    ) -> None:
        self.class_weight = class_weight
        self.when_nothing_present = when_nothing_present
        self.random_state = random_state

    def _validation_fraction(self) -> float:
        return 0.1

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        self.standardizer_ = Standardizer.fit(train.embeddings, active=True)
        x, x_held = self._concatenated(train.embeddings), self._concatenated(held.embeddings)
        # Each strength starts from the weaker model before it, which saves most of the steps.
        self.model_ = LogisticRegression(max_iter=200, warm_start=True)
        with warnings.catch_warnings():
            # 200 steps are the budget; running out of them is no failure.
            warnings.simplefilter("ignore", ConvergenceWarning)
            scores = {_DEFAULT: 0.0}
            if len(held.y):
                for strength in _STRENGTHS:
                    self.model_.set_params(C=strength).fit(x, train.y, train.weight)
                    scores[strength] = self.model_.score(x_held, held.y, held.weight)
            self.model_.set_params(C=max(scores, key=lambda strength: scores[strength]))
            everything = zip((x, train.y, train.weight), (x_held, held.y, held.weight), strict=True)
            self.model_.fit(*(np.concatenate(both) for both in everything))

    def _probabilities(self, embeddings: Embeddings) -> np.ndarray:
        return self.model_.predict_proba(self._concatenated(embeddings))

    def _concatenated(self, embeddings: Embeddings) -> np.ndarray:
        """(n_instances, sum of embedding_dims), zeros where absent."""
        blocks = []
        for name, size in embeddings.embedding_dims.items():
            block = np.zeros((len(embeddings), size), dtype=np.float32)
            rows, vectors = embeddings.items(name)
            block[rows] = self.standardizer_.apply(name, vectors)
            blocks.append(block)
        return np.hstack(blocks)
