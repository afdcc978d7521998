"""Folds in which a class lies whole: nothing can be learnt from what nobody could know."""

from __future__ import annotations

import numpy as np
import pytest

from srmm import SingleBranchClassifier
from srmm.data.embeddings import Embeddings, concatenate
from srmm.ensemble.distil import distil
from srmm.ensemble.judged import judged_rows, warn_of_lone_groups
from srmm.evaluation.suspects import suspect_labels

QUICK = SingleBranchClassifier(max_epochs=15, random_state=0)


def kinds(n: int, seed: int) -> tuple[Embeddings, np.ndarray]:
    """Numbers, and a category whose every value belongs to one of twenty classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 20
    numbers = rng.normal(size=(n, 6)) + np.random.default_rng(9).normal(size=(20, 6))[y]
    value = np.eye(42)[2 * y + rng.integers(2, size=n)]
    return Embeddings.from_arrays({"numbers": numbers, "kind": value}), y


def test_a_category_that_goes_with_the_class_is_learnt() -> None:
    train, y = kinds(400, 0)
    test, truth = kinds(200, 1)
    model = QUICK.fit(train, y)
    assert model.out_of_fold_["accuracy"] > 0.95
    assert model.score(test, truth) > 0.95
    assert model.score(test.select(["kind"]), truth) > 0.95


def test_one_row_of_each_class_still_teaches() -> None:
    x = np.random.default_rng(0).normal(size=(20, 8))
    model = SingleBranchClassifier(random_state=0).fit({"x": x, "t": x[:, :5]}, np.arange(20))
    assert model.score({"x": x, "t": x[:, :5]}, np.arange(20)) > 0.9
    assert model.out_of_fold_ == {}
    assert model.predict_set({"x": x[:1]}, coverage=0.9).all()  # nobody can promise anything


def test_rows_of_a_class_that_lies_in_one_fold_are_not_asked() -> None:
    y, folds = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 3, 3, 4])
    assert judged_rows(y, folds).tolist() == [0, 1]


def test_classes_that_lie_in_one_group_are_named() -> None:
    train, y = kinds(400, 0)
    with pytest.warns(UserWarning, match="Every class lies in one group, such as 0 in 'g0': no"):
        model = QUICK.fit(train, y, groups=np.array([f"g{c}" for c in y]))
    assert model.score(train, y) > 0.9
    groups = np.where(y < 2, y, np.arange(400))
    with pytest.warns(UserWarning, match="All instances of 0, 1 are of one group: what each"):
        model = QUICK.fit(train, y, groups=groups)
    assert model.out_of_fold_["accuracy"] > 0.9  # of the other 18


def test_instances_without_a_group_are_groups_of_their_own() -> None:
    groups = np.array(["a", "a", "b", None, None], dtype=object)
    names = np.array(["x", "y"])
    with pytest.warns(UserWarning, match="All instances of 'x' are of one"):
        warn_of_lone_groups(np.array([0, 0, 1, 1, 1]), groups, names)
    warn_of_lone_groups(np.array([0, 0, 1, 0, 1]), groups, names)


def test_a_class_of_one_row_is_no_suspect_and_is_taught_to_a_student() -> None:
    train, y = kinds(400, 0)
    lone = Embeddings.from_arrays({"numbers": np.full((1, 6), 3.0), "kind": np.eye(42)[40:41]})
    both = concatenate(train, lone)
    both.labels = np.append(y, 20)
    model = SingleBranchClassifier(max_epochs=40, random_state=0).fit(both)
    assert model.predict(lone).tolist() == [20]
    found = suspect_labels(model, both)
    assert found["n"] == 401
    assert all(item["label"] != 20 for item in found["items"])
    assert distil(model, both).predict(lone).tolist() == [20]
