"""All around an answer: batches, limits, keys, counts, the other protocol, errors."""

from __future__ import annotations

import base64
import json
import logging
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from srmm.errors import InputError
from srmm.serving import answers, desk
from srmm.serving.facts import read_report
from srmm.serving.limits import Limits
from srmm.serving.process import allowed_hosts, api_keys
from tests.serving.conftest import photo
from tests.tampering import edit_json

KEY = "k" * 20


def test_requests_that_come_together_are_computed_together(serve: Any) -> None:
    client = serve(limits=Limits(wait_ms=150))
    texts = [f"a {colour} shoe" for colour in ("red", "blue") * 4]
    alone = [client.post("/predict", json={"text": text}).json() for text in texts[:2]]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda t: client.post("/predict", json={"text": t}).json(), texts))
    for one, expected in zip(found, alone * 4, strict=True):
        assert one["predictions"][0]["label"] == expected["predictions"][0]["label"]
    counted = _counts(client)
    assert counted["srmm_batch_rows_sum"] == 10
    assert counted["srmm_batch_rows_count"] < 8


def test_one_request_that_fails_does_not_fail_the_others(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = answers.answer_batch

    def fails(predictor: Any, batch: Any, *rest: Any) -> Any:
        if any("poison" in asked.table.items["text"] for asked in batch):
            raise InputError("Poison is refused.")
        return original(predictor, batch, *rest)

    monkeypatch.setattr(desk, "answer_batch", fails)
    client = serve(limits=Limits(wait_ms=150))
    with ThreadPoolExecutor(3) as pool:
        texts = ["a red shoe", "poison", "a blue shoe"]
        found = list(pool.map(lambda t: client.post("/predict", json={"text": t}), texts))
    assert [one.status_code for one in found] == [200, 422, 200]
    assert found[1].json()["error"]["reason"] == "Poison is refused."


def test_a_full_server_says_when_to_come_again(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    going, entered, original = threading.Event(), threading.Event(), answers.answer_batch

    def slow(*arguments: Any) -> Any:
        entered.set()
        going.wait(10)
        return original(*arguments)

    client = serve(limits=Limits(queue=2, batch_rows=1, answer_seconds=20))
    monkeypatch.setattr(desk, "answer_batch", slow)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(client.post, "/predict", json={"text": "a red shoe"}) for _ in "ab"]
        assert entered.wait(5)
        while client.desk.gatherer.waiting < 1:
            time.sleep(0.01)
        refused = client.post("/predict", json={"text": "a"})
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert client.get("/health").status_code == 200
        going.set()
        assert [one.result().status_code for one in waiting] == [200, 200]


def test_an_answer_that_takes_too_long_is_given_up(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, original = threading.Event(), answers.answer_batch

    def slow(*arguments: Any) -> Any:
        going.wait(10)
        return original(*arguments)

    client = serve(limits=Limits(answer_seconds=0.1))
    monkeypatch.setattr(desk, "answer_batch", slow)
    response = client.post("/predict", json={"text": "a"})
    assert response.status_code == 503
    assert "longer than 0.1 s" in response.json()["error"]["reason"]
    time.sleep(0.1)
    assert client.get("/ready").status_code == 503  # the model is still at it
    going.set()


def test_sizes_and_counts_are_limited(serve: Any) -> None:
    client = serve(limits=Limits(body_mb=0.01, rows=2, memory_mb=0.02))
    long = {"text": "x" * 20_000}
    assert client.post("/predict", json=long).status_code == 413
    chunks = (b"x" * 4000 for _ in range(5))
    headers = {"Content-Type": "application/json"}
    assert client.post("/predict", content=chunks, headers=headers).status_code == 413
    assert client.post("/predict", json=[{}] * 3).status_code == 413
    assert client.post("/predict", data={"text[2]": "a"}).status_code == 413
    tight = serve(limits=Limits(memory_mb=0.001))
    full = tight.post("/predict", json={"text": "x" * 3000})
    assert (full.status_code, full.headers["Retry-After"]) == (503, "2")
    assert tight.post("/predict", json={"text": "a red shoe"}).status_code == 200  # given back


def test_an_error_of_ours_has_a_number_and_no_traceback(
    serve: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve()

    def fails(*_: Any) -> Any:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(desk, "answer_batch", fails)
    with caplog.at_level(logging.ERROR, "srmm.serving"):
        response = client.post("/predict", json={"text": "a"})
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    number = response.json()["error"]["id"]
    assert any(number in record.getMessage() and record.exc_info for record in caplog.records)


def test_keys_open_all_but_the_page_and_the_probes(serve: Any) -> None:
    client = serve(keys=[KEY, "another" * 3])
    for path in ("/model", "/metrics", "/openapi.json", "/v2", "/v2/models/model"):
        assert client.get(path).status_code == 401, path
    assert client.post("/predict", json={"text": "a"}).status_code == 401
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"X-API-Key": "another" * 3}):
        assert client.get("/model", headers=headers).status_code == 200
    for wrong in (KEY[:-1], KEY + "k", ""):
        assert client.get("/model", headers={"X-API-Key": wrong}).status_code == 401
    for path in ("/", "/health", "/ready", "/page/app.js", "/v2/health/live"):
        assert client.get(path).status_code == 200, path


def test_keys_that_could_be_guessed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRMM_API_KEYS", f" {KEY} ,")
    assert api_keys() == [KEY]
    monkeypatch.setenv("SRMM_API_KEYS", "1234")
    with pytest.raises(InputError, match="fewer than 16 characters"):
        api_keys()


def test_other_sites_and_other_names_are_refused(serve: Any) -> None:
    client = serve(hosts=["testserver"])
    assert client.get("/model").status_code == 200
    assert client.get("/model", headers={"Host": "evil.example:8000"}).status_code == 421
    assert client.get("/metrics", headers={"Host": "10.0.0.7:8000"}).status_code == 421
    for probe in ("/health", "/ready", "/v2/health/live", "/v2/health/ready"):
        assert client.get(probe, headers={"Host": "10.0.0.7:8000"}).status_code == 200, probe
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                    {"Origin": "null"}, {"Origin": "http://evil.example"}):  # fmt: skip
        assert client.post("/predict", json={"text": "a"}, headers=headers).status_code == 403
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://testserver"}):
        assert client.post("/predict", json={"text": "a"}, headers=headers).status_code == 200
    assert "access-control-allow-origin" not in client.get("/model").headers
    assert allowed_hosts("127.0.0.1", ()) != ()
    assert allowed_hosts("0.0.0.0", ()) == ()
    assert allowed_hosts("0.0.0.0", ["shop.example"]) == ("shop.example",)


