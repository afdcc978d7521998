from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from srmm import Embeddings, PaperClassifier, SingleBranchClassifier
from srmm.errors import InputError

SMALL = {"hidden_dim": 32, "max_epochs": 8, "random_state": 0}
QUICK = {
    "standardize": True, "learning_rate": 0.003, "schedule": "one-cycle", **SMALL
}  # fmt: skip
DEFAULT = {"hidden_dim": 32, "max_epochs": 20, "random_state": 0}
both = pytest.mark.parametrize(
    "model",
    [PaperClassifier(**QUICK), SingleBranchClassifier(**DEFAULT)],
    ids=["paper", "default"],
)


def problem(n: int = 300, n_classes: int = 3, missing: float = 0.3, seed: int = 0) -> Embeddings:
    """Three modalities of different sizes and worth, with holes; every instance has something."""
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n)
    dense = {}
    for name, size, noise in (("image", 6, 0.5), ("text", 9, 1.0), ("audio", 4, 2.0)):
        centres = np.random.default_rng(size).normal(size=(n_classes, size))
        dense[name] = centres[y] + noise * rng.normal(size=(n, size))
    present = rng.random((n, 3)) >= missing
    present[~present.any(axis=1), 0] = True
    labels = np.array(["ant", "bee", "cat", "dog"], dtype=object)[y]
    return Embeddings.from_arrays(dense, present=present, labels=labels)


@pytest.fixture(scope="module")
def fitted() -> PaperClassifier:
    return PaperClassifier(**QUICK).fit(problem())


@pytest.fixture(scope="module")
def default() -> SingleBranchClassifier:
    return SingleBranchClassifier(**DEFAULT).fit(problem())


CANNOT_APPLY = {
    "check_methods_sample_order_invariance": (
        "a network's float32 sums differ in the eighth digit with the place of a row in its batch"
    ),
    "check_sample_weight_equivalence_on_dense_data": (
        "repeating a row changes the batches and the held-out share, so a network trained by "
        "stochastic gradients is not bit for bit the same"
    ),
    "check_do_not_raise_errors_in_init_or_set_params": (
        "a recipe is a name for parameters and is looked up at once; every parameter waits for fit"
    ),
}


@parametrize_with_checks(
    [
        PaperClassifier(hidden_dim=32, max_epochs=30, random_state=0),
        SingleBranchClassifier(hidden_dim=32, max_epochs=40, random_state=0),
    ],
    expected_failed_checks=lambda _: CANNOT_APPLY,
)
def test_scikit_learn_checks(estimator, check) -> None:
    check(estimator)


@both
def test_learns_from_data_with_holes(model) -> None:
    model, test = clone(model).fit(problem()), problem(seed=1)
    assert model.score(test) > 0.85
    alone = test.mask(np.array([True, False, False]))
    assert model.score(alone[alone.present.any(axis=1)]) > 0.85


