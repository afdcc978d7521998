from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from srmm import PaperClassifier, SingleBranchClassifier, from_pretrained, save_embeddings
from srmm.cli import run
from srmm.encoders import load_encoder
from srmm.errors import InputError, StoreError
from srmm.learning import saving
from srmm.learning.saving import read_config, save_pretrained
from srmm.methods import make_method
from srmm.recipe import nearest_recipe
from tests.encoders.test_vit_resnet_doc2vec import titles
from tests.tampering import edit_json
from tests.test_classifier import DEFAULT, SMALL, problem


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[PaperClassifier, Path]:
    model = PaperClassifier(**SMALL).fit(problem())
    return model, model.save_pretrained(tmp_path_factory.mktemp("m") / "model")


@pytest.mark.workflow
@pytest.mark.parametrize(
    "model", [PaperClassifier(**SMALL), SingleBranchClassifier(**DEFAULT)], ids=["paper", "default"]
)
def test_another_process_predicts_the_same_bits(tmp_path: Path, model) -> None:
    model = clone(model).fit(problem())
    test = problem(60, seed=1)
    model.save_pretrained(tmp_path / "model")
    save_embeddings(test, tmp_path / "store")
    program = (
        "import numpy as np, srmm; "
        f"model = srmm.from_pretrained({str(tmp_path / 'model')!r}); "
        f"test = srmm.load_embeddings({str(tmp_path / 'store')!r}); "
        f"np.save({str(tmp_path / 'p.npy')!r}, model.predict_proba(test))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), model.predict_proba(test))


@pytest.mark.parametrize(
    ("name", "value"), [("hidden_dim", 8), ("standardize", True), ("class_weight", "balanced")]
)
def test_parameters_set_since_fit_are_not_saved_as_those_it_learnt_with(
    tmp_path: Path, name: str, value: object
) -> None:
    model = PaperClassifier(**SMALL).fit(problem())
    before = getattr(model, name)
    model.set_params(**{name: value})
    with pytest.raises(InputError, match=f"{name} is .*, and was .* when this model was fitted"):
        model.save_pretrained(tmp_path / "m")
    assert not (tmp_path / "m").exists()
    model.set_params(**{name: before}, when_nothing_present="prior", fusion="log-mean")
    again = from_pretrained(model.save_pretrained(tmp_path / "m"))
    assert (again.when_nothing_present, again.fusion) == ("prior", "log-mean")
    np.testing.assert_array_equal(
        again.predict_proba(problem(60, seed=1)), model.predict_proba(problem(60, seed=1))
    )


def test_a_device_that_is_not_here_damages_no_model(saved: tuple[PaperClassifier, Path]) -> None:
    with pytest.raises(InputError, match=r"^device is 'klingon', which cannot be used here"):
        from_pretrained(saved[1], device="klingon")


def test_a_misspelt_choice_for_empty_instances_is_no_prior(tmp_path: Path) -> None:
    model = PaperClassifier(**SMALL).fit(problem()).set_params(when_nothing_present="eror")
    with pytest.raises(InputError, match=r"when_nothing_present is 'eror'.*Did you mean 'error'"):
        model.predict(problem()[:2].mask(np.zeros(3, dtype=bool)))
    with pytest.raises(InputError, match="when_nothing_present is 'eror'"):
        model.save_pretrained(tmp_path / "m")


@pytest.mark.parametrize("labels", [[0, 1, 2], [True, False], ["a", "ß", "c d"]])
def test_classes_keep_their_type(tmp_path: Path, labels: list[object]) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = np.array([labels[i % len(labels)] for i in range(60)])
    model = PaperClassifier(**SMALL).fit(x, y)
    again = from_pretrained(model.save_pretrained(tmp_path / "m"))
    assert again.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_a_loaded_model_knows_its_recipe_and_history(
    saved: tuple[PaperClassifier, Path],
) -> None:
    model, folder = saved
    again = from_pretrained(folder)
    assert again.history_ == model.history_
    assert again.training_ == model.training_
    parameters = again.get_params()
    assert parameters == model.get_params()
    assert nearest_recipe(again) == ("paper", {"hidden_dim": 32, "max_epochs": 8})
    np.testing.assert_array_equal(again.feature_std_["image"], model.feature_std_["image"])


def test_the_folder_holds_three_readable_files(saved: tuple[PaperClassifier, Path]) -> None:
    _, folder = saved
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md", "config.json", "model.safetensors",
    ]  # fmt: skip
    card = (folder / "README.md").read_text()
    assert "image, text, audio → 3 classes" in card
    assert 'srmm.from_pretrained("this folder")' in card
    config = json.loads((folder / "config.json").read_text())
    assert config["classes"] == ["ant", "bee", "cat"]
    assert config["training"]["n_train"] + config["training"]["n_validation"] == 300


