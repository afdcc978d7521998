"""Test items that are nearly training items: what flatters a figure without anyone's wish."""

from __future__ import annotations

from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.errors import several

COSINE = 0.99
SMALLEST = 32
"""Numbers an embedding must have: of fewer, unlike items lie close by chance."""
_PRODUCTS = 2e11  # multiplications for one modality: about 20 seconds of one core
_CHUNK = 512


def near_duplicates(
    train: Embeddings, test: Embeddings, right: np.ndarray, seed: int = 0
) -> dict[str, Any]:
    """How many test items have a training item that is nearly the same, modality by modality.

    Nearly the same: a cosine above 0.99 between embeddings once the training mean is taken off.
    `right` (n,) says which test rows the model gets right.

    Returns
    -------
    {"cosine", "n", "of", "modalities", "rows"}: `n` of the `of` test rows were looked at (all,
    unless there are too many); per modality {"n", "near"}, or {"reason"} where it was not looked
    at; "rows" {"near", "accuracy_near", "accuracy_others"} of rows of which some item is.
    """
    largest = max(test.embedding_dims.values())
    most = max(200, int(_PRODUCTS / max(1, len(train) * largest)))
    rows = np.sort(np.random.default_rng([seed, 6]).permutation(len(test))[:most])
    test = test[rows]
    any_near = np.zeros(len(test), dtype=bool)
    counted: dict[str, dict[str, Any]] = {}
    for name in test.modalities:
        if test.embedding_dims[name] < SMALLEST:
            few = test.embedding_dims[name]
            too_few = several(few, "number is too few", "numbers are too few")
            counted[name] = {"reason": f"{too_few} to tell"}
            continue
        places, items = test.items(name)
        _, known = train.items(name)
        if not len(known) or not len(items):
            counted[name] = {"reason": "no items to compare"}
            continue
        near = _near(np.asarray(items), np.asarray(known))
        any_near[places[near]] = True
        counted[name] = {"n": len(items), "near": int(near.sum())}
    hits = right[rows]
    parts = {"accuracy_near": hits[any_near], "accuracy_others": hits[~any_near]}
    return {
        "cosine": COSINE,
        "n": len(rows),
        "of": len(right),
        "modalities": counted,
        "rows": {
            "near": int(any_near.sum()),
            **{key: part.mean() if len(part) else None for key, part in parts.items()},
        },
    }


def _near(items: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Boolean (n,): items with a cosine above the limit to some of `known`."""
    mean = known.mean(axis=0, dtype=np.float64).astype(np.float32)
    known = unit_length(known - mean)
    near = np.empty(len(items), dtype=bool)
    for start in range(0, len(items), _CHUNK):
        some = unit_length(items[start : start + _CHUNK] - mean)
        near[start : start + _CHUNK] = (some @ known.T).max(axis=1) > COSINE
    return near


def unit_length(x: np.ndarray) -> np.ndarray:
    """The vectors (n, d), each brought to length 1."""
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
