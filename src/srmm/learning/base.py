"""What every classifier on embeddings shares: labels, inputs, held-out and empty instances."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from srmm.data.array_notes import warn_of_arrays
from srmm.data.checks import array, mapping, whole
from srmm.data.embeddings import Embeddings
from srmm.data.inputs import (
    as_embeddings,
    is_lone_array,
    match_modalities,
    validated,
    warn_of_order_beside,
)
from srmm.data.labels import as_labels, check_same_kind, class_numbers
from srmm.errors import InputError, shown
from srmm.fusion import pattern_counts
from srmm.learning.calibration import calibration_arrays, calibration_from
from srmm.learning.chance import check_seed
from srmm.learning.checked import checked_class_weight, standardizer_from
from srmm.learning.labelled import (
    Labelled,
    checked_labels,
    held_out,
    labelled,
    parts_of,
    rows_of,
    with_items,
    without_left_out,
)
from srmm.learning.probabilities import WHEN_NOTHING, check_probabilities, something_there
from srmm.learning.publishing import Pushed, push_model
from srmm.learning.saving import save_pretrained
from srmm.learning.sets import PredictsSets
from srmm.learning.state import (
    Arrays,
    check_as_learnt,
    class_weight_from_json,
    class_weight_to_json,
    decisive_parameters,
    encoders_of,
    kept_parameters,
    know_features,
    plain_seed,
    stored_parameters,
)
from srmm.learning.surroundings import undisturbed
from srmm.learning.weighing import check_class_weight, check_counted, weights_by_class
from srmm.recipe import (
    as_before_on_failure,
    check_parameters,
    parameter,
    recipe_parameters,
    with_parameters,
    within,
)

Scorer = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(rows, present of shape (len(rows), M)) → probabilities (len(rows), n_classes)."""


