"""One value of a request → a raw item or an embedding. No path and no address is ever followed."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from srmm.data.columns import PATH_KINDS
from srmm.data.numerals import as_float
from srmm.errors import did_you_mean
from srmm.serving.contract import ServedModality
from srmm.serving.refusals import Refusal

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LONGEST_CELL = 10_000


class GivenVector(NamedTuple):
    """An embedding that a client made itself: float32 of shape (d,)."""

    vector: np.ndarray


class Nothing:
    """What a client gave that stands for nothing, such as "N/A"."""


NOTHING = Nothing()


def given_item(one: ServedModality, value: Any, field: str) -> Any:
    """The item that a client gave for a modality: None, a text, bytes, a dict of cells,
    `GivenVector` or `NOTHING`. A text is looked through for what stands for nothing later.

    Raises `Refusal` (422) naming the field.
    """
    if value is None or (isinstance(value, str | bytes) and not value):
        return None
    if isinstance(value, Mapping) and set(value) == {"embedding"}:
        return _vector(one, value["embedding"], field)
    # Blocks of columns as people write them are looked through as tables are, texts with them.
    if not one.as_cells and one.kind != "text" and one.is_marker(value):
        return NOTHING
    if one.kind == "features":
        return _features(one, value, field)
    if isinstance(value, list):
        return _vector(one, value, field)
    if not one.is_raw:
        raise Refusal(
            422,
            f"The model does not know which encoder made the {one.name} embeddings it was trained "
            f"on: give an embedding, a list of {one.embedding_dim} numbers.",
            field=field,
        )
    if one.kind in PATH_KINDS:
        return _bytes(one, value, field)
    if isinstance(value, bytes):  # a file of text
        try:
            return value.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Refusal(422, "The text is not valid UTF-8.", field=field) from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Refusal(422, f"Expected a text, got {_named(value)}.", field=field)
    return _checked(value, field)


def given_cell(value: Any, field: str) -> Any:
    """A cell of a block of columns: a text, a number, a truth value or a list of words."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        size = sum(len(_checked(part, field)) for part in value)
    elif value is None or isinstance(value, str | bool | int | float):
        size = len(_checked(value, field)) if isinstance(value, str) else 0
    else:
        raise Refusal(
            422,
            f"Expected a text, a number, true or false, or a list of words, got {_named(value)}.",
            field=field,
        )
    if size > _LONGEST_CELL:
        raise Refusal(
            422, f"The cell has {size:,} characters; expected {_LONGEST_CELL:,} at most.",
            field=field,
        )  # fmt: skip
    return value or None if isinstance(value, list) else value


def _checked(text: str, field: str) -> str:
    """The text; JSON can also hold halves of characters, which nothing can read."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refusal(422, "The text is not valid Unicode: it has half a character.",
                      field=field) from None  # fmt: skip
    return text


def _features(one: ServedModality, value: Any, field: str) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and not one.as_cells:
        value = [value]
    if isinstance(value, list) and not (one.as_cells and _are_words(value)):
        return _vector(one, value, field)
    if not isinstance(value, Mapping) and len(one.columns) == 1:
        value = {one.columns[0].name: value}
    if not isinstance(value, Mapping):
        raise _unexpected(one, value, field, _what_features(one))
    known = [column.name for column in one.columns]
    for name in value:
        if name not in known:
            raise Refusal(
                422, f"{one.name} has no column {name[:60]!r}. {did_you_mean(name[:60], known)}",
                field=f"{field}.{name[:60]}",
            )  # fmt: skip
    cells = {name: given_cell(cell, f"{field}.{name}") for name, cell in value.items()}
    if one.as_cells:
        return cells
    return _numbers(one, cells, field)


def _numbers(
    one: ServedModality, cells: Mapping[str, Any], field: str
) -> GivenVector | Nothing | None:
    """The vector of columns that are all plain numbers: complete, or not there at all."""
    marked = [c.name for c in one.columns if one.is_marker(cells.get(c.name))]
    blank = [c.name for c in one.columns if c.name in marked or cells.get(c.name) in (None, "")]
    if len(blank) == len(one.columns):
        return NOTHING if marked else None
    if blank:
        raise Refusal(
            422,
            f"{one.name} needs a number in each of its columns or in none; {', '.join(blank)} "
            f"{'is' if len(blank) == 1 else 'are'} blank.",
            field=f"{field}.{blank[0]}",
        )
    vector = []
    for column in one.columns:
        try:
            vector.append(as_float(cells[column.name]))
        except (TypeError, ValueError):
            shown = str(cells[column.name])[:40]
            raise Refusal(
                422, f"Expected a number, got {shown!r}.", field=f"{field}.{column.name}"
            ) from None
    return _vector(one, vector, field)


def _vector(one: ServedModality, value: Any, field: str) -> GivenVector:
    expected = f"expected an embedding of {one.embedding_dim:,} finite numbers"
    # By type, and not by class: truth values are no numbers, and embeddings are long.
    if not isinstance(value, list):
        raise Refusal(422, f"Got {_named(value)}, {expected}.", field=field)
    if others := set(map(type, value)) - {int, float}:
        odd = next(part for part in value if type(part) in others)
        raise Refusal(422, f"The list holds {_named(odd)}: {expected}.", field=field)
    if len(value) != one.embedding_dim:
        raise Refusal(422, f"A list of {len(value):,} numbers: {expected}.", field=field)
    try:
        with np.errstate(over="ignore"):
            vector = np.array(value, dtype=np.float64).astype(np.float32)
    except OverflowError:
        vector = np.array([math.inf])
    if not np.isfinite(vector).all():
        raise Refusal(422, f"A number is too large or not finite: {expected}.", field=field)
    return GivenVector(vector)


def _bytes(one: ServedModality, value: Any, field: str) -> bytes:
    """The content of a picture or a sound: bytes, base64 or a data URL."""
    if isinstance(value, Mapping) and set(value) == {"base64"}:
        value = value["base64"]
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise _unexpected(one, value, field, "base64 or a data: URL")
    is_data = value[:5].lower() == "data:"
    head, _, text = value.partition(",") if is_data else ("", "", value)
    if is_data and not head.lower().endswith(";base64"):
        raise Refusal(422, "The data: URL is not in base64 (data:TYPE;base64,…).", field=field)
    if not is_data and _ADDRESS.match(value):
        raise Refusal(
            422, "Addresses are not fetched: send the content, in base64 or as a file.", field=field
        )
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(
            422,
            "Expected the content in base64 or as a data: URL; this is neither (paths are not "
            "read). Send it so, or as a file of a multipart form.",
            field=field,
        ) from None
    if not content:
        raise Refusal(422, "There is nothing in it (0 bytes).", field=field)
    return content


def _are_words(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(part, str) for part in value)


def _what_features(one: ServedModality) -> str:
    vector = f"a list of {one.embedding_dim:,} numbers"
    if not one.columns:
        return vector
    names = ", ".join(column.name for column in one.columns)
    return f"an object with the columns {names}, or {vector}"


def _unexpected(one: ServedModality, value: Any, field: str, expected: str) -> Refusal:
    article = "an" if one.kind[0] in "aeiou" else "a"
    kind = {"features": "features", "audio": "audio"}.get(one.kind, f"{article} {one.kind}")
    return Refusal(422, f"Expected {kind}: {expected}, got {_named(value)}.", field=field)


def _named(value: Any) -> str:
    """What a JSON value is."""
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text",
             list: "a list", dict: "an object", bytes: "a file", type(None): "null"}  # fmt: skip
    return names.get(type(value), type(value).__name__)
