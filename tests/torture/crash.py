"""Ending a command before its k-th file operation: by a kill, or as if the disk were full.

Operations are what Python reports to audit hooks and what changes a file system, plus the calls of
libraries that write by themselves. The command runs in a forked child, so that a kill costs no new
interpreter.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import safetensors.numpy

KILLED = 137
FOREIGN = 99
"""Exit code of a child whose command ended with an exception that nobody caught."""

_CHANGING = {
    "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate", "os.link",
    "os.symlink", "shutil.rmtree", "shutil.copytree", "shutil.copyfile", "test.write",
}  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class _Counter:
    """Counts operations under `root`, and ends the process or fails the disk at the one asked."""

    def __init__(self, root: Path, end_at: int | None, how: str) -> None:
        self.root, self.end_at, self.how, self.count = str(root), end_at, how, 0

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = args
            if not isinstance(flags, int) or not flags & _WRITES or self.root not in str(path):
                return
        elif event not in _CHANGING or not self._is_ours(args):
            return
        self.count += 1
        if self.end_at is None or self.count < self.end_at:
            return
        if self.how == "kill":
            os._exit(KILLED)
        # A full disk stays full, but what is removed, or only renamed, needs no room.
        if event in ("open", "os.mkdir", "test.write", "shutil.copyfile", "os.rename"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(args[0]))

    def _is_ours(self, args: tuple[Any, ...]) -> bool:
        # Names relative to an open folder are those of a tree that is being removed.
        return self.root in str(args[0]) or not str(args[0]).startswith("/")


def operations(command: Callable[[], int], root: Path) -> int:
    """How many file operations the whole command makes."""
    code, count = in_a_child(command, root, None, "kill")
    assert code == 0, f"the command ended with {code} by itself"
    return count


def in_a_child(
    command: Callable[[], int], root: Path, end_at: int | None, how: str
) -> tuple[int, int]:
    """(exit code, operations counted) of the command, which ends before operation `end_at`.

    `how` is "kill" or "full". The code is `FOREIGN` where an exception was left uncaught.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        code = FOREIGN
        try:
            counter = _Counter(root, end_at, how)
            _watch_libraries()
            sys.addaudithook(counter)
            code = command()
            counter.end_at = None
            os.write(write, str(counter.count).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        counted = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, int(counted or -1)


def _watch_libraries() -> None:
    """Report a write before and after libraries that open files without Python."""

    def watched(function: Callable[..., Any], place: int) -> Callable[..., Any]:
        def write(*args: Any, **options: Any) -> Any:
            path = os.path.abspath(os.fspath(args[place]))  # noqa: PTH100
            sys.audit("test.write", path)
            result = function(*args, **options)
            sys.audit("test.write", path)
            return result

        return write

    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("srmm") and hasattr(module, "save_file"):
            module.save_file = watched(module.save_file, 1)  # type: ignore[attr-defined]
    safetensors.numpy.save_file = watched(safetensors.numpy.save_file, 1)
    pyarrow.parquet.write_table = watched(pyarrow.parquet.write_table, 1)
