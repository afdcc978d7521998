"""What is said of a fitted model wherever it is written down, as JSON-ready values."""

from __future__ import annotations

import inspect
import numbers
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from srmm.methods import method_name
from srmm.recipe import resolve_recipe

NOT_SETTINGS = {
    "recipe", "class_weight", "when_nothing_present", "random_state", "device", "progress",
}  # fmt: skip
"""Parameters that are stored by themselves, or say nothing of the model."""


def describe_model(model: Any) -> dict[str, Any]:
    """What a reader needs to know of a fitted model, JSON-ready."""
    import sklearn
    import torch

    from srmm import __version__

    return {
        "method": method_name(model),
        "description": (inspect.getdoc(type(model)) or "").partition("\n\n")[0],
        "recipe": _recipe_name(model),
        "settings": _settings(model),
        "n_parameters": getattr(model, "n_parameters_", None),
        "class_weight": class_weight_to_json(getattr(model, "class_weight", None)),
        "random_state": plain_seed(model.random_state),
        "versions": {
            "srmm": __version__,
            "torch": torch.__version__,
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def _recipe_name(model: Any) -> str | None:
    """None for a model without a recipe, "custom" for one that has no name."""
    recipe = getattr(model, "recipe", None)
    return recipe if recipe is None or isinstance(recipe, str) else "custom"


def _settings(model: Any) -> dict[str, Any]:
    """The method's own parameters, what it chose on held-out instances, and its recipe."""
    recipe = getattr(model, "recipe_", None) or getattr(model, "recipe", None)
    of_recipe = resolve_recipe(recipe).to_dict() if recipe else {}
    own = {
        name: value
        for name, value in model.get_params(deep=False).items()
        if name not in of_recipe and name not in NOT_SETTINGS
    }
    return own | getattr(model, "chosen_", {}) | of_recipe


def plain_seed(random_state: Any) -> int | None:
    """The seed if it is a whole number, None for a generator or nothing."""
    return int(random_state) if isinstance(random_state, numbers.Integral) else None


def class_weight_to_json(class_weight: Any) -> Any:
    """None, "balanced", or a list of [label, weight]: JSON has no mapping of numbers."""
    if isinstance(class_weight, Mapping):
        return [[label, float(weight)] for label, weight in class_weight.items()]
    return class_weight


def class_weight_from_json(stored: Any) -> Any:
    """What `class_weight_to_json` wrote."""
    return dict(map(tuple, stored)) if isinstance(stored, list) else stored


def json_ready(value: Any) -> Any:
    """NumPy numbers as Python's, NaN as None, mappings and sequences through and through."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [json_ready(item) for item in value]
    if isinstance(value, np.ndarray):
        return json_ready(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
