"""Linear discriminants: what they find, what they are worth, and where there are none."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from srmm import SingleBranchClassifier, from_pretrained
from srmm.data.embeddings import Embeddings
from srmm.ensemble.discriminants import Discriminants, _discriminant
from srmm.ensemble.features import Features
from srmm.ensemble.own_rows import out_of_fold_scorer
from srmm.errors import InputError
from tests.ensemble.test_classifier import DEFAULT, problem


def clouds(n: int, seed: int, size: int = 8, of: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    """Classes that are clouds of one shape: a straight line between two is the best there is."""
    rng = np.random.default_rng(seed)
    y = rng.integers(5, size=n)
    return of * np.random.default_rng(9).normal(size=(5, size))[y] + rng.normal(size=(n, size)), y


def test_a_discriminant_is_that_of_scikit_learn() -> None:
    x, y = clouds(2_000, 0)
    weight, bias = _discriminant(x, y, np.ones(len(y)), 5)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(x, y)
    ours = (x @ weight + bias).argmax(axis=1)
    assert (ours == theirs.predict(x)).mean() > 0.98  # it shrinks nothing


def test_an_instance_that_counts_twice_is_two() -> None:
    x, y = clouds(300, 0)
    counts = 1.0 + (np.arange(300) < 100)
    weight, bias = _discriminant(x, y, counts, 6)
    twice = np.repeat(np.arange(300), counts.astype(int))
    of_two, _ = _discriminant(x[twice], y[twice], np.ones(400), 6)
    alike = np.corrcoef(weight[:, :5].ravel(), of_two[:, :5].ravel())[0, 1]
    assert alike > 0.999  # but for the shrinking, which counts instances
    assert not weight[:, 5].any()  # a class that nobody has: half an instance at the centre
    assert bias[5] == pytest.approx(np.log(0.5 / 400))


def test_where_a_straight_line_is_best_the_default_is_as_good() -> None:
    x, y = clouds(600, 1, of=0.5)
    test, truth = clouds(2_000, 2, of=0.5)
    model = SingleBranchClassifier(random_state=0, max_epochs=60).fit({"x": x}, y)
    line = LogisticRegression(max_iter=500).fit(x, y).score(test, truth)
    assert model.score({"x": test}, truth) > line - 0.015
    assert model.weights_.of(np.array([[True]]))[0, 1] > 0.2  # the discriminant is heard


def test_it_is_silent_where_it_knows_nothing() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=(800, 2))
    y = (np.hypot(*x.T) > 1.4).astype(int)  # a ring
    model = SingleBranchClassifier(random_state=0, max_epochs=40).fit({"x": x}, y)
    network, line, _ = model.weights_.of(np.array([[True]]))[0]
    assert line < 0.1 * network
    assert model.score({"x": x}, y) > 0.95


def test_too_large_ones_and_items_that_are_all_equal_have_none(monkeypatch) -> None:
    x, y = clouds(60, 0)
    data = Embeddings.from_arrays({"x": x, "same": np.ones((60, 3)), "long": np.tile(x, 4)})
    monkeypatch.setattr("srmm.ensemble.discriminants._MOST_NUMBERS", 100)
    found = Discriminants.fit(
        data, y, np.ones(60), np.arange(60) % 3, Features.fit(data), members=3, n_classes=5
    )
    assert found.weight.keys() == {"x"}
    assert found.weight["x"].shape == (3, 8, 5)
    assert found.mean_logs("long", torch.zeros(2, 32)) is None
    fitted = SingleBranchClassifier(**DEFAULT).fit(data, y)
    assert np.isfinite(fitted.predict_proba(data)).all()


def test_one_does_not_see_its_fold() -> None:
    x, y = clouds(300, 0)
    data, folds = Embeddings.from_arrays({"x": x}), np.arange(300) % 3
    features = Features.fit(data)
    other = np.where(folds[:, None] == 2, x + 3.0, x)

    def fitted(x: np.ndarray) -> np.ndarray:
        changed = Embeddings.from_arrays({"x": x})
        of_all = Discriminants.fit(
            changed, y, np.ones(300), folds, features, members=3, n_classes=5
        )
        return of_all.weight["x"]

    before, after = fitted(x), fitted(other)
    np.testing.assert_array_equal(before[2], after[2])
    assert np.abs(before[0] - after[0]).max() > 0.1


def test_out_of_fold_accuracy_is_that_of_the_scorer() -> None:
    train = problem()
    model = SingleBranchClassifier(**DEFAULT).fit(train)
    scorer = out_of_fold_scorer(model, train)
    right = scorer(np.arange(len(train)), scorer.present).argmax(axis=1) == scorer.y
    assert right.mean() == pytest.approx(model.out_of_fold_["accuracy"], abs=0.03)


def test_a_model_of_before_the_discriminants_still_loads(tmp_path) -> None:
    model = SingleBranchClassifier(**DEFAULT).fit(problem())
    state, arrays = model.get_state()
    M = len(model.modalities_)
    old = {k: v for k, v in arrays.items() if not k.startswith("discriminants.")}
    old["weights.weights"] = np.delete(arrays["weights.weights"], range(M, 2 * M), axis=1)
    known = copy.deepcopy(model)
    known.set_state(state, old)
    assert known.discriminants_.weight == {}
    assert known.weights_.weights.shape == model.weights_.weights.shape
    assert np.isfinite(known.predict_proba(problem(20, seed=3))).all()


def test_a_model_of_other_folds_is_loaded_and_a_lacking_one_is_named(tmp_path) -> None:
    settings = {**DEFAULT, "n_folds": 3}
    model = SingleBranchClassifier(**settings).fit(problem())
    model.save_pretrained(tmp_path / "model")
    loaded = from_pretrained(tmp_path / "model")
    test = problem(20, seed=3)
    np.testing.assert_array_equal(loaded.predict_proba(test), model.predict_proba(test))
    state, arrays = model.get_state()
    arrays = {
        name: array[:2] if name.startswith("discriminants.") else array
        for name, array in arrays.items()
    }
    with pytest.raises(InputError, match=r"discriminants\.weight\..* has the shape"):
        copy.deepcopy(model).set_state(state, arrays)
