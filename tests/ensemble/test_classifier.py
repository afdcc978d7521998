from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from srmm import Embeddings, SingleBranchClassifier, make_method
from srmm.ensemble import training
from srmm.ensemble.features import Features
from srmm.ensemble.table import FeatureTable
from srmm.errors import InputError
from tests.test_classifier import DEFAULT, problem


@pytest.fixture(scope="module")
def model() -> SingleBranchClassifier:
    return SingleBranchClassifier(**DEFAULT).fit(problem())


@pytest.mark.parametrize("value", [1e4, 1e20, 3e38])
def test_whatever_finite_numbers_come_in_no_nan_comes_out(
    model: SingleBranchClassifier, value: float
) -> None:
    wild = {"image": np.full((4, 6), value), "audio": np.full((4, 4), -value)}
    wild["image"][0] = 0.0
    probabilities = model.predict_proba(wild)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


def test_it_learns_from_wild_numbers_and_constant_features_too() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=120)
    x = np.column_stack([y + 0.1 * rng.normal(size=120), np.full(120, 7.0), np.zeros(120)])
    x[0, 1] = 3e38
    fitted = SingleBranchClassifier(**DEFAULT).fit({"a": x, "b": x[:, :1] * 1e-30}, y)
    assert fitted.score({"a": x}, y) > 0.95


def test_every_instance_has_a_network_that_never_saw_it(model: SingleBranchClassifier) -> None:
    assert len(model.folds_) == len(problem())
    assert np.bincount(model.folds_).tolist() == [60] * 5
    assert model.training_["n_validation"] == 0
    assert 0.8 < model.out_of_fold_["accuracy"] <= 1
    held = problem(seed=1)
    assert abs(model.score(held) - model.out_of_fold_["accuracy"]) < 0.08


def test_groups_stay_in_one_fold() -> None:
    train = problem()
    speakers = np.random.default_rng(0).integers(12, size=len(train))
    fitted = SingleBranchClassifier(**DEFAULT).fit(train, groups=speakers)
    for speaker in range(12):
        assert len(set(fitted.folds_[speakers == speaker].tolist())) == 1
    train.groups = speakers
    carried = SingleBranchClassifier(**DEFAULT).fit(train)
    np.testing.assert_array_equal(carried.folds_, fitted.folds_)


def test_equal_items_stay_in_one_fold_where_there_are_no_groups() -> None:
    train = problem(missing=0.0)
    image = train.to_array("image")
    image[100:200] = image[:100]  # every picture of these is on two instances
    arrays = {"image": image, "text": train.to_array("text")}
    twins = Embeddings.from_arrays(arrays, labels=train.labels)
    fitted = SingleBranchClassifier(**DEFAULT).fit(twins)
    np.testing.assert_array_equal(fitted.folds_[:100], fitted.folds_[100:200])


def test_given_validation_instances_teach_too() -> None:
    fitted = SingleBranchClassifier(**DEFAULT).fit(problem(), validation=problem(80, seed=1))
    assert (fitted.training_["n_train"], fitted.training_["n_validation"]) == (380, 0)
    assert len(fitted.folds_) == 380


@pytest.mark.parametrize("too_large", [500, 10**12])
def test_a_step_is_no_larger_than_what_there_is(too_large: int) -> None:
    x, y = np.random.default_rng(0).normal(size=(150, 4)), np.arange(150) % 2
    settings = {"hidden_dim": 16, "max_epochs": 3, "random_state": 0}
    whole, larger = (
        SingleBranchClassifier(batch_size=size, **settings).fit(x, y).predict_proba(x)
        for size in (120, too_large)  # a fifth of the 150 is left out of each network
    )
    np.testing.assert_array_equal(larger, whole)


@pytest.mark.parametrize(
    ("n", "asked", "step", "rate"),
    [(15_000, None, 64, 0.003), (16_000, None, 128, 0.003 * 2**0.5), (16_000, 64, 64, 0.003)],
)
def test_many_rows_are_learnt_from_in_larger_steps(
    n: int, asked: int | None, step: int, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def fit_network(network: Any, batches: Any, *_: Any, learning_rate: float, **__: Any) -> Any:
        seen.update(rate=learning_rate, batch=batches()[0].shape)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "fit_network", fit_network)
    x, y = np.random.default_rng(0).normal(size=(n, 2)), np.arange(n) % 2
    with pytest.raises(KeyboardInterrupt):
        SingleBranchClassifier(batch_size=asked, hidden_dim=8).fit(x, y)
    assert seen == {"rate": pytest.approx(rate), "batch": (5, step)}


def test_probabilities_can_be_believed() -> None:
    train, test = problem(1500, n_classes=4), problem(3000, n_classes=4, seed=1)
    fitted = SingleBranchClassifier(hidden_dim=64, max_epochs=15, random_state=0).fit(train)
    probabilities = fitted.predict_proba(test)
    sure, right = probabilities.max(axis=1), fitted.classes_[probabilities.argmax(axis=1)]
    assert abs(sure.mean() - (right == test.labels).mean()) < 0.03


