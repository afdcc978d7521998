"""Our files and folders: written whole or not at all, and read as ours or refused.

A reader sees the old one or the new one, never half of one.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from srmm.errors import StoreError


@contextlib.contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place if the block ends without error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path), suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        with _naming(path):
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


def read_json(
    path: str | Path, *, format: str, version: int, what: str, remedy: str
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

    Raises
    ------
    StoreError
        If the file is missing, cannot be read, is not ours, or is newer than this version of srmm.
    """
    path = Path(path)
    if not os.path.isfile(path):  # noqa: PTH113 - false, too, of a name that is too long
        gone = f"has no {path.name}" if os.path.isdir(path.parent) else "does not exist"  # noqa: PTH112
        raise StoreError(f"{path.parent} {gone}; expected {what}. {remedy}")
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
    return content


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


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; move it into place if the block ends well."""
    restore_interrupted(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=_prefix(path), suffix=".tmp"))
    try:
        with _naming(path):
            yield temporary
        temporary.chmod(0o777 & ~_umask())
        for file in [*temporary.rglob("*"), temporary]:
            _to_disk(file)
        if path.exists():  # a folder cannot be replaced in one step: move the old one aside first
            aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=_prefix(path), suffix=".old"))
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
    return sorted(path.parent.glob(f"{glob.escape(_prefix(path))}*.{ending}"))


def beside(path: Path, name: str, ending: str) -> Path:
    """The path next to `path` called `name` + `ending`; a name too long for a file system is cut.

    What is cut off still counts, as a digest: two names never become one.
    """
    try:
        longest = os.pathconf(path.parent, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):  # no such folder yet, or not known here
        longest = 255
    raw, room = os.fsencode(name), longest - len(os.fsencode(ending))
    if len(raw) > room:
        digest = hashlib.sha256(raw).hexdigest()[:12]
        name = raw[: room - len(digest) - 1].decode("utf-8", "ignore") + "~" + digest
    return path.parent / (name + ending)


def _prefix(path: Path) -> str:
    """How the temporary names beside `path` start."""
    return beside(path, f".{path.name}", ".01234567.tmp").name.removesuffix("01234567.tmp")


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """An error of writing names the file, also where a library words the system's one anew."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    except Exception as error:
        found = re.search(r"\(os error (\d+)\)", str(error))  # as Rust's libraries end them
        if found is None:
            raise
        code = int(found[1])
        raise OSError(code, os.strerror(code), str(path)) from error


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
