"""Extremely randomised trees, a forest per modality: what a practitioner of tables would try."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.ensemble import ExtraTreesClassifier

from srmm.learning.method import MethodAbout
from srmm.learning.scikit import Candidate, PerModalityClassifier
from srmm.recipe import with_parameters


@with_parameters
class PerModalityExtraTrees(PerModalityClassifier):
    """A forest of extremely randomised trees per modality, averaged over what is present.

    The original knows one table of features; a forest per modality and the mean of their
    probabilities are ours. Loss: Gini impurity. 100 trees and √d features per split are the
    original's; the smallest leaf, 1, 2 or 4 items, is chosen on a held-out tenth of the training
    set, then everything is fitted on all of it.
    """

    _candidates = ({"min_samples_leaf": 1}, {"min_samples_leaf": 2}, {"min_samples_leaf": 4})
    _default: ClassVar[Candidate] = {"min_samples_leaf": 1}
    _kinds = (ExtraTreesClassifier,)
    _fusion = "mean"

    def _estimator(self, before: Any, candidate: Candidate, seed: int) -> ExtraTreesClassifier:
        return ExtraTreesClassifier(100, random_state=seed, **candidate)

    def _standardizes(self) -> bool:
        return False  # a tree asks for the order of numbers only


ABOUT = MethodAbout(
    "extratrees",
    PerModalityExtraTrees,
    "P. Geurts et al., Extremely randomized trees, Machine Learning, 2006",
)
