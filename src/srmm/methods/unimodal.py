"""One modality alone: the network trained and tested on it (paper V-A, Fig. 4's dotted lines)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from srmm.classifier import SingleBranchClassifier
from srmm.data.embeddings import Embeddings
from srmm.data.inputs import as_embeddings
from srmm.errors import InputError, did_you_mean
from srmm.learning.base import EmbeddingClassifier, Labelled, align_classes
from srmm.learning.state import nested, pack, part, unpack
from srmm.recipe import Recipe


class UnimodalClassifier(EmbeddingClassifier):
    """SRMM's own network and recipe with a single modality; the others are never looked at.

    Source: the paper's unimodal rows and Fig. 4's dotted lines. An instance without that modality
    counts as one with nothing present.

    Parameters
    ----------
    modality : str
    recipe, class_weight, when_nothing_present, random_state, device
        As in `SingleBranchClassifier`.
    """

    def __init__(
        self,
        modality: str,
        *,
        recipe: str | Recipe = "robust",
        class_weight: Any = None,
        when_nothing_present: str = "error",
        random_state: Any = None,
        device: str | None = None,
    ) -> None:
        self.modality = modality
        self.recipe = recipe
        self.class_weight = class_weight
        self.when_nothing_present = when_nothing_present
        self.random_state = random_state
        self.device = device

    @property
    def n_parameters_(self) -> int | None:
        return self.model_.n_parameters_

    @property
    def feature_std_(self) -> dict[str, np.ndarray]:
        return self.model_.feature_std_

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """(JSON-ready settings, arrays): all that `set_state` needs to predict the same bits."""
        state, arrays = super().get_state()
        state["model"], own = pack(self.model_)
        return state, arrays | nested("model", own)

    def set_state(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Become the fitted classifier that `get_state` described."""
        super().set_state(state, arrays)
        self.model_ = unpack(state["model"], part("model", arrays), self.device)

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        if self.modality not in train.embeddings.modalities:
            raise InputError(
                f"There is no modality {self.modality!r} to train on. "
                f"{did_you_mean(self.modality, train.embeddings.modalities)}"
            )
        self.modalities_ = (self.modality,)
        self.embedding_dims_ = {self.modality: train.embeddings.embedding_dims[self.modality]}
        alone = train.embeddings.select([self.modality])
        model = SingleBranchClassifier(self.recipe, random_state=seed, device=self.device)
        self.model_ = model.fit(
            alone,
            self.classes_[train.y],
            train.weight,
            validation=held.of(self.classes_, train._replace(embeddings=alone)),
        )

    def _probabilities(self, embeddings: Embeddings) -> np.ndarray:
        known = self.model_.predict_proba(embeddings)
        return align_classes(known, self.model_.classes_, self.classes_)

    def _matched(self, X: Any) -> Embeddings:
        embeddings = as_embeddings(X)
        known = [name for name in embeddings.modalities if name == self.modality]
        return super()._matched(embeddings.select(known or embeddings.modalities))