@pytest.mark.parametrize("damage", ["truncate", "garbage", "remove", "other-shape"])
def test_damaged_weights_are_a_clear_error(tmp_path: Path, damage: str) -> None:
    folder = PaperClassifier(**SMALL).fit(problem()).save_pretrained(tmp_path / "m")
    path = folder / "model.safetensors"
    if damage == "truncate":
        os.truncate(path, 1000)
    elif damage == "garbage":
        path.write_bytes(b"\x80\x04pickle?")
    elif damage == "remove":
        path.unlink()
    else:
        edit_json(folder / "config.json", lambda c: c["state"]["parameters"].update(hidden_dim=33))
    with pytest.raises(StoreError, match=r"m(/model.safetensors)? is (damaged|missing)"):
        from_pretrained(folder)


def test_a_folder_cannot_name_code_to_run(saved: tuple[PaperClassifier, Path]) -> None:
    _, folder = saved
    before = (folder / "config.json").read_bytes()
    edit_json(folder / "config.json", lambda config: config.update(kind="os.system"))
    with pytest.raises(StoreError, match=r"names the kind 'os\.system'"):
        from_pretrained(folder)
    (folder / "config.json").write_bytes(before)


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        from_pretrained(tmp_path / "no")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(StoreError, match="not the config of a model saved by srmm"):
        from_pretrained(tmp_path)


def test_the_current_folder_may_be_gone_and_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = PaperClassifier(**SMALL).fit(problem())
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in (".", tmp_path / "here"):
        with pytest.raises(InputError, match="cannot replace the folder you are in"):
            model.save_pretrained(name)
    (tmp_path / "here").rmdir()
    again = from_pretrained(model.save_pretrained(tmp_path / "m"))
    np.testing.assert_array_equal(again.predict(problem(5)), model.predict(problem(5)))


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    model = PaperClassifier(**SMALL).fit(problem())
    model.save_pretrained(tmp_path / "m")
    with pytest.raises(InputError, match="already holds a model"):
        model.save_pretrained(tmp_path / "m")
    model.save_pretrained(tmp_path / "m", overwrite=True)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").touch()
    with pytest.raises(InputError, match="is no saved model"):
        model.save_pretrained(tmp_path / "thesis", overwrite=True)


def test_a_model_that_another_process_wrote_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, faster = (make_method("logreg").fit(problem(n)) for n in (60, 80))
    pack = saving.pack

    def slowly(model: object) -> object:
        monkeypatch.setattr(saving, "pack", pack)
        save_pretrained(faster, tmp_path / "model")
        return pack(model)

    monkeypatch.setattr(saving, "pack", slowly)
    with pytest.raises(InputError, match="already holds a model"):
        save_pretrained(model, tmp_path / "model")
    kept = from_pretrained(tmp_path / "model").predict_proba(problem())
    np.testing.assert_array_equal(kept, faster.predict_proba(problem()))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_methods_by_name() -> None:
    assert nearest_recipe(make_method("srmm-paper", random_state=3)) == ("paper", {})
    assert make_method("unimodal:text", recipe="paper").modality == "text"
    with pytest.raises(InputError, match="Did you mean 'router'"):
        make_method("ruoter")
    with pytest.raises(InputError, match="unimodal:MODALITY"):
        make_method("unimodal")


