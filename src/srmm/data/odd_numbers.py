"""Columns of numbers that may not mean what they say: -999 for nothing, "1.234" for a thousand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from srmm.data.blocks import is_blank

_STANDS_FOR_NOTHING = (-9, -99, -999, -9999, -99999, -999999, 999, 9999, 99999, 999999)
_TIMES = 5
"""So many times as large as all other numbers of a column is what stands for none of them."""
_EITHER = re.compile(r"[-+]?[1-9]\d{0,2}\.\d{3}")


def odd_number_notes(
    columns: Iterable[str], cells: Mapping[str, np.ndarray], *, thousands: bool = True
) -> list[str]:
    """A sentence on each column of numbers that looks as if some or all mean something else.

    `thousands` is whether points that may separate thousands are looked for, too.

    >>> odd_number_notes(["age"], {"age": np.array([31, "-999", -999, 40], dtype=object)})
    ["Column 'age': 2 cells are -999, far from all others. If they stand for nothing, say so:
    --missing 'auto,-999' (missing=)."]
    """
    notes = []
    for column in dict.fromkeys(columns):
        notes += _nothing_note(column, cells[column])
        notes += _thousands_note(column, cells[column]) if thousands else []
    return notes


def _nothing_note(column: str, cells: np.ndarray) -> list[str]:
    """On numbers such as -999, which are given where there is none."""
    try:
        numbers = np.array([float(cell) for cell in cells if not is_blank(cell)])
    except (
        TypeError,
        ValueError,
        OverflowError,
    ):  # what is no plain number is read, and told of, elsewhere
        return []
    notes = []
    for marker in _STANDS_FOR_NOTHING:
        n = int((numbers == marker).sum())
        others = numbers[~np.isin(numbers, _STANDS_FOR_NOTHING)]
        if n < 2 or not len(others) or not np.isfinite(others).all():
            continue
        below = marker < 0 <= others.min()
        if below or abs(marker) > _TIMES * np.abs(others).max():
            notes.append(
                f"Column {column!r}: {n:,} cells are {marker}, far from all others. If they stand "
                f"for nothing, say so: --missing 'auto,{marker}' (missing=)."
            )
    return notes


def _thousands_note(column: str, cells: np.ndarray) -> list[str]:
    """On texts with a point that are all like "1.234", which is 1234 in much of the world.

    Of other numbers the first few show that the point is for decimals.
    """
    first, n = "", 0
    for cell in cells:
        if not isinstance(cell, str) or not (text := cell.strip()).strip("+-0123456789"):
            continue
        if not _EITHER.fullmatch(text):
            return []
        first, n = first or text, n + 1
    if n < 2:
        return []
    return [
        f"Column {column!r}: what could be {float(first):g} or {first.replace('.', '')} is read as "
        f"{float(first):g}, as no cell shows which ({n:,} cells)."
    ]
