"""The folder in which several processes of a server count together, and its end.

The first process removes it. Where that one was killed, the next server of this machine does: of a
folder that is in use, some process holds a lock, which ends with the process however that ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # no such locks on this system
    fcntl = None  # type: ignore[assignment]

SEVERAL = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder."""

_PREFIX = "srmm-serve-"
_IN_USE = "in-use"
_kept: list[IO[bytes]] = []
"""Files whose locks this process holds to its end."""


@contextlib.contextmanager
def counting_together() -> Iterator[None]:
    """In this block, and in the processes that it starts, there is a folder to count in."""
    forget_abandoned()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
        os.environ[SEVERAL] = folder
        new = Path(folder) / f"{_IN_USE}.new"
        with new.open("w+b") as file:
            _share(file)
            new.rename(new.with_suffix(""))  # it is never seen without its lock
            yield


def hold_counts() -> None:
    """To be called by a process that counts: it uses the folder to its end."""
    with contextlib.suppress(KeyError, OSError):  # a server of one process has none
        file = (Path(os.environ[SEVERAL]) / _IN_USE).open("r+b")
        _share(file)
        _kept.append(file)


def forget_abandoned() -> None:
    """Remove the folders of servers that are gone."""
    if fcntl is None:
        return
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_IN_USE}"):
        # In use, another's, just removed, or on a file system without locks: it stays.
        with contextlib.suppress(OSError), path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)


def _share(file: IO[bytes]) -> None:
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_SH)
