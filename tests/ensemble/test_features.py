"""Short embeddings are seen in bins, too, and the shorter they are, the finer."""

from __future__ import annotations

import numpy as np
import pytest

import srmm
from srmm.ensemble.features import Features


@pytest.mark.parametrize(("size", "bins"), [(1, 32), (9, 28), (16, 16), (36, 8), (40, 8), (41, 0)])
def test_bins_are_as_many_as_an_embedding_has_room_for(size: int, bins: int) -> None:
    x = np.random.default_rng(0).normal(size=(200, size)).astype(np.float32)
    features = Features.fit(srmm.Embeddings.from_arrays({"a": x}))
    made = features.apply("a", x)
    assert made.shape[1] == features.width("a", size) == size * (1 + bins)
    if bins:
        filled = made[:, size:].reshape(200, size, bins)
        assert ((filled >= 0) & (filled <= 1)).all()
        assert (np.diff(filled, axis=2) <= 0).all()  # a bin fills when the one before is full
        np.testing.assert_array_equal(filled.sum(axis=2).argsort(axis=0), x.argsort(axis=0))


def test_a_number_of_two_values_fills_all_bins_or_none() -> None:
    x = np.repeat([[0.0], [1.0]], 50, axis=0)
    made = Features.fit(srmm.Embeddings.from_arrays({"a": x})).apply("a", x)
    assert (made[:50, 1:].sum(axis=1) < made[50:, 1:].sum(axis=1)).all()