@both
def test_same_seed_same_bits_and_another_seed_others(model) -> None:
    first, again, other = (
        clone(model).set_params(random_state=seed).fit(problem()) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(
        first.predict_proba(problem(seed=1)), again.predict_proba(problem(seed=1))
    )
    assert not np.array_equal(
        first.predict_proba(problem(seed=1)), other.predict_proba(problem(seed=1))
    )


@both
def test_the_global_random_state_is_left_alone(model) -> None:
    import torch

    torch.manual_seed(5)
    before = torch.get_rng_state()
    clone(model).fit(problem())
    assert torch.equal(before, torch.get_rng_state())


@settings(deadline=None, max_examples=30)
@given(data=st.data())
@pytest.mark.parametrize("which", ["fitted", "default"])
def test_masking_commutes(request, which: str, data: st.DataObject) -> None:
    """A row alone predicts as in any batch, in any order, whatever holes the other rows have."""
    fitted = request.getfixturevalue(which)
    embeddings = problem(40, seed=2)
    hidden = data.draw(arrays(bool, embeddings.shape))
    masked = embeddings.mask(~hidden)
    rows = np.flatnonzero(masked.present.any(axis=1))
    if not len(rows):
        return
    order = np.array(data.draw(st.permutations(rows.tolist())))
    together = fitted.predict_proba(masked[order])
    one = data.draw(st.integers(0, len(order) - 1))
    np.testing.assert_allclose(
        fitted.predict_proba(masked[order[one]])[0], together[one], atol=1e-6
    )
    free = {
        name: masked.to_array(name)[order[one]][None]
        for m, name in enumerate(masked.modalities)
        if masked.present[order[one], m]
    }
    np.testing.assert_allclose(fitted.predict_proba(free)[0], together[one], atol=1e-6)


@both
def test_what_lies_where_an_item_is_absent_does_not_matter(model) -> None:
    clean = problem()
    garbage = Embeddings(
        {k: np.concatenate([v, np.full((1, v.shape[1]), np.nan)]) for k, v in clean.values.items()},
        clean.position,
        labels=clean.labels,
    )
    a, b = (clone(model).fit(e) for e in (clean, garbage))
    np.testing.assert_array_equal(a.predict_proba(clean), b.predict_proba(garbage))


def test_every_way_to_say_absent_is_the_same(fitted: PaperClassifier) -> None:
    image = problem(5, missing=0, seed=3).to_array("image")
    nan = {"image": image, "text": np.full((5, 9), np.nan)}
    frame = pd.DataFrame({"image": list(image), "text": [None] * 5})
    frame.attrs.clear()
    expected = fitted.predict_proba({"image": image})
    np.testing.assert_array_equal(fitted.predict_proba(nan), expected)
    np.testing.assert_array_equal(fitted.predict_proba({"image": image, "text": None}), expected)
    np.testing.assert_array_equal(fitted.predict_proba(frame[["image"]]), expected)


def test_one_modality_is_its_own_output_and_several_are_fused() -> None:
    model = PaperClassifier(**SMALL).fit(problem())
    whole = problem(20, missing=0, seed=4)
    outputs = model.predict_per_modality(whole)
    np.testing.assert_allclose(model.predict_proba(whole), outputs.mean(axis=1))
    np.testing.assert_allclose(
        model.predict_proba(whole.select(["text"])), outputs[:, 1], atol=1e-6
    )


def test_fuse_says_what_does_not_fit(fitted: PaperClassifier) -> None:
    test = problem(10, seed=4)
    outputs, there = fitted.predict_per_modality(test), test.present
    again = fitted.fuse(outputs, there.tolist())
    np.testing.assert_array_equal(again, fitted.predict_proba(test))
    shape = r"outputs of shape \(n, 3, 3\)"
    for few, mask in [(outputs[:5], there), (outputs[:, :2], there), (outputs, there[:, :2])]:
        with pytest.raises(InputError, match=shape):
            fitted.fuse(few, mask)
    row, m = np.argwhere(~there)[0]
    with pytest.raises(InputError, match=f"'{fitted.modalities_[m]}' of row {row}"):
        fitted.fuse(outputs, np.ones_like(there))


@both
def test_rows_with_nothing_present(model) -> None:
    model = clone(model).fit(problem())
    x = {"image": np.full((3, 6), np.nan)}
    x["image"][1] = 0.0
    with pytest.raises(InputError, match=r"2 of 3 rows have no item at all \(rows 0, 2\)"):
        model.predict(x)
    model.when_nothing_present = "prior"
    np.testing.assert_allclose(model.predict_proba(x)[[0, 2]], [model.class_prior_] * 2)
    model.when_nothing_present = "error"
    assert np.isnan(model.transform(x)[[0, 2]]).all()


def test_transform_gives_unit_vectors_of_present_modalities(
    fitted: PaperClassifier,
) -> None:
    whole = problem(20, missing=0, seed=4)
    single = fitted.transform_per_modality(whole)
    np.testing.assert_allclose(np.linalg.norm(single, axis=2), 1, atol=1e-5)
    mean = single.mean(axis=1)
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.transform(whole), expected, atol=1e-6)
    assert fitted.get_feature_names_out().shape == (32,)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ({"imge": np.zeros((2, 6))}, "no modality 'imge'.*Did you mean 'image'"),
        ({"image": np.zeros((2, 7))}, "size 7, the model was trained on size 6"),
        ({"image": np.array([[np.nan] * 5 + [1.0]])}, "partly NaN"),
        ({"image": np.full((2, 6), np.inf)}, "infinity"),
    ],
)
def test_bad_input_is_named(
    fitted: PaperClassifier, x: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fitted.predict(x)


def test_bad_labels_are_named() -> None:
    x = {"image": np.random.default_rng(0).normal(size=(6, 4))}
    with pytest.raises(InputError, match="only one class, 'a'"):
        PaperClassifier().fit(x, ["a"] * 6)
    with pytest.raises(InputError, match="There are no labels"):
        PaperClassifier().fit(x)
    with pytest.raises(InputError, match="5 labels for 6 instances"):
        PaperClassifier().fit(x, ["a", "b"] * 2 + ["a"])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        PaperClassifier().fit(x, np.linspace(0, 1, 6))


@both
def test_unlabelled_and_empty_rows_teach_nothing(model) -> None:
    embeddings = problem()
    assert embeddings.labels is not None
    embeddings.labels[:50] = None
    whole, rest = clone(model).fit(embeddings), clone(model).fit(embeddings[50:])
    np.testing.assert_array_equal(
        whole.predict_proba(problem(seed=1)), rest.predict_proba(problem(seed=1))
    )
    assert whole.training_["n_train"] + whole.training_["n_validation"] == 250


def test_a_given_validation_set_is_the_one_held_out() -> None:
    model = PaperClassifier(**SMALL).fit(problem(), validation=problem(80, seed=1))
    assert (model.training_["n_train"], model.training_["n_validation"]) == (300, 80)
    with pytest.raises(InputError, match="'dog', which is not among the training labels"):
        PaperClassifier(**SMALL).fit(problem(), validation=problem(n_classes=4, seed=1))
    x, y = {"a": np.eye(8)}, [0, 1] * 4
    for held, said in [
        ((x, np.array(y) == 1), "labels are truth values"),
        (({"a": np.eye(8), "b": np.eye(8)}, y), "knows no modality 'b'"),
        ((x, y, None, y), "a tuple of 4"),  # groups, perhaps, which nothing would look at
        ((), "a tuple of 0"),
    ]:
        with pytest.raises(InputError, match=said):
            PaperClassifier(**SMALL).fit(x, y, validation=held)


@both
def test_modalities_without_a_code_for_each_pattern_are_refused(model) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(20) % 2
    items = {f"sensor {m}": rng.normal(size=(20, 1)) + y[:, None] for m in range(64)}
    with pytest.raises(InputError, match="There are 64 modalities, expected 63 at most"):
        clone(model).fit(items, y)
    items["sensor 63"][:] = np.nan  # of nobody: left out
    with pytest.warns(UserWarning, match="'sensor 63'"):
        fitted = clone(model).set_params(max_epochs=1).fit(items, y)
    assert list(fitted.training_["patterns"]) == [str(2**63 - 1)]
    assert fitted.predict_proba({"sensor 62": items["sensor 62"]}).shape == (20, 2)


@both
def test_weights_of_zero_are_rows_left_out(model) -> None:
    embeddings = problem()
    weight = np.r_[np.zeros(100), np.ones(200)]
    a = clone(model).fit(embeddings, sample_weight=weight)
    b = clone(model).fit(embeddings[100:])
    np.testing.assert_array_equal(
        a.predict_proba(problem(seed=1)), b.predict_proba(problem(seed=1))
    )


def test_balanced_class_weight_helps_the_rare_class() -> None:
    train = problem(900, n_classes=2, seed=0)
    rare = train.labels == "bee"
    kept = np.flatnonzero(~rare | (np.cumsum(rare) <= 25))
    test = problem(600, n_classes=2, seed=1)
    recall = {}
    for weight in (None, "balanced"):
        model = PaperClassifier(class_weight=weight, **SMALL).fit(train[kept])
        recall[weight] = (model.predict(test) == test.labels)[test.labels == "bee"].mean()
    assert recall["balanced"] > recall[None]


@both
def test_scikit_learn_tools_take_embeddings(model) -> None:
    embeddings = problem()
    assert clone(model).get_params() == model.get_params()
    train, test, y_train, y_test = train_test_split(embeddings, embeddings.labels, random_state=0)
    assert clone(model).fit(train, y_train).score(test, y_test) > 0.8
    assert cross_val_score(model, embeddings, embeddings.labels, cv=3).mean() > 0.8
    search = GridSearchCV(model, {"learning_rate": [0.003, 1e-6]}, cv=2)
    search.fit(embeddings, embeddings.labels)
    assert search.best_score_ > 0.7
    if isinstance(model, PaperClassifier):  # the default's discriminants need no steps
        assert search.best_params_ == {"learning_rate": 0.003}


def test_works_last_in_a_pipeline() -> None:
    x = problem(missing=0).to_array("image")
    y = problem(missing=0).labels.astype(str)
    pipeline = make_pipeline(StandardScaler(), PaperClassifier(**QUICK)).fit(x, y)
    assert pipeline.score(x, y) > 0.9


@pytest.mark.parametrize("y", [[True, False], [3, 7], ["x", "y"], [0.0, 1.0]])
def test_predictions_are_labels_of_the_given_kind(y: list[object]) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    labels = np.array(y * 20)
    predicted = PaperClassifier(**SMALL).fit(x, labels).predict(x)
    assert predicted.dtype == labels.dtype
    assert set(predicted.tolist()) <= set(y)


@pytest.mark.workflow
def test_raw_tables_are_cross_validated_through_encode_and_classifier() -> None:
    from srmm import Encode, read_table

    words = {"hot": ["fire", "sun", "oven", "lava"], "cold": ["ice", "snow", "frost", "winter"]}
    rows = [(w, label) for _ in range(4) for label, ws in words.items() for w in ws]
    frame = pd.DataFrame(rows, columns=["text", "label"])
    table = read_table(frame, text="text", label="label")
    pipeline = make_pipeline(Encode({"text": "minilm"}), SingleBranchClassifier(**DEFAULT))
    assert cross_val_score(pipeline, table, frame["label"], cv=2).mean() > 0.8
    assert cross_val_score(pipeline, frame[["text"]], frame["label"], cv=2).mean() > 0.8


def test_a_modality_nobody_has_in_training_is_left_out_with_a_warning() -> None:
    embeddings = problem()
    hidden = embeddings.mask(np.array([True, False, True]))
    with pytest.warns(UserWarning, match="No labelled training instance has 'text'"):
        model = PaperClassifier(**SMALL).fit(hidden)
    assert model.modalities_ == ("image", "audio")
    there = embeddings.present[:, 0]
    image, text = (embeddings.to_array(name)[there] for name in ("image", "text"))
    with pytest.warns(UserWarning, match="No training instance had 'text': left out here, too"):
        both = model.predict_proba({"image": image, "text": text})
    np.testing.assert_array_equal(both, model.predict_proba({"image": image}))
    with (
        pytest.warns(UserWarning, match="No training instance had 'text'"),
        pytest.raises(InputError, match="no item at all"),
    ):
        model.predict({"text": text})


ALL_SWITCHINGS = ["s1", "s2", "s3", "one-per-instance"]


@pytest.mark.parametrize(
    "model",
    [*(PaperClassifier(switching=s, **SMALL) for s in ALL_SWITCHINGS),
     SingleBranchClassifier(**DEFAULT)],
)  # fmt: skip
def test_every_switching_trains_with_a_single_item_of_a_modality(model) -> None:
    embeddings = problem(40)
    only_one = embeddings.present.copy()
    only_one[1:, 1] = False
    only_one[0] = True
    assert clone(model).fit(embeddings.mask(only_one)).predict(embeddings[:3]).shape == (3,)


@pytest.mark.parametrize("y", [[1, "a"], [b"x", b"y"], [2.5, 1.0], [True, 1], [10**25, 1]])
def test_labels_that_cannot_name_classes_are_refused(y: list[object]) -> None:
    x = {"image": np.random.default_rng(0).normal(size=(20, 3))}
    labels = np.empty(20, dtype=object)
    labels[:] = y * 10
    with pytest.raises(InputError, match="label"):
        PaperClassifier(**SMALL).fit(x, labels)


def test_embeddings_of_another_encoder_are_refused() -> None:
    train, other = problem(), problem(seed=1)
    train.encoders = {"image": {"spec": "clip:one", "weights": "abc"}}
    model = PaperClassifier(**SMALL).fit(train)
    other.encoders = {"image": {"spec": "moved:one", "weights": "abc"}}
    model.predict(other)  # the same weights from another place
    other.encoders = {"image": {"spec": "clip:two", "weights": "xyz"}}
    with pytest.raises(InputError, match=r"made by 'clip:two', the model was trained on.*clip:one"):
        model.predict(other)


def test_the_width_of_an_empty_transform(fitted: PaperClassifier) -> None:
    fitted.when_nothing_present = "error"
    assert fitted.transform({"image": np.full((3, 6), np.nan)}).shape == (3, 32)
