"""Parameters, each written once, and recipes: named sets of them (paper III-B, IV-B).

A *parameter* of a classifier is a field: name, type, default, meaning and check on one line, from
which the constructor, `get_params`, `help()` and the checks of `fit` are made. A *recipe* is a set
of parameters with a name: "paper" is the paper to the letter. There is no third thing.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, TypeVar, dataclass_transform

import numpy as np

from srmm.errors import InputError, did_you_mean, fraction, one_of
from srmm.fusion import FUSIONS
from srmm.switching import STRATEGIES

INITS = ("xavier", "torch")
SCHEDULES = ("constant", "one-cycle")

_PLAIN: dict[str, Any] = {"int": Integral, "float": Real, "bool": (bool, np.bool_), "str": str}
"""Types of parameters that are checked as they are written."""

C = TypeVar("C", bound=type)
Check = Callable[[str, Any], object]


def parameter(default: Any, meaning: str, check: Check | None = None) -> Any:
    """A field of a class under `with_parameters`; `check(name, value)` raises for a bad value."""
    return field(default=default, metadata={"meaning": meaning, "check": check})


@contextmanager
def as_before_on_failure(estimator: Any) -> Iterator[None]:
    """A fit that fails or is interrupted leaves the estimator as it was: never half of two fits."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


@dataclass_transform(kw_only_default=True, eq_default=False)
def with_parameters(cls: C) -> C:
    """Make the annotated fields of a classifier, and those it inherits, its parameters.

    They become keyword arguments of its constructor, in which `recipe` may name a set of them; what
    is given beside it wins. The docstring gets a section that lists them.
    """
    made: Any = dataclass(kw_only=True, eq=False, repr=False)(cls)
    plain = made.__init__
    known = inspect.signature(plain)
    if takes_recipe(cls):

        @functools.wraps(plain)
        def __init__(self: Any, *, recipe: Any = None, **parameters: Any) -> None:  # noqa: N807
            plain(self, **{**recipe_parameters(recipe, type(self)), **parameters})

        itself, *others = known.parameters.values()
        named = inspect.Parameter("recipe", inspect.Parameter.KEYWORD_ONLY, default=None)
        __init__.__signature__ = known.replace(parameters=[itself, named, *others])  # type: ignore[attr-defined]
        made.__init__ = __init__
    made.__doc__ = _with_section(inspect.cleandoc(cls.__doc__ or ""), _listed(made))
    return made


def check_parameters(model: Any) -> None:
    """Raise `InputError` for the first parameter of a classifier that has a bad value."""
    for one in fields(model):
        value, check = getattr(model, one.name), one.metadata.get("check")
        expected = _PLAIN.get(str(one.type))
        if expected and (
            not isinstance(value, expected) or (one.type != "bool" and isinstance(value, bool))
        ):
            raise InputError(f"{one.name} must be of type {one.type}, got {value!r}.")
        if check is not None:
            check(one.name, value)


def within(options: Any) -> Check:
    """A check: one of the options."""
    return lambda name, value: one_of(name, value, options)


