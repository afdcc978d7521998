"""Writing files and folders so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place if the block ends without error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        _to_disk(temporary)
        temporary.replace(path)
        _to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content`, JSON-ready, so that a reader sees the old file or the new one."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    with replacing_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; move it into place if the block ends well."""
    restore_interrupted(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        for file in [*temporary.rglob("*"), temporary]:
            _to_disk(file)
        if path.exists():  # a folder cannot be replaced in one step: move the old one aside first
            aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old"))
            path.rename(aside / path.name)
            temporary.rename(path)
            # Or a power loss could keep that the old one is gone and not that the new one is there.
            _to_disk(path.parent)
            shutil.rmtree(aside)
        else:
            temporary.rename(path)
            _to_disk(path.parent)
    finally:
        restore_interrupted(path)
        shutil.rmtree(temporary, ignore_errors=True)


def restore_interrupted(path: Path) -> None:
    """Put the old folder back if a kill or an error came between two renames that replace it."""
    if path.exists():
        return
    for aside in _beside(path, "old"):
        if (aside / path.name).exists():
            (aside / path.name).rename(path)
            aside.rmdir()
            return


def remove_interrupted(path: Path) -> None:
    """Remove what a kill while `path` was replaced left beside it.

    Only for one who knows that nobody is replacing it now.
    """
    restore_interrupted(path)
    for left in [*_beside(path, "tmp"), *_beside(path, "old")]:
        shutil.rmtree(left, ignore_errors=True)


def _beside(path: Path, ending: str) -> list[Path]:
    """The folders that `replacing_folder` makes beside `path`."""
    return sorted(path.parent.glob(f".{glob.escape(path.name)}.*.{ending}"))


def _to_disk(path: Path) -> None:
    """Ask the system to put this file, or this folder's list of names, on the disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
