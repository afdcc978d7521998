"""What the classifiers with one PyTorch network share: recipe, scale, device, saving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from srmm.about import class_weight_from_json, class_weight_to_json, plain_seed
from srmm.base_classifier import EmbeddingClassifier
from srmm.inputs import LONE_MODALITY
from srmm.recipe import FIELDS, RECIPES, Recipe, resolve_recipe
from srmm.standardize import Standardizer
from srmm.train import History

_OF_ALL = {"recipe", "class_weight", "when_nothing_present", "random_state", "device", "progress"}


class NetworkClassifier(EmbeddingClassifier):
    """Base of the classifiers that are one network on standardised or raw embeddings.

    A subclass has the parameters `recipe` and `device`, those of `EmbeddingClassifier`, any fields
    of `Recipe` as overrides, and others of its own, which must be JSON values. It implements
    `_network`, and `_fit`, which sets the attributes below.

    Attributes
    ----------
    network_ : nn.Module
    recipe_ : Recipe
        The resolved recipe.
    standardizer_ : Standardizer
    history_ : History
        Loss and held-out figures per epoch, and the epoch kept.
    """

    recipe: str | Recipe
    device: str | None
    network_: nn.Module
    recipe_: Recipe
    standardizer_: Standardizer
    history_: History

    def save_pretrained(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write config, weights and a model card to `folder`; load with `srmm.from_pretrained`."""
        from srmm.persistence import save_pretrained

        return save_pretrained(self, folder, overwrite=overwrite)

    @property
    def feature_std_(self) -> dict[str, np.ndarray]:
        return self.standardizer_.std

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """(JSON-ready settings, arrays): all that `set_state` needs to predict the same bits."""
        check_is_fitted(self)
        arrays = {f"network.{k}": v.cpu().numpy() for k, v in self.network_.state_dict().items()}
        for name in self.modalities_:
            arrays[f"mean.{name}"] = self.standardizer_.mean[name]
            arrays[f"std.{name}"] = self.standardizer_.std[name]
        arrays["class_prior"] = self.class_prior_
        own = set(self.get_params(deep=False)) - set(FIELDS) - _OF_ALL
        state = {
            "recipe": self.recipe if isinstance(self.recipe, str) else None,
            "settings": self.recipe_.to_dict(),
            "parameters": {name: getattr(self, name) for name in sorted(own)},
            "when_nothing_present": self.when_nothing_present,
            "class_weight": class_weight_to_json(self.class_weight),
            "random_state": plain_seed(self.random_state),
            "history": asdict(self.history_),
        }
        return state, arrays

    def set_state(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Become the fitted classifier that `get_state` described."""
        self.recipe_ = Recipe(**state["settings"])
        known = RECIPES.get(state["recipe"])
        self.recipe = state["recipe"] if known is not None else self.recipe_
        for name in set(FIELDS) & set(self.get_params(deep=False)):
            # So that get_params and clone give the same recipe again.
            value = getattr(self.recipe_, name)
            setattr(self, name, None if known is None or getattr(known, name) == value else value)
        self.set_params(**state.get("parameters", {}))
        self.when_nothing_present = state["when_nothing_present"]
        self.random_state = state["random_state"]
        self.class_weight = class_weight_from_json(state["class_weight"])
        self.history_ = History(**state["history"])
        self.class_prior_ = arrays["class_prior"]
        self.standardizer_ = Standardizer(
            {name: arrays[f"mean.{name}"] for name in self.modalities_},
            {name: arrays[f"std.{name}"] for name in self.modalities_},
            self.recipe_.standardize,
        )
        self.network_ = self._network()
        weights = {
            key.removeprefix("network."): torch.from_numpy(np.array(array))
            for key, array in arrays.items()
            if key.startswith("network.")
        }
        self.network_.load_state_dict(weights)
        self.network_.to(self._device()).eval()
        if self.modalities_ == (LONE_MODALITY,):
            self.n_features_in_ = self.embedding_dims_[LONE_MODALITY]

    def _network(self) -> nn.Module:
        """The network for `embedding_dims_`, `classes_` and `recipe_`, not yet trained."""
        raise NotImplementedError

    def _resolved(self) -> Recipe:
        overrides = {name: getattr(self, name, None) for name in FIELDS}
        return resolve_recipe(self.recipe, overrides)

    def _validation_fraction(self) -> float:
        return self._resolved().validation_fraction

    def _device(self) -> torch.device:
        return torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
