"""Where the path of an item leads: to a file, or to a member of a zip."""

from __future__ import annotations

import errno
import os
import stat
import threading
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from srmm.data.broken import AbsentFile, UnreadableItem, check_size
from srmm.data.names import Names
from srmm.errors import one_line

_UTF8_FLAG = 0x800
_PIECE = 1 << 20
_REASONS = {
    errno.ELOOP: "is a symbolic link that leads back to itself",
    errno.EACCES: "may not be read (permission denied)",
    errno.EPERM: "may not be read (permission denied)",
    errno.ENAMETOOLONG: "has a name too long for a file; is it a text?",
}


class OutsideItem(UnreadableItem):
    """The file lies in none of the folders that may be read."""


class FileReader:
    """Reads what the paths of one table lead to; safe to use from several threads.

    A path leads to a file, else to a member of a zip, else to whichever of the two has that name
    in another spelling (see `Names`). Archives, and lists of what is in a folder, are kept until
    `close`.

    Parameters
    ----------
    folder : Path or None
        What relative paths start from; None: the current folder.
    within : sequence of Path, optional
        The only folders whose files are read, whichever way leads there; None: all are.
    """

    def __init__(self, folder: Path | None, within: Sequence[Path] | None = None) -> None:
        self.folder = folder or Path()
        self.within = within
        self._archives: dict[str, _Archive] = {}
        self._listings: dict[Path, Names] = {}
        self._lock = threading.Lock()  # around the archives: ZipFile is not safe between threads

    def close(self) -> None:
        """Close the archives and forget the listings; reading another item opens them again."""
        with self._lock:
            for archive in self._archives.values():
                archive.file.close()
            self._archives.clear()
            self._listings.clear()

    def read(self, path: str) -> bytes:
        """The content; raises `AbsentFile` if there is none, `UnreadableItem` with a reason."""
        if "\0" in path:
            raise UnreadableItem("has a NUL character in its name")
        for respelled in (False, True):
            file = self.respelled(path) if respelled else self.folder / path
            if file is not None:
                self._check_within(file)
            data = None if file is None else _read_file(file)
            if data is None:
                data = self._read_member(path, respelled=respelled)
            if data is not None:
                return data
        raise AbsentFile(f"{path!r} does not exist")

    def _check_within(self, file: Path) -> None:
        if self.within is not None and not is_inside(file, self.within):
            raise OutsideItem("lies outside of the folders that may be read")

    def respelled(self, path: str) -> Path | None:
        """The file or folder that `path` means though it may be written otherwise."""
        parts = PurePath(path.replace("\\", "/")).parts
        place = self.folder
        for number, part in enumerate(parts):
            if os.path.lexists(place / part):
                place = place / part
                continue
            names = self._names(place)
            # What Windows calls shop\1.png may lie here as one name, backslash and all.
            whole = names.find("/".join(parts[number:]))
            if whole is not None:
                return place / whole
            found = names.find(part)
            if found is None:
                return None
            place = place / found
        return place

    def archives(self, parent: str) -> list[Path]:
        """The zips that members of the folder `parent` may be in, however they are written."""
        places = [parent] if parent.lower().endswith(".zip") else []
        found = []
        for place in [*places, f"{parent}.zip"]:
            exact = self.folder / place
            file = exact if exact.is_file() else self.respelled(place)
            found += [file] if file is not None and file.is_file() else []
        return found

    def _names(self, folder: Path) -> Names:
        names = self._listings.get(folder)
        if names is None:
            try:
                listing = [entry.name for entry in folder.iterdir()]
            except OSError:
                listing = []
            names = self._listings[folder] = Names(listing)
        return names

    def _read_member(self, path: str, *, respelled: bool) -> bytes | None:
        parts = PurePath(path.replace("\\", "/") if respelled else path).parts
        for end in range(1, len(parts)):
            parent = PurePath(*parts[:end])
            # Beside a folder's place, the archive's members may start at any level above it.
            within = {f"{parent}.zip": ["/".join(parts[start:]) for start in range(end + 1)]}
            if parent.suffix.lower() == ".zip":
                within = {str(parent): ["/".join(parts[end:])]} | within
            for place, members in within.items():
                file = self.respelled(place) if respelled else self.folder / place
                data = None if file is None else self._read_first(file, members, respelled)
                if data is not None:
                    return data
        return None

    def _read_first(self, file: Path, members: list[str], respelled: bool) -> bytes | None:
        """The first of `members` that the zip `file` has; None if it has none or is none."""
        with self._lock:
            try:
                archive = self._archives.get(str(file))
                if archive is None:
                    if not file.is_file():
                        return None
                    self._check_within(file)
                    archive = self._archives[str(file)] = _Archive(file)
                for member in members:
                    data = archive.read(member, respelled=respelled)
                    if data is not None:
                        return data
            except OSError as error:
                raise UnreadableItem(f"is in {file.name}, which {_os_reason(error)}") from None
            except UnreadableItem:
                raise
            except Exception as error:  # a damaged archive makes zipfile and zlib raise anything
                raise UnreadableItem(
                    f"is in {file.name}, where it cannot be read ({one_line(error)})"
                ) from None
        return None


def is_inside(file: Path, folders: Iterable[Path]) -> bool:
    """Whether a file lies in one of the folders, once every symbolic link is followed."""
    try:
        real = Path(os.path.realpath(file))
    except (OSError, ValueError):
        return False
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)


class _Archive:
    """A zip that is open, and the names of its members."""

    def __init__(self, file: Path) -> None:
        self.file = zipfile.ZipFile(file)
        self._names: Names | None = None

    def read(self, member: str, *, respelled: bool) -> bytes | None:
        found: str | None = member
        if respelled:
            if self._names is None:
                self._names = _member_names(self.file)
            found = self._names.find(member)
        info = self.file.NameToInfo.get(found or "")
        if info is not None:
            check_size(info.file_size)
            return self._content(info)
        if f"{member}/" in self.file.NameToInfo:
            raise UnreadableItem("is a folder")
        return None

    def _content(self, info: zipfile.ZipInfo) -> bytes:
        """In pieces: at once, a member would be unpacked whole before its end is looked for."""
        pieces, size = [], 0
        with self.file.open(info) as member:
            while piece := member.read(_PIECE):
                pieces.append(piece)
                size += len(piece)
                check_size(size)
        return b"".join(pieces)


def _member_names(archive: zipfile.ZipFile) -> Names:
    unknown = {}
    for name, info in archive.NameToInfo.items():
        if not name.isascii() and not info.flag_bits & _UTF8_FLAG:
            unknown[name] = name.encode("cp437")  # what zipfile took it for
    return Names([name for name in archive.NameToInfo if not name.endswith("/")], unknown)


def _read_file(file: Path) -> bytes | None:
    """The content, None if there is no such file."""
    try:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableItem("is a folder")
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise UnreadableItem("is not a file but a device, pipe or socket")
        check_size(status.st_size)
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeEncodeError:
        raise UnreadableItem("has a name that no file can have (invalid Unicode)") from None
    except OSError as error:
        raise UnreadableItem(_os_reason(error)) from None


def _os_reason(error: OSError) -> str:
    known = _REASONS.get(error.errno or 0)
    return known or f"cannot be read ({one_line(error.strerror or error)})"
