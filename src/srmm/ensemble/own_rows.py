"""A model's word on its own training instances, each by the one network that never saw it."""

from __future__ import annotations

from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.labels import places_among
from srmm.ensemble.classifier import SingleBranchClassifier
from srmm.ensemble.judged import judged_rows
from srmm.ensemble.out_of_fold import OutOfFold
from srmm.ensemble.state import is_digest_of
from srmm.ensemble.table import FeatureTable
from srmm.learning.labelled import labelled


class OutOfFoldScorer:
    """(rows, present) → out-of-fold probabilities (len(rows), C) of training instances.

    Attributes
    ----------
    embeddings : Embeddings
        The instances that taught the model.
    y : array of shape (n,)
        Indices of their classes.
    present : bool array of shape (n, M)
    judged : array of shape (k,)
        The instances whose class the network that never saw them has learnt from others.
    """

    def __init__(
        self, model: SingleBranchClassifier, embeddings: Embeddings, y: np.ndarray
    ) -> None:
        self.embeddings, self.y = embeddings, y
        self.present = np.asarray(embeddings.present)
        self.judged = judged_rows(y, model.folds_)
        self._weights = model.weights_
        self._trust = model.trust_.of(embeddings, model.features_)
        table = FeatureTable(embeddings, model.features_, model.network_.fc2.weight.device)
        self._outputs = OutOfFold(
            model.network_, model.discriminants_, table, np.arange(len(table)), model.folds_
        )

    def __call__(self, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        return self._outputs.probabilities(rows, present, self._weights, self._trust[rows])


def out_of_fold_scorer(model: Any, train: Embeddings) -> OutOfFoldScorer | str:
    """The out-of-fold outputs of the instances that a model learnt from, in the order of training.

    A sentence that says why not, if the model has none or these are other instances.
    """
    if not isinstance(model, SingleBranchClassifier):
        return (
            "Only the default method judges each training instance by a network that never saw it."
        )
    if not len(model.folds_):
        return "A distilled model has learnt from every training instance: its teacher judges them."
    embeddings, labels, _, _ = labelled(model.as_seen(train), None, None)
    y = places_among(labels, model.classes_.tolist())
    known = model.training_.get("digest", "")
    if len(y) != len(model.folds_) or not is_digest_of(known, embeddings, y):
        return "The training instances are not the ones, or not in the order, of training."
    return OutOfFoldScorer(model, embeddings, y)