def test_an_interaction_of_modalities_is_seen() -> None:
    """Neither item tells anything; both together tell all (exclusive or)."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 800))
    X = {
        "a": a[:, None] + 0.1 * rng.normal(size=(800, 3)),
        "b": b[:, None] + 0.1 * rng.normal(size=(800, 3)),
    }
    fitted = SingleBranchClassifier(hidden_dim=64, max_epochs=60, random_state=0)
    fitted.fit({k: v[:600] for k, v in X.items()}, (a ^ b)[:600])
    assert fitted.score({k: v[600:] for k, v in X.items()}, (a ^ b)[600:]) > 0.95


def test_sixteen_modalities_and_one() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=150)
    X = {f"m{i}": y[:, None] + rng.normal(size=(150, 1 + i % 3)) for i in range(16)}
    data = Embeddings.from_arrays(X, present=rng.random((150, 16)) < 0.5, labels=y)
    data = data[data.present.any(axis=1)]
    fitted = SingleBranchClassifier(**DEFAULT).fit(data)
    assert fitted.score(data) > 0.6
    one = SingleBranchClassifier(**DEFAULT).fit(X["m2"], y)
    assert one.predict_per_modality(X["m2"]).shape == (150, 1, 3)


def test_more_classes_than_fit_into_a_fold() -> None:
    y = np.arange(400) % 200  # two instances a class
    x = np.random.default_rng(0).normal(size=(200, 30))[y]
    x = x + 0.1 * np.random.default_rng(1).normal(size=x.shape)
    fitted = SingleBranchClassifier(hidden_dim=64, max_epochs=60, random_state=0).fit(x, y)
    assert fitted.score(x, y) > 0.9


def test_scores_under_a_mask_are_predictions_without_those_items(
    model: SingleBranchClassifier,
) -> None:
    test = problem(30, seed=2)
    mask = np.random.default_rng(0).random(test.present.shape) < 0.6
    rows = np.flatnonzero((test.present & mask).any(axis=1))
    expected = model.predict_proba(test[rows].mask(mask[rows]))
    np.testing.assert_allclose(model.scorer(test)(rows, mask[rows]), expected, atol=1e-6)


def test_a_bad_parameter_is_named() -> None:
    for parameters, said in (
        ({"n_folds": 1}, "n_folds must be a whole number, at least 2"),
        ({"n_folds": 301}, "n_folds is 301 and there are 300 instances to learn from"),
        ({"max_epochs": 0}, "max_epochs must be a whole number, at least 1"),
        ({"dropout": 50}, "did you mean 0.5"),
    ):
        with pytest.raises(InputError, match=said):
            SingleBranchClassifier(**parameters).fit(problem())


def test_groups_survive_a_validation_part_without_any() -> None:
    train = problem()
    speakers = np.random.default_rng(0).integers(12, size=len(train))
    fitted = SingleBranchClassifier(**DEFAULT).fit(
        train, groups=speakers, validation=problem(50, seed=1)
    )
    for speaker in range(12):
        assert len(set(fitted.folds_[:300][speakers == speaker].tolist())) == 1
    np.testing.assert_allclose(fitted.class_prior_.sum(), 1)


def test_a_modality_of_three_items_has_little_to_say() -> None:
    train = problem(200, missing=0.0)
    present = np.ones(train.present.shape, dtype=bool)
    present[3:, 2] = False
    fitted = SingleBranchClassifier(**DEFAULT).fit(train.mask(present))
    both = fitted.weights_.of(np.array([[True, False, True]]))[0]
    assert both[2] < 0.3 * both[0]


@pytest.mark.parametrize("method", ["router", "unimodal:text", "logreg-concat"])
def test_a_modality_of_one_group_only_trains_all_the_same(method: str) -> None:
    train = problem(200, missing=0.0)
    speakers = np.arange(200) // 40
    present = np.ones(train.present.shape, dtype=bool)
    present[speakers > 0, 1] = False
    settings = {} if method == "logreg-concat" else {"hidden_dim": 16, "max_epochs": 2}
    model = make_method(method, None, settings, random_state=0)
    model.fit(train.mask(present), groups=speakers)
    assert np.isfinite(model.predict_proba(train.select(["text"]))).all()


def test_one_item_in_five_is_learnt_from_in_noise() -> None:
    train = problem()
    features = Features.fit(train)
    table = FeatureTable(train, features, torch.device("cpu"))
    rows = np.arange(len(train))
    clean, there = table.batch(rows)
    noisy, still = table.batch(rows[None], [np.random.default_rng(0)])
    assert torch.equal(there, still[0])
    for name, x in clean.items():
        changed = (noisy[name][0] != x).any(dim=1)
        assert 0.1 < changed.float().mean() < 0.3
        # Bins and numbers tell of the same vector: noise is added before they are filled.
        size = train.embedding_dims[name]
        gap = (noisy[name][0] - x)[changed]
        assert gap[:, :size].abs().max() > 0.5
        assert gap[:, size:].abs().max() <= 1
    assert torch.equal(table.batch(rows)[0]["image"], clean["image"])
