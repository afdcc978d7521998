"""Paths as other systems write them: "images\\1.jpg" is images/1.jpg."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from srmm.errors import several

_DRIVE = re.compile(r"[A-Za-z]:\\|\\\\")


def with_slashes(name: str, items: np.ndarray, folder: Path | None) -> tuple[np.ndarray, list[str]]:
    """The paths (n,) of a modality with slashes for backslashes, and a note if some had them.

    A file whose name holds a backslash stays what it is, and so does a path on another machine's
    drive, which no slash would find here.
    """
    if os.sep == "\\":
        return items, []
    rows = [
        row
        for row, item in enumerate(items)
        if isinstance(item, (str, Path)) and "\\" in str(item) and not _DRIVE.match(str(item))
        if not os.path.lexists(os.path.join(folder or "", item))  # noqa: PTH118 - any text
    ]
    if not rows:
        return items, []
    changed = items.copy()
    for row in rows:
        changed[row] = str(items[row]).replace("\\", "/")
    paths = several(len(rows), "path is", "paths are")
    example = str(items[rows[0]])
    return changed, [f"{name!r}: {paths} read with slashes for backslashes, as {example!r}."]
