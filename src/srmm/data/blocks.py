"""Blocks of columns as people write them: cells kept as they are, for an encoder to make sense of.

Columns of finite numbers, complete where there is anything, need no encoder: they are vectors. Any
other block (texts, dates, lists of words, holes) is an object array of `Cells`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from srmm.data.numerals import as_float
from srmm.data.times import MOMENTS
from srmm.errors import InputError

_LISTS = (list, tuple, np.ndarray)
_NUMBERS = ("integer", "floating", "mixed-integer-float", "boolean", "empty")
_BRACKETS = ("[]", "()", "{}")
_NO_NUMBER = ("nan", "none", "null", "inf", "-inf", "...")
"""What stands among the numbers of a vector that is written as a text, too."""
_BETWEEN = re.compile(r"[\[\]\s,;]+")
_NO_WORDS = re.compile(r"[\[\](){}\"':]")


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one row of a block: the item of a modality whose columns are not all numbers.

    Parameters
    ----------
    columns : tuple of str
        Their names, the same object for all rows of a table.
    values : tuple
        The cells as the table has them, None where one is empty.
    """

    columns: tuple[str, ...]
    values: tuple[Any, ...]


def is_blank(cell: Any) -> bool:
    """Whether there is nothing; what stands for nothing was emptied when the table was read.

    >>> is_blank(None), is_blank(" "), is_blank("0")
    (True, True, False)
    """
    return cell is None or (isinstance(cell, str) and not cell.strip())


def holds_vectors(cells: np.ndarray) -> bool:
    """Whether a column's cells are lists of numbers (or dicts), or texts written like them."""
    first = next((cell for cell in cells if isinstance(cell, (*_LISTS, dict))), None)
    if first is None:
        filled = (cell for cell in cells if not is_blank(cell))
        first = next((cell for cell in filled if not _is_empty_list(cell)), None)
        return _is_bracketed(first) and _writes_numbers(str(first))
    return isinstance(first, dict) or not all(
        isinstance(part, str) and not _is_number(part) for part in first
    )


