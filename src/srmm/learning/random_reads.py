"""Rows of a file larger than memory, taken at random: the system reads these, and no more.

It reads ahead otherwise, for most programs go through a file in order, and of what it then brings
next to nothing is used before it has to go again.
"""

from __future__ import annotations

import mmap
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress

import numpy as np


def random_reads(values: Mapping[str, np.ndarray], room: float) -> dict[str, RandomReads]:
    """Of the vectors in mapped files, by name, if these have more bytes than `room`.

    Of none where a system takes no such advice.
    """
    files = {name: _file_of(vectors) for name, vectors in values.items()}
    mapped = {name: file for name, file in files.items() if file is not None}
    if not hasattr(mmap, "MADV_RANDOM") or sum(values[name].nbytes for name in mapped) <= room:
        return {}
    return {name: RandomReads(values[name], file) for name, file in mapped.items()}


class RandomReads:
    """Vectors (n, d) of a mapped file that is read at random while this lives, or another of it.

    `expect` says which are read next.
    """

    def __init__(self, vectors: np.ndarray, file: mmap.mmap) -> None:
        start = np.frombuffer(file, np.uint8).ctypes.data
        self._first, self._length = vectors.ctypes.data - start, vectors[0].nbytes
        self._mapped = _read_at_random(file)

    def expect(self, rows: np.ndarray | slice) -> None:
        """Have these rows brought at once: a disk does many things sooner than one by one."""
        if isinstance(rows, slice):
            self._bring(rows.start, rows.stop - rows.start)
            return
        for row in rows.tolist():
            self._bring(row, 1)

    def _bring(self, row: int, n_rows: int) -> None:
        begin = self._first + row * self._length
        early = begin % mmap.PAGESIZE  # advice is of whole pages
        length = early + n_rows * self._length
        _advise(self._mapped.file, mmap.MADV_WILLNEED, begin - early, length)


def _file_of(vectors: np.ndarray) -> mmap.mmap | None:
    """The mapped file that they lie in, if without a gap; a copy of such lies in memory."""
    return getattr(vectors, "_mmap", None) if vectors.flags.c_contiguous else None


class _ReadAtRandom:
    """A mapped file whose system is told so, and told otherwise when this goes."""

    def __init__(self, file: mmap.mmap) -> None:
        self.file = file
        _advise(file, mmap.MADV_RANDOM)
        weakref.finalize(self, _advise, file, mmap.MADV_NORMAL).atexit = False


_known: weakref.WeakValueDictionary[int, _ReadAtRandom] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def _read_at_random(file: mmap.mmap) -> _ReadAtRandom:
    """The one of this file, whose advice holds until the last who reads it so is done."""
    with _lock:
        found = _known.get(id(file))
        if found is None:
            found = _known[id(file)] = _ReadAtRandom(file)
        return found


def _advise(file: mmap.mmap, *advice: int) -> None:
    with suppress(OSError):  # a system that does not follow it is slower, and no worse
        file.madvise(*advice)
