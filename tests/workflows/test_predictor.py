"""A saved model and raw rows, in every form: no network, an encoder made of hashes."""

from __future__ import annotations

import copy
import pickle
import re
import shutil
import threading
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.pipeline import Pipeline

import srmm
from srmm import encoders
from srmm.encoders.base import EncoderAbout
from srmm.errors import InputError
from srmm.registry import Entry
from srmm.workflows import fit_workflow, predict_workflow
from srmm.workflows import predictor as predictor_module
from srmm.workflows.watch import watch_workflow
from tests.encoding.hash_encoder import HashEncoder

COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200)}


@pytest.fixture(autouse=True)
def _hash_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {kind: partial(HashEncoder, kind) for kind in ("text", "image")}
    about = EncoderAbout(
        name="hash", embedding_dim="8", description="", preprocessing="", source="", licence="",
        needs_network="no", classes=kinds,
    )  # fmt: skip
    monkeypatch.setitem(encoders._REGISTRY.entries(), "hash", Entry(about, encoders))  # type: ignore


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Eight photos of two colours, and titles that say the colour."""
    rows = []
    for i in range(40):
        colour = list(COLOURS)[i % 2]
        photo = f"{colour}.png"
        Image.new("RGB", (4, 4), COLOURS[colour]).save(tmp_path / photo)
        rows.append({"sku": f"p{i}", "photo": photo, "title": f"a {colour} shoe", "colour": colour})
    pd.DataFrame(rows).to_csv(tmp_path / "shop.csv", index=False)
    return tmp_path


@pytest.fixture
def model(shop: Path) -> Path:
    fit_workflow(
        str(shop / "shop.csv"),
        shop / "model",
        columns={"image": "photo", "text": "title", "label": "colour", "id": "sku"},
        encoders={"image": "hash", "text": "hash"},
        method="logreg",
    )
    return shop / "model"


def test_every_form_of_the_same_rows_is_predicted_alike(shop: Path, model: Path) -> None:
    loaded = srmm.load(model, root=shop)
    rows: list[dict[str, Any]] = [
        {"photo": "red.png", "title": "a red shoe"},
        {"photo": "blue.png"},
        {"title": "a blue shoe", "photo": None},
    ]
    pd.DataFrame(rows).to_csv(shop / "new.csv", index=False)
    table = srmm.read_table(shop / "new.csv", image="photo", text="title")
    embeddings = srmm.encode(table, {"image": "hash", "text": "hash"}).embeddings
    expected = loaded.predict_proba(rows)
    assert loaded.predict(rows).tolist() == ["red", "blue", "blue"]
    assert (loaded.classes_.tolist(), loaded.modalities) == (["blue", "red"], ("image", "text"))
    for same in (pd.DataFrame(rows), shop / "new.csv", str(shop / "new.csv"), table, embeddings):
        np.testing.assert_array_equal(loaded.predict_proba(same), expected)
    np.testing.assert_array_equal(loaded.predict_proba(rows[0]), expected[:1])
    with Image.open(shop / "red.png") as picture:
        in_memory = {"image": picture.convert("RGB"), "text": "a red shoe"}  # modalities, by name
        np.testing.assert_array_equal(loaded.predict_proba(in_memory), expected[:1])


def test_a_photo_that_is_missing_is_predicted_from_the_text(shop: Path, model: Path) -> None:
    loaded = srmm.load(model, root=shop)
    frame = loaded.predict_frame([{"photo": "gone.png", "title": "a red shoe"}])
    assert frame["label"].tolist() == ["red"]
    assert frame["image_present"].tolist() == [False]
    assert any("The only image file does not exist" in note for note in frame.attrs["notes"])
    with pytest.raises(InputError, match=r"1 of 1 rows have no item at all.*gone\.png"):
        loaded.predict([{"photo": "gone.png"}])
    prior = srmm.load(model, root=shop, when_nothing_present="prior")
    frame = prior.predict_frame([{"photo": "gone.png"}, {"title": None}, {"title": "a red shoe"}])
    assert frame["nothing_present"].tolist() == [True, True, False]


def test_predictions_of_a_frame_have_its_index(shop: Path, model: Path) -> None:
    titles = ["a red shoe", "a blue shoe", "a red shoe"]
    goods = pd.DataFrame({"title": titles}, index=["x", "y", "z"])[::-1]
    goods["kind"] = srmm.load(model, root=shop).predict_frame(goods)["label"]
    assert goods["kind"].to_dict() == {"x": "red", "y": "blue", "z": "red"}


def test_items_that_cannot_be_read_are_said_in_python_too(shop: Path, model: Path) -> None:
    (shop / "broken.png").write_bytes(b"no picture")
    photos = ["red.png", "broken.png", "gone.png"]
    rows = pd.DataFrame({"photo": photos, "title": ["a red shoe"] * 3})
    broken = r"1 item is unreadable and counted as absent, the first in row 1 .*, image: is not an"
    gone = r"1 of the image files does not exist and is absent, the first is .*gone\.png"
    notes = srmm.load(model, root=shop).predict_frame(rows).attrs["notes"]
    for said in (broken, gone):
        assert any(map(re.compile(said).match, notes))
    for predict in (srmm.load(model, root=shop).predict, srmm.load(model, root=shop).predict_proba):
        for same in (rows, rows.to_dict("records")):
            with pytest.warns(UserWarning, match=gone), pytest.warns(UserWarning, match=broken):
                predict(same)
        with pytest.warns(UserWarning, match="the frame has no 'photo': image is absent"):
            predict(rows.rename(columns={"photo": " photo"}))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            predict({"title": "a red shoe"})  # a key that is not there is absent
            predict(rows[["title"]].assign(photo="red.png"))
    named = rows.rename(columns={"photo": "image", "title": "text"})
    encoder = srmm.Encode({"image": "hash", "text": "hash"}, folder=shop).fit(named)
    for encode in (encoder.fit_transform, encoder.transform):
        with pytest.warns(UserWarning, match=gone), pytest.warns(UserWarning, match=broken):
            encode(named)


def test_what_the_table_shows_to_lack_everything_is_said_before_encoding(
    shop: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srmm.workflows.rows.PART_ROWS", 2)
    monkeypatch.setattr(predictor_module, "encode", lambda *_, **__: pytest.fail("encodes"))
    rows = [{"title": "a red shoe"}] * 4 + [{"title": " "}]
    with pytest.raises(InputError, match=r"1 of 5 rows have no item at all \(rows 4\)"):
        srmm.load(model).predict(rows)
    with pytest.raises(InputError, match=r"nothing that the model reads: image needs 'photo'"):
        srmm.load(model).predict({"foto": "red.png"})


def test_threads_share_a_predictor_and_load_its_encoders_once(
    shop: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    original = predictor_module.chosen_encoder
    monkeypatch.setattr(
        predictor_module, "chosen_encoder", lambda *a: loads.append(a) or original(*a)
    )
    loaded, answers = srmm.load(model, root=shop), [None] * 8

    def ask(i: int) -> None:
        colour = list(COLOURS)[i % 2]
        answers[i] = loaded.predict({"photo": f"{colour}.png", "title": f"a {colour} shoe"})[0]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["red", "blue"] * 4
    assert len(loads) == 2


def test_parts_are_predicted_as_the_whole_and_named_by_their_rows(
    shop: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "broken.png").write_bytes(b"\x89PNG broken")
    table = pd.read_csv(shop / "shop.csv")
    table.loc[[7, 30], "photo"] = ["broken.png", "gone.png"]
    table.to_csv(shop / "new.csv", index=False)
    arguments = {"keep": ["colour", "photo"], "probabilities": True}
    whole = predict_workflow(model, str(shop / "new.csv"), tmp_path / "a.csv", **arguments)
    monkeypatch.setattr("srmm.workflows.predict.PART_ROWS", 6)
    parts = predict_workflow(model, str(shop / "new.csv"), tmp_path / "b.csv", **arguments)
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    out = pd.read_csv(tmp_path / "b.csv")
    assert list(out)[:4] == ["id", "colour", "photo", "label"]
    assert out["id"].tolist() == table["sku"].tolist()  # what was the id in training
    assert out["colour"].tolist() == out["label"].tolist()
    for found in (whole, parts):
        assert (found.rows, found.incomplete) == (40, 2)
        image = found.summary.modalities["image"]
        assert (image.present, image.missing_files, image.unreadable) == (38, 1, 1)
        (broken,) = found.summary.unreadable
        assert broken.row == 7
        assert broken.where == "row 7 (line 9 of new.csv, id 'p7')"


def test_presence_that_differs_by_more_than_chance_is_said(
    shop: Path, model: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(shop / "shop.csv")
    out = tmp_path / "p.csv"
    table.iloc[:20].assign(title=None).to_csv(shop / "new.csv", index=False)
    said = predict_workflow(model, str(shop / "new.csv"), out).notes
    assert any("text is present in 0 % of these rows, in training in 100 %" in n for n in said)
    table.iloc[:3].assign(title=None).to_csv(shop / "new.csv", index=False)
    assert predict_workflow(model, str(shop / "new.csv"), out).notes == ()  # too few to say
    table.drop(columns="photo").to_csv(shop / "new.csv", index=False)
    said = predict_workflow(model, str(shop / "new.csv"), out).notes
    assert said[0] == "new.csv has no 'photo': image is absent in all rows."


def test_a_pipeline_is_saved_with_its_encoders(shop: Path) -> None:
    frame = pd.read_csv(shop / "shop.csv").rename(columns={"photo": "image", "title": "text"})
    pipeline = Pipeline(
        [
            ("encode", srmm.Encode({"image": "hash", "text": "hash"}, folder=shop)),
            ("classify", srmm.make_method("logreg")),
        ]
    ).fit(frame, frame["colour"])
    srmm.save_pretrained(pipeline, shop / "saved")
    loaded = srmm.load(shop / "saved")
    new = frame[["image", "text"]].head(3).assign(text=[None, "a red shoe", "a blue shoe"])
    np.testing.assert_array_equal(loaded.predict_proba(new), pipeline.predict_proba(new))
    with pytest.raises(InputError, match=r"put srmm\.Encode in front"):
        pipeline[-1].predict(new)
    own = srmm.Encode({"text": HashEncoder("text", spec="my own")}).fit(frame)
    with pytest.raises(InputError, match="no name loads again"):
        srmm.save_pretrained(Pipeline([("e", own), ("c", pipeline[-1])]), shop / "other")
    with pytest.raises(InputError, match=r"its steps are srmm\.Encode and a classifier"):
        srmm.save_pretrained(Pipeline([("classify", pipeline[-1])]), shop / "other")


def test_a_pipeline_predicts_without_a_photo_or_its_column(shop: Path) -> None:
    """In training, files that are all missing are a wrong folder; in a request, they are absent."""
    frame = pd.read_csv(shop / "shop.csv").rename(columns={"photo": "image", "title": "text"})
    steps = [("encode", srmm.Encode({"image": "hash", "text": "hash"}, folder=shop)),
             ("classify", srmm.make_method("logreg"))]  # fmt: skip
    elsewhere = Pipeline(steps).set_params(encode__folder=shop / "elsewhere")
    with pytest.raises(InputError, match="None of the"):
        elsewhere.fit(frame, frame["colour"])
    pipeline = Pipeline(steps).set_params(encode__folder=shop).fit(frame, frame["colour"])
    one = pd.DataFrame({"image": ["gone.png"], "text": ["a blue shoe"]})
    with pytest.warns(UserWarning, match="The only image file does not exist"):
        assert pipeline.predict(one).tolist() == ["blue"]
    with pytest.warns(UserWarning, match="no 'image'"):
        assert pipeline.predict(one[["text"]]).tolist() == ["blue"]


def test_a_pipeline_warns_of_labels_in_another_order(shop: Path) -> None:
    frame = pd.read_csv(shop / "shop.csv").rename(columns={"photo": "image", "title": "text"})
    steps = [("encode", srmm.Encode({"text": "hash"})), ("classify", srmm.make_method("logreg"))]
    with pytest.warns(UserWarning, match="The index of y has the rows of that of X in another"):
        Pipeline(steps).fit(frame, frame["colour"][::-1])


def test_a_modality_that_no_training_row_has_is_left_out_of_later_data(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    train = np.arange(60) < 40
    a = np.where(train[:, None], np.nan, rng.normal(size=(60, 2)))
    b = y[:, None] + rng.normal(size=(60, 3))
    classifier = srmm.make_method("logreg")
    with pytest.warns(UserWarning, match="'a'"):
        classifier.fit({"a": a[train], "b": b[train]}, y[train])
    with pytest.warns(UserWarning, match="left out here, too"):
        both = classifier.predict_proba({"a": a, "b": b})
    np.testing.assert_array_equal(both, classifier.predict_proba({"b": b}))
    again = srmm.from_pretrained(classifier.save_pretrained(tmp_path / "m"))
    with pytest.warns(UserWarning, match="left out here, too"):
        np.testing.assert_array_equal(again.predict_proba({"a": a, "b": b}), both)
    with pytest.raises(InputError, match="knows no modality 'c'"):
        classifier.predict({"c": b})


def test_a_pipeline_leaves_out_later_what_no_training_row_has(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=40), "b": rng.normal(size=40)})
    y = ["no", "yes"] * 20
    encode = srmm.Encode({"a": "identity", "b": "identity"})
    pipeline = Pipeline([("encode", encode), ("classify", srmm.make_method("logreg"))])
    with pytest.warns(UserWarning, match="No row has a: it is left out, in transform, too"):
        pipeline.fit(frame.assign(a=np.nan), y)
    with pytest.warns(UserWarning, match="a is left out here, too: no row had it in training"):
        found = pipeline.predict(frame)
    np.testing.assert_array_equal(found, pipeline.predict(frame[["b"]]))
    srmm.save_pretrained(pipeline, tmp_path / "m")
    loaded = srmm.load(tmp_path / "m").predict_frame(frame)
    np.testing.assert_array_equal(loaded["label"], found)
    assert "a is left out: the model was trained without it." in loaded.attrs["notes"]


def test_a_modality_that_no_row_has_at_all_is_said_to_be_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [None] * 40, "b": np.arange(40) * 0.7, "y": ["no", "yes"] * 20})
    frame.to_csv(tmp_path / "t.csv", index=False)
    columns = {"features": ["a=a", "b=b"], "label": "y"}
    fitted = fit_workflow(tmp_path / "t.csv", tmp_path / "m", columns=columns, method="logreg")
    assert "No training row has a: it is left out of the model, in prediction, too." in fitted.notes


def test_a_classifier_that_was_saved_alone_is_loaded_too(shop: Path) -> None:
    """With the encoders that its training embeddings were made by, or for vectors."""
    frame = pd.read_csv(shop / "shop.csv")
    table = srmm.read_table(frame, text="title", label="colour", folder=shop)
    made = srmm.encode(table, {"text": "hash"}).embeddings
    srmm.make_method("logreg").fit(made).save_pretrained(shop / "texts")
    loaded = srmm.load(shop / "texts")
    assert loaded.predict({"text": "a red shoe"}).tolist() == ["red"]
    vectors = {"text": made.to_array("text")}
    srmm.make_method("logreg").fit(vectors, frame["colour"]).save_pretrained(shop / "vectors")
    assert srmm.load(shop / "vectors").predict(vectors)[:2].tolist() == ["red", "blue"]
    one = {"text": vectors["text"][1].tolist()}
    assert srmm.load(shop / "vectors").predict(one).tolist() == ["blue"]


def test_vectors_of_another_length_are_refused_with_both_lengths(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["u", "v", "w"])
    frame["y"] = ["no", "yes"] * 20
    frame.to_csv(tmp_path / "t.csv", index=False)
    columns = {"features": "u,v,w", "label": "y"}
    fit_workflow(str(tmp_path / "t.csv"), tmp_path / "m", columns=columns, method="logreg")
    with pytest.raises(InputError, match="vectors of 2 numbers, the model was trained on 3"):
        predict_workflow(
            tmp_path / "m", str(tmp_path / "t.csv"), tmp_path / "p.csv",
            columns={"features": "u,v"},
        )  # fmt: skip


def test_no_rows_have_no_predictions(shop: Path, model: Path) -> None:
    predictor = srmm.load(model, root=shop)
    frame = pd.DataFrame({"photo": ["red.png"], "title": ["a red shoe"]})
    table = srmm.read_table(frame, image="photo", text="title", folder=shop)
    encoded, _ = predictor.encode(table)
    for nothing in (table[:0], encoded[:0]):
        assert predictor.predict(nothing).tolist() == []
        assert predictor.predict_proba(nothing).shape == (0, len(predictor.classes_))
        written = predictor.predict_frame(nothing)
        assert (len(written), "label" in written) == (0, True)


def test_a_predictor_is_copied_and_pickled_without_its_encoders(shop: Path, model: Path) -> None:
    predictor = srmm.load(model, root=shop)
    row = {"photo": "red.png", "title": "a red shoe"}
    expected = predictor.predict_proba(row)
    for again in (copy.deepcopy(predictor), pickle.loads(pickle.dumps(predictor))):
        assert not again._encoders
        np.testing.assert_array_equal(again.predict_proba(row), expected)


def test_rows_that_were_learnt_from_are_known_by_their_pictures_and_texts(shop: Path) -> None:
    frame = pd.read_csv(shop / "shop.csv")
    frame["title"] = [f"{title} {i}" for i, title in enumerate(frame["title"])]
    frame.to_csv(shop / "shop.csv", index=False)
    columns = {"image": "photo", "text": "title", "label": "colour", "id": "sku"}
    chosen = {"image": "hash", "text": "hash"}
    fit_workflow(str(shop / "shop.csv"), shop / "m", columns=columns, encoders=chosen,
                 method="logreg")  # fmt: skip
    learnt = int((srmm.load(shop / "m").rows["split"] == "train").sum())
    for source in ("shop.csv", "m.embeddings"):
        data = watch_workflow(shop / "m", str(shop / source)).content["data"]
        assert (data["trained_on"], data["repeated"]) == (learnt, 0)
    content = watch_workflow(shop / "m", str(shop / "shop.csv")).content
    assert content["data"]["labelled"] == len(frame) - learnt
    shutil.copy(shop / "red.png", shop / "copy.png")
    frame = pd.DataFrame({"photo": ["red.png", "copy.png"], "title": ["new", "new"]})
    frame.to_csv(shop / "new.csv", index=False)
    data = watch_workflow(shop / "m", str(shop / "new.csv")).content["data"]
    assert (data["trained_on"], data["repeated"]) == (0, 1)