def numeric_block(columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The object array (n,) of float32 vectors, one number per column, None where nothing is.

    None if these are not that: a cell is no finite number as programs write them, or some are blank
    where others are not.
    """
    matrix = np.empty((len(next(iter(columns.values()))), len(columns)))
    for place, cells in enumerate(columns.values()):
        numbers = as_numbers(cells)
        if numbers is None:
            try:
                numbers = np.array([np.nan if is_blank(c) else _number(c) for c in cells], float)
            except (TypeError, ValueError):
                return None
        matrix[:, place] = numbers
    blank = np.isnan(matrix)
    nothing = blank.all(axis=1)
    with np.errstate(over="ignore"):
        vectors = matrix.astype(np.float32)
    if not np.isfinite(vectors[~nothing]).all():
        return None
    items = np.empty(len(matrix), dtype=object)
    for row in np.flatnonzero(~nothing).tolist():
        items[row] = vectors[row]
    return items


def are_numbers(cells: np.ndarray) -> bool:
    """Whether numbers and None are all there is: no texts of numbers either.

    >>> one, other = np.array([1, None, 2.5], dtype=object), np.array(["1", 2], dtype=object)
    >>> are_numbers(one), are_numbers(other)
    (True, False)
    """
    return pd.api.types.infer_dtype(cells, skipna=True) in _NUMBERS


def as_numbers(cells: np.ndarray) -> np.ndarray | None:
    """float64 of shape (n,) of texts or numbers that `float` takes, NaN where None; else None.

    None, too, for whatever needs a closer look, such as a blank text or a cell of another type.
    """
    try:
        if are_numbers(cells):
            return cells.astype(np.float64)
        if pd.api.types.infer_dtype(cells, skipna=True) != "string":
            return None
        numbers = np.full(len(cells), np.nan)
        there = np.flatnonzero(pd.notna(cells))
        if "_" in "".join(cells[there]):
            return None  # as in `as_float`
        # A third of the time that `astype` takes.
        numbers[there] = np.fromiter(map(float, cells[there]), np.float64, len(there))
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers


def raw_block(where: Callable[[int], str], columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """The object array (n,) of `Cells`, None where all are blank.

    Raises `InputError` for a column of vectors, which are no cells of a block.
    """
    for name, cells in columns.items():
        if holds_vectors(cells):
            lists = (i for i, cell in enumerate(cells) if isinstance(cell, (*_LISTS, dict)))
            row = next(lists, None)
            if row is None:  # texts that are written like them
                row = next(i for i, cell in enumerate(cells) if not is_blank(cell))
            raise InputError(
                f"Column {name!r} of {where(row)} ({str(cells[row])[:40]!r}) holds vectors, which "
                "stand beside no other columns. Make it a modality of its own: "
                "'name=column', in JSON Lines, Parquet or a frame."
            )
    names = tuple(columns)
    plain = [_lists(cells) for cells in columns.values()]
    items = np.empty(len(next(iter(columns.values()))), dtype=object)
    for row, values in enumerate(zip(*plain, strict=True)):
        if not all(map(is_blank, values)):
            items[row] = Cells(names, values)
    return items


def _lists(cells: np.ndarray) -> list[Any]:
    """Lists for arrays, which Arrow makes of them: two `Cells` can then be compared. Also for
    sets, whose order is another in each process.

    Lists of words that a text file holds, "['red', 'blue']", are such, too.
    """
    plain = [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in cells]
    plain = [sorted(c, key=str) if isinstance(c, set | frozenset) else c for c in plain]
    if not all(is_blank(cell) or _is_bracketed(cell) for cell in plain):
        return plain
    words = [None if is_blank(cell) else _list_of_words(cell) for cell in plain]
    read = all(
        is_blank(cell) or found is not None for cell, found in zip(plain, words, strict=True)
    )
    return [found or None for found in words] if read else plain


def _is_bracketed(cell: Any) -> bool:
    return isinstance(cell, str) and cell.strip()[:1] + cell.strip()[-1:] in _BRACKETS


def _writes_numbers(text: str) -> bool:
    """Whether it is a vector as Python, NumPy or JSON write one: "[1, 2]", "[1. 2. ... 9.]"."""
    parts = [part for part in _BETWEEN.split(text) if part]
    numbers = [part for part in parts if part.lower() not in _NO_NUMBER]
    return bool(numbers) and all(map(_is_number, numbers))


def _is_empty_list(cell: Any) -> bool:
    return isinstance(cell, str) and cell.strip() in _BRACKETS


def _list_of_words(text: str) -> list[str] | None:
    """The words that a text lists as Python, JSON or PostgreSQL do; None if it lists anything else.

    >>> _list_of_words("('red', 'blue')"), _list_of_words("{red,blue}"), _list_of_words("[1, 2]")
    (['red', 'blue'], ['red', 'blue'], None)
    """
    text = text.strip()
    if text in _BRACKETS:
        return []
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _bare_words(text)
    if isinstance(found, set):
        found = sorted(found, key=str)
    words = isinstance(found, list | tuple) and all(isinstance(part, str) for part in found)
    return list(found) if words and not all(map(_is_number, found)) else None


def _bare_words(text: str) -> list[str] | None:
    """The words of "[red, dark blue]" and "{red,blue}", whose quotes somebody took for needless."""
    if text[0] not in "[{" or _NO_WORDS.search(text[1:-1]):
        return None
    words = [part.strip() for part in text[1:-1].split(",")]
    return words if all(words) and not any(map(_is_number, words)) else None


def holds_cells(items: np.ndarray) -> bool:
    """Whether these items of a modality are `Cells`."""
    return isinstance(next((item for item in items if item is not None), None), Cells)


def numbers_of(cells: Cells) -> np.ndarray:
    """The float32 vector of a row of numbers; `ValueError` naming the first cell that is none."""
    vector = np.empty(len(cells.values), dtype=np.float32)
    for place, (name, cell) in enumerate(zip(cells.columns, cells.values, strict=True)):
        try:
            with np.errstate(over="ignore"):
                vector[place] = np.nan if is_blank(cell) else _number(cell)
        except (TypeError, ValueError):
            vector[place] = np.nan
        if not np.isfinite(vector[place]):
            what = "is blank" if is_blank(cell) else f"is {str(cell)[:40]!r}, no finite number"
            raise ValueError(f"{name!r} {what}")
    return vector


def _number(cell: Any) -> float:
    """As programs write numbers: what `float` takes, but no times, which some can be made of."""
    if isinstance(cell, MOMENTS):
        raise TypeError
    return as_float(cell)


def _is_number(text: str) -> bool:
    try:
        as_float(text)
    except ValueError:
        return False
    return True


def column_arrays(items: list[Cells], columns: tuple[str, ...]) -> dict[str, np.ndarray | None]:
    """Per column of `columns` its cells in all items, object (n,); None if no item has it."""
    found: dict[str, np.ndarray | None] = dict.fromkeys(columns)
    kinds = dict.fromkeys(item.columns for item in items)
    for names in kinds:
        rows: Any = slice(None)
        if len(kinds) > 1:
            rows = [row for row, item in enumerate(items) if item.columns == names]
        values = zip(*(item.values for item in items if item.columns == names), strict=True)
        for name, cells in zip(names, values, strict=True):
            if name not in found:
                continue
            column = found[name]
            if column is None:
                column = found[name] = np.full(len(items), None, dtype=object)
            column[rows] = pd.Series(cells, dtype=object).to_numpy()
    return found
