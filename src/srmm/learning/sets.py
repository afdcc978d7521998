"""What a classifier with a calibration can do: answer with a set of classes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from srmm.data.embeddings import Embeddings
from srmm.data.inputs import warn_of_order_beside
from srmm.data.labels import check_same_kind
from srmm.errors import InputError, fraction, shown
from srmm.learning.calibration import Calibration
from srmm.learning.labelled import Labelled, labelled


class PredictsSets:
    """Prediction sets with a promised coverage, for a classifier that has the rest.

    Attributes
    ----------
    calibration_ : Calibration or None
        Scores of held-out instances by presence pattern; None if the method holds none out.
    """

    calibration_: Calibration | None
    classes_: np.ndarray

    def predict_set(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """The classes that cannot be ruled out: boolean (n_instances, n_classes).

        Of instances with the same presence pattern, and like those of training, the set holds the
        true class with probability `coverage` or more. It always holds the most probable class,
        and all classes where too few instances were held out to promise anything.

        Parameters
        ----------
        X : as in `predict_proba`
        coverage : float in (0, 1)

        Raises
        ------
        InputError
            If the model kept no scores of held-out instances: `calibrate` it first.
        NotFittedError
            If it has not learnt anything yet.
        """
        calibration = self.check_coverage(coverage)
        model: Any = self
        embeddings = model.as_seen(X)
        probabilities = model.predict_proba(embeddings)
        return calibration.sets(probabilities, np.asarray(embeddings.present), coverage)

    def check_coverage(self, coverage: float) -> Calibration:
        """What sets of this coverage are made with; raises `InputError` as `predict_set` does."""
        fraction("coverage", coverage, closed=False)
        calibration = getattr(self, "calibration_", None)
        if calibration is None:
            check_is_fitted(self)
            raise InputError(
                f"This {type(self).__name__} kept no scores of held-out instances, so it cannot "
                "promise a coverage. Call calibrate(X, y) with labelled instances that it was not "
                "trained on and will not be tested on, or fit it with a validation part or as "
                "the default method, 'srmm' (distilled, it keeps none: ask its teacher)."
            )
        return calibration

    def calibrate(self, X: Any, y: Any = None) -> Any:
        """Learn from labelled instances what `predict_set` may promise; returns the model.

        Parameters
        ----------
        X : as in `fit`
            Instances that the model was not trained on, and will not be tested on.
        y : array of shape (n_instances,), optional
            By default the labels of the `Embeddings`. Instances of classes that the model does not
            know are left out, with a warning.
        """
        model: Any = self
        warn_of_order_beside(X, y=y)
        embeddings, labels, _, _ = labelled(model.as_seen(X), y, None)
        check_same_kind(labels, self.classes_)
        index = {label: c for c, label in enumerate(self.classes_.tolist())}
        known = np.array([label in index for label in labels.tolist()])
        if not known.any():
            raise InputError("No instance to calibrate with has a label that the model knows.")
        if not known.all():
            warnings.warn(
                f"{(~known).sum()} of {len(known)} labels, such as {shown(labels[~known][0])}, are "
                "no class of the model: these instances are left out, and the coverage is that of "
                "instances of its classes.",
                stacklevel=2,
            )
        codes = np.array([index[label] for label in labels[known].tolist()])
        self._calibrate_on(embeddings[known], codes)
        return self

    def _calibrate_on(self, embeddings: Embeddings, y: np.ndarray) -> None:
        """Set `calibration_` from instances of classes `y` (n,), each of which has an item."""
        model: Any = self
        there = np.asarray(embeddings.present)
        self.calibration_ = Calibration.fit(model.scorer(embeddings), y, there)

    def _calibrate_held(self, held: Labelled) -> None:
        """What a method does with the instances it held out, once it is trained: here nothing."""
