"""Logistic regression: on concatenated embeddings, and one per modality."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from srmm.data.embeddings import Embeddings
from srmm.learning.labelled import Labelled
from srmm.learning.method import MethodAbout
from srmm.learning.probabilities import align_classes
from srmm.learning.scikit import Candidate, PerModalityClassifier, ScikitClassifier
from srmm.recipe import with_parameters

_DEFAULT = {"C": 0.01}
_STRENGTHS = ({"C": 0.001}, {"C": 0.01}, {"C": 0.1})
"""Inverse regularisation strength."""


def _logistic_regression(before: Any, candidate: Candidate) -> LogisticRegression:
    """Each strength starts from the weaker model before it, which saves most of the steps."""
    model = LogisticRegression(max_iter=200, warm_start=True) if before is None else before
    return model.set_params(**candidate)


@with_parameters
class ConcatenatedLogisticRegression(ScikitClassifier):
    """Multinomial logistic regression on all standardised embeddings side by side.

    An absent item is its modality's training mean, zeros after standardisation: the imputation a
    practitioner would reach for first. The regularisation strength is chosen among three on a
    held-out tenth of the training set, by the accuracy on instances as they are, then the model is
    fitted on all of it.
    """

    _candidates = _STRENGTHS
    _default = _DEFAULT
    _kinds = (LogisticRegression,)

    @property
    def n_parameters_(self) -> int | None:
        return _n_parameters(self.models_)

    def _learn(self, data: Labelled, candidate: Candidate, seed: int) -> None:
        model = _logistic_regression(self.models_.get("all"), candidate)
        with warnings.catch_warnings():
            # 200 steps are the budget; running out of them is no failure.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(self._concatenated(data.embeddings), data.y, data.weight)
        self.models_ = {"all": model}

    def _held_out_score(self, held: Labelled) -> tuple[float, float]:
        x = self._concatenated(held.embeddings)
        return self.models_["all"].score(x, held.y, held.weight), 0.0

    def _probabilities(self, embeddings: Embeddings) -> np.ndarray:
        model = self.models_["all"]
        known = model.predict_proba(self._concatenated(embeddings))
        return align_classes(known, model.classes_, np.arange(len(self.classes_)))

    def _concatenated(self, embeddings: Embeddings) -> np.ndarray:
        """(n_instances, sum of embedding_dims), zeros where absent."""
        blocks = []
        for name, size in embeddings.embedding_dims.items():
            block = np.zeros((len(embeddings), size), dtype=np.float32)
            rows, vectors = embeddings.items(name)
            block[rows] = self.standardizer_.apply(name, vectors)
            blocks.append(block)
        return np.hstack(blocks)


@with_parameters
class PerModalityLogisticRegression(PerModalityClassifier):
    """A multinomial logistic regression per modality, log-averaged over what is present.

    On standardised embeddings; the output of an instance is the normalised mean of its modalities'
    log-probabilities. Loss: cross entropy with an L2 penalty. Hyper-parameters are ours: one
    inverse strength C for all modalities, among 0.001, 0.01 and 0.1, as for `logreg-concat`, chosen
    on a held-out tenth of the training set, then everything is fitted on all of it.
    """

    _candidates = _STRENGTHS
    _default = _DEFAULT
    _kinds = (LogisticRegression,)
    _fusion = "log-mean"

    @property
    def n_parameters_(self) -> int | None:
        return _n_parameters(self.models_)

    def _estimator(self, before: Any, candidate: Candidate, seed: int) -> LogisticRegression:
        return _logistic_regression(before, candidate)

    def _learn(self, data: Labelled, candidate: Candidate, seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            super()._learn(data, candidate, seed)


def _n_parameters(models: dict[str, LogisticRegression]) -> int:
    return sum(model.coef_.size + model.intercept_.size for model in models.values())


ABOUT = (
    MethodAbout(
        "logreg",
        PerModalityLogisticRegression,
        "G. E. Hinton, Training Products of Experts by Minimizing Contrastive Divergence, 2002: "
        "the product of experts in its simplest form",
    ),
    MethodAbout("logreg-concat", ConcatenatedLogisticRegression, "the textbook's early fusion"),
)
