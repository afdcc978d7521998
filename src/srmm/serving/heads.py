"""HTTP by httptools, which itself would keep a head, or what follows a body, however long it is."""

from __future__ import annotations

from srmm.serving.connections import Connection

MOST = 64 * 1024
"""Bytes that may arrive without anything of a body among them; as many as h11 takes."""


class BoundedProtocol(Connection):
    """uvicorn's protocol, but a connection ends at a head, or at trailers, that do not."""

    _idle = 0

    def data_received(self, data: bytes) -> None:
        """Take what arrived, then look at how much of it was neither a body nor a whole request."""
        self._idle += len(data)
        super().data_received(data)
        if self._idle > MOST and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._idle = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        self._idle = 0
        super().on_message_complete()
