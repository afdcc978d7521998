from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srmm.errors import InputError
from srmm.evaluation.corrupt import add_noise
from srmm.evaluation.missing import draw_missing, expected_accuracy, relative_drop
from tests.data.test_embeddings import with_holes
from tests.test_switching import masks


@given(masks, st.floats(0, 1), st.integers(0, 9))
def test_masks_are_drawn_by_exact_count(present: np.ndarray, rate: float, seed: int) -> None:
    left = draw_missing(present, 0, rate, np.random.default_rng(seed))
    had = present[:, 0].sum()
    assert left[:, 0].sum() == had - round(rate * had)
    assert not (left & ~present).any()
    np.testing.assert_array_equal(left[:, 1:], present[:, 1:])


def test_a_percentage_is_recognised() -> None:
    with pytest.raises(InputError, match=r"must be in \[0, 1\], got 30; did you mean 0\.3\?"):
        draw_missing(np.ones((3, 2), dtype=bool), 0, 30, np.random.default_rng(0))


def test_the_law_equals_brute_force_sampling() -> None:
    rng = np.random.default_rng(0)
    with_it, without = rng.random(400) < 0.9, rng.random(400) < 0.6
    rates = np.array([0.0, 0.3, 0.7, 1.0])
    exact = expected_accuracy(with_it, without, rates)
    present = np.ones((400, 2), dtype=bool)
    for rate, expected in zip(rates, exact, strict=True):
        draws = []
        for _ in range(2000):
            there = draw_missing(present, 1, rate, rng)[:, 1]
            draws.append(np.where(there, with_it, without).mean())
        error = np.std(draws) / np.sqrt(len(draws))
        assert abs(np.mean(draws) - expected) <= 4 * error + 1e-12


def test_the_law_of_the_papers_food_101_column() -> None:
    """Table VI, SRMM: every rate but 30 % available follows from the two ends, to 0.1."""
    published = {1.0: 94.6, 0.9: 93.2, 0.7: 90.9, 0.5: 88.2, 0.3: 84.8, 0.1: 83.3, 0.0: 82.0}
    available = np.array(list(published))
    law = 94.6 - (1 - available) * (94.6 - 82.0)
    off = np.abs(law.round(1) - list(published.values())) > 0.1 + 1e-9
    assert available[off].tolist() == [0.3]


def test_relative_drop() -> None:
    assert relative_drop(94.6, 84.8) == pytest.approx(0.1036, abs=1e-4)  # not the printed 12.3 %
    assert relative_drop(0.0, 0.0) == 0.0


def test_noise_has_the_asked_scale_and_leaves_holes_alone() -> None:
    present = np.random.default_rng(0).random((4000, 2)) < 0.7
    clean = with_holes(present)
    noisy = add_noise(clean, 0.5, np.random.default_rng(1))
    np.testing.assert_array_equal(noisy.present, present)
    added = noisy.to_array("m1") - clean.to_array("m1")
    assert np.nanstd(added) == pytest.approx(0.5, rel=0.05)
    std = {"m0": np.array([1.0, 10.0]), "m1": np.ones(3)}
    relative = add_noise(clean, 0.5, np.random.default_rng(1), feature_std=std)
    spread = np.nanstd(relative.to_array("m0") - clean.to_array("m0"), axis=0)
    np.testing.assert_allclose(spread, [0.5, 5.0], rtol=0.05)


def test_no_noise_changes_nothing() -> None:
    clean = with_holes(np.array([[True, False], [True, True]]))
    same = add_noise(clean, 0.0, np.random.default_rng(0))
    for name in clean.modalities:
        np.testing.assert_array_equal(same.to_array(name), clean.to_array(name))
