"""Weights, devices and labels that cannot be meant are refused by name, before training."""

from __future__ import annotations

import enum
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from srmm import Embeddings, InputError, PaperClassifier, evaluate
from srmm.data.arrays import as_column
from srmm.data.labels import check_label_types
from srmm.learning.weighing import sample_weights, weights_by_class
from srmm.methods import make_method

LABELS = np.array(["bee", "ant", "bee", "owl"])
CLASSES = np.unique(LABELS)


def test_classes_that_are_not_named_weigh_one() -> None:
    assert weights_by_class({"bee": 3}, LABELS, CLASSES).tolist() == [3, 1, 3, 1]
    assert weights_by_class({np.str_("ant"): 0.5}, LABELS, CLASSES).tolist() == [1, 0.5, 1, 1]


def test_a_weight_of_no_class_is_said() -> None:
    with pytest.warns(UserWarning, match="names 'bees' of type str.*Did you mean 'bee'"):
        weights_by_class({"bees": 3, "ant": 2}, LABELS, CLASSES)
    with pytest.raises(InputError, match=r"names '0' of type str.*of type int"):
        weights_by_class({"0": 1, "1": 2}, np.array([0, 1]), np.array([0, 1]))


@pytest.mark.parametrize(
    ("parameter", "value", "said"),
    [
        ("class_weight", "balance", 'None, "balanced" or a dict'),
        ("class_weight", [1, 2], "of type list"),
        ("class_weight", pd.Series([1, 2]), "of type Series"),
        ("class_weight", {0: -1, 1: 1}, "of 0 is -1, expected a finite number, 0 or more"),
        ("class_weight", {0: np.nan}, "of 0 is nan"),
        ("class_weight", {0: "2"}, "of 0 is '2'"),
        ("class_weight", {0: 0, 1: 0}, "0 for every class"),
        ("random_state", -1, "from 0 to 2"),
        ("random_state", "0", "of type str"),
        ("random_state", np.random.default_rng(0), r"int\(generator.integers"),
        ("device", "cudaa", "device is 'cudaa', which cannot be used here"),
        ("device", "", "device is '', which cannot be used here"),
        ("device", "meta", "device is 'meta'"),
        ("progress", True, "wrap the range of epochs"),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused(parameter: str, value: Any, said: str) -> None:
    model = PaperClassifier(max_epochs=1, hidden_dim=4, **{parameter: value})
    with pytest.raises(InputError, match=said):
        model.fit({"a": np.eye(8)}, [0, 1] * 4)


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ([1, np.nan], "row 1 is nan"),
        ([1, None], "row 1 is nan"),
        ([np.inf, 1], "row 0 is inf"),
        ([-1, 1], "row 0 is -1"),
        ([0, 0], "zero in every row"),
        ([1, 2, 3], r"shape \(2,\)"),
        (["a", "b"], "must hold numbers"),
        ([1j, 1], "must hold numbers"),
    ],
)
def test_sample_weights_that_cannot_be_meant_are_refused(weight: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sample_weights(weight, 2)
    assert sample_weights(pd.array([1, 2], dtype="Int64"), 2).tolist() == [1, 2]


def test_labels_of_another_kind_than_the_classes_are_not_scored() -> None:
    data = Embeddings.from_arrays({"a": np.eye(8)}, labels=[0, 1] * 4)
    model = PaperClassifier(max_epochs=1, hidden_dim=4, random_state=0).fit(data)
    with pytest.raises(InputError, match=r"are text, such as '0'.*are numbers, such as 0"):
        model.score(data, ["0", "1"] * 4)
    with pytest.raises(InputError, match="are truth values"):
        model.score(data, [True, False] * 4)
    with pytest.raises(InputError, match="There are no labels"):
        model.score({"a": np.eye(8)})
    assert model.score(data, [0.0, 1.0] * 4) == model.score(data)
    with pytest.raises(NotFittedError):
        PaperClassifier().score(data)


@pytest.mark.parametrize("method", ["srmm-paper", "logreg-concat"])
@pytest.mark.parametrize("size", [1e308, 1e-320])
def test_only_the_relation_of_weights_counts(method: str, size: float) -> None:
    X, y = {"a": np.random.default_rng(0).normal(size=(40, 4))}, np.arange(40) % 2
    short = {"max_epochs": 2, "hidden_dim": 4} if method == "srmm-paper" else {}
    plain = make_method(method, random_state=0, **short).fit(X, y).predict_proba(X)
    heavy = {**short, "class_weight": {0: size, 1: size}}
    for parameters, weight in [(short, np.full(40, size)), (heavy, None), (heavy, [size] * 40)]:
        model = make_method(method, random_state=0, **parameters)
        model.fit(X, y, sample_weight=weight, validation=None)
        np.testing.assert_array_equal(model.predict_proba(X), plain)


def test_a_share_is_no_validation_set() -> None:
    model = PaperClassifier(max_epochs=1, hidden_dim=4)
    with pytest.raises(InputError, match=r"validation must be.*got 0.1.*validation_fraction"):
        model.fit({"a": np.eye(8)}, [0, 1] * 4, validation=0.1)


class Pet(str, enum.Enum):  # noqa: UP042 - what is tested
    CAT = "cat"
    DOG = "dog"


def test_texts_that_numpy_would_cut_stay_apart() -> None:
    """NumPy drops NULs at the end of a text, and cuts an enum's down to the name of the enum."""
    ids = as_column("ids", ["a", "a\0"])
    assert ids is not None
    assert ids.tolist() == ["a", "a\0"]
    with pytest.raises(InputError, match="ends in a NUL"):
        check_label_types(np.array(["a", "a\0", "b"], dtype=object))
    labels = as_column("y", [Pet.CAT, Pet.DOG])
    assert labels is not None
    assert check_label_types(labels).tolist() == ["cat", "dog"]


def test_an_index_of_several_levels_is_several_values_per_row() -> None:
    levels = pd.MultiIndex.from_arrays([[0, 1], ["a", "b"]])
    with pytest.raises(InputError, match=r"y has shape \(2, 2\): several values"):
        as_column("y", levels)


_THREE = np.tile(["ant", "bee", "owl"], 20)
_OF_THREE = {name: np.random.default_rng(0).normal(size=(60, 4)) for name in ("a", "b")}


@pytest.mark.parametrize("name", ["sample_weight", "class_weight"])
@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("srmm", {"max_epochs": 1, "hidden_dim": 4}),
        ("srmm-paper", {"max_epochs": 1, "hidden_dim": 4}),
        ("kim2024", {"max_epochs": 1, "hidden_dim": 4}),
        ("logreg", {}),
        ("logreg-concat", {}),
        ("hist-gradient-boosting", {}),
        ("router", {"settings": {"max_epochs": 1, "hidden_dim": 4}}),
        ("unimodal:a", {"settings": {"max_epochs": 1, "hidden_dim": 4}}),
    ],
)
def test_a_class_without_any_weight_stays_and_is_said(
    method: str, parameters: dict[str, Any], name: str
) -> None:
    by_class = {"class_weight": {"bee": 0}} if name == "class_weight" else {}
    weight = (_THREE != "bee").astype(float) if name == "sample_weight" else None
    model = make_method(method, None, {**parameters, **by_class, "random_state": 0})
    with pytest.warns(UserWarning, match=f"{name} is 0 for every instance of 'bee'") as said:
        model.fit(_OF_THREE, _THREE, sample_weight=weight)
    assert len(said) == 1
    assert model.classes_.tolist() == ["ant", "bee", "owl"]
    assert model.predict_proba(_OF_THREE).shape == (60, 3)
    assert model.training_["n_train"] + model.training_["n_validation"] == (
        60 if weight is None else 40
    )


