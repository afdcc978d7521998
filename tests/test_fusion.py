from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srmm.fusion import FUSIONS, fuse, pattern_codes
from srmm.switching import STRATEGIES  # noqa: F401 - both are options of a recipe
from tests.test_switching import masks


def random_outputs(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), size=shape[:-1])


@pytest.mark.parametrize("fusion", FUSIONS)
@given(present=masks, garbage=st.sampled_from([np.nan, np.inf, -1.0, 1e30]))
def test_absent_outputs_are_never_looked_at(
    fusion: str, present: np.ndarray, garbage: float
) -> None:
    outputs = random_outputs((*present.shape, 3))
    clean = fuse(outputs, present, fusion)
    dirty = fuse(np.where(present[..., None], outputs, garbage), present, fusion)
    np.testing.assert_array_equal(clean, dirty)
    something = present.any(axis=1)
    np.testing.assert_allclose(clean[something].sum(axis=1), 1)
    assert np.isnan(clean[~something]).all()


def test_the_paper_averages_probabilities() -> None:
    outputs = np.array([[[0.9, 0.1], [0.2, 0.8]]])
    both, first = np.array([[True, True]]), np.array([[True, False]])
    np.testing.assert_allclose(fuse(outputs, both), [[0.55, 0.45]])
    np.testing.assert_allclose(fuse(outputs, first), [[0.9, 0.1]])


def test_log_mean_is_the_normalised_geometric_mean() -> None:
    outputs = np.array([[[0.9, 0.1], [0.2, 0.8]]])
    geometric = np.sqrt(outputs[0, 0] * outputs[0, 1])
    fused = fuse(outputs, np.ones((1, 2), dtype=bool), "log-mean")
    np.testing.assert_allclose(fused[0], geometric / geometric.sum())


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 5))))
def test_pattern_codes_tell_patterns_apart(present: np.ndarray) -> None:
    same = (present[:, None] == present[None]).all(axis=2)
    codes = pattern_codes(present)
    np.testing.assert_array_equal(codes[:, None] == codes[None], same)
