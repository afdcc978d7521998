"""The methods a classifier can be, by name: SRMM and what it is compared with.

A new method is one file here, or in another package, with an `ABOUT`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from srmm.classifier import PaperClassifier
from srmm.ensemble.classifier import SingleBranchClassifier
from srmm.errors import InputError, did_you_mean
from srmm.learning.method import METHODS, MethodAbout, method_name
from srmm.recipe import defaults, takes_recipe

__all__ = ["METHODS", "MethodAbout", "find_method", "make_method", "method_name"]


def make_method(
    name: str,
    recipe: str | Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    **common: Any,
) -> Any:
    """An unfitted classifier by its name.

    Parameters
    ----------
    name : str
        One of `METHODS`, as `srmm methods` lists them.
    recipe : str or dict, optional
        As in the classifier.
    settings : dict, optional
        Parameters that the method must have, or the networks it is made of.
    **common
        Parameters for whichever methods: what the class does not have is left out.

    Raises
    ------
    InputError
        For an unknown name, a recipe for a method without, or a setting it does not have or that
        its name implies.

    >>> make_method("unimodal:text", random_state=0)
    UnimodalClassifier(modality='text', random_state=0)
    """
    about, implied = find_method(name)
    settings = dict(settings or {})
    own: dict[str, Any] = {one.name: one.default for one in fields(about.classifier)}
    # Those of the networks inside may be set, too.
    inside = defaults(
        PaperClassifier if recipe or settings.get("recipe") else SingleBranchClassifier
    )
    accepted = {**own, **(inside if "recipe" in own else {})}
    for key in settings:
        if key not in accepted:
            raise InputError(
                f"The method {name!r} has no parameter {key!r}. "
                f"{did_you_mean(key, sorted(accepted))}"
            )
    if recipe is not None and not takes_recipe(about.classifier) and "recipe" not in own:
        raise InputError(
            f"The method {name!r} has no recipe. Leave --recipe out, or choose another method: "
            "'srmm-paper' is the paper's network, and the networks that SRMM is compared with "
            "have one, too."
        )
    if "learning_rate" in settings and "learning_rates" in own:
        settings.setdefault("learning_rates", ())  # chosen: nothing to choose from
    if "recipe" in own:
        inner = {key: settings.pop(key) for key in list(settings) if key not in own}
        settings |= {"settings": inner} if inner else {}
    given = {key: value for key, value in common.items() if key in own}
    for key, value in implied.items():
        asked = {**given, **settings}.get(key, value)
        if asked is not value and asked != value:
            raise InputError(
                f"The method {name!r} has {key}={value!r} by its name, which {key}={asked!r} would "
                "not change. Leave it out, or choose another method: srmm methods lists them."
            )
    named = {"recipe": recipe} if recipe is not None else {}
    return about.classifier(**{**given, **settings, **named, **implied})


def find_method(name: str) -> tuple[MethodAbout, dict[str, Any]]:
    """(what it is, parameters the name implies); raises `InputError` for an unknown name."""
    base, colon, argument = name.partition(":")
    known = {key: entry.about for key, entry in METHODS.entries().items()}
    about = known.get(base)
    if about is None or bool(about.argument) != bool(argument) or (colon and not argument):
        names = [one.shown_name for one in known.values()]
        raise InputError(f"There is no method {name!r}. {did_you_mean(name, names)}")
    return about, {**about.parameters, **({about.argument: argument} if argument else {})}
