"""Reading a folder of ours while another process may be replacing it: one version, never two.

Readers rename and remove nothing. A folder that is missing because its writer was killed between
the two renames is read where it lies aside.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from srmm.errors import StoreError
from srmm.files.names import followed, temporaries

T = TypeVar("T")
Stamp = tuple[bytes, int, int, int] | None

_TIMES = 200
_LOOKED_AGAIN = 0.005  # seconds


def standing(folder: Path) -> Path:
    """Where the folder is to be read: in its place, or aside if it was left there."""
    if not folder.exists():
        folder = followed(folder)
        for aside in temporaries(folder, "old"):
            if (aside / folder.name).is_dir():
                return aside / folder.name
    return folder


def read_whole(folder: Path, manifest: str, read: Callable[[Path], T]) -> T:
    """What `read` makes of the folder, all of it of one version.

    Parameters
    ----------
    folder : path
    manifest : str
        The file in it that lists the others.
    read : callable
        Gets the path to read from. It is called again if the folder was replaced meanwhile.
    """
    for _ in range(_TIMES):
        place = standing(folder)
        before = _stamp(place, manifest)
        try:
            result = read(place)
        except (OSError, StoreError):
            # Is it damaged, or did another one take its place while we read?
            if before == _stamp(standing(folder), manifest) and place == standing(folder):
                raise
        else:
            if before == _stamp(place, manifest):
                return result
        time.sleep(_LOOKED_AGAIN)
    raise StoreError(f"{folder} is replaced faster than it can be read. Try again later.")


def _stamp(folder: Path, manifest: str) -> Stamp:
    """What tells a version of a folder from any other: its manifest, and which folder it is."""
    try:
        about = folder.stat()
        return (folder / manifest).read_bytes(), about.st_dev, about.st_ino, about.st_ctime_ns
    except OSError:
        return None
