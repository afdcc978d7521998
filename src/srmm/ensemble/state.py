"""What is fitted beside the networks, as arrays and back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.ensemble.features import Features
from srmm.ensemble.trust import Familiar, Trust
from srmm.ensemble.weights import PatternWeights
from srmm.learning.standardize import Standardizer
from srmm.learning.state import Arrays, nested, part


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
    }
    for one in fields(Familiar):
        of_each = {name: getattr(known, one.name) for name, known in trust.familiar.items()}
        arrays |= nested(f"familiar.{one.name}", of_each)
    return arrays


def digest_of(embeddings: Embeddings, y: np.ndarray) -> str:
    """A few letters by which training instances and their order are known again."""
    digest = hashlib.sha256(np.ascontiguousarray(y, dtype=np.int64).tobytes())
    digest.update(np.ascontiguousarray(embeddings.present).tobytes())
    for name in embeddings.modalities:
        _, vectors = embeddings.items(name)
        digest.update(np.ascontiguousarray(vectors[:, 0], dtype=np.float32).tobytes())
    return digest.hexdigest()[:16]


def restored(model: Any, state: Mapping[str, Any], arrays: Arrays) -> None:
    """Give a model, whose modalities are set, what `arrays_of` and its state describe."""
    mean, std = part("mean", arrays), part("std", arrays)
    model.features_ = Features(Standardizer(mean, std, True), part("edges", arrays))
    model.weights_ = PatternWeights(
        arrays["weights.codes"], arrays["weights.weights"], float(arrays["weights.fused_share"][0])
    )
    model.folds_ = arrays["folds"]
    model.out_of_fold_ = dict(state["out_of_fold"])
    steepness = dict(state["steepness"])
    parts = {one.name: part(f"familiar.{one.name}", arrays) for one in fields(Familiar)}
    familiar = {
        name: Familiar(**{key: of_each[name] for key, of_each in parts.items()})
        for name in steepness
    }
    model.trust_ = Trust(familiar, steepness)
