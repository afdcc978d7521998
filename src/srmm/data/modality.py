"""Modalities and presence patterns: the words and checks every other file uses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np

from srmm.errors import InputError

KINDS = ("image", "text", "audio", "voice", "face", "features")
"""What a raw item can be. A modality is *named* freely; its kind says how an item is read."""

PICTURE_KINDS = ("image", "face")
"""Those that are pictures."""

ABSENT = -1
"""Where `Embeddings.position` says "no item here"."""

Pattern = tuple[str, ...]
"""A presence pattern: the modalities of an instance that are there, in the order of the model."""

LONGEST_NAME = 200
"""A modality becomes a file name, of which file systems take 255 bytes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.\-]*")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])\s*(\..*)?", re.IGNORECASE)
"""What Windows takes for a device, whatever follows a point. Stores and models travel."""


def check_modality_name(name: object) -> str:
    """Return `name` if it can name a modality (it becomes a file name and a column name)."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name a modality: it becomes the name of a file on any disk, "
            "so expected is a letter of a to z or A to Z or a digit, then such letters, digits, "
            "spaces, '_', '-' or '.'. Rename it, e.g. 'image'."
        )
    if len(name) > LONGEST_NAME:
        raise InputError(
            f"{name[:40] + '…'!r} cannot name a modality: it has {len(name)} characters, expected "
            f"{LONGEST_NAME} at most. Shorten it."
        )
    if name[-1] in ". ":
        raise InputError(
            f"{name!r} cannot name a modality: Windows drops a point or a space at the end of a "
            f"file's name. Rename it, e.g. {name.rstrip('. ')!r}."
        )
    if _DEVICE.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name a modality: as a file it would be a device of Windows, where "
            f"its store or model could not be opened. Rename it, e.g. '{name[:3]}_{name[3:]}'."
        )
    if name in ("id", "label", "split", "group"):
        raise InputError(
            f"{name!r} cannot name a modality: it is a column of every table. Rename it."
        )
    return name


_seen_before = lru_cache(maxsize=1024)(check_modality_name)


def check_modalities(names: Sequence[object]) -> tuple[str, ...]:
    """Return the names as a tuple; raise `InputError` if there is none, or one twice.

    So it does for two that differ by the case of letters only: many disks take them for one file.
    """
    checked = tuple(
        _seen_before(name) if type(name) is str else check_modality_name(name) for name in names
    )
    if not checked:
        raise InputError("No modality given: expected at least one, e.g. {'image': array}.")
    if len(set(checked)) < len(checked):
        twice = min(name for name, n in Counter(checked).items() if n > 1)
        raise InputError(f"Modality {twice!r} is given more than once; give each another name.")
    if len({name.lower() for name in checked}) < len(checked):
        first = {name.lower(): name for name in reversed(checked)}
        name = next(name for name in checked if first[name.lower()] != name)
        raise InputError(
            f"The modalities {first[name.lower()]!r} and {name!r} differ by the case of letters "
            "only, and would share a file on many disks. Give one of them another name."
        )
    return checked


def presence_patterns(modalities: Sequence[str]) -> list[Pattern]:
    """All 2^M − 1 usable presence patterns, the complete one first, then by size.

    >>> presence_patterns(["image", "text"])
    [('image', 'text'), ('image',), ('text',)]
    """
    sizes = range(len(modalities), 0, -1)
    return [pattern for size in sizes for pattern in combinations(modalities, size)]


def usable_patterns(modalities: Sequence[str], limit: int = 5) -> list[Pattern]:
    """All presence patterns; beyond `limit` modalities those with all, all but one, and one."""
    if len(modalities) <= limit:
        return presence_patterns(modalities)
    # Not chosen from all patterns: of 40 modalities there are a million million.
    sizes = (len(modalities), len(modalities) - 1, 1)
    return [pattern for size in sizes for pattern in combinations(modalities, size)]


def pattern_mask(pattern: Sequence[str], modalities: Sequence[str]) -> np.ndarray:
    """The pattern as a boolean row of length M.

    >>> pattern_mask(["text"], ["image", "text"])
    array([False,  True])
    """
    return np.array([modality in pattern for modality in modalities], dtype=bool)
