"""Texts whose letters were lost before srmm saw them: "cafÃ©", "caf�".

UTF-8 that a program took for an older encoding, and wrote as UTF-8 again, is valid and wrong. To an
encoder, and beside the same words in another table, it is another text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from srmm.data.blocks import are_numbers
from srmm.data.columns import PATH_KINDS, ModalityColumns
from srmm.errors import shown

LOST = "\ufffd"
"""What stands in the place of bytes that were no letter."""
_MANY = 0.001
"""A share of the texts; fewer, and than two, matter little."""
_LETTERS = "\u00a0-\u017f\u0370-\u045f\u2010-\u2044\u20ac\u2122"
"""What such texts hold once they are mended: letters of Europe, and signs. IPA's, of which "É–" is
the bytes, are not among them."""
_USUAL = re.compile(f"[\\x00-\\x7f{_LETTERS}]*")
_SIGN = re.compile("[\u00c2-\u00c5\u00ce-\u00d1\u00e2]")
"""How each of those letters begins when its bytes are read one by one."""
_SHOWN = 40


def letter_notes(modality: ModalityColumns, cells: Mapping[str, np.ndarray]) -> list[str]:
    """A sentence on each column of texts, or categories, with letters that were lost."""
    if modality.kind in PATH_KINDS:
        return []
    columns = (
        column for column in dict.fromkeys(modality.columns) if not are_numbers(cells[column])
    )
    notes = [(column, lost_letters(cells[column])) for column in columns]
    return [f"Column {column!r}: {note}" for column, note in notes if note]


def lost_letters(texts: Iterable[Any]) -> str | None:
    """
    >>> lost_letters(["caf\\u00c3\\u00a9", "tea", "th\\u00c3\\u00a9", "caf\\ufffd", "milk"])
    "2 texts look like UTF-8 that was read as another encoding, 'cafÃ©' for 'café', and are taken \
as they stand. Read the table's source again, as UTF-8."
    """
    n, lost, wrong = 0, list[str](), list[tuple[str, str]]()
    for text in texts:
        if not isinstance(text, str):
            continue
        n += 1
        if text.isascii():
            continue
        if LOST in text:
            lost.append(text)
        elif (right := mended(text)) is not None:
            wrong.append((text, right))
    least = max(2, _MANY * n)
    if len(wrong) >= least:
        text, right = wrong[0]
        return (
            f"{len(wrong):,} texts look like UTF-8 that was read as another encoding, "
            f"{shown(text[:_SHOWN])} for {shown(right[:_SHOWN])}, and are taken as they stand. "
            "Read the table's source again, as UTF-8."
        )
    if len(lost) >= least:
        return (
            f"{len(lost):,} texts hold {LOST!r}, as {shown(lost[0][:_SHOWN])} does, in the place "
            "of letters that a program could not read, and are taken as they stand. Read the "
            "table's source again, in its own encoding."
        )
    return None


def mended(text: str) -> str | None:
    """The text that was meant, of UTF-8 that was read as WINDOWS-1252 or ISO-8859-1; else None.

    >>> mended("caf\\u00c3\\u00a9"), mended("caf\\u00e9"), mended("CAF\\u00c9\\u2013BAR")
    ('café', None, None)
    """
    if not _SIGN.search(text):
        return None
    for encoding in ("cp1252", "latin-1"):
        try:
            right = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if right != text and _USUAL.fullmatch(right):
            return right
    return None