def test_what_the_model_is_names_no_path_of_the_server(client: Any, shop: Path) -> None:
    facts = client.get("/model")
    assert str(shop) not in facts.text
    content = facts.json()
    assert content["classes"] == ["blue", "red"]
    kinds = {one["name"]: one["kind"] for one in content["modalities"]}
    assert kinds == {"image": "image", "text": "text", "info": "features"}
    columns = content["modalities"][2]["columns"]
    assert [(c["name"], c["kind"]) for c in columns] == [("price", "number"), ("size", "category")]
    assert sorted(columns[1]["values"]) == ["L", "M", "S"]
    for path in ("/v2/models/model", "/openapi.json", "/metrics"):
        assert str(shop) not in client.get(path).text


def test_accuracy_to_expect_comes_from_the_models_own_report(serve: Any, tmp_path: Path) -> None:
    patterns = [{"present": ["text"], "n": 15, "accuracy": 0.8, "accuracy_ci": [0.6, 0.9]}]
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"format": "srmm-report", "patterns": patterns, "data": {}}))
    facts = serve(report=report).get("/model").json()
    (found,) = facts["accuracy"]["patterns"]
    assert (found["present"], found["accuracy"], found["interval"]) == (["text"], 0.8, [0.6, 0.9])
    contract = serve().desk.contract
    report.write_text(json.dumps({"format": "srmm-report", "patterns": [{"present": ["smell"]}]}))
    with pytest.raises(InputError, match="a report on smell"):
        read_report(report, contract)
    report.write_text("{}")
    with pytest.raises(InputError, match="is no report"):
        read_report(report, contract)


def test_the_nearest_training_items_are_shown(serve: Any, shop: Path) -> None:
    client = serve(store=shop / "model.embeddings")
    response = client.post("/predict", json={"text": "a red shoe"}, params={"nearest": 3})
    near = response.json()["predictions"][0]["nearest"]
    assert [one["label"] for one in near] == ["red"] * 3
    assert near[0]["texts"] == {"text": "a red shoe"}
    picture = client.get(f"/nearest/{near[0]['number']}/image")
    assert picture.content[:3] == b"\xff\xd8\xff"
    for path in (
        "/nearest/999999/image",
        "/nearest/0/text",
        "/nearest/0/..%2Fx",
        "/nearest/-1/image",
        "/nearest/x/image",
    ):
        assert client.get(path).status_code == 404, path
    assert "nearest" not in client.post("/predict", json={"text": "a"}).json()["predictions"][0]
    with pytest.raises(InputError, match="is no store"):
        serve(store=shop)


