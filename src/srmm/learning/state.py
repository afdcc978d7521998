"""A fitted classifier as plain values and arrays, and back. Nothing here is pickled.

A classifier made of others keeps their states inside its own.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.inputs import LONE_MODALITY, columns_of
from srmm.errors import InputError
from srmm.learning.checked import check_answers, check_described, check_finite
from srmm.learning.method import classifiers, kind_of
from srmm.recipe import check_parameters

Arrays = Mapping[str, np.ndarray]

NOT_KEPT = frozenset({"class_weight", "when_nothing_present", "random_state", "device", "progress"})
"""Parameters that are stored by themselves, or say nothing of the model."""


def pack(model: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(description, arrays) of a fitted classifier, from which `unpack` makes it again."""
    cls, known = type(model), classifiers()
    kind = kind_of(cls)
    if known.get(kind) is not cls:
        raise InputError(f"A {kind} cannot be saved; these can: {', '.join(known)}.")
    state, arrays = model.get_state()
    described = {
        "kind": kind,
        "modalities": model.embedding_dims_,
        "classes": model.classes_.tolist(),
        "state": state,
        "training": model.training_,
        "encoders": model.encoders_,
    }
    return described, arrays


def unpack(
    described: Mapping[str, Any],
    arrays: Arrays,
    device: str | None = None,
    among: Sequence[type] | None = None,
) -> Any:
    """The classifier that `pack` described; it will predict on `device` if it has a network.

    Raises `InputError` naming what cannot be, or if it is of none of the classes in `among`.
    """
    check_described(described)
    kind, known = described["kind"], classifiers()
    if kind not in known or (among is not None and known[kind] not in among):
        raise InputError(f"there is no kind of classifier {kind!r} here.")
    model = known[kind]()
    if hasattr(model, "device"):
        model.device = device
    model.classes_ = np.array(described["classes"])
    model.embedding_dims_ = dict(described["modalities"])
    model.modalities_ = tuple(described["modalities"])
    model.training_ = described["training"]
    model.encoders_ = described["encoders"]
    check_finite(arrays, model.may_hold_nan)
    model.set_state(described["state"], arrays)
    if model.is_asked_when_loaded:
        check_answers(model)
    return model


def encoders_of(model: Any, embeddings: Embeddings) -> dict[str, Any]:
    """Per modality, which encoder made it; of a lone frame the names of its columns."""
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        return {LONE_MODALITY: {"spec": None, "columns": names.tolist()}}
    return {name: embeddings.encoders.get(name) for name in embeddings.modalities}


def know_features(model: Any) -> None:
    """What scikit-learn's checks of a lone array or frame ask for, of a model that was loaded."""
    if model.modalities_ != (LONE_MODALITY,):
        return
    size = model.n_features_in_ = model.embedding_dims_[LONE_MODALITY]
    about = model.encoders_.get(LONE_MODALITY) or {}
    names = columns_of(about, size) if about.get("named", True) else None
    if names and all(isinstance(name, str) for name in names):
        model.feature_names_in_ = np.array(names, dtype=object)


def check_inside(whole: Any, inside: Any, modalities: Sequence[str]) -> None:
    """Raise `InputError` unless a model inside another reads these modalities of it."""
    dims = {name: whole.embedding_dims_[name] for name in modalities}
    if inside.embedding_dims_ != dims or list(inside.embedding_dims_) != list(dims):
        raise InputError(f"a model inside reads {inside.embedding_dims_}, expected {dims}.")
    if not set(inside.classes_.tolist()) <= set(whole.classes_.tolist()):
        raise InputError("a model inside knows classes that the whole does not.")


def kept_parameters(model: Any) -> dict[str, Any]:
    """The parameters of a classifier that decide what it is: JSON values."""
    given = model.get_params(deep=False)
    return {name: value for name, value in given.items() if name not in NOT_KEPT}


def decisive_parameters(model: Any) -> dict[str, Any]:
    """The parameters of a classifier that decided what it learnt; what fuses acts later."""
    found = {**kept_parameters(model), "class_weight": model.class_weight}
    return {name: value for name, value in found.items() if name != "fusion"}


def check_as_learnt(model: Any) -> None:
    """Raise `InputError` if parameters were set since `fit`: saved, they would tell of another
    model than was learnt, or of one that cannot be made again."""
    check_parameters(model)
    before, now = getattr(model, "_learnt_with", {}), decisive_parameters(model)
    for name, value in before.items():
        if now[name] is not value and now[name] != value:
            raise InputError(
                f"{name} is {now[name]!r}, and was {value!r} when this model was fitted. Fit it "
                f"again, or set it back with set_params({name}={value!r})."
            )


def stored_parameters(state: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The parameters called `names` as a saved state has them."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in state["parameters"].items()
        if name in names and name not in NOT_KEPT
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


def nested(prefix: str, arrays: Arrays) -> dict[str, np.ndarray]:
    """The arrays of a part, under names of their own within the whole."""
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def part(prefix: str, arrays: Arrays) -> dict[str, np.ndarray]:
    """The arrays that `nested` put under that prefix.

    >>> part("a", nested("a", {"x.y": np.ones(1)}))
    {'x.y': array([1.])}
    """
    start = f"{prefix}."
    return {k.removeprefix(start): array for k, array in arrays.items() if k.startswith(start)}
