"""`tabicl` with a tiny transformer of random weights: what goes in and out, not how good it is."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from srmm import Embeddings, from_pretrained
from srmm.errors import InputError, MissingExtraError, StoreError
from srmm.methods import METHODS, make_method, method_name
from srmm.methods.tabicl import ConcatenatedTabICL

pytest.importorskip("tabicl")

SIZES = {"image": 20, "text": 9, "audio": 1}
TINY = {
    "max_classes": 4,
    "embed_dim": 16,
    "col_num_blocks": 1,
    "col_nhead": 2,
    "col_num_inds": 4,
    "row_num_blocks": 1,
    "row_nhead": 2,
    "row_num_cls": 2,
    "icl_num_blocks": 1,
    "icl_nhead": 2,
    "zero_init": False,  # else every block passes on what it is given
}


def write_checkpoint(path: Path, seed: int = 0, **changes: Any) -> Path:
    from tabicl._model.tabicl import TabICL

    config = TINY | changes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TabICL(**config)
    torch.save({"config": config, "state_dict": network.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("tabicl") / "tiny.ckpt")


def problem(n: int = 90, n_classes: int = 3, seed: int = 0) -> Embeddings:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    dense = {name: y[:, None] + rng.normal(size=(n, size)) for name, size in SIZES.items()}
    present = rng.random((n, len(SIZES))) > 0.4
    present[~present.any(axis=1), 0] = True
    labels = np.array([f"class {i:02}" for i in range(n_classes)])[y]
    return Embeddings.from_arrays(dense, present=present, labels=labels)


def tiny(checkpoint: Path | None, **parameters: Any) -> Any:
    own = {"n_components": 5, "n_estimators": 3, "random_state": 0, "device": "cpu"}
    path = None if checkpoint is None else str(checkpoint)
    return ConcatenatedTabICL(model_path=path, **(own | parameters))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Any:
    return tiny(checkpoint).fit(problem())


def check_distribution(probabilities: np.ndarray, shape: tuple[int, int]) -> None:
    assert probabilities.shape == shape
    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3, 11])  # the network itself has four
def test_probabilities_with_holes(checkpoint: Path, n_classes: int) -> None:
    model = tiny(checkpoint).fit(problem(n_classes=n_classes))
    test = problem(40, n_classes, seed=1)
    probabilities = model.predict_proba(test)
    check_distribution(probabilities, (40, n_classes))
    assert len(np.unique(probabilities, axis=0)) > 30  # it looks at what it is given
    assert model.training_["n_train"] == 90
    assert model.training_["n_validation"] == 0


def test_every_presence_pattern_is_legal(model: Any) -> None:
    test = problem(90, seed=1)
    full = test[test.present.all(axis=1)]
    n, rows, score = len(full), np.arange(len(full)), model.scorer(full)
    complete, first_half = model.predict_proba(full), rows[:, None] < n // 2
    for pattern in product([False, True], repeat=3):
        if not any(pattern):
            continue
        masked = full.mask(np.tile(pattern, (n, 1)))
        probabilities = model.predict_proba(masked)
        check_distribution(probabilities, (n, 3))
        np.testing.assert_array_equal(score(rows, masked.present), probabilities)
        assert np.array_equal(probabilities, complete) == all(pattern)
        # What the rows beside a row lack is nothing to it.
        mixed = model.predict_proba(full.mask(first_half | np.array(pattern)))
        np.testing.assert_allclose(
            mixed, np.where(first_half, complete, probabilities), rtol=0, atol=1e-6
        )


def test_what_the_rows_are(model: Any) -> None:
    train = problem()
    assert model.rows_.shape == (90, 5 + 5 + 1)  # the third modality has one feature
    assert model.rows_.dtype == np.float32
    columns = np.repeat([0, 1, 2], [5, 5, 1])
    np.testing.assert_array_equal(np.isfinite(model.rows_), train.present[:, columns])
    np.testing.assert_allclose(np.nanmean(model.rows_, axis=0), 0, atol=1e-5)
    spread = np.nanstd(model.rows_, axis=0)
    assert spread[0] == spread[:5].max()  # principal components, the largest first
    assert spread[10] == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(model.classes_[model.y_], train.labels)


def test_modalities_of_one_item_each(checkpoint: Path) -> None:
    x = {"a": np.ones((2, 7)), "b": np.ones((2, 9))}
    present = np.array([[True, False], [False, True]])
    data = Embeddings.from_arrays(x, present=present, labels=np.array([0, 1]))
    check_distribution(tiny(checkpoint).fit(data).predict_proba(data), (2, 2))


def test_saved_and_loaded_it_predicts_the_same_bits(model: Any, tmp_path: Path) -> None:
    test = problem(40, seed=1)
    expected = model.predict_proba(test)
    folder = model.save_pretrained(tmp_path / "m")
    again = from_pretrained(folder, device="cpu")
    np.testing.assert_array_equal(again.predict_proba(test), expected)
    assert again.get_params() == model.get_params()
    assert again.training_ == model.training_
    assert method_name(again) == "tabicl"
    assert "`tabicl`" in (folder / "README.md").read_text()
    second = from_pretrained(again.save_pretrained(tmp_path / "second"))
    np.testing.assert_array_equal(second.predict_proba(test), expected)


def test_the_same_seed_gives_the_same_bits(checkpoint: Path, model: Any) -> None:
    test = problem(40, seed=1)
    expected = model.predict_proba(test)
    np.testing.assert_array_equal(tiny(checkpoint).fit(problem()).predict_proba(test), expected)
    other = tiny(checkpoint, random_state=1).fit(problem())
    assert not np.array_equal(other.predict_proba(test), expected)
    views = model.classifier_.ensemble_generator_
    assert list(views.class_shuffles_) == ["none", "power"]  # not as their hashes have it


def test_a_saved_model_wants_its_own_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_checkpoint(tmp_path / "mine.ckpt")
    folder = tiny(path).fit(problem()).save_pretrained(tmp_path / "m")
    write_checkpoint(path, seed=1)
    with pytest.raises(StoreError, match=r"mine\.ckpt is not the checkpoint .* fitted with"):
        from_pretrained(folder)
    path.unlink()
    with pytest.raises(InputError, match=r"no checkpoint of TabICL at .*mine\.ckpt\. Put one"):
        from_pretrained(folder)
    monkeypatch.setitem(sys.modules, "tabicl", None)
    with pytest.raises(StoreError, match=r"pip install 'srmm\[tabicl\]'"):
        from_pretrained(folder)


def test_without_the_package(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tabicl", None)
    with pytest.raises(MissingExtraError, match=r"'tabicl' needs .* pip install 'srmm\[tabicl\]'"):
        tiny(checkpoint).fit(problem())


def test_weights_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"hf download jingang/TabICL.*--setting model_path=FILE"):
        tiny(None).fit(problem())
    with pytest.raises(InputError, match=r"at nowhere\.ckpt\..*--setting model_path=FILE"):
        tiny(Path("nowhere.ckpt")).fit(problem())
    with pytest.raises(InputError, match="model_path must be the path of a file as text"):
        ConcatenatedTabICL(model_path=tmp_path).fit(problem())


def test_weights_from_the_hub(
    checkpoint: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked = []

    def download(repository: str, name: str, *, local_files_only: bool) -> str:
        asked.append((repository, name.partition("-")[0], local_files_only))
        return str(checkpoint)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    test = problem(40, seed=1)
    found = tiny(None).fit(problem()).predict_proba(test)
    np.testing.assert_array_equal(found, model.predict_proba(test))
    assert asked == [("jingang/TabICL", "tabicl", True)]


def test_files_that_are_no_checkpoint_for_classification(tmp_path: Path) -> None:
    other = tmp_path / "other.ckpt"
    other.write_text("no weights")
    torch.save({"weights": torch.ones(2)}, tmp_path / "foreign.ckpt")
    write_checkpoint(tmp_path / "regressor.ckpt", max_classes=0)
    for path in (other, tmp_path / "foreign.ckpt", tmp_path / "regressor.ckpt"):
        with pytest.raises(InputError, match=rf"{path.name} is no checkpoint of TabICL for clas"):
            tiny(path).fit(problem())


def test_weights_of_instances_are_refused_unless_they_are_equal(
    checkpoint: Path, model: Any
) -> None:
    train, test = problem(), problem(40, seed=1)
    weight = np.ones(len(train))
    weight[3] = 2
    with pytest.raises(InputError, match=r"cannot follow weights.*sample_weight and class_weight"):
        tiny(checkpoint).fit(train, sample_weight=weight)
    for class_weight in ({"class 00": 2, "class 01": 1, "class 02": 1}, "balanced"):
        with pytest.raises(InputError, match="cannot follow weights"):
            tiny(checkpoint, class_weight=class_weight).fit(train[:89])
    equal = tiny(checkpoint, class_weight="balanced").fit(train, sample_weight=3 * np.ones(90))
    np.testing.assert_array_equal(equal.predict_proba(test), model.predict_proba(test))


def test_held_out_instances_are_learnt_from(checkpoint: Path) -> None:
    model = tiny(checkpoint).fit(problem(), validation=problem(30, seed=2))
    assert len(model.rows_) == 120
    assert model.training_["n_train"] == 90
    assert model.training_["held_out_learnt"]


def test_parameters() -> None:
    model = make_method("tabicl", None, {"n_estimators": 2, "model_path": "x.ckpt"}, random_state=3)
    assert clone(model).get_params() == model.get_params()
    assert model.get_params().keys() == {
        "class_weight", "device", "model_path", "n_components", "n_estimators", "random_state",
        "when_nothing_present",
    }  # fmt: skip
    assert (model.n_components, model.n_estimators, model.random_state) == (60, 2, 3)
    for name in ("n_components", "n_estimators"):
        with pytest.raises(InputError, match=f"{name} must be a whole number, at least 1"):
            tiny(None, **{name: 0}).fit(problem())
    about = METHODS.find("tabicl").about
    assert about.description.startswith("TabICL, a tabular foundation model")
    assert "ICML 2025" in about.source


@pytest.mark.slow
def test_scikit_learn_checks(checkpoint: Path) -> None:
    refused = "weights that differ are refused"
    chance = "random weights: no better than chance"
    check_estimator(
        tiny(checkpoint, n_estimators=2),
        expected_failed_checks={
            "check_sample_weights_not_overwritten": refused,
            "check_sample_weight_equivalence_on_dense_data": refused,
            "check_class_weight_classifiers": refused,
            "check_classifiers_train": chance,
        },
        on_skip=None,
    )
