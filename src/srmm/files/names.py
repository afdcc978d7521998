"""Names beside a path: for locks, for what is being written, for what belongs to it."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path


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


def followed(path: Path) -> Path:
    """Where a symbolic link at `path` leads, so that it stays a link; `path` if it is none.

    So is what lies behind a link and "..": the system goes where the link leads and up from there,
    `tempfile` goes by the letters.
    """
    whole = Path(os.path.realpath(path))
    by_letters = os.path.realpath(os.path.abspath(path))  # noqa: PTH100 - is what it is about
    return whole if path.is_symlink() or str(whole) != by_letters else path


def temporary_prefix(path: Path) -> str:
    """How the temporary names beside `path` start."""
    return beside(path, f".{path.name}", ".01234567.tmp").name.removesuffix("01234567.tmp")


def temporaries(path: Path, ending: str) -> list[Path]:
    """What lies beside `path` under such a name with this ending."""
    prefix = temporary_prefix(path)
    try:
        names = sorted(entry.name for entry in os.scandir(path.parent))
    except OSError:
        return []
    # Between the two are letters that `tempfile` drew: a longer name is another path's.
    drawn = re.compile(re.escape(prefix) + r"[^.]*\." + ending)
    return [path.parent / name for name in names if drawn.fullmatch(name)]