def test_pictures_are_shown_from_named_folders_alone(
    serve: Any, shop: Path, tmp_path: Path
) -> None:
    """A store may come from anybody, and name any file."""
    (tmp_path / "pictures").symlink_to(shop)
    store = shutil.copytree(shop / "model.embeddings", tmp_path / "store")
    edit_json(store / "_source.json", lambda noted: noted.update(proof="of another machine"))
    for root in (None, tmp_path):
        client = serve(store=store, root=root)
        (note,) = client.desk.notes
        assert "red.png" in note or "blue.png" in note
        near = client.post("/predict?nearest=3", json={"text": "a red shoe"}).json()
        assert all(one["pictures"] == [] for one in near["predictions"][0]["nearest"])
        assert client.get("/nearest/0/image").status_code == 404
    linked = client.desk.neighbours
    assert not linked._may_show("pictures/red.png")
    assert not linked._may_show("../" + shop.name + "/red.png")
    assert serve(store=store, root=shop).desk.notes == []


def test_counts_tell_of_presence_and_of_doubt(serve: Any) -> None:
    client = serve(when_nothing="prior")
    broken = base64.b64encode(b"broken").decode()
    rows = [{"text": "a red shoe"}, {}, {"image": broken, "text": "a blue shoe"}]
    assert client.post("/predict", json=rows).status_code == 200
    counted = _counts(client)
    assert counted["srmm_rows_total"] == 3
    assert counted['srmm_items_present_total{modality="text"}'] == 2
    assert counted['srmm_items_present_total{modality="image"}'] == 0
    assert counted['srmm_items_broken_total{modality="image"}'] == 1
    assert counted["srmm_rows_nothing_present_total"] == 1
    assert counted["srmm_entropy_count"] == 3
    assert counted['srmm_requests_total{route="/predict",status="200"}'] == 1


def test_the_open_inference_protocol(client: Any) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/model/ready").json() == {"name": "model", "ready": True}
    meta = client.get("/v2/models/model").json()
    names = [tensor["name"] for tensor in meta["inputs"]]
    assert names == ["image", "text", "price", "size"]
    picture = base64.b64encode(photo("red")).decode()
    inputs = [
        {"name": "image", "shape": [2, 1], "datatype": "BYTES", "data": [picture, None]},
        {"name": "price", "shape": [2], "datatype": "FP64", "data": [12.5, 52.5]},
    ]
    answer = client.post("/v2/models/model/infer", json={"id": "7", "inputs": inputs}).json()
    outputs = {one["name"]: one for one in answer["outputs"]}
    assert answer["id"] == "7"
    assert outputs["label"]["data"] == ["red", "blue"]
    assert outputs["present"]["data"] == [True, False, True, False, False, True]
    assert outputs["probabilities"]["shape"] == [2, 2]
    assert sum(outputs["probabilities"]["data"][:2]) == pytest.approx(1)
    vector = client.predictor.encoder("text").embed("a blue shoe").tolist()
    tensor = {"name": "text", "shape": [1, 8], "datatype": "FP32", "data": [vector]}
    asked = {"inputs": [tensor], "outputs": [{"name": "label"}]}
    answer = client.post("/v2/models/model/infer", json=asked).json()
    assert answer["outputs"] == [
        {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["blue"]}
    ]


@pytest.mark.parametrize(
    ("change", "status"),
    [({"shape": [3]}, 400), ({"datatype": "FP8"}, 400), ({"data": "a"}, 400), ({"name": 1}, 400),
     ({"name": "smell"}, 422), ({"shape": [1, 1, 1]}, 400), ({"shape": [-1]}, 400)],
)  # fmt: skip
def test_tensors_that_are_none_are_refused(client: Any, change: Any, status: int) -> None:
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"], **change}
    response = client.post("/v2/models/model/infer", json={"inputs": [tensor]})
    assert response.status_code == status
    assert isinstance(response.json()["error"], str)
    assert client.post("/v2/models/other/infer", json={"inputs": [tensor]}).status_code == 404


