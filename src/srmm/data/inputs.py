"""Input of every `fit` and `predict`: X, in any of its forms, as `Embeddings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils.validation import check_array

from srmm.data.embeddings import Embeddings, same_settings
from srmm.data.modality import ABSENT
from srmm.data.raw import REMEDY, holds_raw_items
from srmm.errors import InputError, did_you_mean

LONE_MODALITY = "features"
"""The name of the modality when X is one plain array."""


def as_embeddings(X: Any) -> Embeddings:
    """`X` as `Embeddings`.

    - `Embeddings`: itself.
    - dict of modality to (n, d) array, or None for a modality nobody has.
    - a data frame with columns of vectors: one modality per column.
    - any other array or frame of numbers, shape (n, d): a single modality named "features".

    Raises `InputError` (a `ValueError`) for anything else, and for rows partly NaN.
    """
    if isinstance(X, Embeddings):
        return X.check()
    if holds_raw_items(X):
        raise InputError(REMEDY)
    if isinstance(X, Mapping) and not issparse(X):
        return Embeddings.from_arrays(X)
    if isinstance(X, pd.DataFrame) and _has_vectors(X):
        return Embeddings.from_frame(X)
    if isinstance(X, pd.DataFrame | pd.Series):
        X = X.to_numpy(dtype=np.float64, na_value=np.nan)
    array = check_array(X, dtype="numeric", ensure_all_finite=False)
    if array.dtype.kind == "c":
        raise InputError("Complex data not supported: embeddings are real numbers.")
    return Embeddings.from_arrays({LONE_MODALITY: array})


def is_lone_array(X: Any) -> bool:
    """True if `X` is one array or numeric frame, for which scikit-learn's own checks apply."""
    if holds_raw_items(X):
        return False
    vectors = isinstance(X, pd.DataFrame) and _has_vectors(X)
    if isinstance(X, Mapping) and not issparse(X):  # some sparse matrices are mappings, too
        return False
    return not (isinstance(X, Embeddings) or vectors)


def match_modalities(
    embeddings: Embeddings,
    embedding_dims: Mapping[str, int],
    encoders: Mapping[str, Mapping[str, Any] | None] | None = None,
) -> Embeddings:
    """The embeddings with exactly the modalities a model was trained on, in its order.

    A modality that is not given is absent everywhere. Raises `InputError` for one the model does
    not know, of another size, naming both sizes, or made by another encoder than `encoders` says.
    """
    for name, size in embeddings.embedding_dims.items():
        if name in embedding_dims and not size:
            continue  # vectors of unknown length, of which there is none
        if name not in embedding_dims:
            raise InputError(
                f"The model knows no modality {name!r} (embeddings of size {size}). "
                f"{did_you_mean(name, embedding_dims)}"
            )
        if size != embedding_dims[name]:
            raise InputError(
                f"Modality {name!r} has embeddings of size {size}, the model was trained on size "
                f"{embedding_dims[name]}. Encode with the encoder the model was trained with."
            )
        trained, made = (encoders or {}).get(name), embeddings.encoders.get(name)
        if trained and made and same_settings(trained) != same_settings(made):
            raise InputError(
                f"The {name} embeddings were made by {made.get('spec')!r}, the model was trained "
                f"on those of {trained.get('spec')!r} (or its settings differ). Encode with the "
                "encoder the model was trained with."
            )
    values, position = {}, np.full((len(embeddings), len(embedding_dims)), ABSENT)
    for m, (name, size) in enumerate(embedding_dims.items()):
        given = bool(embeddings.embedding_dims.get(name))
        values[name] = embeddings.values[name] if given else np.empty((0, size), np.float32)
        if given:
            position[:, m] = embeddings.position[:, embeddings.modalities.index(name)]
    return Embeddings(
        values, position, labels=embeddings.labels, ids=embeddings.ids, split=embeddings.split,
        groups=embeddings.groups, raw=embeddings.raw, encoders=embeddings.encoders,
    )  # fmt: skip


def _has_vectors(frame: pd.DataFrame) -> bool:
    """True if some cell of some column is a vector."""
    objects = frame.select_dtypes(include=["object"])
    return any(
        np.ndim(cell) == 1 and not isinstance(cell, str)
        for name in objects
        for cell in objects[name].dropna().head(1)
    )
