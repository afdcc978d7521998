"""Clients that take little of the processor: one thread, a socket each, answers counted by length.

A client asks again as soon as it is answered, on a connection that stays open. What is not answered
with 200 counts as refused.
"""

from __future__ import annotations

import itertools
import re
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from machine import processes

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass
class Load:
    """What came of some clients that asked for a time.

    `seconds` are those of each answer; the processor's milliseconds are per answer, `server_ms`
    those of the server's processes, `client_ms` those of this one.
    """

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    rate: float = 0.0
    client_ms: float = 0.0
    server_ms: float = 0.0


def ask(
    process: int,
    port: int,
    bodies: Sequence[bytes],
    *,
    clients: int,
    seconds: float,
    most: int = 100_000,
) -> Load:
    """So many clients that ask at once, for so long or until `most` are answered."""
    requests = [_request(port, body) for body in bodies]
    turns, load = itertools.count(), Load()
    at_first, mine = processor_seconds(process), time.process_time()
    started = time.perf_counter()
    with selectors.DefaultSelector() as waiting:
        for _ in range(clients):
            one = _Client(port)
            waiting.register(one.socket, selectors.EVENT_READ, one)
            one.ask(requests[next(turns) % len(requests)])
        while waiting.get_map():
            if not (ready := waiting.select(120)):
                raise TimeoutError("The server has not answered for two minutes.")
            for key, _ in ready:
                one = key.data
                status = one.receive()
                if status is None:
                    continue
                now = time.perf_counter()
                load.refused += status != b"200"
                load.seconds += [now - one.since] if status == b"200" else []
                if now - started < seconds and len(load.seconds) + load.refused < most:
                    one.ask(requests[next(turns) % len(requests)])
                else:
                    waiting.unregister(one.socket)
                    one.socket.close()
    n = max(1, len(load.seconds))
    load.rate = len(load.seconds) / (time.perf_counter() - started)
    load.client_ms = (time.process_time() - mine) / n * 1000
    load.server_ms = (processor_seconds(process) - at_first) / n * 1000
    return load


class _Client:
    """One connection, on which one request at a time is under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.since, self._got, self._size = 0.0, b"", 0

    def ask(self, request: bytes) -> None:
        self.since, self._got, self._size = time.perf_counter(), b"", 0
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """The status of the answer, once it is there whole."""
        got = self.socket.recv(1 << 18)
        if not got:
            raise ConnectionError("The server closed the connection.")
        self._got += got
        end = self._got.find(b"\r\n\r\n")
        if not self._size and end >= 0:
            found = _LENGTH.search(self._got, 0, end)
            assert found is not None
            self._size = end + 4 + int(found[1])
        whole = self._size and len(self._got) >= self._size
        return self._got[9:12] if whole else None


def _request(port: int, body: bytes) -> bytes:
    head = (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def processor_seconds(process: int) -> float:
    """What a process and those that it started have used of processors."""
    return sum(sum(one.cpu_times()[:2]) for one in processes(process))


def resident(process: int) -> float:
    """Memory of a process and of those that it started, in MB."""
    return sum(one.memory_info().rss for one in processes(process)) / 1e6
