"""Methods by name: what their files say of themselves, and which one a classifier is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from srmm.registry import Registry


@dataclass(frozen=True)
class MethodAbout:
    """One line of `srmm methods`; a file has one, or a tuple of them, as its `ABOUT`."""

    name: str
    """What `--method` takes; "unimodal" is written "unimodal:image"."""
    classifier: type
    source: str
    """Where the method comes from: authors, title, venue, year."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Those that the name implies."""
    argument: str = ""
    """The parameter that stands behind a colon in the name, where one must."""

    def check(self, module: ModuleType) -> None:
        """Raise `TypeError` if the class is no classifier, or not under `with_parameters`."""
        name = self.classifier.__name__
        if not hasattr(self.classifier, "get_state"):
            raise TypeError(f"{name} must derive from srmm.learning.base.EmbeddingClassifier")
        if "__dataclass_fields__" not in vars(self.classifier):
            raise TypeError(f"{name} must stand under @srmm.recipe.with_parameters")

    @property
    def description(self) -> str:
        """The first sentence of the classifier's docstring."""
        return (self.classifier.__doc__ or "").partition("\n\n")[0].replace("\n", " ")

    @property
    def shown_name(self) -> str:
        """The name as a person has to write it."""
        return f"{self.name}:{self.argument.upper()}" if self.argument else self.name


METHODS: Registry[MethodAbout] = Registry(
    "method", "srmm.methods", MethodAbout, more=("srmm.ensemble.classifier", "srmm.classifier")
)
"""SRMM and what it is compared with: every file of `srmm.methods`, and of other packages."""


def method_name(model: Any) -> str:
    """The name of the method a classifier is, from its class and parameters.

    The class's own name where parameters make it something that has no name here.
    """
    cls = type(model)
    mine = [one.about for one in METHODS.entries().values() if one.about.classifier is cls]
    telling = {key for about in mine for key in about.parameters}
    found, usual = (_values(one, telling) for one in (model, cls()))
    for about in mine:
        if found == usual | dict(about.parameters):
            argument = f":{getattr(model, about.argument)}" if about.argument else ""
            return about.name + argument
    return next((about.name for about in mine if not about.parameters), type(model).__name__)


def _values(model: Any, names: set[str]) -> dict[str, Any]:
    return {name: getattr(model, name) for name in names}


def classifiers() -> dict[str, type]:
    """Kind → class of all methods: only these are ever made from what a folder says."""
    found = (one.about.classifier for one in METHODS.entries().values())
    return {kind_of(classifier): classifier for classifier in found}


def kind_of(classifier: type) -> str:
    """What a saved model calls its class: the name, with the module where that is not srmm's."""
    inside = classifier.__module__.partition(".")[0] == __name__.partition(".")[0]
    return classifier.__name__ if inside else f"{classifier.__module__}.{classifier.__name__}"
