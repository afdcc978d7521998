"""A fitted classifier as plain values and arrays, and back. Nothing here is pickled.

A classifier made of others keeps their states inside its own.
"""

from __future__ import annotations

import importlib
import inspect
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from srmm.errors import InputError
from srmm.methods import METHODS

Arrays = Mapping[str, np.ndarray]

SAVABLE: dict[str, str] = {cls: module for module, cls, _ in METHODS.values()}
"""Class → module of all that can be saved: only these are ever made from what a folder says."""

_FORMER_KINDS = {"single-branch": "SingleBranchClassifier"}

# What trees are made of that skops does not trust by itself. Both hold numbers only.
_TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
            "sklearn.tree._tree.Tree"]  # fmt: skip


def pack(model: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(description, arrays) of a fitted classifier, from which `unpack` makes it again."""
    kind = type(model).__name__
    if SAVABLE.get(kind) != type(model).__module__:
        raise InputError(f"A {kind} cannot be saved; these can: {', '.join(SAVABLE)}.")
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


def unpack(described: Mapping[str, Any], arrays: Arrays, device: str | None = None) -> Any:
    """The classifier that `pack` described; it will predict on `device` if it has a network."""
    kind = known_kind(described["kind"])
    if kind is None:
        raise ValueError(f"there is no kind of classifier {described['kind']!r}.")
    cls = getattr(importlib.import_module(SAVABLE[kind]), kind)
    accepted = inspect.signature(cls).parameters
    required = {k: None for k, v in accepted.items() if v.default is v.empty}
    model = cls(**required, **({"device": device} if "device" in accepted else {}))
    model.classes_ = np.array(described["classes"])
    model.embedding_dims_ = dict(described["modalities"])
    model.modalities_ = tuple(described["modalities"])
    model.training_ = described["training"]
    model.encoders_ = described["encoders"]
    model.set_state(described["state"], arrays)
    return model


def known_kind(kind: str) -> str | None:
    """The class that a folder's kind means; None if it is none that can be saved."""
    kind = _FORMER_KINDS.get(kind, kind)
    return kind if kind in SAVABLE else None


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


def estimator_to_bytes(estimator: Any) -> np.ndarray:
    """A fitted scikit-learn estimator as bytes (n,) of skops' format, which is no pickle."""
    from skops.io import dumps

    return np.frombuffer(dumps(estimator, compression=zipfile.ZIP_DEFLATED), dtype=np.uint8)


def estimator_from_bytes(stored: np.ndarray, expected: type) -> Any:
    """What `estimator_to_bytes` wrote; raises if it is no `expected` or holds a foreign type."""
    from skops.io import loads

    estimator = loads(stored.tobytes(), trusted=_TRUSTED)
    if type(estimator) is not expected:
        raise ValueError(f"it holds a {type(estimator).__name__}, not a {expected.__name__}.")
    return estimator
