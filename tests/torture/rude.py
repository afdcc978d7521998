"""Clients as no one wants them: slow, gone in the middle, sending what is no request, or bombs."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

from tests.fuzzing.mutations import mutated
from tests.torture.served import picture

BOUNDARY = "----torture"
_FORM = f"multipart/form-data; boundary={BOUNDARY}"
_ODD_CHARSETS = ("undefined", "idna", "punycode", "hex", "zlib", "utf-7", "unicode_escape", "mbcs",
                 "rot13", "utf-16", "", "x" * 300)  # fmt: skip


def head(path: str, size: int | None, kind: str = "application/json", *more: str) -> bytes:
    """The head of a request."""
    length = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}", length, *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connected(port: int, seconds: float = 30, room: int | None = None) -> socket.socket:
    """A connection to this machine, which takes so many unread bytes (`room`)."""
    connection = socket.socket()
    if room is not None:  # before it connects: of a window that shrinks, kernels drop resets
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    connection.settimeout(seconds)
    connection.connect(("127.0.0.1", port))
    return connection


def everything(connection: socket.socket) -> bytes:
    """What comes until the other side closes; `TimeoutError` if it does not."""
    found = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while piece := connection.recv(1 << 16):
            found += piece
    return found


def cut(port: int, message: bytes, at: int, *, abruptly: bool) -> None:
    """Send the beginning of a request, and be gone."""
    with connected(port) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(message[:at])
        if abruptly:  # with a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drip(
    port: int, message: bytes, seconds: float, pause: float = 0.2, *, first: bytes = b""
) -> tuple[bytes, float]:
    """(what is answered, seconds until the server closes) to a message sent byte by byte.

    `first` is sent at once.

    Raises `AssertionError` if the connection is still open after so many seconds.
    """
    started = time.monotonic()
    found = b""
    with connected(port) as connection:
        connection.sendall(first)
        connection.settimeout(pause)
        for byte in message:
            if time.monotonic() - started > seconds:
                raise AssertionError(f"a client that drips is still heard after {seconds} s")
            try:
                connection.sendall(bytes([byte]))
                piece = connection.recv(1 << 16)
                if not piece:
                    return found, time.monotonic() - started
                found += piece
            except TimeoutError:
                continue
            except OSError:
                return found, time.monotonic() - started
    raise AssertionError("the message came to its end before the server lost patience")


def deaf(port: int, path: str, times: int, seconds: float) -> float:
    """Ask often and read nothing; seconds until the server closes, at most so many."""
    started = time.monotonic()
    with connected(port, 1, room=4096) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        with contextlib.suppress(TimeoutError, OSError):
            connection.sendall(request * times)
        while time.monotonic() - started < seconds:
            time.sleep(0.25)
            try:
                connection.send(b" ")
            except TimeoutError:
                continue
            except OSError:
                break
    return time.monotonic() - started


def form(fields: dict[str, Any]) -> bytes:
    """A multipart body; bytes are files."""
    parts = []
    for name, value in fields.items():
        is_file = isinstance(value, bytes)
        more = '; filename="a.png"\r\nContent-Type: image/png' if is_file else ""
        content = value if is_file else str(value).encode()
        start = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
        parts.append(start.encode() + content + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def broken_uploads(rows: list[dict[str, Any]], seed: int = 0) -> Iterator[tuple[str, str, bytes]]:
    """(path, content type, body) of requests that are nearly right, for ever."""
    dice = random.Random(seed)
    photo = picture(40, 30, "JPEG")
    while True:
        row = dice.choice(rows)
        kind = dice.randrange(6)
        if kind == 0:
            yield "/predict", "application/json", mutated(json.dumps(row).encode(), dice)
        elif kind == 1:  # a damaged picture in a whole form
            fields = {"image": mutated(photo, dice), "text": row["text"]}
            yield "/predict", _FORM, form(fields)
        elif kind == 2:
            fields = {"image[1]": photo, "text[0]": row["text"], "price": "1,5"}
            yield "/predict", _FORM, mutated(form(fields), dice)
        elif kind == 3:
            charset = dice.choice(_ODD_CHARSETS)
            yield "/predict", f"{_FORM}; charset={charset}", form({"text": "é\x80", "image": photo})
        elif kind == 4:
            body = mutated(b"text=a+shoe&price=1%2C5&size=M", dice)
            yield "/predict", "application/x-www-form-urlencoded", body
        else:
            tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [row["text"]]}
            body = mutated(json.dumps({"inputs": [tensor]}).encode(), dice)
            yield "/v2/models/model/infer", "application/json", body


def bombs() -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """(what it is, content type, headers, body): small to make or to send, large to take."""
    json_kind = "application/json"
    sizes = {"a picture of 48 megapixels": picture(8000, 6000), "one of 100": picture(10000, 10000),
             "a GIF of 64": picture(8000, 8000, "GIF"), "a JPEG of 49": picture(7000, 7000, "JPEG"),
             "a WebP of 49": picture(7000, 7000, "WEBP"), "a TIFF of 49": _tiff(),
             "SVG that grows": _svg()}  # fmt: skip
    for name, content in sizes.items():
        yield name, _FORM, {}, form({"image": content, "text": "a shoe"})
    eight = {f"image[{i}]": sizes["a picture of 48 megapixels"] for i in range(8)}
    yield "eight pictures of 48 megapixels", _FORM, {}, form(eight)
    yield (
        "compressed",
        json_kind,
        {"Content-Encoding": "gzip"},
        gzip.compress(b" " * 50_000_000, mtime=0),
    )
    yield "deep", json_kind, {}, b"[" * 1_000_000
    yield "ten million empty rows", json_kind, {}, b"[" + b"{}," * 9_999_999 + b"{}]"
    names = b",".join(b'"%d":0' % i for i in range(1_500_000))
    yield "many names, the last one twice", json_kind, {}, b"{" + names + b',"1499999":0}'
    yield "a number of 30 million digits", json_kind, {}, b'{"text":' + b"9" * 30_000_000 + b"}"
    yield "a number of 4,000 digits", json_kind, {}, b'{"price":' + b"9" * 4000 + b"}"
    yield "numbers of 4,000 digits", json_kind, {}, (
        b'{"text":[' + b",".join([b"9" * 4000] * 7000) + b"]}"
    )  # fmt: skip
    yield "fields without end", "application/x-www-form-urlencoded", {}, b"a&" * 15_000_000
    yield "separators without end", "application/x-www-form-urlencoded", {}, b"&" * 30_000_000
    yield "parts without end", _FORM, {}, f"--{BOUNDARY}\r\n\r\n\r\n".encode() * 1_000_000
    yield "line ends before the form", _FORM, {}, b"\r\n" * 15_000_000 + form({"text": "a"})
    yield "a long head of a part", _FORM, {}, (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=text; x=".encode()
        + b"y;" * 15_000_000 + b"\r\n\r\na\r\n"
    )  # fmt: skip
    yield "a long name", _FORM, {}, form({"n" * 8_000_000: "a"})
    yield "brackets", _FORM, {}, form({"[1" * 4_000_000: "a"})
    yield "a long text", json_kind, {}, json.dumps({"text": "a shoe " * 4_000_000}).encode()
    yield "a long base64", json_kind, {}, json.dumps({"image": "A " * 12_000_000}).encode()
    yield "64 long cells", json_kind, {}, json.dumps([{"size": "é " * 4900}] * 64).encode()


def _svg() -> bytes:
    lines = ['<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><g id="g0"><rect '
             'width="1" height="1"/></g>']  # fmt: skip
    for i in range(1, 30):
        uses = f'<use href="#g{i - 1}"/>' * 10
        lines.append(f'<g id="g{i}">{uses}</g>')
    return ("".join(lines) + "</svg>").encode()


def _tiff() -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (7000, 7000)).save(buffer, "TIFF", compression="tiff_deflate")
    return buffer.getvalue()