def at_least(least: int, why: str = "") -> Check:
    """A check: a whole number, not below `least`."""

    def check(name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise InputError(
                f"{name} must be a whole number, at least {least}{why}; got {value!r}."
            )

    return check


def positive(name: str, value: Any, *, or_zero: bool = False) -> None:
    """A check: a finite number above 0 (or 0 itself)."""
    if not 0 <= value < math.inf or (value == 0 and not or_zero):
        least = "a finite number, 0 or more" if or_zero else "a positive number"
        raise InputError(f"{name} must be {least}, got {value!r}.")


def all_positive(name: str, values: Any) -> None:
    """A check: a list or a tuple of numbers above 0, or none of them."""
    if values is not None and not isinstance(values, list | tuple):
        raise InputError(
            f"{name} must be a list or tuple of numbers, got {values!r}; of one number [number]."
        )
    for value in values or ():
        if not isinstance(value, Real) or isinstance(value, bool):
            raise InputError(f"{name} must hold numbers, got {value!r}.")
        positive(name, value)


not_negative = functools.partial(positive, or_zero=True)


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkParameters:
    """What decides how any network is built and trained. The defaults: recipe "comparison".

    The paper gives Adam, its learning rate and dropout (IV-B); it gives no epochs, batch size,
    schedule or held-out part: those are ours.
    """

    hidden_dim: int = parameter(
        256, "Width h of a branch (paper IV-B: 768 image-text, 2048 face-voice).", at_least(1)
    )
    dropout: float = parameter(0.5, "Share of block 1's outputs dropped in training.", fraction)
    init: str = parameter(
        "torch",
        '"xavier" (uniform, biases 0.01: the authors\' earlier code; the paper is silent) or '
        '"torch" (PyTorch\'s own).',
        within(INITS),
    )
    standardize: bool = parameter(
        True, "Bring every feature to mean 0 and standard deviation 1 of the training set first."
    )
    batch_size: int = parameter(
        128,
        "Pairs (instance, modality) per step of SRMM, instances of others.",
        at_least(2, " (batch norm needs two)"),
    )
    max_epochs: int = parameter(30, "Epochs at the most.", at_least(1))
    learning_rate: float = parameter(
        0.003, "Adam's learning rate; the peak of the schedule if there is one.", positive
    )
    weight_decay: float = parameter(0.0, "Adam's weight decay.", not_negative)
    schedule: str = parameter(
        "one-cycle", 'Of the learning rate: "constant" or "one-cycle".', within(SCHEDULES)
    )
    patience: int = parameter(
        30,
        "Epochs without a better held-out score (accuracy, fused and alone) before training stops. "
        "Whatever happens, the best epoch is the one kept.",
        at_least(1),
    )
    validation_fraction: float = parameter(
        0.1,
        "Stratified share of the training instances held out for early stopping; of rows that are "
        "the same in every item all or none.",
        fraction,
    )


def _instead(name: str, default: Any) -> Any:
    """A parameter of `NetworkParameters` with another default."""
    return field(default=default, metadata=NetworkParameters.__dataclass_fields__[name].metadata)


@dataclass(kw_only=True, eq=False, repr=False)
class BranchParameters(NetworkParameters):
    """What decides how the paper's branch is built and trained. The defaults: recipe "paper"."""

    hidden_dim: int = _instead("hidden_dim", 768)  # IV-B
    init: str = _instead("init", "xavier")
    standardize: bool = _instead("standardize", False)
    max_epochs: int = _instead("max_epochs", 100)
    learning_rate: float = _instead("learning_rate", 0.01)  # IV-B
    schedule: str = _instead("schedule", "constant")
    switching: str = parameter(
        "s1",  # V-C: the best of its three
        'The order in which items enter (paper V-C): "s1", "s2", "s3" or "one-per-instance"; see '
        "`srmm.switching`.",
        within(STRATEGIES),
    )
    fusion: str = parameter(
        "mean",  # III-B: the average of the softmax outputs
        '"mean" (the paper, III-B) or "log-mean".',
        within(FUSIONS),
    )


def defaults(cls: type) -> dict[str, Any]:
    """The parameters of a class with their defaults."""
    return {one.name: one.default for one in fields(cls)}


PAPER = defaults(BranchParameters)

RECIPES: dict[str, dict[str, Any]] = {"paper": PAPER, "comparison": defaults(NetworkParameters)}
"""Recipes by name. "paper": the paper to the letter. "comparison": for the networks that SRMM is
compared with; 768 wide they are no better on held-out rows."""


def takes_recipe(cls: type) -> bool:
    """Whether a class of classifiers has the parameters that recipes set."""
    return issubclass(cls, NetworkParameters)


def recipe_parameters(
    recipe: str | Mapping[str, Any] | None, cls: type = BranchParameters
) -> dict[str, Any]:
    """The parameters a recipe sets, of those that `cls` has; none for None.

    A recipe is a name, or parameters by name; of the latter each must be one that networks have.

    >>> recipe_parameters("paper")["hidden_dim"]
    768
    """
    if recipe is None:
        return {}
    if not isinstance(recipe, Mapping):
        recipe = RECIPES[one_of("recipe", recipe, RECIPES)]
    for name in recipe:
        if name not in PAPER:
            raise InputError(f"A recipe has no parameter {name!r}. {did_you_mean(name, PAPER)}")
    own = {one.name for one in fields(cls)}
    return {name: value for name, value in recipe.items() if name in own}


def network_parameters(model: Any) -> dict[str, Any]:
    """A classifier's parameters that a recipe may set: themselves a recipe without a name."""
    if not takes_recipe(type(model)):
        return {}
    return {one.name: getattr(model, one.name) for one in fields(model) if one.name in PAPER}


def nearest_recipe(model: Any) -> tuple[str, dict[str, Any]]:
    """(name, changes): the recipe a classifier comes closest to, and where it differs from it."""
    own = network_parameters(model)
    changes = {
        name: {key: own[key] for key in own if own[key] != recipe.get(key, own[key])}
        for name, recipe in RECIPES.items()
    }
    return min(changes.items(), key=lambda of: len(of[1]))


def _listed(cls: type) -> str:
    """The lines of a docstring's section "Parameters"."""
    lines = ["Parameters", "----------"]
    own = {one.name: one for one in fields(cls)}
    if takes_recipe(cls):
        names = ", ".join(f'"{name}"' for name in RECIPES)
        lines += [
            "recipe : str or dict, optional",
            f"    A named set of the parameters below, {names}; what is given beside it wins.",
        ]
    for name, one in own.items():
        lines += [f"{name} : {one.type}, default {one.default!r}", f"    {one.metadata['meaning']}"]
    return "\n".join(lines)


def _with_section(text: str, section: str) -> str:
    """The docstring with one more section, before the first that it has."""
    lines = text.split("\n")
    for i in range(len(lines) - 1):
        if lines[i + 1] and set(lines[i + 1]) == {"-"}:
            return "\n".join([*lines[:i], section, "", *lines[i:]])
    return f"{text}\n\n{section}\n"
