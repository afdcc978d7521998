"""Whether a table is still the one that a job began with."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

from srmm.data.sources import kept_name, local_file
from srmm.data.store import is_store
from srmm.files import digest_of_file


def mark_of(source: str) -> list[Any]:
    """What tells a table, store or data set from every other, and from what it was before.

    Of files their size and when they were written, of a store the digest of its manifest; of a
    database elsewhere, which may have changed at any time, something that is never the same again.
    """
    path = local_file(source)
    if path is None:
        return [source, uuid.uuid4().hex if "://" in source else None]
    if path.is_dir() and is_store(path):
        return [kept_name(source), digest_of_file(path / "manifest.json")]
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return [kept_name(source), *(_of_file(file, path) for file in files)]


def _of_file(file: Path, root: Path) -> list[Any]:
    about = file.stat()
    return [os.path.relpath(file, root), about.st_size, about.st_mtime_ns]