@with_parameters
class EmbeddingClassifier(PredictsSets, ClassifierMixin, BaseEstimator):
    """Base of the classifiers: scikit-learn's protocol over `Embeddings` with holes.

    A subclass adds its parameters as fields under `with_parameters`, and implements `_fit` and
    `_probabilities`, which see checked embeddings and class indices only.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    modalities_ : tuple of str
    embedding_dims_ : dict of str to int
    class_prior_ : array of shape (n_classes,)
    training_ : dict
        What it was trained on: instances, held-out instances, missing rate per modality.
    chosen_ : dict
        Parameters that were chosen on held-out instances, where any were.
    encoders_ : dict of str to dict or None
        Per modality, which encoder made the training embeddings, where that is known.
    """

    class_weight: str | Mapping[Any, float] | None = parameter(
        None, '"balanced" weighs rare classes up; or label → weight.', check_class_weight
    )
    when_nothing_present: str = parameter(
        "error",
        'What to do with an instance that has no item at all: "error" lists the rows, "prior" '
        "gives them the class shares of the training set.",
        within(WHEN_NOTHING),
    )
    random_state: int | np.random.RandomState | None = parameter(
        None,
        "The same integer gives the same weights, bit for bit, on the same machine with the same "
        "number of threads; whatever else the process does meanwhile.",
        check_seed,
    )

    may_hold_nan: ClassVar[tuple[str, ...]] = ()
    """Patterns of the names of arrays of `get_state` in which NaN says "absent"."""
    is_asked_when_loaded: ClassVar[bool] = True
    """Whether loading asks a model about an average instance, which finds what does not fit."""

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """What scikit-learn's `get_params` gives: the fields; a recipe is a name for some."""
        return sorted(one.name for one in fields(cls))

    def set_params(self, **parameters: Any) -> Any:
        """Set parameters; `recipe` sets those it names, unless they are given, too."""
        if "recipe" in parameters and "recipe" not in self._get_param_names():
            named = recipe_parameters(parameters.pop("recipe"), type(self))
            parameters = {**named, **parameters}
        return super().set_params(**parameters)

    @property
    def n_parameters_(self) -> int | None:
        """How many numbers were fitted, of a model for which that says something."""
        return None

    @property
    def feature_std_(self) -> dict[str, np.ndarray]:
        """Per modality, the standard deviation (d_m,) of each feature in the training set."""
        return self.standardizer_.std

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        validation: Any = None,
    ) -> Any:
        """Train on the instances of `X` that have a label; if that fails, all is as it was before.

        Parameters
        ----------
        X : Embeddings, dict of str to array, data frame, or array of shape (n, d)
            See `srmm.data.inputs.as_embeddings`. Instances with nothing present teach nothing
            and are skipped.
        y : array of shape (n_instances,), optional
            Class labels; by default those of the `Embeddings`. None, NaN or masked is "unknown":
            such instances are left out, with a warning where they are in `y`.
        sample_weight : array of shape (n_instances,), optional
            An instance of weight 0 is left out. A class of which none weighs more stays in
            `classes_`; a warning says that it is not learnt.
        groups : array of shape (n_instances,), optional
            What belongs together (a speaker, a customer, a video); by default those of the
            `Embeddings`. Instances of one group are never held out for one another; nor, where
            there are no groups, instances that are the same in every item.
        validation : Embeddings, (X, y) or (X, y, sample_weight), optional
            The held-out instances, for early stopping; by default a stratified share of `X`.

        Raises
        ------
        InputError
            If there are no labels, one class only, or a row is partly NaN or infinite.
        """
        with as_before_on_failure(self), undisturbed(learning=True):
            return self._learn_from(X, y, sample_weight, groups, validation)

    def _learn_from(self, X: Any, y: Any, sample_weight: Any, groups: Any, validation: Any) -> Any:
        """`fit`, which may leave half of a model behind if it fails."""
        check_parameters(self)
        warn_of_order_beside(X, y=y, sample_weight=sample_weight, groups=groups)
        if is_lone_array(X):
            if y is None:
                raise InputError(
                    f"{type(self).__name__} requires y to be passed, but the target y is None."
                )
            X = validated(self, X, reset=True)
        X = as_embeddings(X)
        embeddings, y, weight, groups = labelled(X, y, sample_weight, groups, weightless=True)
        self.classes_, y = class_numbers(y)
        counts = weight > 0
        check_counted("sample_weight", self.classes_, y[counts])
        if not counts.all():
            embeddings, y, weight, groups = rows_of(counts, embeddings, y, weight, groups)
        given, embeddings = embeddings.modalities, with_items(embeddings)
        left_out = [name for name in given if name not in embeddings.modalities]
        warn_of_arrays(embeddings, self.classes_[y])
        if self.class_weight is not None:
            by_class = weights_by_class(self.class_weight, self.classes_[y], self.classes_)
            self._class_weights = dict(zip(y.tolist(), by_class.tolist(), strict=True))
            check_counted("class_weight", self.classes_, y[by_class > 0], of=y)
            weight = weight * by_class
        self.modalities_, self.embedding_dims_ = embeddings.modalities, embeddings.embedding_dims
        self.encoders_ = encoders_of(self, embeddings)

        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        if validation is None:
            (embeddings, y, weight, groups), judges = held_out(
                Labelled(embeddings, y, weight, groups), self._validation_fraction(), seed
            )
        else:
            judges = self._validation(validation, left_out)
        self._describe(embeddings, y, len(judges.y))
        mean = weight.mean()
        train = Labelled(embeddings, y, weight / mean, groups)
        self.chosen_: dict[str, Any] = {}
        self.calibration_ = None
        start = time.perf_counter()
        judges = judges._replace(weight=judges.weight / mean)
        self._fit(train, judges, seed)
        self._calibrate_held(judges)
        self.training_["seconds"] = time.perf_counter() - start
        if left_out:
            self.training_["left_out"] = left_out
        self._learnt_with = decisive_parameters(self)
        return self

    def _describe(self, train: Embeddings, y: np.ndarray, n_validation: int) -> None:
        """Set what is known of the training instances before any is learnt from."""
        self.class_prior_ = np.bincount(y, minlength=len(self.classes_)) / len(y)
        missing = 1 - train.present.mean(axis=0)
        self.training_: dict[str, Any] = {
            "n_train": len(train),
            "n_validation": n_validation,
            "holes": dict(zip(self.modalities_, missing.tolist(), strict=True)),
            "patterns": pattern_counts(train.present),
        }

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities from whatever is present: (n_instances, n_classes).

        Raises `InputError` listing the rows with nothing present, unless
        `when_nothing_present="prior"`, which gives them the training set's class shares.
        """
        embeddings = self._matched(X)
        something = self._something(embeddings.present)
        rows = something.nonzero()[0]
        if 0 < len(rows) == len(embeddings):
            found = self._probabilities(embeddings)
            return check_probabilities(self, found, rows, embeddings)
        probabilities = np.tile(self.class_prior_, (len(embeddings), 1))
        if len(rows):
            found = self._probabilities(embeddings[something])
            probabilities[something] = check_probabilities(self, found, rows, embeddings)
        return probabilities

    def scorer(self, X: Any) -> Scorer:
        """Probabilities of rows of `X` under any mask, for evaluation.

        What does not depend on the mask is computed once, here. Rows with nothing present are
        treated as in `predict_proba`.
        """
        embeddings = self._matched(X)
        score, there = self._scorer(embeddings), np.asarray(embeddings.present)

        def with_prior(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
            present = present & there[rows]
            something = self._something(present)
            if len(rows) and something.all():
                return check_probabilities(self, score(rows, present), rows, embeddings)
            probabilities = np.tile(self.class_prior_, (len(rows), 1))
            if something.any():
                found = score(rows[something], present[something])
                found = check_probabilities(self, found, rows[something], embeddings)
                probabilities[something] = found
            return probabilities

        return with_prior

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each instance: (n_instances,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy on `X`; `y` as in `fit`."""
        check_is_fitted(self)
        warn_of_order_beside(X, y=y, sample_weight=sample_weight)
        y = as_labels("y", y)
        if y is None or not len(y) or pd.isna(y).any():
            X, y, sample_weight, _ = labelled(as_embeddings(X), y, sample_weight, aim="score")
        else:
            y, sample_weight = checked_labels(y, sample_weight)
        check_same_kind(y, self.classes_)
        return super().score(X, y, sample_weight)

    def as_seen(self, X: Any) -> Embeddings:
        """`X` as this classifier looks at it: the modalities it knows, in its order."""
        return self._matched(X)

    def save_pretrained(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write config, weights and a model card to `folder`; load with `srmm.from_pretrained`."""
        return save_pretrained(self, folder, overwrite=overwrite)

    def push_to_hub(self, repo: str, **options: Any) -> Pushed:
        """Upload this model to the Hugging Face hub as "user/model"; `srmm.from_pretrained` finds
        it there. The options are those of `srmm.learning.publishing.push_folder`."""
        return push_model(self, repo, **options)

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """(JSON-ready settings, arrays): all that `set_state` needs to predict the same bits."""
        check_is_fitted(self)
        check_as_learnt(self)
        state = {
            "parameters": kept_parameters(self),
            "when_nothing_present": self.when_nothing_present,
            "class_weight": class_weight_to_json(self.class_weight),
            "random_state": plain_seed(self.random_state),
            "chosen": self.chosen_,
        }
        arrays = {"class_prior": self.class_prior_, **calibration_arrays(self)}
        if hasattr(self, "standardizer_"):
            for name in self.modalities_:
                arrays[f"mean.{name}"] = self.standardizer_.mean[name]
                arrays[f"std.{name}"] = self.standardizer_.std[name]
        return state, arrays

    def set_state(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        """Become the fitted classifier that `get_state` described."""
        for name, value in stored_parameters(state, self._get_param_names()).items():
            setattr(self, name, value)
        self.chosen_ = mapping("state.chosen", state.get("chosen", {}))
        self.when_nothing_present = state["when_nothing_present"]
        self.random_state = state["random_state"]
        if self.random_state is not None:
            whole("state.random_state", self.random_state)
        self.class_weight = class_weight_from_json(checked_class_weight(state["class_weight"]))
        check_parameters(self)
        n_classes = len(self.classes_)
        self.class_prior_ = array("class_prior", arrays["class_prior"], (n_classes,), low=0, high=1)
        self.calibration_ = calibration_from(arrays, len(self.modalities_))
        scales = standardizer_from(arrays, self.embedding_dims_, active=self._standardizes())
        if scales is not None:
            self.standardizer_ = scales
        know_features(self)

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        """Train on `train`; `held` may be empty."""
        raise NotImplementedError(f"{type(self).__name__} has no _fit(train, held, seed).")

    def _probabilities(self, embeddings: Embeddings) -> np.ndarray:
        """(n_instances, n_classes) for instances that all have something present."""
        raise NotImplementedError(f"{type(self).__name__} has no _probabilities(embeddings).")

    def _scorer(self, embeddings: Embeddings) -> Scorer:
        """Probabilities of rows of `embeddings` under any mask that leaves each of them an item."""
        return lambda rows, present: self._probabilities(embeddings[rows].mask(present))

    def _validation_fraction(self) -> float:
        return 0.0

    def _standardizes(self) -> bool:
        """Whether features are brought to one scale first."""
        return True

    def _something(self, present: np.ndarray) -> np.ndarray:
        """Boolean (n,): rows with an item; raises listing the others if they are an error."""
        return something_there(present, self.when_nothing_present)

    def _matched(self, X: Any) -> Embeddings:
        if not hasattr(self, "classes_"):  # which is asked sooner than scikit-learn's tags are made
            check_is_fitted(self)
        if hasattr(self, "n_features_in_") and is_lone_array(X):
            X = validated(self, X, reset=False)
        embeddings = without_left_out(
            as_embeddings(X), getattr(self, "training_", {}).get("left_out", ())
        )
        matched = match_modalities(embeddings, self.embedding_dims_, self.encoders_)
        if hasattr(self, "standardizer_"):
            self.standardizer_.check_range(matched)
        return matched

    def _validation(self, validation: Any, left_out: Sequence[str]) -> Labelled:
        X, y, sample_weight = parts_of(validation)
        warn_of_order_beside(X, y=y, sample_weight=sample_weight)
        given = as_embeddings(X)
        given = given.select([name for name in given.modalities if name not in left_out])
        given = match_modalities(given, self.embedding_dims_, self.encoders_)
        held, y, weight, groups = labelled(given, y, sample_weight)
        check_same_kind(y, self.classes_)
        unknown = sorted(set(y.tolist()) - set(self.classes_.tolist()))
        if unknown:
            raise InputError(
                f"The validation labels hold {shown(unknown[0])}, which is not among the training "
                "labels. Remove those rows or add some to the training set."
            )
        codes = np.searchsorted(self.classes_, y)
        if self.class_weight is not None:  # as in training
            weight = weight * [self._class_weights.get(code, 1) for code in codes.tolist()]
        return Labelled(held, codes, weight, groups)
