"""A request's body → rows: JSON, or a multipart form whose fields are named by modality."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from srmm.serving.contract import Contract
from srmm.serving.json_values import NotPlainError, read_plain
from srmm.serving.limits import Limits
from srmm.serving.refusals import Refusal

_ROW = re.compile(r"(?P<name>.+)\[(?P<row>\d{1,6})\]")
_AT_ONCE = 1 << 16
"""Bytes of JSON that are read while all others wait: some tenths of a millisecond."""
_MOST_VALUES = 1_000_000
"""Of one JSON body: a value of three bytes takes a hundred as an object."""
_AS_IT_IS = ("binary", "8bit", "7bit")
"""Transfer encodings of a form's part that leave its bytes as they are."""
_READER = ThreadPoolExecutor(1, thread_name_prefix="json")
"""Where larger bodies are read, one after the other: they take the memory of one."""


async def read_rows(
    request: Request, contract: Contract, limits: Limits
) -> tuple[list[dict[str, Any]], str]:
    """(rows, how a field of a row is named) of a request.

    Raises `Refusal` for a body that is neither form nor JSON, or has too many rows.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "Compressed bodies are not read: send it as it is.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        rows, where = await _form_rows(request, contract, limits)
    elif kind == "application/json":
        rows, where = _json_rows(await read_json(request))
    else:
        raise Refusal(
            415,
            f"The content type is {kind or 'not given'!r}; expected application/json or "
            "multipart/form-data.",
        )
    check_count(len(rows), limits)
    return rows, where


def check_count(n: int, limits: Limits) -> None:
    """Raise `Refusal` for no row, or more than one request may have."""
    if not n:
        raise Refusal(422, "There is no row; give one, {} if it has nothing.", field="rows")
    if n > limits.rows:
        raise Refusal(
            413, f"{n:,} rows; one request may have {limits.rows:,}. Send several.", field="rows"
        )


async def read_json(request: Request) -> Any:
    """The value of a request's JSON body, as `read_json_body` has it; others do not wait for it."""
    body = await request.body()
    if len(body) <= _AT_ONCE:
        return read_json_body(body)
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise Refusal(
            413, f"The JSON has more than {_MOST_VALUES:,} values. Send fewer rows at once."
        )
    return await asyncio.get_running_loop().run_in_executor(_READER, read_json_body, body)


