"""A table in parts, a few thousand rows each, so that memory does not grow with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from srmm.data.columns import check_column
from srmm.data.sources import LoadedColumns, OpenedTable
from srmm.data.table import Table, read_table
from srmm.errors import InputError


class TablePart(NamedTuple):
    """Some rows of a table, and the cells of other columns in the same rows."""

    table: Table
    kept: dict[str, np.ndarray]
    """Column → object array (n,), None where a cell is empty."""
    number: int
    first_row: int
    """The place of the part, and of its first row, in the whole."""


def read_in_parts(
    opened: OpenedTable,
    size: int,
    *,
    keep: Sequence[str] = (),
    but: Collection[int] = (),
    **reading: Any,
) -> Iterator[TablePart]:
    """The table, `size` rows at a time, read as by `read_table(opened, **reading)`.

    `keep` names further columns to hand out as they are; parts with a number in `but` are passed
    over. The notes of each part are those on its
    own rows; those on the whole table are `opened.notes`. Raises `InputError` as `read_table` does,
    but for rows without any item.
    """
    for column in keep:
        check_column(opened, "The kept", column)
    following = _Following(opened, size, tuple(keep))
    part = replace(opened, read=following.read, chunks=None, notes=(), to_predict=True)
    number = first_row = 0
    while True:
        if number == 0 or number not in but:  # the first says which columns are to be read
            table = read_table(part, **reading)
        else:
            following.read(())
        if number not in but:
            kept = {column: following.now.cells[column] for column in keep}
            yield TablePart(table, kept, number, first_row)
        number, first_row = number + 1, first_row + following.now.n
        if following.ahead is None:
            return


@dataclass
class _Following:
    """Reads the next rows at each call of `read`, and one part ahead, to know when it is done."""

    opened: OpenedTable
    size: int
    keep: tuple[str, ...]
    loaded: Iterator[LoadedColumns] | None = None
    now: LoadedColumns = field(default_factory=lambda: LoadedColumns({}, None, 0))
    ahead: LoadedColumns | None = None

    def read(self, wanted: Sequence[str]) -> LoadedColumns:
        if self.loaded is None:
            columns = list(dict.fromkeys([*wanted, *self.keep]))
            self.loaded = _chunks(self.opened, columns, self.size)
            self.ahead = next(self.loaded, None)
        if self.ahead is None:
            raise InputError(f"{self.opened.name} has no rows, only column names.")
        self.now, self.ahead = self.ahead, next(self.loaded, None)
        return self.now


def _chunks(opened: OpenedTable, columns: Sequence[str], size: int) -> Iterator[LoadedColumns]:
    if opened.chunks is not None:
        yield from opened.chunks(columns, size)
        return
    whole = opened.read(columns)
    for start in range(0, whole.n, size):
        rows = slice(start, start + size)
        yield LoadedColumns(
            {column: cells[rows] for column, cells in whole.cells.items()},
            None if whole.lines is None else whole.lines[rows],
            min(size, whole.n - start),
            whole.notes if start == 0 else (),
            first_row=start,
        )
