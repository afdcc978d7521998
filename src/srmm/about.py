"""What is said of a fitted model wherever it is written down, as JSON-ready values."""

from __future__ import annotations

import numbers
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np


def describe_model(model: Any) -> dict[str, Any]:
    """What a reader needs to know of a fitted model, JSON-ready."""
    import sklearn
    import torch

    from srmm import __version__

    network = getattr(model, "network_", None)
    recipe = getattr(model, "recipe_", None)
    return {
        "method": "srmm" if network is not None else type(model).__name__,
        "recipe": model.recipe if isinstance(getattr(model, "recipe", None), str) else "custom",
        "settings": recipe.to_dict() if recipe else {},
        "n_parameters": sum(p.numel() for p in network.parameters()) if network else None,
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