def test_a_class_without_any_item_is_said() -> None:
    X = {name: np.where((_THREE == "owl")[:, None], np.nan, x) for name, x in _OF_THREE.items()}
    model = PaperClassifier(max_epochs=1, hidden_dim=4, random_state=0)
    with pytest.warns(UserWarning, match="No instance of 'owl' has an item"):
        model.fit(X, _THREE)
    assert model.classes_.tolist() == ["ant", "bee"]


def test_one_class_with_a_weight_is_one_class() -> None:
    y = np.tile(["ant", "bee"], 30)
    for fit, name in [
        (lambda: PaperClassifier().fit(_OF_THREE, y, sample_weight=y == "ant"), "sample_weight"),
        (lambda: PaperClassifier(class_weight={"bee": 0}).fit(_OF_THREE, y), "class_weight"),
    ]:
        with pytest.raises(InputError, match=f"one class, 'ant', in the labels with.*{name}"):
            fit()


def test_classes_without_an_item_are_named_whatever_type_the_labels_have() -> None:
    x = np.array([[1.0], [2.0], [3.0], [4.0], [np.nan]])
    y = np.array([0, 1, 0, 1, 2], dtype=np.float16)
    with pytest.warns(UserWarning, match=r"No instance of 2.0 has an item"):
        make_method("logreg").fit({"a": x}, y)


def test_labels_and_weights_whose_index_has_another_order_are_warned_of() -> None:
    frame = pd.DataFrame(np.eye(4)[[0, 1, 0, 1]], index=["p", "q", "r", "s"])
    y = pd.Series(["x", "y", "x", "y"], index=frame.index)
    weight, other = pd.Series(1.0, index=frame.index), [1, 0, 3, 2]
    model = make_method("logreg").fit({"a": frame}, y)
    calls = {
        "y": [
            lambda: make_method("logreg").fit({"a": frame}, y.iloc[other]),
            lambda: make_method("logreg").fit(frame, y.iloc[other]),
            lambda: make_method("logreg").fit(
                {"a": frame}, y, validation=({"a": frame}, y.iloc[other])
            ),
            lambda: model.score({"a": frame}, y.iloc[other]),
            lambda: model.calibrate({"a": frame}, y.iloc[other]),
            lambda: evaluate(model, {"a": frame}, y.iloc[other], projection=False),
        ],
        "sample_weight": [
            lambda: make_method("logreg").fit({"a": frame}, y, weight.iloc[other]),
            lambda: model.score({"a": frame}, y, weight.iloc[other]),
        ],
        "groups": [lambda: make_method("logreg").fit({"a": frame}, y, groups=y.iloc[other])],
    }
    for name, warned in calls.items():
        for call in warned:
            with pytest.warns(UserWarning, match=f"The index of {name} has the rows of that of X"):
                call()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_method("logreg").fit({"a": frame}, y, weight, groups=pd.Series(range(4)))
        model.score({"a": frame.to_numpy()}, y.iloc[other])


@pytest.mark.parametrize(("weights", "labels"), [({True: 2}, [0, 1]), ({1: 2}, [False, True])])
def test_a_weight_of_a_truth_value_is_not_that_of_a_number(weights: Any, labels: Any) -> None:
    with pytest.raises(InputError, match="is no class of the labels"):
        weights_by_class(weights, np.array(labels), np.array(labels))
    both = {0: 3, True: 2}
    with pytest.warns(UserWarning, match="names True of type bool"):
        assert weights_by_class(both, np.array([0, 1]), np.array([0, 1])).tolist() == [3, 1]
    assert weights_by_class({np.True_: 2}, np.array([False, True]), np.array([False, True])).sum()
