"""What rude clients send, to an application in this process; `make torture` asks real servers."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from srmm.serving import bodies, process
from srmm.serving.bodies import read_json_body
from srmm.serving.refusals import Refusal
from tests.serving.conftest import photo
from tests.torture.rude import BOUNDARY, broken_uploads, form

FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
JSON = {"Content-Type": "application/json"}


def test_a_name_that_stands_twice_is_found_among_many() -> None:
    body = json.dumps({str(i): 0 for i in range(200_000)})[:-1] + ', "199999": 1}'
    started = time.process_time()
    with pytest.raises(Refusal, match="'199999' stands twice"):
        read_json_body(body.encode())
    assert time.process_time() - started < 5  # hours, if each is compared with all


@pytest.mark.parametrize("depth", [300, 900, 1000, 1020, 5000])
def test_deep_json_is_refused(client: Any, depth: int) -> None:
    """Some of it orjson reads, and Python cannot look through."""
    body = b'{"text": ' + b"[" * depth + b"]" * depth + b"}"
    response = client.post("/predict", content=body, headers=JSON)
    assert response.status_code in (400, 422)
    assert response.json()["error"]["reason"]


def test_more_values_than_any_request_needs_are_refused(client: Any) -> None:
    response = client.post("/predict", content=b"[" + b"{}," * 1_000_000 + b"{}]", headers=JSON)
    assert response.status_code == 413
    assert "1,000,000 values" in response.json()["error"]["reason"]


def test_others_are_answered_while_a_large_body_is_read(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, entered, original = threading.Event(), threading.Event(), bodies.read_json_body

    def slow(body: bytes) -> Any:
        entered.set()
        assert going.wait(10)
        return original(body)

    large = json.dumps({"text": "a red shoe " * 10_000}).encode()
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(bodies, "read_json_body", slow)
        waiting = pool.submit(client.post, "/predict", content=large, headers=JSON)
        assert entered.wait(5)
        monkeypatch.undo()
        assert client.post("/predict", json={"text": "a red shoe"}).status_code == 200
        going.set()
        assert waiting.result().status_code == 200


def test_no_upload_is_written_to_the_disk(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise AssertionError("a temporary file is made")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", fails)
    body = form({"image": photo("red") + b"\0" * 3_000_000, "text": "a red shoe"})
    assert client.post("/predict", content=body, headers=FORM).status_code == 200


@pytest.mark.parametrize(
    ("kind", "body"),
    [("multipart/form-data", form({"text": "a red shoe"}).replace(b"oe", b"o\xe9")),
     ("application/x-www-form-urlencoded", b"text=a+red+sho%E9"),
     ("application/x-www-form-urlencoded", b"text=a red sho\xe9")],
)  # fmt: skip
def test_a_text_of_a_form_that_is_not_utf_8_is_refused(client: Any, kind: str, body: bytes) -> None:
    headers = {"Content-Type": FORM["Content-Type"] if "multi" in kind else kind}
    response = client.post("/predict", content=body, headers=headers)
    assert response.status_code == 400
    assert "'utf-8' codec can't decode byte 0xe9" in response.json()["error"]["reason"]


@pytest.mark.parametrize("charset", ["undefined", "punycode", "klingon"])
def test_a_charset_that_is_none_is_refused(client: Any, charset: str) -> None:
    headers = {"Content-Type": f"{FORM['Content-Type']}; charset={charset}"}
    response = client.post("/predict", content=form({"text": "é"}), headers=headers)
    assert response.status_code == 400
    assert "The form cannot be read" in response.json()["error"]["reason"]


_FIELD, _FILE = 'name="text"', 'name="image"; filename="a.png"'
_WRAPPED = [
    ("Content-Transfer-Encoding: base64", "YSByZWQgc2hvZQ==", "comes as 'base64'"),
    ("Content-Transfer-Encoding: Quoted-Printable", "a=20red=20shoe", "comes as 'Quoted-Print"),
    ("Content-Type: multipart/mixed; boundary=C", "--C\r\n\r\nshoe\r\n--C--", "parts of its own"),
]
_OF_ANOTHER_CHARSET = [
    ("Content-Type: text/plain; charset=iso-2022-jp", "\x1b$B1&\x1b(B", "is in 'iso-2022-jp'"),
    ("Content-Type: text/plain; charset=klingon", "a red shoe", "unknown encoding"),
]


@pytest.mark.parametrize(
    ("head", "text", "says", "name"),
    [*[(*case, name) for case in _WRAPPED for name in (_FIELD, _FILE)],
     *[(*case, _FIELD) for case in _OF_ANOTHER_CHARSET]],
)  # fmt: skip
def test_a_field_that_is_wrapped_is_refused(
    client: Any, head: str, text: str, says: str, name: str
) -> None:
    """It was predicted as the text of its wrapping."""
    part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {name}\r\n{head}\r\n\r\n{text}\r\n"
    body = f"{part}--{BOUNDARY}--\r\n".encode()
    response = client.post("/predict", content=body, headers=FORM)
    assert response.status_code == 400
    assert says in response.json()["error"]["reason"]


@pytest.mark.parametrize(
    "head",
    ["Content-Transfer-Encoding: 8bit", "Content-Type: text/plain; charset=ISO-8859-1",
     "Content-Transfer-Encoding: BINARY\r\nContent-Type: text/plain; charset=UTF-8"],
)  # fmt: skip
def test_a_field_as_common_clients_send_it_is_read(client: Any, head: str) -> None:
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="text"\r\n{head}\r\n\r\n'
    body = f"{part}a red shoe\r\n--{BOUNDARY}--\r\n".encode()
    response = client.post("/predict", content=body, headers=FORM)
    assert response.status_code == 200
    plain = client.post("/predict", json={"text": "a red shoe"}).json()
    assert response.json()["predictions"] == plain["predictions"]


def test_a_form_without_its_end_is_refused(client: Any) -> None:
    body = form({"text": "a red shoe", "price": "12"})
    for cut in (body[: body.rindex(b"--")], body[:-40], b""):
        response = client.post("/predict", content=cut, headers=FORM)
        assert response.status_code == 400
        assert "is cut off" in response.json()["error"]["reason"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [("coverage=0.5&coverage=0.9", "given twice"), ("nearest=3", "started without --store")],
)
def test_a_query_that_would_change_nothing_is_refused(client: Any, query: str, reason: str) -> None:
    response = client.post(f"/predict?{query}", json={"text": "a red shoe"})
    assert response.status_code == 422
    assert reason in response.json()["error"]["reason"]


def test_a_coverage_that_the_model_cannot_promise_is_refused(client: Any) -> None:
    """As `srmm predict --coverage` refuses it; a distilled model keeps no scores."""
    client.predictor.model.calibration_ = None
    response = client.post("/predict?coverage=0.8", json={"text": "a red shoe"})
    assert response.status_code == 422
    assert "kept no scores of held-out instances" in response.json()["error"]["reason"]
    assert response.json()["error"]["field"] == "coverage"
    for query in ("", "?coverage=none"):
        response = client.post(f"/predict{query}", json={"text": "a red shoe"})
        assert response.json()["predictions"][0]["set"] is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"text": {"a": 1}}', "Expected a text, got an object."),
        (b'{"text": [true]}', "The list holds true or false: expected an embedding of"),
        (b'{"text": ["a"]}', "The list holds a text: expected an embedding of"),
        (b'{"text": {"embedding": "a"}}', "Got a text, expected an embedding of"),
        (b'{"text": ' + b"9" * 5000 + b"}", "A whole number in it has thousands of digits."),
    ],
)
def test_what_a_value_is_and_what_it_should_be(client: Any, body: bytes, reason: str) -> None:
    response = client.post("/predict", content=body, headers=JSON)
    assert response.status_code in (400, 422)
    assert response.json()["error"]["reason"].startswith(reason)


def test_a_form_of_separators_is_refused(client: Any) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = client.post("/predict", content=b"&" * 5000, headers=headers)
    assert response.status_code == 400
    assert "more than 3,200 fields" in response.json()["error"]["reason"]


def test_a_number_that_no_float_holds_is_noted(client: Any) -> None:
    body = f'{{"price": {"9" * 400}, "text": "a red shoe"}}'.encode()
    response = client.post("/predict", content=body, headers=JSON)
    assert response.status_code == 200
    (said,) = response.json()["predictions"]
    assert "price: 1 cell that cannot be read" in said["notes"][0]


@pytest.mark.parametrize(
    ("body", "field"),
    [(rb'{"text": "a \ud800"}', "text"), (b'{"text": "a \xed\xa0\x80"}', "text"),
     (rb'{"info": {"size": "\ud800"}}', "info.size"), (rb'{"price": "1\udfff"}', "price"),
     (rb'{"size": ["a", "\ud800"]}', "size")],
)  # fmt: skip
def test_half_a_character_is_refused(client: Any, body: bytes, field: str) -> None:
    response = client.post("/predict", content=body, headers=JSON)
    assert response.status_code in (400, 422)  # JSON itself, or what is in it
    error = response.json()["error"]
    assert error["field"] in (field, None)
    assert "Unicode" in error["reason"] or "UTF-8" in error["reason"]


def test_a_name_of_a_request_with_half_a_character_comes_back_readable(client: Any) -> None:
    inputs = [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a shoe"]}]
    body = json.dumps({"id": "\ud800", "inputs": inputs}).encode()
    answer = client.post("/v2/models/model/infer", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["id"]) == (200, r"\ud800")


@pytest.mark.workflow
def test_broken_uploads_are_refused_or_answered(client: Any) -> None:
    rows = [{"text": "a red shoe"}, {"info": {"price": "1,5", "size": "S"}, "text": "a blue shoe"}]
    whole = client.post("/predict", json=rows[0]).json()
    seen = set()
    for _, (path, kind, body) in zip(range(300), broken_uploads(rows, 7), strict=False):
        response = client.post(path, content=body, headers={"Content-Type": kind})
        assert response.status_code in (200, 400, 413, 415, 422), (kind, body[:200])
        assert "Traceback" not in response.text
        seen.add(response.status_code)
    assert {200, 400, 422} <= seen
    assert client.post("/predict", json=rows[0]).json() == whole


def test_a_form_that_is_none_leaves_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Its parser wrote a line for each, with what it met."""
    loggers = process._log_config({"loggers": {}})["loggers"]
    parser = logging.getLogger("python_multipart")
    before = parser.level
    try:
        parser.setLevel(loggers["python_multipart"]["level"])
        with pytest.raises(MultipartParseError):
            MultipartParser(b"B", {}).write(b"no boundary")
        assert not caplog.records
        parser.setLevel(before)
        with pytest.raises(MultipartParseError):
            MultipartParser(b"B", {}).write(b"no boundary")
        assert caplog.records  # or there would be nothing to keep out
    finally:
        parser.setLevel(before)
