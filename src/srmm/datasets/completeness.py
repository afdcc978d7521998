"""Is a download complete? What it lacks is said before any work, and all of it at once."""

from __future__ import annotations

import errno
import os
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from srmm.data.sources import OpenedTable, object_array, open_source
from srmm.data.table import Table
from srmm.datasets.base import DatasetAbout
from srmm.errors import InputError, did_you_mean, first_few

_SHOWN = 10
"""How many of the missing files a message names."""

_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""Why a path names no file."""


class Files:
    """The files of a data set, found where `ItemReader` finds them: in folders and in zips.

    Each folder and each zip is listed once, so that looking for 100,000 files asks the disk as
    often as there are folders.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._names: dict[str, set[str]] = {}
        self._members: dict[str, dict[str, set[str]]] = {}

    def has(self, paths: Sequence[str]) -> np.ndarray:
        """Boolean (n,): True where there is a file of that path, which is relative to the root."""
        parts = [path.rpartition("/") for path in paths]
        return np.array([name in self.names(folder) for folder, _, name in parts], dtype=bool)

    def names(self, folder: str) -> set[str]:
        """The names of the files in one folder; none if there is no such folder."""
        found = self._names.get(folder)
        if found is None:
            found = self._names[folder] = self._on_disk(folder) | self._zipped(folder)
        return found

    def tree(self, folder: str) -> dict[str, set[str]]:
        """`folder` and the folders below it that hold files → the names of those files."""
        top = self.root / folder
        tree: dict[str, set[str]] = {}
        direct = self._on_disk(folder)
        zips = [f"{folder}/{name}" for name in direct if name.endswith(".zip")]
        for archive in [f"{folder}.zip", *sorted(zips)]:
            for member, names in self._archive(archive).items():
                within = _unpacked(archive.removesuffix(".zip"), member)
                tree.setdefault(within, set()).update(names)
        if direct:
            tree.setdefault(folder, set()).update(direct)
        for start in _folders(top):  # which may be links; deeper ones would loop
            for place, _, files in os.walk(start):
                if files:
                    within = folder + place[len(str(top)) :].replace(os.sep, "/")
                    tree.setdefault(within, set()).update(files)
        return tree

    def _on_disk(self, folder: str) -> set[str]:
        try:
            with os.scandir(self.root / folder) as entries:
                return {entry.name for entry in entries if _is_file(entry)}
        except ValueError:  # a NUL in the name
            return set()
        except OSError as error:
            if error.errno in _NOWHERE:
                return set()
            place = self.root / folder
            raise InputError(f"{place} cannot be read ({error.strerror or error}).") from None

    def _zipped(self, folder: str) -> set[str]:
        parts = PurePosixPath(folder).parts
        names: set[str] = set()
        for end in range(1, len(parts) + 1):
            archive = self._archive("/".join(parts[:end]) + ".zip")
            if archive:  # its members may start at any level above the place of the zip
                inner = ["/".join(parts[start:]) for start in range(end + 1)]
                names = names.union(*(archive.get(place, ()) for place in inner))
        return names

    def _archive(self, name: str) -> dict[str, set[str]]:
        """The members of a zip, by folder; none if there is no such zip."""
        if name not in self._members:
            members = self._members[name] = {}
            try:
                with zipfile.ZipFile(self.root / name) as archive:
                    for member in archive.namelist():
                        folder, _, file = member.rpartition("/")
                        if file:
                            members.setdefault(folder, set()).add(file)
            except (OSError, ValueError, zipfile.BadZipFile) as error:
                if getattr(error, "errno", None) in _NOWHERE or isinstance(error, ValueError):
                    return members
                raise InputError(
                    f"{self.root / name} cannot be read ({error}): it was probably not "
                    "downloaded completely. Download it again."
                ) from None
        return self._members[name]


