"""Unique items: those of a table each once, known again in a later run by a digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image

from srmm.data.blocks import Cells
from srmm.data.broken import UnreadableItem
from srmm.data.columns import PATH_KINDS
from srmm.data.paths import FileReader
from srmm.data.table import Table

KEY_BYTES = 16
_ORIENTATION = 0x112
"""Which side of a picture is up, of what EXIF says."""


@dataclass(frozen=True)
class UniqueItems:
    """The items of one modality, each once, in the order in which they first appear.

    Parameters
    ----------
    rows : int array of shape (n_present,)
        The rows of the table that have an item.
    index : int array of shape (n_present,)
        Which unique item each of them has.
    items : list of length n_unique
    keys : uint8 array of shape (n_unique, 16)
        What identifies an item, see `ItemKeys`.
    """

    rows: np.ndarray
    index: np.ndarray
    items: list[Any]
    keys: np.ndarray


def unique_items(table: Table, modality: str) -> UniqueItems:
    """The present items of one modality, with those that are equal told apart from the others."""
    column = table.items[modality]
    rows = np.flatnonzero(table.present[:, table.modalities.index(modality)])
    key_of = ItemKeys(table.kinds[modality], table.folder)
    numbers: dict[bytes, int] = {}
    items: list[Any] = []
    index = np.empty(len(rows), dtype=np.int64)
    for place, item in enumerate(column[rows]):
        number = numbers.setdefault(key_of(item), len(items))
        if number == len(items):
            items.append(item)
        index[place] = number
    keys = np.frombuffer(b"".join(numbers), dtype=np.uint8).reshape(-1, KEY_BYTES)
    return UniqueItems(rows, index, items, keys)


class ItemKeys:
    """A callable: item → 16 bytes that are equal only for items with equal embeddings.

    A text, bytes, a picture in memory or a vector is its content. A file is its path as the table
    writes it, its size and its time of modification, as in `make` and `rsync`: reading every file
    to find out that nothing changed would take as long as encoding does on a large disk. A member
    of a zip is its path with the size and time of the archive. Moving a table and its files
    together therefore changes nothing, and a copy without times is encoded again.
    """

    def __init__(self, kind: str, folder: Path | None) -> None:
        self.is_path = kind in PATH_KINDS
        self.folder = folder or Path()
        self._files = FileReader(folder)
        self._archives: dict[PurePath, str] = {}
        self._columns: tuple[str, ...] = ()
        self._columns_shown = repr(())
        self._layout: tuple[np.dtype[Any], tuple[int, ...]] | None = None
        self._layout_shown = b""

    def __call__(self, item: Any) -> bytes:
        if type(item) is Cells:
            return self._of_cells(item)
        if type(item) is np.ndarray and not self.is_path and not item.dtype.hasobject:
            return self._of_array(item)
        digest = hashlib.blake2b(digest_size=KEY_BYTES)
        for part in self._parts(item):
            digest.update(_sized(part))
        return digest.digest()

    def _of_cells(self, item: Cells) -> bytes:
        """The digest of its parts in one step: a table has a million of them."""
        if item.columns is not self._columns:
            self._columns, self._columns_shown = item.columns, repr(item.columns)
        shown = f"({self._columns_shown}, {item.values!r})".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(_sized(b"cells") + _sized(shown), digest_size=KEY_BYTES).digest()

    def _of_array(self, item: np.ndarray) -> bytes:
        """The same of an array of numbers."""
        layout = (item.dtype, item.shape)
        if layout != self._layout:
            shown = repr((item.dtype.str, item.shape)).encode()
            self._layout, self._layout_shown = layout, _sized(b"array") + _sized(shown)
        content = self._layout_shown + _sized(item.tobytes())
        return hashlib.blake2b(content, digest_size=KEY_BYTES).digest()

    def _parts(self, item: Any) -> Iterator[bytes]:
        if isinstance(item, dict) and item.get("array") is not None:  # decoded sound
            item = (item["array"], item.get("sampling_rate"))
        if isinstance(item, dict):
            item = item.get("bytes") or item.get("path")
        if isinstance(item, (str, Path)):
            yield b"path" if self.is_path else b"text"
            # Lone surrogates are legal in str; the reader says what is wrong with them.
            yield str(item).encode("utf-8", "surrogatepass")
            if self.is_path:
                yield self._stamp(str(item)).encode()
        elif isinstance(item, (bytes, bytearray, memoryview)):
            yield b"bytes"
            yield bytes(item)
        elif isinstance(item, Image.Image):
            yield b"image"
            shown_as = (item.info.get("transparency"), _orientation(item))
            yield repr((item.mode, item.size, item.getpalette(), *shown_as)).encode()
            yield _pixels(item)
        elif self.is_path and isinstance(item, (tuple, list)) and len(item) == 2:
            yield b"sound"  # (samples, rate)
            yield repr(item[1]).encode()
            yield from self._parts(_array(item[0]))
        else:
            array = _array(item)
            yield b"array"
            yield repr((array.dtype.str, array.shape)).encode()
            if not array.dtype.hasobject:
                yield array.tobytes()
            elif any(isinstance(part, np.ndarray) for part in array.flat):  # rows of pixels
                for part in array.flat:
                    yield from self._parts(part)
            else:
                yield repr(array.tolist()).encode()  # of an array NumPy shows the ends alone

    def _stamp(self, path: str) -> str:
        try:
            status = (self.folder / path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return self._stamp_of_respelled(path)
        except (OSError, ValueError):
            return ""  # whatever is wrong with it, the reader will say
        return f"{status.st_size}:{status.st_mtime_ns}"

    def _stamp_of_respelled(self, path: str) -> str:
        """What the archives look like that it may be a member of, and the file, if any, that it
        means though it is written otherwise."""
        parents = PurePath(path.replace("\\", "/")).parents
        try:
            found = self._files.respelled(path)
            status = None if found is None else found.stat()
            stamp = f"{status.st_size}:{status.st_mtime_ns}" if status else ""
            return stamp + "".join(self._archive_stamp(parent) for parent in parents)
        except (OSError, UnreadableItem):
            return ""  # the reader will say

    def _archive_stamp(self, parent: PurePath) -> str:
        """What "parent.zip", and `parent` if it is a zip itself, look like; "" if neither is."""
        known = self._archives.get(parent)
        if known is None:
            known = ""
            for file in self._files.archives(str(parent)):
                status = file.stat()
                known += f"{status.st_size}:{status.st_mtime_ns};"
            self._archives[parent] = known
        return known


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(8, "little") + part


def valid_unicode(text: str) -> str:
    r"""The text as files and terminals take it. A name that is not UTF-8 has lone surrogates.

    >>> valid_unicode("caf\udce9.jpg")
    'caf\\udce9.jpg'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _array(item: Any) -> np.ndarray:
    """Also of what has no one shape, such as lists of several lengths: as one object."""
    try:
        return np.asarray(item)
    except Exception:  # whatever it is, the reader will say
        array = np.empty((), dtype=object)
        array[()] = item
        return array


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # damaged EXIF: the reader leaves it alone
        return None


def _pixels(image: Image.Image) -> bytes:
    try:
        return image.tobytes()
    except Exception:  # opened but not decoded yet, and broken: like no other
        return repr(id(image)).encode()


def shown_source(kind: str, item: Any, folder: Path | None) -> str | None:
    """What a report can show the item from: a text itself, the absolute path of a file."""
    if isinstance(item, dict):
        item = None if item.get("bytes") else item.get("path")
    if kind in PATH_KINDS and isinstance(item, (str, Path)):
        path = os.path.abspath((folder or Path()) / item)  # noqa: PTH100 - keeps symbolic links
        return valid_unicode(path)
    return item if kind == "text" and isinstance(item, str) else None
