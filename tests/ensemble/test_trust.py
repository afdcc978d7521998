from __future__ import annotations

import numpy as np
import pytest

from srmm import Embeddings, SingleBranchClassifier
from srmm.ensemble.trust import Familiar


def correlated(n: int, d: int, rng: np.random.Generator, own: float = 0.1) -> np.ndarray:
    """Items of few degrees of freedom, as embeddings are: (n, d) of about unit variance.

    `own` is the standard deviation of what each feature has for itself.
    """
    mixing = np.random.default_rng(5).normal(size=(6, d))
    x = rng.normal(size=(n, 6)) @ mixing + own * rng.normal(size=(n, d))
    return (x / np.sqrt((mixing**2).sum(axis=0) + 0.01)).astype(np.float32)


@pytest.mark.parametrize("d", [12, 200, 900])  # fewer and more features than items
def test_noise_is_strange_and_new_items_are_not(d: int) -> None:
    rng = np.random.default_rng(0)
    x = correlated(700, d, rng)
    familiar = Familiar.fit(x[:500], x[500:])
    new = familiar.strangeness(correlated(300, d, rng))
    assert (new >= 1).all()
    assert (new == 1).mean() > 0.85  # one in twenty passes either of two limits
    noisy = familiar.strangeness(correlated(300, d, rng) + rng.normal(size=(300, d)))
    assert np.median(noisy) > 1.5


def test_one_odd_feature_is_not_taken_for_noise() -> None:
    rng = np.random.default_rng(0)
    x = correlated(500, 200, rng, own=2.0)
    familiar = Familiar.fit(x[:400], x[400:])
    odd = correlated(200, 200, rng, own=2.0)
    odd[:, 7] = 50.0
    assert np.median(familiar.strangeness(odd)) < 1.5


def test_too_few_items_are_all_familiar() -> None:
    x = np.random.default_rng(0).normal(size=(30, 5))
    assert Familiar.fit(x[:20], x[20:]) is None


def test_a_corrupted_modality_loses_its_say() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=700)
    arrays = {}
    for name, seed in (("image", 1), ("audio", 2)):
        centres = 0.5 * np.random.default_rng(seed).normal(size=(4, 60))
        arrays[name] = correlated(700, 60, rng) + centres[y]
    data = Embeddings.from_arrays(arrays, labels=y)
    model = SingleBranchClassifier(hidden_dim=64, max_epochs=30, random_state=0).fit(data[:500])
    clean, score = data[500:], {}
    broken = 4 * rng.normal(size=(200, 60))  # another sensor's noise
    noisy = Embeddings.from_arrays({"image": broken, "audio": clean.to_array("audio")})
    trust = model.trust_.of(noisy, model.features_)
    assert np.median(trust[:, 0]) < 0.7 < 0.99 < np.median(trust[:, 1])
    for name, test in (("noisy", noisy), ("audio", clean.select(["audio"]))):
        score[name] = (model.predict(test) == y[500:]).mean()
    model.trust_.steepness.update(image=0.0, audio=0.0)
    deceived = (model.predict(noisy) == y[500:]).mean()
    assert score["noisy"] > max(score["audio"] - 0.1, deceived + 0.1)
