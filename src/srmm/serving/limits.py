"""What one server takes on: how large, how many, how long."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from srmm.data.checks import number, whole
from srmm.errors import InputError

_WHOLE = ("rows", "queue", "batch_rows")


@dataclass(frozen=True)
class Limits:
    """Limits of a server; each is an option of `srmm serve`.

    Raises `InputError` for one that is no finite number, not whole where requests or rows are
    counted, or not above 0 (`wait_ms` may be 0).
    """

    body_mb: float = 32
    """Most megabytes of one request."""
    rows: int = 64
    """Most rows of one request."""
    megapixels: float = 50
    """Most megapixels of one picture (SRMM_MAX_PIXELS is set to it)."""
    queue: int = 64
    """Most requests that are being read, waiting or computed; more are answered with 503."""
    memory_mb: float = 512
    """Most megabytes of all requests' bodies together; beyond it, 503."""
    batch_rows: int = 64
    """Rows at which a batch is computed without waiting for more."""
    wait_ms: float = 4
    """Milliseconds that a request waits for others to be computed with."""
    body_seconds: float = 30
    """Longest time that a request's body may take to arrive."""
    answer_seconds: float = 60
    """Longest time that a request waits for its answer."""

    def __post_init__(self) -> None:
        for field in fields(Limits):
            value: Any = getattr(self, field.name)
            if field.name in _WHOLE:
                whole(field.name, value, 1)
            elif not number(field.name, value, 0) and field.name != "wait_ms":
                raise InputError(f"{field.name} is {value!r}; expected a number above 0.")
