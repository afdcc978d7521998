"""Rows that are none: a second line of column names or units, and one of totals at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from srmm.data.blocks import as_numbers, is_blank
from srmm.data.missing import is_marker
from srmm.errors import shown

_FEWEST = 6
"""Rows; in fewer a number may well be the sum of all others."""
_TERMS = 3
_SOME = 16
_NAMED = 3


def odd_row_notes(where: Callable[[int], str], cells: Mapping[str, np.ndarray]) -> list[str]:
    """A sentence on the first row if it is a header again, on the last if it holds sums.

    Parameters
    ----------
    where : callable
        What a message calls a row, as `Table.where`.
    cells : dict of str to object array of shape (n,)
    """
    if not cells or len(next(iter(cells.values()))) < _FEWEST:
        return []
    return _header_note(where, cells) + _totals_note(where, cells)


def _header_note(where: Callable[[int], str], cells: Mapping[str, np.ndarray]) -> list[str]:
    """Words where all others have numbers, in two columns at least, and a number in no column."""
    words = []
    for column, held in cells.items():
        if not _are_numbers(held[1:_FEWEST]):
            continue
        first = held[0]
        if not isinstance(first, str) or is_blank(first) or is_marker(first):
            return []
        if _are_numbers(held[:1]) or not _are_numbers(held[1:]):
            return []
        words.append((column, first))
    if len(words) < 2:
        return []
    told = ", ".join(f"{shown(word)[:40]} in {column!r}" for column, word in words[:_NAMED])
    return [
        f"{_capital(where(0))} has words where all other rows have numbers, {told}: it looks like "
        "a second line of names or units, and is read as a row. Remove it."
    ]


def _totals_note(where: Callable[[int], str], cells: Mapping[str, np.ndarray]) -> list[str]:
    """Numbers in the last row that are larger than all above, and the sum of them."""
    totals = []
    for column, held in cells.items():
        numbers = as_numbers(held) if _may_be_sum(held) else None
        if numbers is None:
            continue
        above, last = numbers[:-1], abs(numbers[-1])
        above = above[np.isfinite(above)]
        if (above != 0).sum() < _TERMS or not np.isfinite(last) or last <= np.abs(above).max():
            continue
        if abs(abs(above.sum()) - last) <= 1e-6 * last:
            totals.append(column)
    if not totals:
        return []
    told = ", ".join(map(repr, totals[:_NAMED]))
    return [
        f"{_capital(where(len(next(iter(cells.values()))) - 1))} has in {told} the sum of all rows "
        "above: it looks like a row of totals, and is read as a row. Remove it."
    ]


def _may_be_sum(held: np.ndarray) -> bool:
    """Whether the last number is larger than some of the others: of few columns it is."""
    some = as_numbers(np.append(held[: -1 : max(1, len(held) // _SOME)], held[-1:]))
    return some is not None and abs(some[-1]) > np.nanmax(np.abs(some[:-1]), initial=0)


def _are_numbers(cells: np.ndarray) -> bool:
    """Whether there are numbers, as programs write them, and nothing else."""
    numbers = as_numbers(cells)
    return numbers is not None and not np.isnan(numbers).all()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
