"""The availability router: the best simple model for whatever is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from srmm.data.checks import mapping, whole
from srmm.data.embeddings import Embeddings
from srmm.data.modality import usable_patterns
from srmm.data.split import several_groups
from srmm.fusion import pattern_codes
from srmm.learning.base import EmbeddingClassifier
from srmm.learning.labelled import Labelled, rows_of
from srmm.learning.method import MethodAbout
from srmm.learning.probabilities import align_classes
from srmm.learning.state import Arrays, check_inside, nested, pack, part, unpack
from srmm.methods.logreg import ConcatenatedLogisticRegression
from srmm.methods.unimodal import UnimodalClassifier
from srmm.recipe import parameter, with_parameters


@with_parameters
class AvailabilityRouter(EmbeddingClassifier):
    """A model per presence pattern: unimodal where one modality is there, fused where several are.

    The fused model of a pattern is logistic regression on that pattern's concatenated embeddings,
    trained on the instances that have all of it. It is what SRMM has to beat: 2^M − 1 models
    instead of one, none of which ever sees a hole.
    """

    recipe: str | Mapping[str, Any] | None = parameter(
        None, "What its unimodal models are made with, as in `UnimodalClassifier`."
    )
    settings: Mapping[str, Any] | None = parameter(
        None, "Parameters of its unimodal models by name."
    )
    device: str | None = parameter(None, "As in `SingleBranchClassifier`.")

    @property
    def n_parameters_(self) -> int | None:
        """Of all its models together."""
        return sum(model.n_parameters_ for model in self.models_.values())

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """(JSON-ready settings, arrays): all that `set_state` needs to predict the same bits."""
        state, arrays = super().get_state()
        state["models"] = {}
        for code, model in self.models_.items():
            state["models"][str(code)], own = pack(model)
            arrays |= nested(f"model.{code}", own)
        return state, arrays

    def set_state(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        """Become the fitted classifier that `get_state` described."""
        super().set_state(state, arrays)
        self.models_: dict[int, Any] = {}
        most = 2 ** len(self.modalities_) - 1
        stored = {name.partition(".")[0] for name in part("model", arrays)}
        for key, described in mapping("state.models", state["models"], stored).items():
            code = whole(f"the pattern {key!r} in state.models", int(key), 1, most)
            among = (UnimodalClassifier, ConcatenatedLogisticRegression)
            model = unpack(described, part(f"model.{key}", arrays), self.device, among)
            names = [name for m, name in enumerate(self.modalities_) if code >> m & 1]
            check_inside(self, model, names)
            self.models_[code] = model

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        self.models_ = {}
        embeddings, labels = train.embeddings, self.classes_[train.y]
        for names in usable_patterns(self.modalities_):
            code = sum(1 << self.modalities_.index(name) for name in names)
            columns = [self.modalities_.index(name) for name in names]
            complete = embeddings.present[:, columns].all(axis=1) & (train.weight > 0)
            if len(np.unique(labels[complete])) < 2:
                continue  # nobody to learn this pattern from
            if len(names) == 1:
                model: Any = UnimodalClassifier(
                    modality=names[0],
                    recipe=self.recipe,
                    settings=self.settings,
                    random_state=seed,
                    device=self.device,
                )
            else:
                model = ConcatenatedLogisticRegression(random_state=seed)
            mine = rows_of(complete, *train._replace(embeddings=embeddings.select(names)))
            self.models_[code] = model.fit(
                mine.embeddings,
                labels[complete],
                mine.weight,
                groups=several_groups(mine.groups),
                validation=held.of(self.classes_, mine),
            )

    def _probabilities(self, embeddings: Embeddings) -> np.ndarray:
        probabilities = np.tile(self.class_prior_, (len(embeddings), 1))
        codes = pattern_codes(embeddings.present)
        for code in np.unique(codes):
            model = self.models_.get(_largest_known(int(code), self.models_))
            if model is None:
                continue
            rows = codes == code
            seen = embeddings[rows].select(model.modalities_)
            probabilities[rows] = align_classes(
                model.predict_proba(seen), model.classes_, self.classes_
            )
        return probabilities


def _largest_known(code: int, models: dict[int, Any]) -> int:
    """The pattern within `code` that has a model and most modalities; 0 if there is none."""
    inside = [known for known in models if known & code == known]
    return max(inside, key=lambda known: (known.bit_count(), -known), default=0)


ABOUT = MethodAbout(
    "router",
    AvailabilityRouter,
    "ours, and common practice",
)
