"""Rows of a file larger than memory, taken at random: the system reads these, and no more.

It reads ahead otherwise, for most programs go through a file in order, and of what it then brings
next to nothing is used before it has to go again.
"""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Mapping

import numpy as np


def random_reads(values: Mapping[str, np.ndarray], room: float) -> dict[str, RandomReads]:
    """Of the vectors in mapped files, by name, if these have more bytes than `room`.

    Of none where a system takes no such advice.
    """
    mapped = {
        name: vectors
        for name, vectors in values.items()
        if isinstance(vectors, np.memmap) and vectors.flags.c_contiguous
    }
    if not hasattr(mmap, "MADV_RANDOM") or sum(x.nbytes for x in mapped.values()) <= room:
        return {}
    return {name: RandomReads(vectors) for name, vectors in mapped.items()}


class RandomReads:
    """A mapped file that is read at random while this lives; `expect` says what comes next."""

    def __init__(self, vectors: np.memmap) -> None:
        self._file: mmap.mmap = vectors._mmap  # type: ignore[attr-defined]
        start = np.frombuffer(self._file, np.uint8).ctypes.data
        self._first, self._length = vectors.ctypes.data - start, vectors.strides[0]
        self._file.madvise(mmap.MADV_RANDOM)
        weakref.finalize(self, self._file.madvise, mmap.MADV_NORMAL).atexit = False

    def expect(self, rows: np.ndarray) -> None:
        """Have these rows brought at once: a disk does many things sooner than one by one."""
        for row in rows.tolist():
            begin = self._first + row * self._length
            early = begin % mmap.PAGESIZE  # advice is of whole pages
            self._file.madvise(mmap.MADV_WILLNEED, begin - early, early + self._length)
