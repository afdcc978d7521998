"""What is at a path that somebody wrote: a name that no file can have is no file."""

from __future__ import annotations

import os
from pathlib import Path


def exists(path: str | Path) -> bool:
    """`Path.exists`, but False of a name that is too long or has a zero byte in it."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: str | Path) -> bool:
    """`Path.is_file` in the same way."""
    return os.path.isfile(path)  # noqa: PTH113


def is_dir(path: str | Path) -> bool:
    """`Path.is_dir` in the same way."""
    return os.path.isdir(path)  # noqa: PTH112
