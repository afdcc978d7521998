"""Raw items that cannot be read: the file is absent, or the item is there and broken."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from srmm.data.limits import limit, raised_by

F = TypeVar("F", bound=Exception)


class AbsentFile(Exception):  # noqa: N818 - an absence is no error
    """The item's file does not exist."""


class UnreadableItem(Exception):  # noqa: N818 - reads as what it is in `except`
    """The item is there but broken; `str(error)` is the reason, one line such as "is a folder"."""


def at_rest(failure: F) -> F:
    """A failure that is kept, without the calls it came through: these hold the item, and each
    other, so that large ones would fill memory until the next collection of garbage.
    """
    failure.__cause__ = failure.__context__ = None
    return failure.with_traceback(None)


def check_size(size: int) -> None:
    """Raise `UnreadableItem` for 0 bytes, or for more than memory should hold."""
    if size == 0:
        raise UnreadableItem("is empty (0 bytes)")
    most = limit("SRMM_MAX_FILE_BYTES")
    if size > most:
        raise UnreadableItem(
            f"has {size / 1e9:.1f} GB, more than the limit of {most / 1e9:.1f} "
            f"{raised_by('SRMM_MAX_FILE_BYTES')}"
        )


def refuse_mask(item: Any) -> None:
    """Raise `UnreadableItem` for a masked array: as a plain one it would be what its mask hides."""
    if isinstance(item, np.ma.MaskedArray) and np.ma.getmaskarray(item).any():
        raise UnreadableItem("is a masked array; fill in what its mask hides")


def refuse_stand_in(data: bytes, expected: str) -> bytes:
    """The first bytes in small letters; raises `UnreadableItem` for what stands in a file's place.

    What a server says of a lost file may have its name, and so has what Git LFS leaves there.
    """
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        raise UnreadableItem(f"is not {expected} but a web page")
    if head.startswith(b"version https://git-lfs"):
        raise UnreadableItem(f"is not {expected} but a pointer of Git LFS; run `git lfs pull`")
    return head
