"""JSON files of ours: each says its format and version, and is sealed with its own digest."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from srmm.errors import StoreError
from srmm.files.whole import replacing_file

SEAL = "sha256"
"""The key, in a file of ours, of the digest of all the rest of it."""


def _json_text(content: Any) -> str:
    """`content`, JSON-ready, as `read_json` reads it.

    A mapping with a "format" is sealed: `read_json` notices if a single letter of it changes.
    """
    if isinstance(content, Mapping) and "format" in content:
        content = {**content, SEAL: seal_of(content)}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, content: Any) -> None:
    """Write it sealed, so that a reader sees the old file or the new one."""
    with replacing_json(path, content):
        pass


@contextmanager
def replacing_json(path: Path, content: Any) -> Iterator[None]:
    """As `write_json`; what lies on the disk already takes the old file's place at the end.

    For what belongs to another file, such as the numbers of a page: if that cannot be written,
    both stay as they were.
    """
    with replacing_file(path) as temporary:
        temporary.write_text(_json_text(content), encoding="utf-8")
        yield


def read_json(
    path: str | Path,
    *,
    format: str,
    version: int,
    what: str,
    remedy: str,
    sealed_from: int | None = None,
) -> dict[str, Any]:
    """The content of a JSON file of ours, of this `format` and no newer than `version`.

    Parameters
    ----------
    path : path
    format : str
        What stands under "format" in a file of this kind.
    version : int
        The newest version of the format that is known here; the file's own is a whole number.
    what : str
        What the file is, such as "the manifest of an embedding store", for the errors.
    remedy : str
        What to do if it is not, as a sentence.
    sealed_from : int, optional
        The version of the format from which on every file has a seal; by default it may lack one.

    Raises
    ------
    StoreError
        If the file is missing, cannot be read, is not ours, is newer than this version of srmm, or
        has changed since it was written.
    """
    path = Path(path)
    if not os.path.isfile(path):  # noqa: PTH113 - false, too, of a name that is too long
        raise StoreError(f"{path.parent} {_instead_of_folder(path)}; expected {what}. {remedy}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(
            f"{path} is not readable JSON ({error}); expected {what}. {remedy}"
        ) from None
    if not isinstance(content, dict) or content.get("format") != format:
        raise StoreError(f"{path} is not {what} (format {format!r}). {remedy}")
    found = content.get("version")
    if not isinstance(found, int) or isinstance(found, bool):
        raise StoreError(
            f"{path} is damaged: its version is {found!r}, expected a whole number. {remedy}"
        )
    if found > version:
        raise StoreError(
            f"{path} was written by a newer version of srmm (its format is of version {found}, "
            f"this one reads up to {version}). Upgrade with: pip install -U srmm"
        )
    _check_seal(path, content, sealed_from is not None and found >= sealed_from, remedy)
    return content


def _instead_of_folder(path: Path) -> str:
    """Why there is no such file: what its folder is."""
    if os.path.isdir(path.parent):  # noqa: PTH112 - false, too, of a name that is too long
        return f"has no {path.name}"
    return "is a file and no folder" if os.path.isfile(path.parent) else "does not exist"  # noqa: PTH113


def is_of_format(path: Path, format: str) -> bool:
    """Whether a JSON file says that it is of this format; it may still be damaged."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        return False
    return re.search(rf'"format"\s*:\s*"{re.escape(format)}"', text) is not None


def seal_of(content: Mapping[str, Any]) -> str:
    """The digest of a mapping as JSON keeps it, its own seal left out."""
    rest = {key: value for key, value in content.items() if key != SEAL}
    text = json.dumps(rest, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _check_seal(path: Path, content: dict[str, Any], expected: bool, remedy: str) -> None:
    seal = content.pop(SEAL, None)
    if seal is None and not expected:
        return
    try:
        whole = seal == seal_of(content)
    except (ValueError, RecursionError):  # holds NaN, which we never write
        whole = False
    if not whole:
        raise StoreError(
            f"{path} is damaged: its content has changed since it was written (its digest is "
            f"another). {remedy}"
        )


def json_ready(value: Any) -> Any:
    """NumPy's values as Python's, NaN and infinity as None, mappings and sequences all through.

    >>> json_ready({1: np.float32(0.5), "x": (np.nan, np.arange(2))})
    {'1': 0.5, 'x': [None, [0, 1]]}
    """
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [json_ready(item) for item in value]
    if isinstance(value, np.ndarray):
        return json_ready(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
