"""Heads of requests that do not end: the connection does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from srmm.serving.heads import MOST, BoundedProtocol

HEAD = b"POST / HTTP/1.1\r\nHost: here\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
LINE = b"X-A: " + b"a" * 1000 + b"\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the number of bytes of the body."""
    n, more = 0, True
    while more:
        message = await receive()
        n += len(message.get("body", b""))
        more = message.get("more_body", False)
    text = str(n).encode()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def said(*parts: bytes) -> bytes:
    """What is answered to parts that are sent one by one, up to the end of the connection."""
    config = uvicorn.Config(echo, log_level="critical")
    config.load()
    loop, state = asyncio.get_running_loop(), ServerState()
    server = await loop.create_server(
        lambda: BoundedProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for part in parts:
            try:
                writer.write(part)
                await writer.drain()
            except ConnectionError:
                break
            await asyncio.sleep(0)
        try:
            return await asyncio.wait_for(reader.read(), 5)
        except ConnectionError:  # it ended while more was on its way
            return b"HTTP/1.1 400"
        finally:
            writer.close()


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD, *[LINE] * 4000],
        [HEAD + b"X-A: ", *[b"a" * 1000] * 4000],
        [b"GET /", *[b"a" * 1000] * 4000],
        [CHUNKS + b"0\r\n", *[LINE] * 4000],
        [CHUNKS + b"5;", *[b"a" * 1000] * 4000],
    ],
    ids=["headers", "one header", "address", "trailers", "chunk extension"],
)
def test_what_does_not_end_is_refused(parts: list[bytes]) -> None:
    assert b" 400" in asyncio.run(said(*parts))[:12]


def test_large_bodies_and_many_requests_are_taken() -> None:
    body = [b"400\r\n" + b"b" * 1024 + b"\r\n"] * (4 * MOST // 1024)
    closing = HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi"
    several = [HEAD + LINE * 40 + b"Content-Length: 2\r\n\r\nhi"] * 4
    answer = asyncio.run(said(CHUNKS, *body, b"0\r\n\r\n", *several, closing))
    assert answer.count(b" 200 ") == 6
    assert str(4 * MOST + 5).encode() in answer


def test_answers_over_a_connection_that_was_ended_are_no_failure() -> None:
    """Not of requests that came at once either, of which uvicorn knows the last."""
    uvloop = pytest.importorskip("uvloop", reason="a closed connection refuses what is written")
    gone, asked, failures, protocols = asyncio.Event(), [], [], []

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await gone.wait()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"late"})
        except Exception as error:
            failures.append(error)

    async def scene() -> None:
        config = uvicorn.Config(waiting, log_level="critical")
        config.load()
        loop, state = asyncio.get_running_loop(), ServerState()

        def protocol() -> BoundedProtocol:
            protocols.append(BoundedProtocol(config=config, server_state=state, app_state={}))
            return protocols[0]

        server = await loop.create_server(protocol, "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            while not asked:
                await asyncio.sleep(0.01)
            protocols[0]._end()
            gone.set()
            await asyncio.sleep(0.05)

    uvloop.run(scene())
    assert asked == ["/1"]
    assert failures == []
