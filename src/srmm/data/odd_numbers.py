"""Columns of numbers that may not mean what they say: -999 for nothing, "1.234" for a thousand,
"00123" for a code, 1700000000 for a second among others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from srmm.data.blocks import as_numbers, is_blank
from srmm.data.numerals import CODE, as_float

_STANDS_FOR_NOTHING = (
    *(-9, -99, -999, -9999, -99999, -999999, 999, 9999, 99999, 999999),
    *(-(2**15), -(2**31), 2**31 - 1, float(np.finfo(np.float32).min)),  # ends of types
)
_MANY = 50
"""Rows; fewer may count something else."""
_TIMES = 5
"""So many times as large as all other numbers of a column is what stands for none of them."""
_EITHER = re.compile(r"[-+]?[1-9]\d{0,2}\.\d{3}")
_LOST = 0.01
"""What single precision may take of the spread (standard deviation) without a word."""
_TINY = float(np.sqrt(np.finfo(np.float32).tiny))  # 1e-19
_NEAR = 1e-4
"""Of numbers that differ by a larger share of their size it takes less."""
_NOISE = 1e-12
"""What varies by a smaller share of its size is one number, computed in several ways."""


def odd_number_notes(
    columns: Iterable[str], cells: Mapping[str, np.ndarray], *, plain: bool = True
) -> list[str]:
    """A sentence on each column of numbers that looks as if some or all mean something else.

    `plain` is whether they are numbers as programs write them, among which points that may
    separate thousands and the zeros of codes are looked for, too.

    >>> odd_number_notes(["age"], {"age": np.array([31, "-999", -999, 40], dtype=object)})
    ["Column 'age': 2 cells are -999, far from all others. If they stand for nothing, say so:
    --missing 'auto,-999' (missing=)."]
    """
    notes = []
    for column in dict.fromkeys(columns):
        numbers = _numbers(cells[column])
        notes += _nothing_note(column, numbers) + digits_note(f"Column {column!r}", numbers)
        notes += _count_note(column, numbers, len(cells[column]))
        if plain:
            notes += _thousands_note(column, cells[column]) + _codes_note(column, cells[column])
    return notes


def _numbers(cells: np.ndarray) -> np.ndarray:
    """The cells that are not blank; none where one is no plain number, which is told elsewhere."""
    numbers = as_numbers(cells)
    if numbers is not None:
        return numbers[~np.isnan(numbers)]
    try:
        return np.array([as_float(cell) for cell in cells if not is_blank(cell)])
    except (TypeError, ValueError):
        return np.empty(0)


def stands_for_nothing(numbers: np.ndarray) -> list[tuple[float, int]]:
    """(number, how often) of those such as -999 that lie far from all others of a column."""
    found = []
    for marker in _STANDS_FOR_NOTHING:
        n = int((numbers == marker).sum())
        if n < 2:
            continue
        others = numbers[~np.isin(numbers, _STANDS_FOR_NOTHING)]
        if not len(others) or not np.isfinite(others).all():
            continue
        below = marker < 0 <= others.min()
        if below or abs(marker) > _TIMES * np.abs(others).max():
            found.append((marker, n))
    return found


def _nothing_note(column: str, numbers: np.ndarray) -> list[str]:
    """On numbers such as -999, which are given where there is none."""
    return [
        f"Column {column!r}: {n:,} cells are {marker}, far from all others. If they stand "
        f"for nothing, say so: --missing 'auto,{marker}' (missing=)."
        for marker, n in stands_for_nothing(numbers)
    ]


def _count_note(column: str, numbers: np.ndarray, n: int) -> list[str]:
    """On 0, 1, 2, … of all rows, as pandas writes its index and databases number what they hold."""
    if n < _MANY or len(numbers) < n or not (np.diff(numbers) == 1).all():
        return []
    return [
        f"Column {column!r} counts the rows, {numbers[0]:.0f} to {numbers[-1]:.0f}. In a sorted "
        "table that tells the classes of its own rows and of no others: leave it out unless it is "
        "measured."
    ]


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


def _codes_note(column: str, cells: np.ndarray) -> list[str]:
    """On texts such as "00123", which as numbers lose their zeros."""
    codes = [cell for cell in cells if isinstance(cell, str) and CODE.fullmatch(cell.strip())]
    if not codes:
        return []
    return [
        f"Column {column!r}: {codes[0].strip()!r} is read as {float(codes[0]):g} ({len(codes):,} "
        "cells begin with a 0). If they are codes, the encoder 'columns' reads them as such: "
        "--encoder features=columns."
    ]


def digits_note(what: str, numbers: np.ndarray) -> list[str]:
    """On numbers (n,) that are much the same for their size, as seconds since 1970 of one day, or
    of which no square is one in single precision."""
    largest = np.abs(numbers).max(initial=0)
    if not 0 < largest <= np.finfo(np.float32).max:
        return []
    if largest < _TINY:
        return [
            f"{what}: the numbers are so small, {largest:.3g} at the most, that they are taken for "
            "0. Give them in a smaller unit."
        ]
    lost, spread = np.std(numbers - numbers.astype(np.float32)), np.std(numbers)
    if lost <= _LOST * spread or spread <= _NOISE * largest:
        return []
    low, high = numbers.min(), numbers.max()
    return [
        f"{what}: the numbers from {low:.15g} to {high:.15g} lie so close together, for "
        f"their size, that single precision takes {lost / spread:.0%} of their spread. "
        f"Give their distance from a number among them, such as {low:.15g}."
    ]


def digits_notes(name: str, vectors: np.ndarray) -> list[str]:
    """`digits_note` on the first number of a modality's finite vectors (n, d) that needs one."""
    if not len(vectors):
        return []
    if max(-float(vectors.min()), float(vectors.max())) < _TINY:  # not one: networks have those
        return digits_note(f"Modality {name!r}", vectors.ravel())
    if vectors.dtype.itemsize <= 4 or len(vectors) < 2:
        return []
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    near = (high - low) < _NEAR * np.maximum(np.abs(low), np.abs(high))
    for place in np.flatnonzero(near & (low < high)).tolist():
        if note := digits_note(f"Number {place} of modality {name!r}", vectors[:, place]):
            return note
    return []
