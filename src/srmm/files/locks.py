"""One writer at a time: a lock of the operating system on a small file beside what is written.

It ends with the process however that ends: a writer that was killed blocks nobody.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from srmm.errors import SrmmError
from srmm.files.names import beside, followed

try:
    import fcntl
except ImportError:  # no such locks on this system
    fcntl = None  # type: ignore[assignment]

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
"""What a file system without locks answers, as some network drives do."""

_LOOKED_AGAIN = 0.02  # seconds
_held = threading.local()


@contextlib.contextmanager
def only_writer(path: Path, *, wait: float = 60.0) -> Iterator[None]:
    """Hold the lock on writing `path`; who has it already goes on at once.

    Waits for another writer up to `wait` seconds, then raises `SrmmError` that names it.
    """
    path = followed(path)
    place = path.parent.resolve() / path.name
    mine: set[Path] = _held.__dict__.setdefault("paths", set())
    if place in mine:
        yield
        return
    lock = beside(path, f".{path.name}", ".lock")
    with _locked(lock, path, time.monotonic() + wait):
        mine.add(place)
        try:
            yield
        finally:
            mine.discard(place)


@contextlib.contextmanager
def _locked(lock: Path, path: Path, until: float) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with lock.open("a+b") as file:
            if not take(file):
                if time.monotonic() >= until:
                    raise SrmmError(_who_has_it(lock, path))
                time.sleep(_LOOKED_AGAIN)
                continue
            if not _is_still_there(file, lock):
                continue  # the writer before removed it between our opening and our locking it
            try:
                file.truncate(0)
                since = time.strftime("%Y-%m-%d %H:%M:%S")
                file.write(f"process {os.getpid()} on {platform.node()} since {since}".encode())
                file.flush()
                yield
            finally:
                lock.unlink(missing_ok=True)
            return


def take(file: IO[bytes] | int) -> bool:
    """Whether this process has the lock on the open file now; True where there are no locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _who_has_it(lock: Path, path: Path) -> str:
    try:
        holder = lock.read_text("utf-8", "replace")[:300] or "another process"
    except OSError:
        holder = "another process"
    return (
        f"{path.name} is being written by {holder} ({lock}). Wait until it is done, or choose "
        "another output."
    )


def _is_still_there(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
