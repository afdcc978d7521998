"""Every method of `METHODS`, whatever it is: new ones are tested here without a line changed."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from srmm import Embeddings, PaperClassifier, SingleBranchClassifier, from_pretrained
from srmm.errors import InputError, SrmmError, StoreError
from srmm.learning.base import EmbeddingClassifier
from srmm.learning.describe import describe_model
from srmm.learning.estimators import estimator_from_bytes, estimator_to_bytes
from srmm.learning.method import MethodAbout, classifiers
from srmm.methods import METHODS, find_method, make_method, method_name
from srmm.methods.hist_gradient_boosting import random_part
from srmm.recipe import defaults
from tests.golden.make_predictions import PRETRAINED
from tests.tampering import edit_json, reseal

pytestmark = pytest.mark.usefixtures("few_trees")

NAMES = [
    "unimodal:text" if name == "unimodal" else name
    for name in METHODS.entries()
    if name not in PRETRAINED
]
SIZES = {"image": 6, "text": 5, "audio": 4}
LABELS = np.array(["ant", "bee", "cat"], dtype=object)


def separable(modalities: int, n: int = 240, seed: int = 0, garbage: float = 0.0) -> Embeddings:
    """Three classes that any item tells apart, with 40 % of the items hidden at random.

    Where an item is hidden lies another embedding, which `garbage` moves.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    present = rng.random((n, modalities)) >= 0.4
    present[~present.any(axis=1), 1] = True
    dense = {}
    for m, (name, size) in enumerate(list(SIZES.items())[:modalities]):
        dense[name] = 3.0 * np.eye(3, size)[y] + 0.5 * rng.normal(size=(n, size))
        dense[name][~present[:, m]] += garbage
    return Embeddings.from_arrays(dense, labels=LABELS[y]).mask(present)


def small(name: str, **parameters: Any) -> Any:
    """The method with a narrow network that trains for a few epochs with a single learning rate."""
    own = defaults(find_method(name)[0].classifier)
    narrow = {"hidden_dim": 32, "max_epochs": 10, "batch_size": 32}
    trains = own.keys() & {"recipe", "hidden_dim"}
    common = {"learning_rates": (), "random_state": 0} | parameters
    return make_method(name, None, narrow if trains else None, **common)


@pytest.fixture(scope="module")
def fitted() -> dict[tuple[str, int], Any]:
    return {}


def fit(fitted: dict[tuple[str, int], Any], name: str, modalities: int = 2) -> Any:
    """The method fitted on the small problem, once for all tests."""
    if (name, modalities) not in fitted:
        fitted[name, modalities] = small(name).fit(separable(modalities))
    return fitted[name, modalities]