def read_json_body(body: bytes) -> Any:
    """The value of a JSON body; `Refusal` (400) for what is none, with a name twice, or NaN."""
    with contextlib.suppress(NotPlainError):
        return read_plain(body)
    try:
        return json.loads(body, object_pairs_hook=_once, parse_constant=_no_number,
                          parse_float=_finite)  # fmt: skip
    except Refusal:
        raise
    except RecursionError:
        raise Refusal(400, "The JSON is nested too deeply.") from None
    except (json.JSONDecodeError, UnicodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Refusal(400, f"The body is not valid JSON in UTF-8: {reason}.") from None
    except ValueError:  # Python's own limit on the digits of a whole number
        raise Refusal(400, "A whole number in it has thousands of digits.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = Counter(name for name, _ in pairs)  # gone through once: there may be a million
        twice = next(name for name, times in names.items() if times > 1)
        raise Refusal(400, f"{twice[:60]!r} stands twice in one object.", field=twice[:60])
    return found


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text[:40])


def _no_number(text: str) -> Any:
    raise Refusal(400, f"{text} is no finite number: leave out what is absent, or write null.")


def _json_rows(body: Any) -> tuple[list[dict[str, Any]], str]:
    """{"rows": [...]}, a list of rows, or one row."""
    if isinstance(body, Mapping) and set(body) == {"rows"} and isinstance(body["rows"], list):
        return body["rows"], "rows[{}]"
    if isinstance(body, list):
        return body, "rows[{}]"
    if not isinstance(body, Mapping):
        raise Refusal(422, 'Expected an object, a list of objects, or {"rows": [...]}.')
    return [dict(body)], ""


def _plain_texts(contract: Contract) -> set[str]:
    """The names whose texts are what they are, though they look like JSON."""
    texts = {
        name
        for name, owners in contract.owners.items()
        if any(contract.modalities[owner].kind == "text" for owner in owners)
    }
    return texts | {"id", *contract.block_columns}


def _named_row(key: str, contract: Contract) -> tuple[str, int | None]:
    """(name, row) of a form's field: a name that the model knows is that name, with its brackets.

    Raises `Refusal` for one that may be a row of another name of the model, too.
    """
    match = _ROW.fullmatch(key)
    if match is None:
        return key, None
    name, row = match["name"], int(match["row"])
    if key not in contract.names:
        return name, row
    if name in contract.names:
        raise Refusal(
            422,
            f"{key[:60]!r} may be row {row} of {name[:60]!r}, or {key[:60]!r} itself: the model "
            f"knows both. Name the row of the latter, {key[:60]}[{row}], or send JSON.",
            field=key,
        )
    return key, None


async def _form_rows(
    request: Request, contract: Contract, limits: Limits
) -> tuple[list[dict[str, Any]], str]:
    """Fields named "text", or "text[2]" for the third row."""
    rows: dict[int, dict[str, Any]] = {}
    texts = _plain_texts(contract)
    numbered = False
    try:
        form = await _form(request, limits)
    except (MultiPartException, UnicodeError) as error:  # of a charset that is none for texts
        reason = getattr(error, "message", None) or str(error)
        raise Refusal(400, f"The form cannot be read: {reason}") from None
    for key, value in form.multi_items():
        name, number = _named_row(key, contract)
        place = number or 0
        numbered = numbered or number is not None
        if place >= limits.rows:
            check_count(place + 1, limits)
        row = rows.setdefault(place, {})
        if name in row:
            raise Refusal(
                422,
                f"The field stands twice. Name several rows {name[:60]}[0], {name[:60]}[1], ….",
                field=key,
            )
        row[name] = await _form_value(value, key, as_it_is=name in texts)
    if not rows:
        return [{}], ""
    every = [rows.get(i, {}) for i in range(max(rows) + 1)]
    return every, "rows[{}]" if numbered else ""


async def _form(request: Request, limits: Limits) -> FormData:
    """The fields; files stay in memory, which the guard counts: nothing is written to the disk."""
    size = int(limits.body_mb * 1e6)
    most = 50 * limits.rows
    kind = request.headers["content-type"].partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        body = await request.body()
        if body.count(b"&") > most:  # empty ones take as long
            raise MultiPartException(f"it has more than {most:,} fields.")
        fields = parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
        return FormData([(name, value) for name, value in fields])
    parser = _StrictParser(
        request.headers, request.stream(), max_files=most, max_fields=most, max_part_size=size
    )
    parser.spool_max_size = size + 1
    return await parser.parse()


class _StrictParser(MultiPartParser):
    """Texts that are not in their charset are refused, not read as other letters; so is a form
    without its end, whose last field would pass for one that is absent, and what is wrapped: in
    base64, in several parts. Nothing else unwraps it, and what is left would pass for a text."""

    _is_whole = False
    _own_charset = ""

    def on_end(self) -> None:
        self._is_whole = True

    async def parse(self) -> FormData:
        charset = parse_options_header(self.headers["content-type"])[1].get(b"charset", b"utf-8")
        try:
            codecs.lookup(charset.decode("latin-1"))
        except LookupError as error:
            raise MultiPartException(f"{error}.") from None
        form = await super().parse()
        if not self._is_whole:
            raise MultiPartException("it is cut off: the boundary at its end is missing.")
        return form

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part
        heads = {name.decode("latin-1"): value for name, value in part.item_headers}
        coding = heads.get("content-transfer-encoding", b"binary").decode("latin-1").strip()
        if coding.lower() not in _AS_IT_IS:
            raise MultiPartException(
                f"{part.field_name!r} comes as {coding[:40]!r}, which is not read: send its bytes "
                "as they are, without Content-Transfer-Encoding."
            )
        kind, options = parse_options_header(heads.get("content-type", b"text/plain"))
        if kind.lower().startswith(b"multipart/"):
            raise MultiPartException(
                f"{part.field_name!r} has parts of its own, which are not read: name each row's "
                "item, NAME[0], NAME[1], …."
            )
        self._own_charset = options.get(b"charset", b"").decode("latin-1")

    def on_part_end(self) -> None:
        part = self._current_part
        if part.file is None:
            data = bytes(part.data)
            try:
                text = data.decode(self._charset)
                other = data.decode(self._own_charset or self._charset)
            except (UnicodeError, LookupError) as error:  # rot-13 is none for bytes
                raise MultiPartException(f"{part.field_name!r} is no text: {error}") from None
            if other != text:
                raise MultiPartException(
                    f"{part.field_name!r} is in {self._own_charset[:40]!r}, and the form's texts "
                    f"are read as {self._charset}. Send it in that."
                )
        super().on_part_end()


async def _form_value(value: UploadFile | str, key: str, *, as_it_is: bool) -> Any:
    """A file's bytes; a text; lists and objects that are written as JSON."""
    if isinstance(value, UploadFile):
        content = await value.read()
        if not content and value.filename:
            raise Refusal(422, "There is nothing in it (0 bytes).", field=key)
        return content or None  # a form's file that nobody chose
    text = value.strip()
    if as_it_is or text[:1] + text[-1:] not in ("[]", "{}"):
        return value
    return read_json_body(text.encode())
