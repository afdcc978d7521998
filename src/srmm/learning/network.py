"""What the classifiers with one PyTorch network share: recipe, scale, device, saving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import nn

from srmm.learning.base import EmbeddingClassifier
from srmm.learning.standardize import Standardizer
from srmm.learning.training import History
from srmm.recipe import FIELDS, Recipe, resolve_recipe


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

    @property
    def n_parameters_(self) -> int | None:
        """How many numbers the network has."""
        return sum(parameter.numel() for parameter in self.network_.parameters())

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """(JSON-ready settings, arrays): all that `set_state` needs to predict the same bits."""
        state, arrays = super().get_state()
        weights = self.network_.state_dict().items()
        arrays |= {f"network.{key}": tensor.cpu().numpy() for key, tensor in weights}
        asked = {key: value for key, value in self.get_params(deep=False).items() if key in FIELDS}
        told = {
            "settings": self.recipe_.to_dict(),
            "asked": {"recipe": resolve_recipe(self.recipe).to_dict(), "fields": asked},
            "history": asdict(self.history_),
        }
        return state | told, arrays

    def set_state(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Become the fitted classifier that `get_state` described."""
        self.recipe_ = Recipe(**state["settings"])
        super().set_state(state, arrays)
        # So that get_params and clone give the same recipe again.
        asked = state.get("asked") or {"recipe": state["settings"], "fields": {}}
        if isinstance(self.recipe, Recipe) or not asked["fields"]:
            self.recipe = Recipe(**asked["recipe"])
        for name, value in asked["fields"].items():
            setattr(self, name, value)
        self.history_ = History(**state["history"])
        self.network_ = self._network()
        weights = {
            key.removeprefix("network."): torch.from_numpy(np.array(array))
            for key, array in arrays.items()
            if key.startswith("network.")
        }
        self.network_.load_state_dict(weights)
        self.network_.to(self._device()).eval()

    def _network(self) -> nn.Module:
        """The network for `embedding_dims_`, `classes_` and `recipe_`, not yet trained."""
        raise NotImplementedError

    def _standardizes(self) -> bool:
        return self.recipe_.standardize

    def _resolved(self) -> Recipe:
        overrides = {name: getattr(self, name, None) for name in FIELDS}
        return resolve_recipe(self.recipe, overrides)

    def _validation_fraction(self) -> float:
        return self._resolved().validation_fraction

    def _device(self) -> torch.device:
        return torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
