"""What is fitted beside the networks, as arrays and back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from srmm.data.checks import array, known_only, mapping, number
from srmm.data.embeddings import Embeddings
from srmm.ensemble.discriminants import Discriminants
from srmm.ensemble.features import Features
from srmm.ensemble.trust import STEEPEST, Familiar, Trust
from srmm.ensemble.weights import PatternWeights
from srmm.errors import InputError
from srmm.learning.checked import standardizer_from
from srmm.learning.state import Arrays, nested, part

_SMALLEST = 1e-12  # of what distances are divided by
_WHOLE = "whole:"  # what a digest begins with that is of all numbers


def arrays_of(model: Any) -> dict[str, np.ndarray]:
    """The arrays of features, weights, trust and folds, each under a name of its own."""
    features, trust = model.features_, model.trust_
    arrays = {
        "folds": model.folds_.astype(np.int16),
        "weights.codes": model.weights_.codes,
        "weights.weights": model.weights_.weights,
        "weights.fused_share": np.array([model.weights_.fused_share]),
        **nested("mean", features.standardizer.mean),
        **nested("std", features.standardizer.std),
        **nested("edges", features.edges),
        **nested("discriminants.weight", model.discriminants_.weight),
        **nested("discriminants.bias", model.discriminants_.bias),
    }
    for one in fields(Familiar):
        of_each = {name: getattr(known, one.name) for name, known in trust.familiar.items()}
        arrays |= nested(f"familiar.{one.name}", of_each)
    return arrays


def digest_of(embeddings: Embeddings, y: np.ndarray) -> str:
    """By what training instances and their order are known again: every number of every item."""
    return f"{_WHOLE}{_digest(embeddings, y, slice(None))}"


def is_digest_of(digest: str, embeddings: Embeddings, y: np.ndarray) -> bool:
    """Whether a model was trained on these; one of before knows the first number of each item."""
    if digest.startswith(_WHOLE):
        return digest == digest_of(embeddings, y)
    return digest == _digest(embeddings, y, slice(1))


def _digest(embeddings: Embeddings, y: np.ndarray, numbers: slice) -> str:
    """Of labels, presence and these numbers of the items."""
    digest = hashlib.sha256(np.ascontiguousarray(y, dtype=np.int64).tobytes())
    digest.update(np.ascontiguousarray(embeddings.present).tobytes())
    for name in embeddings.modalities:
        for _, vectors in embeddings.blocks(name):
            digest.update(np.ascontiguousarray(vectors[:, numbers], dtype=np.float32).data)
    return digest.hexdigest()[:16]


def restored(model: Any, state: Mapping[str, Any], arrays: Arrays) -> None:
    """Give a model, whose modalities are set, what `arrays_of` and its state describe.

    Raises `InputError` naming what does not fit the modalities.
    """
    dims = model.embedding_dims_
    scales = standardizer_from(arrays, dims, active=True)
    if scales is None:
        raise KeyError(f"mean.{model.modalities_[0]}")
    edges = {
        name: array(f"edges.{name}", found, (dims.get(name), None))
        for name, found in part("edges", arrays).items()
    }
    for name, found in known_only("edges", edges, dims).items():
        if (np.diff(found, axis=1) < 0).any():
            raise InputError(f"edges.{name} are expected to be ascending.")
    model.features_ = Features(scales, edges)
    model.discriminants_ = _discriminants(arrays, dims, len(model.classes_))
    model.weights_ = _weights(arrays, len(dims))
    model.folds_ = array("folds", arrays["folds"], (None,), "int16", low=0)
    model.out_of_fold_ = dict(mapping("state.out_of_fold", state["out_of_fold"]))
    for name, figure in model.out_of_fold_.items():
        number(f"state.out_of_fold.{name}", figure)
    steepness = dict(mapping("state.steepness", state["steepness"]))
    for name, value in known_only("state.steepness", steepness, dims).items():
        number(f"state.steepness.{name}", value, 0, STEEPEST)
    known_only("familiar.axes", part("familiar.axes", arrays), steepness)
    model.trust_ = Trust(
        {name: _familiar(name, arrays, dims[name]) for name in steepness}, steepness
    )


def check_folds(model: Any) -> None:
    """Raise `InputError` unless each training instance is in a fold that there is.

    And unless every modality that has discriminants has one for each fold.
    """
    for name, found in model.discriminants_.weight.items():
        array(f"discriminants.weight.{name}", found, (model.n_folds, *found.shape[1:]), "float32")
    if model.n_folds == 1:  # distilled: it learnt from all
        array("folds", model.folds_, (0,), "int16")
    else:
        array("folds", model.folds_, (model.training_["n_train"],), "int16", high=model.n_folds - 1)


def _weights(arrays: Arrays, n_modalities: int) -> PatternWeights:
    codes = array("weights.codes", arrays["weights.codes"], (None,), "int64", low=1,
                  high=2**n_modalities - 1)  # fmt: skip
    lacking = np.setdiff1d(1 << np.arange(n_modalities), codes)
    if len(lacking) or (codes[:-1] >= codes[1:]).any():
        raise InputError(
            "weights.codes are expected to be patterns, ascending, with those of each modality "
            "alone among them."
        )
    found = arrays["weights.weights"]
    if found.ndim == 2 and found.shape[1] == n_modalities + 1:  # of before the discriminants
        found = np.insert(found, [n_modalities] * n_modalities, 0.0, axis=1)
    shape = (len(codes), 2 * n_modalities + 1)
    weights = array("weights.weights", found, shape, low=0)
    share = array("weights.fused_share", arrays["weights.fused_share"], (1,), low=0, high=1)
    return PatternWeights(codes, weights, float(share[0]))


def _discriminants(arrays: Arrays, dims: Mapping[str, int], n_classes: int) -> Discriminants:
    weights, biases = (part(f"discriminants.{of}", arrays) for of in ("weight", "bias"))
    known_only("discriminants.weight", weights, dims)
    known_only("discriminants.bias", biases, weights)
    for name, found in weights.items():
        shape = (None, dims[name], n_classes)
        found = array(f"discriminants.weight.{name}", found, shape, "float32")
        bias = f"discriminants.bias.{name}"
        array(bias, arrays[bias], (len(found), n_classes), "float32")
    return Discriminants(weights, biases)


def _familiar(name: str, arrays: Arrays, size: int) -> Familiar:
    found = {one.name: f"familiar.{one.name}.{name}" for one in fields(Familiar)}
    axes = array(found["axes"], arrays[found["axes"]], (size, None), "float32")
    shapes = {"spread": (axes.shape[1],), "rest": (size,), "limits": (2,)}
    others = {key: array(found[key], arrays[found[key]], shape, "float32", low=_SMALLEST)
              for key, shape in shapes.items()}  # fmt: skip
    return Familiar(axes, **others)
