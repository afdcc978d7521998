"""What every format gives: columns by name, object arrays of cells, None where one is empty."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from operator import methodcaller, not_
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srmm.data.times import MOMENTS, span_text

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test",),
}
"""The names of the splits here, and the words for them that tables use."""

SPLIT_OF_WORD = {word: name for name, words in SPLITS.items() for word in words}
"""The same the other way round, words in small letters."""

_BLOCK = 1024
_SPACES = "".join(filter(str.isspace, map(chr, range(0x3001))))
_UNSEEN = "\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2800\u3164\ufeff"
"""Marks of byte order, spaces without width and the like, of which copied cells are full."""
_without_blanks = methodcaller("strip", _SPACES + _UNSEEN)
_SCALARS = frozenset((str, float, int, bool, type(None)))


@dataclass(frozen=True)
class LoadedColumns:
    """Columns of a table, read: `cells[column]` is an object array (n,), None where empty.

    `lines` is an int array (n,), the line each row starts on, or None where there are none.
    """

    cells: dict[str, np.ndarray]
    lines: np.ndarray | None
    n: int
    notes: tuple[str, ...] = ()
    first_row: int = 0
    """The number of row 0 in the table, of which this may be a part."""


@dataclass(frozen=True)
class OpenedTable:
    """A table before any column is chosen; `read(columns)` loads those alone."""

    name: str
    folder: Path | None
    columns: tuple[str, ...]
    read: Callable[[Sequence[str]], LoadedColumns]
    notes: tuple[str, ...] = ()
    """What was taken for granted to read it: sentences for whoever reads the table."""
    usual: Mapping[str, str] = field(default_factory=dict)
    """What a column is for, where the format says it: role or kind of item → column."""
    chunks: Callable[[Sequence[str], int], Iterator[LoadedColumns]] | None = None
    """Like `read`, that many rows at a time; None of a source that is read as a whole."""
    levels: tuple[str, ...] = ()
    """Names of a frame's index, which are no columns."""
    to_predict: bool = False
    """Whether its rows are to be predicted: they need no item, no label, and no id of their own."""


def in_chunks(
    rows: Generator[tuple[int, Any]],
    wanted: Sequence[str],
    getter: Callable[[str], Callable[[Any], Any]],
    size: int | None,
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[LoadedColumns]:
    """The wanted columns of (line, row) pairs, `size` rows at a time, or all at once for None.

    `around` is entered while rows are drawn, and not while whoever asks for them works on them,
    which may take hours.
    """
    places: list[tuple[Callable[[Any], Any], list[Any]]] = [(getter(c), []) for c in wanted]
    done = 0
    with closing(rows):
        while True:
            lines: list[int] = []
            with around():
                while block := list(islice(rows, _some(size, len(lines)))):
                    lines += [line for line, _ in block]
                    drawn = [row for _, row in block]
                    for get, values in places:
                        values.extend(map(get, drawn))
            if not lines:
                return
            cells = {c: object_array(v) for c, (_, v) in zip(wanted, places, strict=True)}
            yield LoadedColumns(cells, np.array(lines, dtype=np.int64), len(lines), first_row=done)
            done += len(lines)
            for _, values in places:
                values.clear()


def _some(size: int | None, done: int) -> int:
    """How many rows to draw at once: whole rows are held no longer than that."""
    return _BLOCK if size is None else min(_BLOCK, size - done)


def no_rows(wanted: Sequence[str]) -> LoadedColumns:
    """What a table without rows gives."""
    return LoadedColumns({column: object_array([]) for column in wanted}, np.arange(0), 0)


def is_empty(cell: Any) -> bool:
    """True for None, NaN and the other nulls, blank text, an empty list, a dict of nulls.

    >>> is_empty(" \u200b"), is_empty("-")
    (True, False)
    """
    if isinstance(cell, str):
        return not _without_blanks(cell)
    if isinstance(cell, (float, np.floating)):
        return bool(cell != cell)
    if isinstance(cell, Decimal):
        return cell.is_nan()
    if isinstance(cell, np.ndarray):
        return len(cell) == 0 if cell.ndim else False
    if isinstance(cell, (list, tuple)):  # not np.ndim: (samples, rate) has no one shape
        return len(cell) == 0
    if isinstance(cell, dict):  # an image of Hugging Face datasets: {"bytes": …, "path": …}
        return all(value is None for value in cell.values())
    return cell is None or cell is pd.NA or cell is pd.NaT


def object_array(values: Any) -> np.ndarray:
    """The cells as an object array (n,), None where empty.

    Filled one by one where there are others than plain texts and numbers: NumPy would unpack lists
    of one length, and pictures into pixels.
    """
    column = np.empty(len(values), dtype=object)
    kinds = set(map(type, values))
    if kinds <= _SCALARS:
        column[:] = list(values)
        column[_empty_scalars(column, kinds)] = None
        return column
    for row, cell in enumerate(values):
        if not is_empty(cell):
            column[row] = cell
    return column


def _empty_scalars(column: np.ndarray, kinds: set[type]) -> np.ndarray:
    """`is_empty` of cells of these types, boolean (n,)."""
    if kinds == {str}:
        return np.fromiter(map(not_, map(_without_blanks, column)), bool, len(column))
    if str in kinds:
        return np.fromiter(map(is_empty, column), bool, len(column))
    return np.asarray(pd.isna(column))


def plain_cell(cell: Any) -> Any:
    """A cell of a spreadsheet, a database or a typed file as an id, a label or a number can be.

    A date or a span of time is the text that CSV would have of it; a day without a time is no
    midnight.

    >>> plain_cell(Decimal("2.50")), plain_cell(pd.Timestamp(2024, 3, 1)), plain_cell(True)
    (2.5, '2024-03-01', True)
    """
    if isinstance(cell, datetime.timedelta | np.timedelta64):
        return None if pd.isna(cell) else span_text(cell)
    if isinstance(cell, np.datetime64):
        cell = pd.Timestamp(cell)
    elif isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, Decimal):
        whole = cell.is_finite() and cell == cell.to_integral_value()
        return int(cell) if whole else float(cell)
    if isinstance(cell, datetime.datetime) and cell.timetz() == datetime.time():
        cell = cell.date()
    if isinstance(cell, MOMENTS):
        return str(cell)
    return bytes(cell) if isinstance(cell, bytearray | memoryview) else cell
