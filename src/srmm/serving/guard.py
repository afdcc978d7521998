"""What stands in front of every route: who may ask, how much, and what never leaves."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
import uuid
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from srmm.serving.limits import Limits
from srmm.serving.measures import Measures
from srmm.serving.refusals import Refusal, later

LOG = logging.getLogger("srmm.serving")

PROBES = frozenset(("/health", "/ready", "/v2/health/live", "/v2/health/ready"))
"""Routes that are answered by whatever name the server is called."""
OPEN = PROBES | {
    "/", "/page/app.js", "/page/sound.js", "/page/style.css", "/page/colours.css", "/page/icon.svg"
}  # fmt: skip
"""Routes that need no key: the page, which asks for one, and the probes."""
_ALWAYS = PROBES | {"/metrics"}
"""Routes that are answered however much waits."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"microphone=(self), camera=(), geolocation=()"),
    (b"cache-control", b"no-store"),
)


class Guard:
    """ASGI middleware around the whole application.

    Host names, cross-site requests and keys are checked; bodies are counted as they arrive; an
    error that nobody expected is answered by a number under which its traceback is in the log.

    Parameters
    ----------
    keys : iterable of str
        API keys, any of which opens; none: everything is open.
    hosts : iterable of str
        Names by which the server may be called, against DNS rebinding; none: any. Probes call it as
        they like.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Limits,
        measures: Measures,
        keys: Iterable[str] = (),
        hosts: Iterable[str] = (),
    ) -> None:
        self.app, self.limits, self.measures = app, limits, measures
        self._keys = [hashlib.sha256(key.encode()).digest() for key in keys]
        self._hosts = frozenset(host.lower() for host in hosts)
        self._asking = 0
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        bare = scope["method"] == "HEAD"  # asks for what GET is answered, without the body
        if bare:
            scope = {**scope, "method": "GET"}

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS]
            elif bare:
                message = {**message, "body": b""}
            await send(message)

        counted = scope["path"] not in _ALWAYS
        self._asking += counted
        body = _Body(self, receive)
        try:
            self._check(scope, counted)
            await self.app(scope, body, sending)
        except Refusal as refusal:
            if status:
                raise
            await _say(sending, refusal, scope)
        except Exception as error:
            LOG.error("error %s at %s %s", number_of(scope), scope["method"], scope["path"],
                      exc_info=error)  # fmt: skip
            if not status:
                await _say(sending, _failure(scope), scope)
        finally:
            self._asking -= counted
            self._bytes -= body.size
            route = getattr(scope.get("route"), "path", "other")
            self.measures.requests.labels(route, str(status)).inc()
            self.measures.seconds.labels(route).observe(time.perf_counter() - started)

    def take(self, size: int) -> None:
        """Count so many bytes that arrived; `Refusal` if all bodies together are too large."""
        self._bytes += size
        if self._bytes > self.limits.memory_mb * 1e6:
            raise later("The server has its hands full of large requests.", 2)

    def _check(self, scope: Scope, counted: bool) -> None:
        headers = Headers(scope=scope)
        # Probes call a machine by its address, and tell no more than that it lives.
        named = not self._hosts or _host(headers) in self._hosts
        if not named and scope["path"] not in PROBES:
            raise Refusal(421, "The server is not called by this name (--allowed-host).")
        if scope["path"] != "/" and _is_from_elsewhere(headers):
            raise Refusal(403, "Pages of other sites may not ask this server.")
        if scope["path"] not in OPEN and self._keys and not self._opens(headers):
            raise Refusal(
                401, "An API key is needed: Authorization: Bearer KEY, or X-API-Key: KEY.",
                headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        if counted and self._asking > self.limits.queue:
            raise later("Too many requests are being answered.")
        size = headers.get("content-length", "")
        if size.isdigit() and int(size) > self.limits.body_mb * 1e6:
            raise self.too_large()

    def too_large(self) -> Refusal:
        """The refusal of a body over the limit."""
        return Refusal(
            413, f"The body is larger than {self.limits.body_mb:g} MB, which is the limit."
        )

    def _opens(self, headers: Headers) -> bool:
        word, _, key = headers.get("authorization", "").partition(" ")
        given = key.strip() if word.lower() == "bearer" else headers.get("x-api-key", "")
        digest = hashlib.sha256(given.encode("utf-8", "surrogatepass")).digest()
        # All are compared, so that time tells nothing of which was close.
        return bool(sum([hmac.compare_digest(digest, known) for known in self._keys]))


async def failed(request: Request, _: Exception) -> Response:
    """The answer to a request at which the server failed; the guard logs why."""
    refusal = _failure(request.scope)
    return JSONResponse(refusal.content(request.url.path), refusal.status)


def number_of(scope: Scope) -> str:
    """The number of an error, by which it is found in the log."""
    return str(scope.setdefault("srmm.error", uuid.uuid4().hex[:12]))


def _failure(scope: Scope) -> Refusal:
    number = number_of(scope)
    return Refusal(500, f"The server failed; its log says why under {number}.", id=number)


class _Body:
    """`receive` of one request, which may take so long and be so large."""

    def __init__(self, guard: Guard, receive: Receive) -> None:
        self.guard, self.receive, self.size = guard, receive, 0
        self._until = time.monotonic() + guard.limits.body_seconds
        self._done = False

    async def __call__(self) -> Message:
        if self._done:  # only a disconnection may follow
            return await self.receive()
        try:
            left = max(self._until - time.monotonic(), 0.001)
            message = await asyncio.wait_for(self.receive(), left)
        except TimeoutError:
            seconds = self.guard.limits.body_seconds
            raise Refusal(408, f"The body took longer than {seconds:g} s to arrive.") from None
        if message["type"] == "http.request":
            self.size += len(message.get("body", b""))
            self.guard.take(len(message.get("body", b"")))
            self._done = not message.get("more_body", False)
            if self.size > self.guard.limits.body_mb * 1e6:
                raise self.guard.too_large()
        return message


def _is_from_elsewhere(headers: Headers) -> bool:
    """Whether a browser sends this for a page that is not ours; other clients say nothing of it."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")  # of a browser that asks over plain HTTP
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _host(headers: Headers) -> str:
    """The name in the Host header, without a port."""
    host = headers.get("host", "").lower()
    return host[: host.rindex("]") + 1] if "]" in host else host.partition(":")[0]


async def _say(send: Send, refusal: Refusal, scope: Scope) -> None:
    body = json.dumps(refusal.content(scope["path"])).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    headers |= {name.lower(): value for name, value in refusal.headers.items()}
    start = {
        "type": "http.response.start",
        "status": refusal.status,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})
