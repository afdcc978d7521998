"""What a command's process does with memory: large arrays, and the search for garbage."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
_LARGE = 8 << 20  # bytes: beyond an array of a usual training step
_KEPT = 128 << 20
_OBJECTS = 700_000  # more than importing makes, which leaves no garbage


def give_back_large_arrays() -> None:
    """Have arrays of 8 MB and more go back to the system when they are let go, where glibc decides.

    It keeps those of up to 32 MB, cuts small ones out of them, and then has no room for the next:
    two threads that train on 10,000 classes take 3.9 GB so, and 0.9 GB otherwise. Smaller ones are
    kept for the next, up to 128 MB of them: once told one limit, glibc would keep next to nothing,
    and prediction take a seventh longer, for fresh memory costs as much as the sums in it.
    """
    with suppress(OSError, AttributeError, TypeError):  # no glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _KEPT)


def look_for_garbage_later() -> None:
    """Have Python look for unreachable objects as usual, but not while the libraries are imported.

    It would look at all that they have made some seven hundred times, a seventh of what starting
    takes. The first look puts back how often it looks.
    """
    usual = gc.get_threshold()

    def put_back(phase: str, info: dict[str, int]) -> None:
        gc.callbacks.remove(put_back)
        gc.set_threshold(*usual)

    gc.set_threshold(_OBJECTS, *usual[1:])
    gc.callbacks.append(put_back)