class Completeness:
    """Collects what a download lacks, to say it in one error, or in one warning.

    Parameters
    ----------
    about : DatasetAbout
    root : Path
    allow_partial : bool or text, optional
        What the user chose: False makes anything that is missing an error, True a warning. None
        where the data set has no such option.
    """

    def __init__(self, about: DatasetAbout, root: Path, allow_partial: Any = None) -> None:
        self.about = about
        self.root = root
        self.allow_partial = None if allow_partial is None else _flag(allow_partial)
        self.files = Files(root)
        self.faults: list[str] = []
        if not root.is_dir():
            raise InputError(f"There is no folder {root}. {about.how_to_get}")

    def file(self, *names: str) -> Path | None:
        """The first of these files that is there; the lack of all of them is a fault.

        Raises `InputError` if one is in a folder of the root, which is then the root meant.
        """
        for name in names:
            if (self.root / name).is_file():
                return self.root / name
        lack = f"There is no {' or '.join(names)} in {self.root}"
        for folder in _folders(self.root):
            if any((folder / name).is_file() for name in names):
                raise InputError(f"{lack}, but in {folder}: give that folder as the root.")
        self.faults.append(f"{lack}.")
        return None

    def count(self, what: str, found: int, *published: int) -> None:
        """Note that there are not as many rows as published (one of several published numbers)."""
        if found not in published:
            numbers = " or ".join(f"{number:,}" for number in published)
            self.faults.append(f"There are {found:,} {what}, published are {numbers}.")

    def missing(self, what: str, paths: Sequence[str], there: np.ndarray) -> None:
        """Note which of the paths are not there."""
        lacking = [path for path, found in zip(paths, there, strict=True) if not found]
        if lacking:
            self.faults.append(
                f"{len(lacking):,} of {len(paths):,} {what} are missing: "
                f"{first_few(lacking, _SHOWN)}."
            )

    def keep_existing(self, what: str, paths: Sequence[str | None]) -> np.ndarray:
        """The paths whose files are there, None in place of the others, which are noted."""
        items = object_array(paths)
        rows = np.flatnonzero(pd.notna(items))
        there = self.files.has(items[rows].tolist())
        self.missing(what, items[rows].tolist(), there)
        items[rows[~there]] = None
        return items

    def check(self) -> None:
        """Raise `InputError` if anything is missing; warn instead if that is allowed."""
        if not self.faults:
            return
        said = f"{self.about.name} is not complete in {self.root}. {' '.join(self.faults)}"
        if self.allow_partial:
            warnings.warn(f"{said} Items that are missing count as absent.", stacklevel=5)
            return
        remedy = (
            ""
            if self.allow_partial is None
            else " To use what is there, with the rest absent, set allow_partial=True "
            "(--set allow_partial=true)."
        )
        raise InputError(f"{said} {self.about.how_to_get}{remedy}")

    def table(
        self,
        items: Mapping[str, Any],
        kinds: Mapping[str, str],
        *,
        ids: Any,
        labels: Any,
        split: Any,
        groups: Any = None,
    ) -> Table:
        """The table, after `check`. Rows of which nothing is left are left out, if that is allowed.

        Raises `InputError` if nothing is left at all.
        """
        self.check()
        table = Table(
            items={name: object_array(column) for name, column in items.items()},
            kinds=dict(kinds),
            ids=object_array(ids),
            labels=object_array(labels),
            split=object_array(split),
            groups=None if groups is None else object_array(groups),
            folder=self.root,
            name=self.about.name,
            first_line=None,
            attribution=f"{self.about.source} ({self.about.licence})",
        )
        left = table.present.any(axis=1)
        if not left.any():
            raise InputError(
                f"Nothing of {self.about.name} is in {self.root}. {self.about.how_to_get}"
            )
        return table[left] if self.allow_partial and not left.all() else table


def is_there(root: Path, folder: str) -> bool:
    """Whether there is such a folder in the root, or a zip of it."""
    return (root / folder).is_dir() or (root / f"{folder}.zip").is_file()


def open_with(path: Path, names: Sequence[str], called: str = "column") -> OpenedTable:
    """A table that has these columns; raises `InputError` for the first that it has not."""
    source = open_source(path)
    for name in names:
        if name not in source.columns:
            raise InputError(
                f"{path} has no {called} {name!r}. {did_you_mean(name, source.columns)}"
            )
    return source


def unique_ids(paths: Sequence[str | None]) -> list[str]:
    """A unique id per row: its path; where several rows share one, "path#2", "path#3", …

    >>> unique_ids(["a.jpg", "b.jpg", "a.jpg", None])
    ['a.jpg', 'b.jpg', 'a.jpg#2', '#1']
    """
    seen: dict[str, int] = {}
    ids = []
    for path in paths:
        number = seen[path or ""] = seen.get(path or "", 0) + 1
        ids.append(f"{path or ''}#{number}" if number > 1 or not path else path)
    return ids


def _flag(value: Any) -> bool:
    """True or False, also as the command line writes them."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    found = words.get(str(value).lower())
    if found is None:
        raise InputError(f"allow_partial must be True or False, got {value!r}.")
    return found


def _unpacked(place: str, member: str) -> str:
    """The folder that a zip's folder stands for, at whichever level above the zip it starts.

    >>> _unpacked("faces/id1", "faces/id1/video"), _unpacked("faces/id1", "video")
    ('faces/id1/video', 'faces/id1/video')
    """
    parts = place.split("/")
    for start in range(len(parts)):
        if f"{member}/".startswith("/".join(parts[start:]) + "/"):
            return "/".join([*parts[:start], member])
    return f"{place}/{member}".rstrip("/")


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads back to itself
        return False


def _folders(place: Path) -> list[Path]:
    """The folders in `place`, sorted; none if it is no folder."""
    try:
        return sorted(path for path in place.iterdir() if path.is_dir())
    except OSError:
        return []
