"""Raw items that cannot be read: the file is absent, or the item is there and broken."""

from __future__ import annotations


class AbsentFile(Exception):  # noqa: N818 - an absence is no error
    """The item's file does not exist."""


class UnreadableItem(Exception):  # noqa: N818 - reads as what it is in `except`
    """The item is there but broken; `str(error)` is the reason, one line such as "is a folder"."""
