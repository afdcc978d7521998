"""What arrays to learn from look like: numbers, and whole vectors, that stand for nothing.

A table is told so of its columns where it is read; here it is said of what comes as arrays.
"""

from __future__ import annotations

import warnings

import numpy as np

from srmm.data.embeddings import Embeddings, taken
from srmm.data.leaks import warn_of_leaks
from srmm.data.odd_numbers import stands_for_nothing

_LOOKED_AT = 1000
"""Vectors of a modality, from all over it."""
_MOST_NUMBERS = 256
_WHOLE = 0.01
"""The share of zeros in the other vectors up to which one of nothing but zeros is none of them."""
_FEWEST, _SHORTEST = 2, 3


def warn_of_arrays(embeddings: Embeddings, labels: np.ndarray) -> None:
    """Warn of what tells the labels, of -999 and the like, and of zeros in the place of items."""
    for name in embeddings.modalities:
        _, places = embeddings.places(name)
        step = 1 + len(places) // _LOOKED_AT
        vectors = np.asarray(taken(embeddings.values[name], places[::step]))
        if sentence := zeros_for_nothing(vectors):
            more = f" (of {len(vectors):,} that were looked at)" if step > 1 else ""
            warnings.warn(f"Modality {name!r}: {sentence}{more}.", stacklevel=4)
        if (embeddings.encoders.get(name) or {}).get("spec") or vectors.shape[1] > _MOST_NUMBERS:
            continue  # of what an encoder made, the table has said it
        for place, numbers in enumerate(vectors.T):
            if found := stands_for_nothing(numbers):
                marker, n = found[0]
                warnings.warn(
                    f"Number {place} of modality {name!r} is {marker:g} in {n:,} rows, far from "
                    "all others. If it stands for nothing, such rows are no items: make them NaN, "
                    "or fill in what is missing.",
                    stacklevel=4,
                )
                break
    warn_of_leaks(embeddings, labels)


def zeros_for_nothing(vectors: np.ndarray) -> str | None:
    """A sentence on vectors (n, d) of nothing but zeros, where others hardly have one.

    >>> zeros_for_nothing(np.array([[0, 0, 0], [1, 2, 3], [0, 0, 0], [4, 5, 6.0]]))
    '2 vectors are nothing but zeros, where others hardly have one. Zeros are learnt from like any \
number: if they stand for absent items, give None, or NaN'
    """
    if vectors.shape[1] < _SHORTEST:
        return None
    zeros = ~vectors.any(axis=1)
    n, others = int(zeros.sum()), vectors[~zeros]
    if n < _FEWEST or len(others) < _FEWEST or (others == 0).mean() > _WHOLE:
        return None
    return (
        f"{n:,} vectors are nothing but zeros, where others hardly have one. Zeros are learnt from "
        "like any number: if they stand for absent items, give None, or NaN"
    )
