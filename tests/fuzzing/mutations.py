"""Bytes that are nearly right: a few cuts, repeats and odd values in what a reader expects."""

from __future__ import annotations

import json
from random import Random
from typing import Any

_TOKENS = (
    b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xff" * 8, b"\x80", b"\r\n", b"\n", b"\t", b";",
    b'"', b"'", b"{", b"}", b"[", b"]", b"," * 9, b"[" * 3000, b"-1", b"0", b"NaN", b"1e999",
    b"9" * 5000, b"null", b"\xed\xa0\x80", b"../", b"%00", b"&a", b"*a", b"!!python/name:os.system",
    b"__import__", b"\xf0\x9f\x98\x80", b"\x1a", b"=1+1", b"://", b"<!DOCTYPE html>", b"PK\x03\x04",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), "", "x", "nan", "\0", "\ud800", "é" * 300, "../../x", "/dev/null", "a:b", [],
    [[]], [None], [1, "x"], {}, {"": {}}, {"x": None}, [0] * 50, {"format": 1},
)  # fmt: skip


def mutated(data: bytes, random: Random) -> bytes:
    """The bytes with one to four changes."""
    for _ in range(random.randint(1, 4)):
        change = random.choice((_flip, _flip, _cut, _repeat, _insert, _overwrite, _length, _end))
        data = change(data, random)
    return data


def mutated_json(data: bytes, random: Random) -> bytes:
    """A JSON document with other values, keys or shapes at one to three places of it."""
    content = json.loads(data)
    for _ in range(random.randint(1, 3)):
        content = _changed(content, random)
    return json.dumps(content).encode("utf-8", "surrogatepass")


def _changed(node: Any, random: Random) -> Any:
    """The node, or one below it, otherwise."""
    deeper = isinstance(node, dict | list) and node and random.random() < 0.85
    if not deeper:
        return _other(node, random)
    if isinstance(node, list):
        place = random.randrange(len(node))
        if random.random() < 0.2:
            return node[:place] + node[place + 1 :] * random.choice((1, 1, 2))
        return [*node[:place], _changed(node[place], random), *node[place + 1 :]]
    key = random.choice(sorted(node))
    kept = {name: value for name, value in node.items() if name != key}
    if random.random() < 0.25:
        return kept
    if random.random() < 0.1:
        return {**kept, random.choice(("", "x", "\0", key + key)): node[key]}
    return {**node, key: _changed(node[key], random)}


def _other(node: Any, random: Random) -> Any:
    """Something else in the place of a value; of a number, often another number."""
    if isinstance(node, int | float) and random.random() < 0.5:
        return random.choice((node + 1, node - 1, -node, node * 1000, node / 2))
    if isinstance(node, str) and random.random() < 0.3:
        return random.choice((node[:-1], node * 2, node.upper(), [node], {node: node}))
    return random.choice(_VALUES)


def _place(data: bytes, random: Random) -> int:
    """A place in the bytes: headers and footers decide most, so often near an end."""
    if random.random() < 0.5 and len(data) > 200:
        near = random.randrange(100)
        return near if random.random() < 0.5 else len(data) - near
    return random.randint(0, len(data))


def _flip(data: bytes, random: Random) -> bytes:
    at = min(_place(data, random), len(data) - 1)
    return (
        data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :] if data else b""
    )


def _cut(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + data[at + random.randint(1, 64) :]


def _repeat(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + data[at : at + random.randint(1, 64)] * random.randint(2, 4) + data[at:]


def _insert(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + random.choice(_TOKENS) + data[at:]


def _overwrite(data: bytes, random: Random) -> bytes:
    at, token = _place(data, random), random.choice(_TOKENS)
    return data[:at] + token + data[at + len(token) :]


def _length(data: bytes, random: Random) -> bytes:
    """Another whole number of 1, 2, 4 or 8 bytes, as lengths and offsets are."""
    size = random.choice((1, 2, 4, 8))
    value = random.choice(
        (0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1), random.getrandbits(8 * size))
    )
    at = _place(data, random)
    return data[:at] + value.to_bytes(size, random.choice(("little", "big"))) + data[at + size :]


def _end(data: bytes, random: Random) -> bytes:
    return data[: random.randint(0, len(data))]
