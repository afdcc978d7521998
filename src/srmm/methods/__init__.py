"""The methods a classifier can be, by name: SRMM and what it is compared with.

A new method is one file here and one line in `METHODS`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
from typing import Any

from srmm.errors import InputError, did_you_mean
from srmm.recipe import resolve_recipe

METHODS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "srmm": ("srmm.classifier", "SingleBranchClassifier", {}),
    "srmm-paper": ("srmm.classifier", "SingleBranchClassifier", {"recipe": "paper"}),
    "unimodal": ("srmm.methods.unimodal", "UnimodalClassifier", {}),
    "router": ("srmm.methods.router", "AvailabilityRouter", {}),
    "logreg": ("srmm.methods.logreg", "PerModalityLogisticRegression", {}),
    "logreg-concat": ("srmm.methods.logreg", "ConcatenatedLogisticRegression", {}),
    "extratrees": ("srmm.methods.extratrees", "PerModalityExtraTrees", {}),
    "hist-gradient-boosting": (
        "srmm.methods.hist_gradient_boosting",
        "ConcatenatedGradientBoosting",
        {},
    ),
    "tbn-early": ("srmm.methods.two_branch", "TwoBranchClassifier", {"fusion_point": "early"}),
    "tbn-mid": ("srmm.methods.two_branch", "TwoBranchClassifier", {"fusion_point": "mid"}),
    "tbn-late": ("srmm.methods.two_branch", "TwoBranchClassifier", {"fusion_point": "late"}),
    "tbn-early-zeros": (
        "srmm.methods.two_branch",
        "TwoBranchClassifier",
        {"fusion_point": "early", "absent": "zeros"},
    ),
    "tbn-mid-zeros": (
        "srmm.methods.two_branch",
        "TwoBranchClassifier",
        {"fusion_point": "mid", "absent": "zeros"},
    ),
    "tbn-late-zeros": (
        "srmm.methods.two_branch",
        "TwoBranchClassifier",
        {"fusion_point": "late", "absent": "zeros"},
    ),
    "tbn-early-opl": (
        "srmm.methods.two_branch",
        "TwoBranchClassifier",
        {"fusion_point": "early", "opl": 1.0},
    ),
    "vilt-tokens": ("srmm.methods.vilt", "TokenTransformerClassifier", {}),
    "ma2022": ("srmm.methods.ma2022", "FusionSearchClassifier", {}),
    "lee2023-input": ("srmm.methods.lee2023", "MissingPromptClassifier", {"place": "input"}),
    "lee2023-attention": (
        "srmm.methods.lee2023",
        "MissingPromptClassifier",
        {"place": "attention"},
    ),
    "modality-dropout": ("srmm.methods.two_branch", "ModalityDropoutClassifier", {}),
    "kim2024": ("srmm.methods.kim2024", "PredictedEmbeddingClassifier", {}),
    "shaspec": ("srmm.methods.shaspec", "ShaSpecClassifier", {}),
    "smil": ("srmm.methods.smil", "CentroidMixtureClassifier", {}),
}
"""name → (module, class, parameters the name implies). "unimodal" is written "unimodal:image"."""


# From "Source:" to the end of its sentence (not of "M. S." or "et al.,") or paragraph.
_SOURCE = re.compile(
    r"Source: (.+?)(?:(?<=[a-z\d)\"’])\.\s(?=[A-Z])|\.?\n\n|\.?$)", flags=re.DOTALL
)


def make_method(name: str, **parameters: Any) -> Any:
    """An unfitted classifier by its name; parameters the class does not have are left out.

    >>> make_method("unimodal:text", random_state=0)
    UnimodalClassifier(modality='text', random_state=0)
    """
    method, implied = find_method(name)
    accepted = inspect.signature(method).parameters
    given = parameters | implied
    return method(**{key: value for key, value in given.items() if key in accepted})


def find_method(name: str) -> tuple[type, dict[str, Any]]:
    """(class, parameters the name implies); raises `InputError` for an unknown name."""
    base, _, modality = name.partition(":")
    if base not in METHODS or (base == "unimodal") != bool(modality):
        known = [key if key != "unimodal" else "unimodal:MODALITY" for key in METHODS]
        raise InputError(f"There is no method {name!r}. {did_you_mean(name, known)}")
    module, cls, implied = METHODS[base]
    implied = implied | ({"modality": modality} if modality else {})
    return getattr(importlib.import_module(module), cls), implied


def make_configured(
    name: str, recipe: str | None, settings: Mapping[str, Any] | None, **parameters: Any
) -> Any:
    """An unfitted classifier by its name, with a recipe and fields of it as a person chose them.

    As `make_method` for `parameters`; but a recipe or a field that the method cannot follow is an
    `InputError`, never ignored.
    """
    method, implied = find_method(name)
    accepted = inspect.signature(method).parameters
    if "recipe" not in accepted:
        for what, given in (("recipe", recipe), ("setting", settings)):
            if given:
                raise InputError(
                    f"The method {name!r} has no {what}: it trains no network by a recipe. Leave "
                    f"--{what} out, or choose another method."
                )
        return make_method(name, **parameters)
    if recipe is not None and "recipe" in implied:
        raise InputError(
            f"The method {name!r} is the recipe {implied['recipe']!r}. Leave --recipe out, or "
            "choose the method 'srmm' with a recipe."
        )
    recipe = recipe or implied.get("recipe") or accepted["recipe"].default
    resolved = resolve_recipe(recipe, settings)
    if settings and "learning_rate" in settings and "learning_rates" in accepted:
        parameters["learning_rates"] = ()  # chosen: nothing to choose from
    if all(field in accepted for field in settings or {}):
        return make_method(name, **{"recipe": recipe, **parameters, **(settings or {})})
    return make_method(name, **{"recipe": resolved, **parameters})


def method_name(model: Any) -> str:
    """The name of the method a classifier is, from its class and parameters.

    The class's own name where parameters make it something that has no name here.

    >>> method_name(make_method("tbn-early-zeros"))
    'tbn-early-zeros'
    """
    cls = type(model).__name__
    names = {name: implied for name, (_, c, implied) in METHODS.items() if c == cls}
    defaults = inspect.signature(type(model)).parameters
    telling = {key for implied in names.values() for key in implied}
    for name, implied in names.items():
        expected = {key: implied.get(key, defaults[key].default) for key in telling}
        if all(getattr(model, key) == value for key, value in expected.items()):
            return f"{name}:{model.modality}" if name == "unimodal" else name
    return next((name for name, implied in names.items() if not implied), cls)


def describe_method(name: str) -> dict[str, Any]:
    """What a method is, from its docstring: description, source, parameters the name implies."""
    module, cls, implied = METHODS[name]
    text = inspect.getdoc(getattr(importlib.import_module(module), cls)) or ""
    source = _SOURCE.search(text)
    return {
        "description": text.partition("\n\n")[0].replace("\n", " "),
        "parameters": tuple(f"{key}={value}" for key, value in implied.items()),
        "source": " ".join(source[1].split()) if source else None,
    }
