"""What the methods with scikit-learn models inside share: choosing among candidates, saving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from srmm.data.checks import known_only, mapping, whole
from srmm.data.embeddings import Embeddings
from srmm.errors import InputError
from srmm.fusion import fuse
from srmm.learning.base import EmbeddingClassifier
from srmm.learning.checked import check_scaled
from srmm.learning.estimators import estimator_from_bytes, estimator_to_bytes
from srmm.learning.held_out import held_out_figures
from srmm.learning.labelled import Labelled
from srmm.learning.late_fusion import LateFusionClassifier
from srmm.learning.standardize import Standardizer
from srmm.learning.state import nested, part

Candidate = dict[str, Any]
"""Parameters of a scikit-learn estimator that are tried together."""


class ScikitClassifier(EmbeddingClassifier):
    """Base of the methods that train scikit-learn models.

    One of three candidates is chosen on a held-out tenth of the training set, the budget of every
    method, by accuracy as the instances are and with each of their items alone in equal parts;
    then the models are trained on all of it. Test data is never seen.

    A subclass has the class attributes below, and implements `_learn`, which fills `models_`.

    Attributes
    ----------
    models_ : dict of str to scikit-learn estimator
    """

    _candidates: ClassVar[Sequence[Candidate]]
    _default: ClassVar[Candidate]
    """Where nothing is held out."""
    _kinds: ClassVar[tuple[type, ...]]
    """Classes of the models, the only ones a saved folder may hold."""

    def _validation_fraction(self) -> float:
        return 0.1

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        self.standardizer_ = Standardizer.fit(train.embeddings, active=self._standardizes())
        self.models_: dict[str, Any] = {}
        self.chosen_ = dict(self._default)
        if len(held.y):
            best = (-np.inf, -np.inf)
            for candidate in self._candidates:
                self._learn(train, candidate, seed)
                reached = self._held_out_score(held)
                if reached > best:
                    best, self.chosen_ = reached, dict(candidate)
            train = train.joined(held)
            self.training_["held_out_learnt"] = True
        self._learn(train, self.chosen_, seed)

    def _learn(self, data: Labelled, candidate: Candidate, seed: int) -> None:
        """Train `models_`; they may go on from those of the candidate before."""
        raise NotImplementedError

    def _held_out_score(self, held: Labelled) -> tuple[float, float]:
        """(score, −loss): the loss decides between equal scores."""
        figures = held_out_figures(self._scorer(held.embeddings), held)
        return figures["score"], -figures["loss"]

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """(JSON-ready values, arrays): all that `set_state` needs to predict the same bits."""
        state, arrays = super().get_state()
        models = {name: estimator_to_bytes(model) for name, model in self.models_.items()}
        state["models"] = {
            name: self._kinds.index(type(model)) for name, model in self.models_.items()
        }
        return state, arrays | nested("model", models)

    def set_state(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Become the fitted classifier that `get_state` described."""
        super().set_state(state, arrays)
        check_scaled(self)
        stored, n_classes = part("model", arrays), len(self.classes_)
        self.models_ = {}
        for name, kind in mapping("state.models", state["models"], stored).items():
            expected = self._kinds[whole(f"state.models.{name}", kind, 0, len(self._kinds) - 1)]
            try:
                self.models_[name] = estimator_from_bytes(stored[name], expected, n_classes)
            except InputError as error:
                raise InputError(f"model.{name}: {error}") from error


class PerModalityClassifier(LateFusionClassifier, ScikitClassifier):
    """Base of the methods with a scikit-learn model per modality and a fixed late fusion."""

    _fusion: ClassVar[str]

    def set_state(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Become the fitted classifier that `get_state` described."""
        super().set_state(state, arrays)
        known_only("state.models", self.models_, self.embedding_dims_)

    def _estimator(self, before: Any, candidate: Candidate, seed: int) -> Any:
        """An estimator to fit; `before` is that of the candidate before, or None."""
        raise NotImplementedError

    def _learn(self, data: Labelled, candidate: Candidate, seed: int) -> None:
        models = {}
        for name in self.modalities_:
            rows, vectors = data.embeddings.items(name)
            there, weight = np.unique(data.y[rows]), data.weight[rows]
            if len(np.unique(data.y[rows[weight > 0]])) < 2:
                continue  # nothing to tell apart
            before = self.models_.get(name)
            if before is not None and not np.array_equal(before.classes_, there):
                before = None
            x = self.standardizer_.apply(name, vectors)
            models[name] = self._estimator(before, candidate, seed).fit(x, data.y[rows], weight)
        self.models_ = models

    def _outputs(self, embeddings: Embeddings) -> np.ndarray:
        shape = (len(embeddings), len(self.modalities_), len(self.classes_))
        outputs = np.full(shape, np.nan)
        for m, name in enumerate(self.modalities_):
            rows, vectors = embeddings.items(name)
            # A class that no item of this modality had keeps its share of the training set:
            # nothing was learnt of it here, and a zero would be a veto against the others.
            alone = np.tile(self.class_prior_, (len(rows), 1))
            model = self.models_.get(name)
            if model is not None and len(rows):
                x = self.standardizer_.apply(name, vectors)
                share = self.class_prior_[model.classes_].sum()
                alone[:, model.classes_] = share * model.predict_proba(x)
            outputs[rows, m] = alone
        return outputs

    def _fuse(self, outputs: np.ndarray, present: np.ndarray) -> np.ndarray:
        return fuse(outputs, present, self._fusion)