@pytest.mark.parametrize(
    ("kind", "values", "wrong"),
    [("UINT8", [300], "300 is no UINT8, expected a whole number from 0 to 255"),
     ("INT8", [-129], "from -128 to 127"), ("INT32", [1.5], "1.5 is no INT32"),
     ("INT64", [True], "True is no INT64"), ("UINT64", [2**64], "is no UINT64"),
     ("BOOL", [2], "2 is no BOOL, expected true or false"), ("BOOL", ["yes"], "is no BOOL"),
     ("FP16", [1, 70000], "70000 is no FP16"), ("FP32", [1e39], "is no FP32"),
     ("FP64", [10**400], "is no FP64"), ("FP64", ["12,50"], "'12,50' is no FP64"),
     ("BYTES", [7], "7 is no BYTES, expected a text"), ("BYTES", [["a"]], "is no BYTES")],
)  # fmt: skip
def test_a_value_that_its_datatype_cannot_hold_is_refused(
    client: Any, kind: str, values: list[Any], wrong: str
) -> None:
    tensor = {"name": "price", "shape": [len(values)], "datatype": kind, "data": values}
    answer = client.post("/v2/models/model/infer", json={"inputs": [tensor]})
    assert answer.status_code == 400
    assert wrong in answer.json()["error"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("UINT8", 255), ("INT32", 12.0), ("INT64", 12), ("BOOL", True), ("BOOL", 1), ("FP16", 12.5),
     ("FP32", 12), ("BYTES", "12,50 €")],
)  # fmt: skip
def test_a_value_of_its_datatype_is_answered(client: Any, kind: str, value: Any) -> None:
    tensor = {"name": "price", "shape": [1], "datatype": kind, "data": [value]}
    text = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a red shoe"]}
    assert client.post("/v2/models/model/infer", json={"inputs": [tensor, text]}).is_success


def test_a_null_row_of_a_tensor_takes_no_room_of_its_shape(client: Any) -> None:
    wide = {"name": "text", "shape": [1, 10**18], "datatype": "FP32", "data": [None]}
    answer = client.post("/v2/models/model/infer", json={"inputs": [wide]})
    assert answer.status_code == 422  # a row with nothing
    cells = {"name": "text", "shape": [2, 2], "datatype": "FP32"}
    for data, values in [([None, [1]], 3), ([1, 2, 3], 3), ([[1, 2, 3], [4]], 4), ([], 0)]:
        answer = client.post("/v2/models/model/infer", json={"inputs": [{**cells, "data": data}]})
        assert answer.status_code == 400
        assert f"{values} values do not fill a shape of [2, 2]" in answer.json()["error"]


def test_the_description_has_an_example_that_is_answered(client: Any) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    body = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]
    example = body["examples"]["everything"]["value"]
    assert set(example) == {"image", "text", "info"}
    assert client.post("/predict", json=example).status_code == 200


def test_the_page_asks_nothing_of_others(client: Any) -> None:
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for path in ("/", "/page/app.js", "/page/sound.js", "/page/style.css", "/page/colours.css"):
        content = client.get(path).text
        assert "http://" not in content.replace("http://www.w3.org", "")
        assert "https://" not in content
        assert "innerHTML" not in content
    assert client.get("/page/..%2Fapplication.py").status_code == 404
    assert client.get("/page/index.html").status_code == 404


def test_limits_are_checked() -> None:
    with pytest.raises(InputError, match="queue is 0, expected a whole number, at least 1"):
        Limits(queue=0)
    with pytest.raises(InputError, match=r"rows is 1\.9, expected a whole number"):
        Limits(rows=1.9)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="body_mb is nan, expected a finite number"):
        Limits(body_mb=float("nan"))
    with pytest.raises(InputError, match="body_mb is 0; expected a number above 0"):
        Limits(body_mb=0)
    assert Limits(wait_ms=0).wait_ms == 0


def _counts(client: Any) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def test_head_is_answered_as_get_without_the_body(serve: Any) -> None:
    client = serve(keys=[KEY])
    for address, status in (("/health", 200), ("/", 200), ("/model", 401), ("/predict", 401)):
        got, head = client.get(address), client.head(address)
        assert head.status_code == got.status_code == status, address
        assert head.content == b""
        assert head.headers == got.headers
    assert client.head("/predict", headers={"X-API-Key": KEY}).headers["allow"] == "POST"
    assert client.post("/health").headers["allow"] == "GET"


def test_one_row_with_nothing_is_one(client: Any) -> None:
    for rows, said in (
        ([{"text": "a red shoe"}, {}], "Row 1 has nothing to predict from"),
        ([{}, {}], "Rows 0, 1 have nothing to predict from"),
    ):
        reason = client.post("/predict", json={"rows": rows}).json()["error"]["reason"]
        assert reason.startswith(said)
