from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srmm.fusion import FUSIONS, fit_weights, fuse, pattern_codes
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
    weights = np.random.default_rng(1).random((2 ** present.shape[1], present.shape[1]))
    clean = fuse(outputs, present, fusion, weights)
    dirty = fuse(np.where(present[..., None], outputs, garbage), present, fusion, weights)
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


def test_fitted_weights_silence_a_modality_that_knows_nothing() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=400)
    good = np.full((400, 3), 0.1) + 0.7 * np.eye(3)[y]
    noise = rng.dirichlet(np.full(3, 0.2), size=400)  # confident, and right by chance only
    outputs = np.stack([good, noise], axis=1)
    present = np.ones((400, 2), dtype=bool)
    weights = fit_weights(outputs, present, y)
    equal = fuse(outputs, present, "log-mean").argmax(axis=1)
    weighted = fuse(outputs, present, "weighted", weights).argmax(axis=1)
    assert (weighted == y).mean() == 1.0 > (equal == y).mean()
    assert weights[3, 1] < 0.05 * weights[3, 0]


def test_fitted_weights_minimise_the_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    outputs = random_outputs((300, 2, 3)) * 0.7 + 0.3 * np.eye(3)[y][:, None]
    present = np.ones((300, 2), dtype=bool)
    weights = fit_weights(outputs, present, y)

    def loss(w: np.ndarray) -> float:
        changed = weights.copy()
        changed[3] = w
        fused = fuse(outputs, present, "weighted", changed)
        pull = ((w - 0.5) ** 2).sum()
        return -np.log(fused[np.arange(300), y]).sum() + pull

    best = loss(weights[3])
    for step in rng.normal(scale=0.05, size=(50, 2)):
        assert loss(np.maximum(weights[3] + step, 0)) >= best - 1e-6


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 5))))
def test_pattern_codes_tell_patterns_apart(present: np.ndarray) -> None:
    same = (present[:, None] == present[None]).all(axis=2)
    codes = pattern_codes(present)
    np.testing.assert_array_equal(codes[:, None] == codes[None], same)


def test_a_lone_modality_is_its_own_output_whatever_its_weight() -> None:
    outputs = random_outputs((5, 2, 3))
    weights = np.zeros((4, 2))
    weights[3] = [1.0, 0.0]
    for m in (0, 1):
        present = np.zeros((5, 2), dtype=bool)
        present[:, m] = True
        fused = fuse(outputs, present, "weighted", weights)
        np.testing.assert_allclose(fused, outputs[:, m])
    both = np.ones((5, 2), dtype=bool)
    silent = fuse(outputs, both, "weighted", np.zeros((4, 2)))  # as good as no weights
    np.testing.assert_allclose(silent, fuse(outputs, both, "log-mean"))


def test_many_modalities_share_one_set_of_weights() -> None:
    outputs, present = random_outputs((40, 7, 3)), np.random.default_rng(0).random((40, 7)) < 0.6
    weights = fit_weights(outputs, present, np.arange(40) % 3)
    assert weights.shape == (1, 7)
    fused = fuse(outputs, present, "weighted", weights)
    np.testing.assert_allclose(fused[present.any(axis=1)].sum(axis=1), 1)
