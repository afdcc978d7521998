"""SHA-256 digests of files: taken when a folder is written, compared when it is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from srmm.errors import StoreError

REMEMBERED_FROM = 1 << 26
"""Bytes of a file from which on its digest is compared once per process, unless it changes."""

_remembered: set[tuple[object, ...]] = set()


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(folder: Path) -> dict[str, dict[str, Any]]:
    """{"text.safetensors": {"bytes": 1024, "sha256": "…"}} of all files in a folder, sorted.

    Names are relative, with slashes.
    """
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": digest_of_file(folder / name)}
        for name in names
    }


def check_files(
    folder: Path, files: Mapping[str, Mapping[str, Any]], *, remedy: str, most: int | None = None
) -> None:
    """Compare the files in a folder with what `listed` said of them.

    Parameters
    ----------
    folder : path
    files : mapping
        As from `listed`.
    remedy : str
        What to do about a difference, as a sentence.
    most : int, optional
        Files of more bytes are compared in size alone.

    Raises
    ------
    StoreError
        Naming the first file that is missing, is no plain file inside the folder, or has changed.
    """
    if not isinstance(files, Mapping):
        raise StoreError(f"{folder} has no list of its files, but {files!r:.80}. {remedy}")
    for name, about in files.items():
        path = inside(folder, name)
        if not path.is_file():
            raise StoreError(f"{path} is missing or no plain file. {remedy}")
        if not isinstance(about, Mapping) or not isinstance(about.get("sha256"), str):
            raise StoreError(f"The list of the files in {folder} is damaged at {name!r}. {remedy}")
        found = path.stat()
        if found.st_size != about.get("bytes"):
            raise StoreError(
                f"{path} is damaged: it has {found.st_size:,} bytes, {about.get('bytes')!r} were "
                f"written. {remedy}"
            )
        if most is None or found.st_size <= most:
            _compare(path, about["sha256"], found, remedy)


def inside(folder: Path, name: object) -> Path:
    """The path of a file that a manifest names; raises `StoreError` for one outside the folder."""
    pure = PurePosixPath(name) if isinstance(name, str) and not set(name) & {"\0", "\\"} else None
    if pure is None or not pure.parts or pure.is_absolute() or ".." in pure.parts:
        raise StoreError(
            f"{folder} names the file {name!r:.200}, expected one inside the folder. It was not "
            "written by srmm; do not use it."
        )
    return folder / pure


def _compare(path: Path, expected: str, about: os.stat_result, remedy: str) -> None:
    known = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, expected)
    if known in _remembered:
        return
    found = digest_of_file(path)
    if found != expected:
        raise StoreError(
            f"{path} is damaged: its content has changed since it was written (SHA-256 "
            f"{found[:12]}…, written was {expected[:12]}…). {remedy}"
        )
    if about.st_size >= REMEMBERED_FROM:
        _remembered.add(known)