@pytest.mark.parametrize("modalities", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_learns_with_two_items_of_five_missing(
    fitted: dict[tuple[str, int], Any], name: str, modalities: int
) -> None:
    model, test = fit(fitted, name, modalities), separable(modalities, seed=1)
    seen = model.as_seen(test)
    rows = seen.present.any(axis=1)
    probabilities = model.predict_proba(seen[rows])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert model.score(seen[rows], test.labels[rows]) > 0.9
    for m in range(len(seen.modalities)):
        alone = seen.mask(np.arange(len(seen.modalities)) == m)
        rows = alone.present.any(axis=1)
        # Zeros in an absent branch are known to do harm; the others know every lone item.
        least = 0.5 if "zeros" in name else 0.8
        assert model.score(alone[rows], test.labels[rows]) > least


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_where_an_item_is_absent_does_not_matter(
    fitted: dict[tuple[str, int], Any], name: str
) -> None:
    ours, theirs = fit(fitted, name), small(name).fit(separable(2, garbage=1e3))
    test, other = separable(2, seed=1), separable(2, seed=1, garbage=-1e3)
    rows = ours.as_seen(test).present.any(axis=1)
    expected = ours.predict_proba(test[rows])
    np.testing.assert_array_equal(ours.predict_proba(other[rows]), expected)
    np.testing.assert_array_equal(theirs.predict_proba(other[rows]), expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_predicts_the_same_bits(
    fitted: dict[tuple[str, int], Any], name: str, tmp_path: Path
) -> None:
    model, test = fit(fitted, name, 3), separable(3, seed=1)
    again = from_pretrained(model.save_pretrained(tmp_path / "model"))
    rows = model.as_seen(test).present.any(axis=1)
    np.testing.assert_array_equal(again.predict_proba(test[rows]), model.predict_proba(test[rows]))
    np.testing.assert_array_equal(again.predict(test[rows]), model.predict(test[rows]))
    assert again.training_ == model.training_
    assert method_name(again) == method_name(model)
    assert again.n_parameters_ == model.n_parameters_
    for key, value in model.get_params().items():
        restored = again.get_params()[key]
        assert restored == value, f"{key} is {restored!r}, was {value!r}"
    second = from_pretrained(again.save_pretrained(tmp_path / "second"))  # nothing gets lost
    np.testing.assert_array_equal(second.predict_proba(test[rows]), model.predict_proba(test[rows]))
    if hasattr(model, "predict_per_modality"):
        outputs, expected = again.predict_per_modality(test), model.predict_per_modality(test)
        np.testing.assert_array_equal(outputs, expected)
        if not hasattr(model, "fuse"):
            return
        fused = model.fuse(expected[rows], test.present[rows])
        np.testing.assert_array_equal(fused, model.predict_proba(test[rows]))
    card = (tmp_path / "model" / "README.md").read_text()
    assert "image, text" in card or name == "unimodal:text"
    assert f"`{method_name(model)}`" in card


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_have_no_predictions(fitted: dict[tuple[str, int], Any], name: str) -> None:
    model = fit(fitted, name)
    some, nobody = model.as_seen(separable(2)), np.zeros((0, len(model.modalities_)), dtype=bool)
    none = some[np.arange(0)]
    assert model.predict(none).shape == (0,)
    assert model.predict_proba(none).shape == (0, 3)
    for embeddings in (some, none):
        assert model.scorer(embeddings)(np.arange(0), nobody).shape == (0, 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_transform_is_of_what_was_learnt_and_has_a_name_for_each_column(
    fitted: dict[tuple[str, int], Any], name: str
) -> None:
    model, test = copy.copy(fit(fitted, name)), separable(2, n=40, seed=1)
    if not hasattr(model, "transform"):
        return
    inner = model.transform(test)
    framed = copy.copy(model).set_output(transform="pandas").transform(test)
    np.testing.assert_array_equal(framed.to_numpy(), inner)
    assert inner.shape == (40, len(model.get_feature_names_out()))
    assert np.isnan(model.transform({"text": np.full((2, 5), np.nan)})).all()
    others = {"hidden_dim": 8, "n_folds": 2, "width": 8}
    model.set_params(**{k: value for k, value in others.items() if k in model.get_params()})
    np.testing.assert_array_equal(model.transform(test), inner)


@pytest.mark.parametrize("rare", [[0], [20], [0, 20]])
@pytest.mark.parametrize("name", NAMES)
def test_a_modality_of_one_item_or_two_is_learnt_from(name: str, rare: list[int]) -> None:
    present = np.ones((40, 2), dtype=bool)
    present[:, 0] = np.isin(np.arange(40), rare)
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    items = {"image": rng.normal(size=(40, 6)), "text": rng.normal(size=(40, 5)) + y[:, None]}
    data = Embeddings.from_arrays(items, present=present, labels=y)
    model = small(name)
    if "max_epochs" in model.get_params():
        model.set_params(max_epochs=1)
    assert np.isfinite(model.fit(data).predict_proba(data)).all()


@pytest.mark.parametrize("name", NAMES)
def test_clones_have_the_same_parameters(name: str) -> None:
    model = make_method(name, random_state=3, class_weight="balanced")
    assert clone(model).get_params() == model.get_params()
    assert (model.random_state, model.class_weight) == (3, "balanced")
    assert method_name(model) == name
    assert isinstance(model, EmbeddingClassifier)


@pytest.mark.parametrize("name", ["tbn-early", "logreg", "extratrees", "hist-gradient-boosting"])
def test_works_last_in_a_pipeline(name: str) -> None:
    train = separable(2)
    x = train.mask(np.array([True, False])).to_array("image")
    rows = np.isfinite(x).all(axis=1)
    y = train.labels[rows].astype(str)
    assert make_pipeline(StandardScaler(), small(name)).fit(x[rows], y).score(x[rows], y) > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_every_method_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    about = METHODS.find(name.partition(":")[0]).about
    assert len(about.description) > 20
    assert about.source


def test_parameter_counts_are_those_of_the_paper() -> None:
    """Section VI: 2.44 M for the two-branch network, 1.26 M for SRMM (768-768-768-101)."""
    rng = np.random.default_rng(0)
    y = np.arange(202) % 101
    x = {name: rng.normal(size=(202, 768)) for name in ("image", "text")}
    once = {"max_epochs": 1}
    tbn = make_method("tbn-early", "paper", once, learning_rates=()).fit(x, y)
    srmm = make_method("srmm-paper", None, once).fit(x, y)
    assert tbn.n_parameters_ == 2_443_109 + 2  # and the two scalars of the weighted sum
    assert srmm.n_parameters_ == 1_260_389
    assert describe_model(tbn)["n_parameters"] == 2_443_111


def test_parameters_of_composites_are_those_of_their_parts(
    fitted: dict[tuple[str, int], Any],
) -> None:
    router, logreg = fit(fitted, "router"), fit(fitted, "logreg")
    alone = sum(router.models_[code].n_parameters_ for code in (1, 2))
    concatenated = router.models_[3].n_parameters_
    assert concatenated == 3 * (6 + 5 + 1)
    assert router.n_parameters_ == alone + concatenated
    assert logreg.n_parameters_ == 3 * (6 + 1) + 3 * (5 + 1)
    assert fit(fitted, "extratrees").n_parameters_ is None


def test_names_follow_parameters() -> None:
    tbn = find_method("tbn-early")[0].classifier
    assert method_name(tbn(fusion_point="late", absent="zeros")) == "tbn-late-zeros"
    assert (
        method_name(tbn(fusion_point="early", opl=0.3)) == "TwoBranchClassifier"
    )  # has no name here
    assert method_name(PaperClassifier(hidden_dim=9)) == "srmm-paper"
    assert method_name(SingleBranchClassifier(hidden_dim=9)) == "srmm"


def test_a_class_that_a_modality_never_showed_is_no_veto() -> None:
    """With texts of two classes only, the third keeps its share there, and images decide."""
    train = separable(2)
    hidden = train.present.copy()
    hidden[:, 1] &= train.labels != "cat"
    hidden[:, 0] |= train.labels == "cat"
    test = separable(2, seed=1)
    test = test[test.present.all(axis=1)]
    for name in ("logreg", "extratrees"):
        model = small(name).fit(Embeddings(train.values, train.position, labels=train.labels).mask(
            hidden & train.present | (train.labels == "cat")[:, None] & [True, False]
        ))  # fmt: skip
        text = model.predict_per_modality(test)[:, 1]
        np.testing.assert_allclose(text[:, 2], model.class_prior_[2])
        np.testing.assert_allclose(text.sum(axis=1), 1)
        cats = test.labels == "cat"
        assert (model.predict(test[cats]) == "cat").mean() > 0.5


def test_every_random_part_occurs_and_none_is_empty() -> None:
    present = np.ones((7000, 3), dtype=bool)
    present[:, 2] = np.arange(7000) % 2 == 0
    parts = random_part(present, np.random.default_rng(0))
    assert parts.any(axis=1).all()
    assert not (parts & ~present).any()
    _, counts = np.unique(parts[::2], axis=0, return_counts=True)
    assert len(counts) == 7
    assert np.abs(counts / 3500 - 1 / 7).max() < 0.03
    assert not random_part(np.zeros((2, 3), dtype=bool), np.random.default_rng(0)).any()


def test_only_methods_are_saved_and_only_expected_models_loaded(tmp_path: Path) -> None:
    class Mine(PaperClassifier):
        pass

    assert "PaperClassifier" in classifiers()
    with pytest.raises(InputError, match=r"A \S+Mine cannot be saved"):
        Mine(hidden_dim=8, max_epochs=1).fit(separable(2)).save_pretrained(tmp_path / "m")
    foreign = estimator_to_bytes(StandardScaler())
    with pytest.raises(ValueError, match="StandardScaler, not a LogisticRegression"):
        estimator_from_bytes(foreign, LogisticRegression)


def test_a_class_of_another_package_is_known_by_its_module(tmp_path: Path) -> None:
    folder = small("extratrees").fit(separable(2)).save_pretrained(tmp_path / "m")
    kind = "elsewhere.PerModalityTreesClassifier"
    edit_json(folder / "config.json", lambda config: config.update(kind=kind))
    with pytest.raises(StoreError, match="It is of the package 'elsewhere': install that"):
        from_pretrained(folder)


@pytest.mark.parametrize("wrong", [np.nan, 3.0, -1.0])
def test_what_is_no_distribution_is_an_error_and_no_prediction(
    wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, test = small("srmm-paper").fit(separable(2)), separable(2, seed=1)
    fuse = type(model)._fuse

    def broken(self: Any, outputs: np.ndarray, present: np.ndarray) -> np.ndarray:
        fused = fuse(self, outputs, present)
        fused[7] *= wrong
        return fused

    monkeypatch.setattr(type(model), "_fuse", broken)
    with pytest.raises(SrmmError, match="gave row 7 the probabilities"):
        model.predict(test)
    with pytest.raises(SrmmError, match="gave row 7 the probabilities"):
        model.fuse(model.predict_per_modality(test), test.present)


@pytest.mark.parametrize("value", [2.5, "64", True, None])
def test_a_parameter_of_another_type_is_an_error(value: Any) -> None:
    with pytest.raises(InputError, match=f"hidden_dim must be of type int, got {value!r}"):
        PaperClassifier(hidden_dim=value).fit(separable(2))
    PaperClassifier(hidden_dim=np.int64(8), max_epochs=1).fit(separable(2))


def test_what_is_no_method_says_why() -> None:
    class Plain:
        pass

    class Undecorated(PaperClassifier):
        pass

    for cls, why in ((Plain, "must derive from"), (Undecorated, "@srmm.recipe.with_parameters")):
        with pytest.raises(TypeError, match=why):
            MethodAbout("mine", cls, "here").check(sys.modules[__name__])


def test_a_folder_cannot_smuggle_in_a_type(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = small("extratrees").fit(separable(2)).save_pretrained(tmp_path / "m")
    arrays = load_file(folder / "model.safetensors")
    arrays["model.image"] = estimator_to_bytes(Path(tmp_path))
    save_file(arrays, folder / "model.safetensors")
    reseal(folder)
    with pytest.raises(StoreError, match=r"model\.image: it holds a PosixPath, not a ExtraTrees"):
        from_pretrained(folder)


@pytest.mark.parametrize(
    ("method", "setting"),
    [
        ("tbn-early", {"fusion_point": "late"}),
        ("tbn-early-opl", {"opl": 0.0}),
        ("lee2023-input", {"place": "attention"}),
        ("unimodal:image", {"modality": "text"}),
    ],
)
def test_what_a_name_implies_is_set_to_nothing_else(method: str, setting: dict[str, Any]) -> None:
    name = next(iter(setting))
    with pytest.raises(InputError, match=f"method '{method}' has {name}=.* by its name"):
        make_method(method, settings=setting)
    with pytest.raises(InputError, match=f"{name}=.* would not change"):
        make_method(method, **setting)
    implied = getattr(make_method(method), name)
    assert getattr(make_method(method, settings={name: implied}), name) == implied


@pytest.mark.parametrize(
    ("method", "weight"),
    [
        *[("kim2024", name) for name in ("invariance", "variance", "covariance")],
        *[("shaspec", name) for name in ("alignment", "domain")],
        *[("smil", "feature_alignment"), ("tbn-early", "opl")],
    ],
)
def test_a_weight_of_a_loss_is_not_negative(method: str, weight: str) -> None:
    x = np.random.default_rng(0).normal(size=(8, 3))
    for value in (-1.0, np.nan, np.inf):
        with pytest.raises(InputError, match=f"{weight} must be a finite number, 0 or more"):
            make_method(method, settings={weight: value}).fit({"a": x, "b": x}, [0, 1] * 4)
