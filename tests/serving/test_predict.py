"""`POST /predict`: any subset of the modalities, in any form, and what is refused."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serving.conftest import photo

RED = base64.b64encode(photo("red")).decode()
BLUE = base64.b64encode(photo("blue")).decode()


def ask(client: Any, rows: Any, **query: Any) -> Any:
    return client.post("/predict", json=rows, params=query)


def only(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    (prediction,) = response.json()["predictions"]
    return prediction


@pytest.mark.parametrize(
    "row",
    [
        {"image": RED},
        {"photo": f"data:image/png;base64,{RED}"},
        {"image": {"base64": RED}},
        {"text": "a red shoe"},
        {"title": "a red shoe", "image": None},
        {"info": {"price": "12,50", "size": "S"}},
        {"price": "12,50"},
        {"image": RED, "text": "a red shoe", "price": "12,50", "size": "M"},
    ],
)
def test_any_subset_is_answered(client: Any, row: dict[str, Any]) -> None:
    said = only(ask(client, row))
    assert said["label"] == "red"
    assert said["probability"] > 0.5
    kinds = {"photo": "image", "title": "text", "price": "info", "size": "info"}
    given = {kinds.get(name, name) for name, item in row.items() if item is not None}
    present = {n for n, about in said["modalities"].items() if about["status"] == "present"}
    assert present == given
    shares = [about["share"] for about in said["modalities"].values() if about["share"] is not None]
    assert said["prior_share"] + sum(shares) == pytest.approx(said["probability"])
    assert said["label"] in said["set"]["labels"]
    assert [one["label"] for one in said["probabilities"]] == ["red", "blue"]


def test_it_says_what_the_predictor_says(client: Any, shop: Path) -> None:
    rows = [{"title": "a blue shoe"}, {"title": "a red shoe", "price": "11,50", "size": "S"},
            {"price": "53,50", "size": None}]  # fmt: skip
    found = ask(client, {"rows": rows}, top="all").json()["predictions"]
    for said, row in zip(found, rows, strict=True):
        expected = client.predictor.predict_proba(row)[0]
        by_label = {one["label"]: one["probability"] for one in said["probabilities"]}
        shown = [by_label[label] for label in client.predictor.classes_]
        np.testing.assert_allclose(shown, expected, atol=1e-6)


def test_it_explains_as_the_predictor_does(client: Any) -> None:
    """Also where rows of several requests, with other modalities each, are computed together."""
    rows = [{"title": "a blue shoe"}, {"title": "a red shoe", "price": "11,50", "size": "S"},
            {"price": "53,50"}, {"photo": photo("red"), "title": "a blue shoe", "price": "12,50"},
            {"photo": photo("blue"), "price": "12,50"}]  # fmt: skip
    frame = client.predictor.predict_frame(rows, explain=True)
    sent = [{**row, "photo": RED if row.get("photo") == photo("red") else BLUE}
            if "photo" in row else row for row in rows]  # fmt: skip
    found = ask(client, {"rows": sent}).json()["predictions"]
    for said, expected in zip(found, frame.to_dict("records"), strict=True):
        assert said["label"] == expected["label"]
        assert said["prior_share"] == pytest.approx(expected["prior_share"], abs=1e-6)
        for name, about in said["modalities"].items():
            if about["status"] != "present":
                assert about["share"] is about["label"] is about["of_answer"] is None
                continue
            assert about["label"] == expected[f"{name}_label"]
            for what in ("probability", "share"):
                assert about[what] == pytest.approx(expected[f"{name}_{what}"], abs=1e-6)


def test_embeddings_may_stand_in_for_items(client: Any) -> None:
    """Beside rows with items, and as they are answered alone."""
    blue = client.predictor.encoder("text").embed("a blue shoe").tolist()
    rows = [{"text": "a red shoe"}, {"text": blue}, {"text": {"embedding": blue}},
            {"image": RED, "text": blue}]  # fmt: skip
    same = [{"text": "a red shoe"}, {"text": "a blue shoe"}, {"text": "a blue shoe"},
            {"image": RED, "text": "a blue shoe"}]  # fmt: skip
    found = ask(client, rows).json()["predictions"]
    for said, row in zip(found, same, strict=True):
        alone = only(ask(client, row))
        assert said["label"] == alone["label"]
        assert said["probability"] == pytest.approx(alone["probability"], abs=1e-6)
    assert [said["label"] for said in found[:3]] == ["red", "blue", "blue"]


def test_forms_hold_files_texts_and_several_rows(client: Any) -> None:
    files = {"image": ("p.png", photo("red"), "image/png")}
    said = only(client.post("/predict", files=files, data={"price": "12,50", "text": ""}))
    assert said["label"] == "red"
    assert said["modalities"]["text"]["status"] == "absent"
    data = {"text[0]": "a red shoe", "text[2]": "a blue shoe", "info[1]": '{"price": "52,50"}'}
    found = client.post("/predict", data=data).json()["predictions"]
    assert [one["label"] for one in found] == ["red", "blue", "blue"]
    braces = {"text": '{"not": "JSON for us"}'}
    assert only(client.post("/predict", data=braces))["modalities"]["text"]["status"] == "present"


def test_what_is_broken_is_absent_and_named(client: Any) -> None:
    broken = base64.b64encode(b"\x89PNG broken").decode()
    rows = [{"image": broken, "text": "a red shoe"}, {"image": RED}]
    first, second = ask(client, rows).json()["predictions"]
    assert first["label"] == "red"
    assert first["modalities"]["image"]["status"] == "broken"
    assert "image" in first["modalities"]["image"]["reason"]
    assert second["modalities"]["image"]["status"] == "present"
    alone = ask(client, {"image": broken})
    assert alone.status_code == 422
    (entry,) = alone.json()["error"]["broken"]
    assert entry["modality"] == "image"


def test_what_stands_for_nothing_is_blank_as_in_training(client: Any) -> None:
    said = only(ask(client, {"text": "N/A", "image": "n/a", "price": "12,50"}))
    assert said["modalities"]["image"]["status"] == "blank"
    assert said["modalities"]["text"]["status"] == "blank"


def test_a_cell_that_cannot_be_read_is_said(client: Any) -> None:
    said = only(ask(client, {"price": "cheap", "size": "S"}))
    assert any("price" in note and "cheap" in note for note in said["notes"])
    assert only(ask(client, {"price": "12,50", "size": "S"}))["notes"] == []


def test_nothing_present_is_the_models_policy(client: Any, serve: Any) -> None:
    refused = ask(client, [{"text": "a red shoe"}, {}])
    assert refused.status_code == 422
    error = refused.json()["error"]
    assert error["nothing_present"] == [1]
    assert error["field"] == "rows[1]"
    said = only(ask(serve(when_nothing="prior"), {}))
    assert said["nothing_present"] is True
    assert said["probability"] == pytest.approx(0.5, abs=0.1)


def test_a_path_is_no_picture_and_an_address_is_not_fetched(client: Any, shop: Path) -> None:
    for value in (str(shop / "red.png"), "red.png", "/etc/passwd", "file:///etc/passwd",
                  "http://127.0.0.1:1/a.png", {"path": str(shop / "red.png")}):  # fmt: skip
        response = ask(client, {"image": value})
        assert response.status_code == 422, value
        assert response.json()["error"]["field"] == "image"
    said = only(ask(client, {"text": str(shop / "red.png")}))  # a text that looks like a path
    assert said["modalities"]["text"]["status"] == "present"


@pytest.mark.parametrize(
    ("rows", "field", "words"),
    [
        ({"txet": "a"}, "txet", "Did you mean 'text'"),
        ([{}, {"info": {"prize": 3}}], "rows[1].info.prize", "Did you mean 'price'"),
        ({"text": ["a", "b"]}, "text", "8 finite numbers"),
        ({"text": [1.0, 2.0]}, "text", "8 finite numbers"),
        ({"text": {"a": 1}}, "text", "Expected a text"),
        ({"text": True}, "text", "got true or false"),
        ({"text": "a", "title": "b"}, "title", "given twice"),
        ({"image": "data:image/png,abc"}, "image", "not in base64"),
        ({"image": 7}, "image", "base64"),
        ({"info": {"price": {"a": 1}}}, "info.price", "got an object"),
        ({"price": "x" * 20_000}, "price", "20,000 characters"),
        ({"id": [1], "text": "a"}, "id", "name the row"),
        ({"rows": []}, "rows", "no row"),
        (["a"], "rows[0]", "Expected an object"),
        ("a", None, "Expected an object"),
        ({"\ud800" * 300: 1}, "\\ud800" * 33 + "…", "reads nothing called"),
    ],
)
def test_refusals_name_field_and_reason(client: Any, rows: Any, field: Any, words: str) -> None:
    import json

    response = client.post(
        "/predict", content=json.dumps(rows), headers={"Content-Type": "application/json"}
    )
    error = response.json()["error"]
    assert response.status_code == 422
    assert words in error["reason"]
    assert len(error["reason"]) <= 1000
    if field is None or "\\" not in field:
        assert error["field"] == field


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"text": NaN}', b'{"info": {"price": 1e999}}', b'{"a": 1, "a": 2}',
     b"[" * 100_000, b'{"info": {"price": ' + b"9" * 5000 + b"}}"],
)  # fmt: skip
def test_what_is_no_json_is_refused(client: Any, body: bytes) -> None:
    response = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]["reason"]


def test_other_bodies_and_questions_are_refused(client: Any) -> None:
    assert (
        client.post("/predict", content=b"a", headers={"Content-Type": "text/plain"}).status_code
        == 415
    )
    zipped = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert client.post("/predict", content=b"{}", headers=zipped).status_code == 415
    no_boundary = {"Content-Type": "multipart/form-data"}
    assert client.post("/predict", content=b"--x", headers=no_boundary).status_code == 400
    for query in ({"coverage": "2"}, {"top": "0"}, {"explain": "yes"}, {"foo": "1"}):
        response = ask(client, {"text": "a"}, **query)
        assert response.status_code == 422
        assert response.json()["error"]["field"] == next(iter(query))
    empty = {"image": ("p.png", b"", "image/png")}
    assert client.post("/predict", files=empty).json()["error"]["field"] == "image"
