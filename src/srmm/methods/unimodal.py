"""One modality alone: the network trained and tested on it (paper V-A, Fig. 4's dotted lines)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from srmm.classifier import PaperClassifier
from srmm.data.embeddings import Embeddings
from srmm.data.inputs import as_embeddings, is_lone_array
from srmm.data.split import several_groups
from srmm.ensemble.classifier import SingleBranchClassifier
from srmm.errors import InputError, did_you_mean
from srmm.learning.base import EmbeddingClassifier
from srmm.learning.labelled import Labelled, rows_of
from srmm.learning.method import MethodAbout
from srmm.learning.probabilities import align_classes
from srmm.learning.state import Arrays, check_inside, nested, pack, part, unpack
from srmm.recipe import parameter, with_parameters


@with_parameters
class UnimodalClassifier(EmbeddingClassifier):
    """The default classifier, or the paper's, with a single modality; the others are never seen.

    An instance without that modality counts as one with nothing present.
    """

    modality: str | None = parameter(
        None, "The one that is looked at; None where there is only one."
    )
    recipe: str | Mapping[str, Any] | None = parameter(
        None,
        "None: it is `SingleBranchClassifier`. A recipe's name, or parameters by name: it is "
        "`PaperClassifier` with that recipe.",
    )
    settings: Mapping[str, Any] | None = parameter(
        None, "Parameters of that classifier by name; what is not there keeps its default."
    )
    device: str | None = parameter(None, "As in `SingleBranchClassifier`.")

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

    def set_state(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        """Become the fitted classifier that `get_state` described."""
        super().set_state(state, arrays)
        among = (SingleBranchClassifier, PaperClassifier)
        self.model_ = unpack(state["model"], part("model", arrays), self.device, among)
        check_inside(self, self.model_, self.modalities_)

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        names = train.embeddings.modalities
        modality = names[0] if self.modality is None and len(names) == 1 else self.modality
        if modality not in names:
            raise InputError(
                f"There is no modality {modality!r} to train on. "
                f"{did_you_mean(str(modality), names)}"
            )
        self.modalities_ = (modality,)
        self.embedding_dims_ = {modality: train.embeddings.embedding_dims[modality]}
        alone = train.embeddings.select([modality])
        common: dict[str, Any] = dict(self.settings or {})
        common |= {"random_state": seed, "device": self.device}
        if self.recipe is None:
            model: Any = SingleBranchClassifier(**common)
        else:
            model = PaperClassifier(recipe=self.recipe, **common)
        train = train._replace(embeddings=alone)
        mine = rows_of(np.asarray(alone.present.any(axis=1)) & (train.weight > 0), *train)
        self.model_ = model.fit(
            mine.embeddings,
            self.classes_[mine.y],
            mine.weight,
            groups=several_groups(mine.groups),
            validation=held.of(self.classes_, train),
        )

    def _probabilities(self, embeddings: Embeddings) -> np.ndarray:
        known = self.model_.predict_proba(embeddings)
        return align_classes(known, self.model_.classes_, self.classes_)

    def _matched(self, X: Any) -> Embeddings:
        if is_lone_array(X):
            return super()._matched(X)
        embeddings = as_embeddings(X)
        mine = getattr(self, "modalities_", ())
        known = [name for name in embeddings.modalities if name in mine]
        return super()._matched(embeddings.select(known or embeddings.modalities))


ABOUT = MethodAbout(
    "unimodal",
    UnimodalClassifier,
    "the paper's unimodal rows and Fig. 4's dotted lines",
    argument="modality",
)
