"""Unfinished work, `<output>.partial/`: one job at a time, and none lost.

It holds parts until the output is complete. A job holds the lock on writing its output from its
beginning to its end.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from srmm.errors import InputError, SrmmError, system_code
from srmm.files.locks import only_writer
from srmm.files.names import beside
from srmm.files.whole import remove_interrupted, remove_litter

_NOTE = "README.txt"
_NOTE_TEXT = (
    "Parts of unfinished work. The same command goes on from here and removes this "
    "folder when it is done. It can be deleted: the work is then done again.\n"
)


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
    with _explaining_full_disk(partial), only_writer(output, wait=0):
        _check_ours(partial)
        remove_interrupted(output)
        partial.mkdir(parents=True, exist_ok=True)
        (partial / _NOTE).write_text(_NOTE_TEXT, encoding="utf-8")
        remove_litter(partial)
        try:
            yield partial
        finally:
            if {path.name for path in partial.iterdir()} <= {_NOTE}:
                (partial / _NOTE).unlink()
                partial.rmdir()


def remove_finished(partial: Path) -> None:
    """Remove the parts, which are in the output now."""
    for path in partial.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _NOTE:
            path.unlink()


def _check_ours(partial: Path) -> None:
    try:
        names = {path.name for path in partial.iterdir()}
    except FileNotFoundError:
        return
    except NotADirectoryError:
        names = {""}
    if names and _NOTE not in names:
        raise InputError(
            f"{partial}, where unfinished work is kept, exists and is something else. Move it "
            "away, or choose another output."
        )


@contextlib.contextmanager
def _explaining_full_disk(partial: Path) -> Iterator[None]:
    """Say that nothing is lost when there is no room to go on."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if system_code(error) not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise SrmmError(
            f"There is no space left for {partial}. What is done so far is kept there: free "
            "some space and run the same command again, and it goes on."
        ) from error
