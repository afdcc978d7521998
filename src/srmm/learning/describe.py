"""What is said of a fitted model wherever it is written down, as JSON-ready values."""

from __future__ import annotations

import inspect
from typing import Any

from srmm.learning.method import method_name
from srmm.learning.state import class_weight_to_json, kept_parameters, plain_seed
from srmm.recipe import nearest_recipe, network_parameters
from srmm.version import versions


def describe_model(model: Any) -> dict[str, Any]:
    """What a reader needs to know of a fitted model, JSON-ready.

    "recipe" is the one it comes closest to (None for a model without), "changed" the parameters
    that differ from it; "parameters" are all, with what was chosen on held-out instances.
    """
    parameters = kept_parameters(model)
    recipe: Any = parameters.pop("recipe", None)
    changed: dict[str, Any] = {}
    if network_parameters(model):
        recipe, changed = nearest_recipe(model)
    elif recipe is not None and not isinstance(recipe, str):
        recipe, changed = "custom", dict(recipe)
    return {
        "method": method_name(model),
        "description": (inspect.getdoc(type(model)) or "").partition("\n\n")[0],
        "recipe": recipe,
        "changed": changed,
        "parameters": parameters | model.chosen_,
        "n_parameters": model.n_parameters_,
        "class_weight": class_weight_to_json(model.class_weight),
        "random_state": plain_seed(model.random_state),
        "versions": versions(),
    }