@pytest.mark.parametrize("name", ["unimodal:image", "router", "logreg-concat"])
def test_baselines_learn_from_data_with_holes(name: str, brief_training: None) -> None:
    train, test = problem(), problem(seed=1)
    method = make_method(name, random_state=0).fit(train)
    rows = test.present[:, 0]
    assert method.score(test[rows]) > 0.85
    probabilities = method.predict_proba(test[rows])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


# An encoder that was fitted -------------------------------------------------------------------


@pytest.fixture
def by_doc2vec(tmp_path: Path) -> Path:
    """A table of titles, and a model of it on a Doc2Vec that was fitted with it."""
    pytest.importorskip("gensim", reason="needs srmm[doc2vec]")
    rows = [f"{i},{title},{'food' if i % 2 else 'shoe'}" for i, title in enumerate(titles(160))]
    (tmp_path / "home").mkdir()
    table = tmp_path / "home" / "titles.csv"
    table.write_text("\n".join(["id,title,class", *rows]))
    arguments = ["--text", "title", "--label", "class", "--id", "id", "--encoder", "text=doc2vec"]
    model = tmp_path / "home" / "model"
    small = ["--setting", "hidden_dim=32", "--setting", "max_epochs=12", "--quiet"]
    assert run(["fit", str(table), *arguments, "-o", str(model), *small]) == 0
    return model


def predicted(model: Path, table: Path) -> pd.DataFrame:
    output = table.with_suffix(".parquet")
    assert run(["predict", str(model), str(table), "-o", str(output)]) == 0
    return pd.read_parquet(output)


def test_a_model_takes_its_fitted_encoder_along(by_doc2vec: Path, tmp_path: Path) -> None:
    home, table = by_doc2vec.parent, tmp_path / "new.csv"
    table.write_text("title\nsoup bread salad\nboot sandal lace\n")
    before = predicted(by_doc2vec, table)
    shutil.copytree(by_doc2vec, tmp_path / "elsewhere" / "model")
    shutil.rmtree(home)  # the store, and the encoder in it
    moved = tmp_path / "elsewhere" / "model"
    pd.testing.assert_frame_equal(predicted(moved, table), before)
    assert "doc2vec:encoders/text" in (moved / "README.md").read_text()
    assert str(home) not in json.dumps(json.loads((moved / "config.json").read_text())["inputs"])


def test_a_store_that_moved_gives_its_own_fitted_encoder(by_doc2vec: Path, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    table.write_text("text\nsoup bread salad\n")
    (by_doc2vec.parent / "model.embeddings").rename(tmp_path / "store")
    small = ["--setting", "hidden_dim=32", "--setting", "max_epochs=12", "--quiet"]
    assert run(["fit", str(tmp_path / "store"), "-o", str(tmp_path / "again"), *small]) == 0
    shutil.rmtree(tmp_path / "store")
    encoder = read_config(tmp_path / "again")["inputs"]["text"]["encoder"]
    assert encoder == f"doc2vec:{tmp_path / 'again' / 'encoders' / 'text'}"
    assert load_encoder(encoder, "text").is_fitted
    arguments = [str(table), "--text", "text", "-o", str(tmp_path / "p.csv")]
    assert run(["predict", str(tmp_path / "again"), *arguments]) == 0


def test_a_fitted_encoder_that_is_gone_is_named(
    saved: tuple[PaperClassifier, Path], tmp_path: Path
) -> None:
    inputs = {"text": {"kind": "text", "column": "t", "encoder": f"doc2vec:{tmp_path / 'gone'}"}}
    with pytest.raises(StoreError, match=r"'text' that was fitted is not at .*gone"):
        save_pretrained(saved[0], tmp_path / "model", inputs=inputs)
    assert not (tmp_path / "model").exists()


def test_a_model_of_before_the_default_changed_says_so(
    saved: tuple[PaperClassifier, Path], tmp_path: Path
) -> None:
    shutil.copytree(saved[1], tmp_path / "old")
    edit_json(tmp_path / "old" / "config.json", lambda config: config.update(version=1))
    with pytest.raises(StoreError, match=r"before the default method changed.*Train the model"):
        from_pretrained(tmp_path / "old")
    saved[0].save_pretrained(tmp_path / "old", overwrite=True)  # it may be replaced
    from_pretrained(tmp_path / "old")
