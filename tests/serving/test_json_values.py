"""JSON that orjson reads is what Python's own reader says; what it would say otherwise is left."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srmm.serving.json_values import JsonAnswer, NotPlainError, read_plain

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
)


def typed(value: Any) -> Any:
    """The value with the type of every number, as 1 equals 1.0 and True."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else (type(value), value)


@given(VALUES, st.booleans())
def test_what_is_read_is_what_python_reads(value: Any, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        found = read_plain(body)
    except NotPlainError:
        return
    assert typed(found) == typed(json.loads(body))


@given(st.dictionaries(st.sampled_from(["image", "text"]), st.lists(st.floats(-1e6, 1e6))))
def test_embeddings_are_always_read(rows: dict[str, list[float]]) -> None:
    assert typed(read_plain(json.dumps(rows).encode())) == typed(rows)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2}',
        b'{"rows": [{"a": [1.5], "b": {"c": 1, "c": 1}}]}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"a": 18446744073709551616}',
        b"[1, -9223372036854775809]",
        b'{"a": 1e999}',
        b'{"a": NaN}',
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b"{",
        b"",
        b"[" * 5000,
    ],
)
def test_what_it_would_read_otherwise_is_left(body: bytes) -> None:
    with pytest.raises(NotPlainError):
        read_plain(body)


def test_an_answer_is_json_whatever_a_row_is_called() -> None:
    for id in ("é", 2**63, 2**200):
        assert json.loads(JsonAnswer({"id": id, "probability": 0.1}).body)["id"] == id
