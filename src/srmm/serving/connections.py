"""One client's connection: how long it may be open and lead to nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from srmm.serving.limits import Limits

_MOMENT = 1.0
"""Seconds in which who has just come asks something, if anything."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, ended where the client keeps it open for nothing.

    uvicorn waits for ever for the rest of a head, for an answer to be read, and for what is left
    of a body that was refused; and a few hundred such connections are all it has. Each of these
    may take `body_seconds`. While a request is being answered, the guard's limits count. At the end
    uvicorn closes at once what was accepted and whose request is on its way.
    """

    def connection_made(self, transport: Any) -> None:
        """A client has come."""
        self._aimless: asyncio.TimerHandle | None = None
        self._deaf: asyncio.TimerHandle | None = None
        self._answering: set[RequestResponseCycle] = set()
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """A client has sent something."""
        super().data_received(data)
        self._look()

    def on_headers_complete(self) -> None:
        """A request has begun; others of this connection may still be waiting for their answer."""
        super().on_headers_complete()
        if self.cycle is not None:
            self._answering.add(self.cycle)

    def on_response_complete(self) -> None:
        """A request was answered, as far as the server is concerned."""
        super().on_response_complete()
        self._answering = {cycle for cycle in self._answering if not cycle.response_complete}
        self._look()

    def pause_writing(self) -> None:
        """The client does not read what was written."""
        super().pause_writing()
        self._deaf = self._deaf or self._ends_soon()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        _cancel(self._deaf)
        self._deaf = None

    def shutdown(self) -> None:
        """The server ends. A client that has come and not asked yet is given a moment to."""
        if self.cycle is None:
            self.loop.call_later(_MOMENT, super().shutdown)
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        _cancel(self._aimless)
        _cancel(self._deaf)
        self._tell_all()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Let time run while no request is being answered; bytes alone do not stop it."""
        if self.cycle is not None and not self.cycle.response_complete:
            _cancel(self._aimless)
            self._aimless = None
        elif self._aimless is None:
            self._aimless = self._ends_soon()

    def _ends_soon(self) -> asyncio.TimerHandle:
        seconds = getattr(self.app, "limits", Limits()).body_seconds
        timer: asyncio.TimerHandle = self.loop.call_later(seconds, self._end)
        return timer

    def _end(self) -> None:
        self._tell_all()
        self.transport.abort()

    def _tell_all(self) -> None:
        """Nobody reads the answers any more; uvicorn tells that to the last request alone."""
        for cycle in self._answering:
            cycle.disconnected = True


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
