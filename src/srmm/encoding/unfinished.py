"""The unfinished work of an encoding job, `<output>.partial/`: one job at a time, and none lost.

It holds chunks until the store is complete. A job holds a lock of the operating system on a file
in it, which ends with the process however that ends: a job that was killed blocks nobody.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from safetensors import SafetensorError

from srmm.errors import InputError, SrmmError
from srmm.files import beside, remove_interrupted

try:
    import fcntl
except ImportError:  # no such locks on this system
    fcntl = None  # type: ignore[assignment]

_NOTE = "README.txt"
_LOCK = "in-use.txt"
_NOTE_TEXT = (
    "Parts of an unfinished encoding job. The same command goes on from here and removes this "
    "folder when it is done. It can be deleted: the work is then done again.\n"
)
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
"""What a file system without locks answers, as some network drives do."""


@contextlib.contextmanager
def unfinished_work(output: Path | None) -> Iterator[Path | None]:
    """Yield the folder of unfinished work for `output`, held against other jobs; None for None.

    The folder is removed at the end if there is nothing left in it, see `remove_finished`.

    Raises `InputError` if the folder is something else; `SrmmError` if another process is writing
    to `output`, naming it, and where there is no space left on the disk.
    """
    if output is None:
        yield None
        return
    partial = beside(output, output.name, ".partial")
    with _explaining_full_disk(partial), _locked(partial):
        remove_interrupted(output)
        (partial / _NOTE).write_text(_NOTE_TEXT, encoding="utf-8")
        try:
            yield partial
        finally:
            if {path.name for path in partial.iterdir()} <= {_NOTE, _LOCK}:
                (partial / _NOTE).unlink()
                (partial / _LOCK).unlink()
                with contextlib.suppress(OSError):  # the next job has come in already
                    partial.rmdir()


def remove_finished(partial: Path) -> None:
    """Remove the chunks, which are in the store now."""
    for path in partial.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (_NOTE, _LOCK):
            path.unlink()


@contextlib.contextmanager
def _locked(partial: Path) -> Iterator[None]:
    while True:
        _check_ours(partial)
        try:
            partial.mkdir(parents=True, exist_ok=True)
            file = (partial / _LOCK).open("a+b")
        except (FileNotFoundError, FileExistsError):  # the job before has just removed the folder
            continue
        with file:
            _lock(file, partial)
            if not _is_still_there(file, partial / _LOCK):
                continue
            file.truncate(0)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            file.write(f"process {os.getpid()} on {platform.node()} since {since}".encode())
            file.flush()
            yield
            return


def _check_ours(partial: Path) -> None:
    try:
        names = {path.name for path in partial.iterdir()}
    except FileNotFoundError:  # another job may remove it at any moment
        return
    except NotADirectoryError:
        names = {""}
    if names and not names & {_NOTE, _LOCK}:
        raise InputError(
            f"{partial}, where unfinished work is kept, exists and is something else. Move it "
            "away, or choose another output."
        )


def _lock(file: BinaryIO, partial: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(300).decode("utf-8", "replace") or "another process"
        raise SrmmError(
            f"{partial.name.removesuffix('.partial')} is being written by {holder} "
            f"({partial / _LOCK}). Wait until it is done, or choose another output."
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _is_still_there(file: BinaryIO, path: Path) -> bool:
    """False if the job before removed the file between our opening and our locking it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _explaining_full_disk(partial: Path) -> Iterator[None]:
    """Say that nothing is lost when there is no room to go on."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if not _is_full(error):
            raise
        raise SrmmError(
            f"There is no space left for {partial}. What is encoded so far is kept there: free "
            "some space and run the same command again, and it goes on."
        ) from error


def _is_full(error: OSError | SafetensorError) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(f"(os error {code})" in str(error) for code in (errno.ENOSPC, errno.EDQUOT))
