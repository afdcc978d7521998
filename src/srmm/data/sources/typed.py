"""Tables whose cells have types: JSON Lines, Parquet, frames and Arrow tables in memory."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from srmm.data.arrow_lists import is_vector
from srmm.data.bombs import check_parquet
from srmm.data.holders import arrow_table, is_missing, opened
from srmm.data.parquet import as_written, parquet_file
from srmm.data.sources.base import LoadedColumns, OpenedTable, in_chunks, no_rows, object_array
from srmm.data.sources.text import encoding_notes, lines_of, text_file
from srmm.errors import InputError, damage_explained


def open_json_lines(path: Path) -> OpenedTable:
    """A JSON object on each line; a key that one lacks is an empty cell."""
    columns: dict[str, None] = {}
    for _, row in _json_rows(path):
        columns |= dict.fromkeys(row)

    def chunks(wanted: Sequence[str], size: int | None) -> Iterator[LoadedColumns]:
        return in_chunks(_json_rows(path), wanted, lambda column: lambda row: row.get(column), size)

    def read(wanted: Sequence[str]) -> LoadedColumns:
        return next(chunks(wanted, None), no_rows(wanted))

    notes = encoding_notes(path)
    return OpenedTable(path.name, path.parent, tuple(columns), read, notes, chunks=chunks)


def _json_rows(path: Path) -> Generator[tuple[int, dict[str, Any]]]:
    """(line, object) of each line that is not blank."""
    with text_file(path) as file:
        for number, line in enumerate(lines_of(file), 1):
            if line.isspace():
                continue
            try:
                row = JSON.decode(line)
            except ValueError as error:
                raise InputError(f"Line {number} of {path.name} is not JSON ({error}).") from None
            except RecursionError:
                raise InputError(f"Line {number} of {path.name} is nested too deeply.") from None
            if not isinstance(row, dict):
                raise InputError(
                    f"Line {number} of {path.name} must be a JSON object such as "
                    f'{{"title": "…"}}, got {type(row).__name__}.'
                )
            yield number, row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of a name that stands twice in one, only the last value would be left."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:60]!r} stands twice in one object")
    return found


JSON = json.JSONDecoder(object_pairs_hook=_once)


def open_parquet(path: Path) -> OpenedTable:
    """A Parquet file, of which only the columns that are read are loaded."""
    try:
        schema = pq.read_schema(path)
    except Exception as error:  # Arrow's own, and those of decoding what is damaged
        raise InputError(f"{path.name} is not a readable Parquet file ({error}).") from None

    def cells(table: pa.Table | pa.RecordBatch, column: str) -> np.ndarray:
        return arrow_cells(as_written(table.column(column), schema.field(column).type))

    def read(wanted: Sequence[str]) -> LoadedColumns:
        check_parquet(path, wanted)
        with damage_explained(path.name, "Write it again."), parquet_file(path) as file:
            n, table = file.metadata.num_rows, file.read(columns=list(wanted))
            return LoadedColumns({c: cells(table, c) for c in wanted}, None, n)

    def chunks(wanted: Sequence[str], size: int) -> Iterator[LoadedColumns]:
        done = 0
        check_parquet(path, wanted)
        with (
            damage_explained(path.name, "Write it again."),
            # Not the whole of a row group, which may be the whole file, in advance.
            parquet_file(path, pre_buffer=False, buffer_size=1 << 20) as file,
        ):
            for batch in file.iter_batches(size, columns=list(wanted)):
                drawn = {column: cells(batch, column) for column in wanted}
                yield LoadedColumns(drawn, None, len(batch), first_row=done)
                done += len(batch)

    return OpenedTable(path.name, path.parent, tuple(schema.names), read, chunks=chunks)


def arrow_cells(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """The cells of an Arrow column as an object array (n,).

    Vectors stay arrays; everything else becomes Python's own types, so that whole numbers beside
    nulls stay whole.
    """
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _numbers(column)
    # Of words to_pandas knows not all kinds, and of times it makes plain numbers.
    vectors = pa.types.is_nested(column.type) and is_vector(column.type)
    return object_array(column.to_pandas() if vectors else column.to_pylist())


def _numbers(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """`arrow_cells` of numbers, in a fifth of the time that one after the other takes."""
    cells = column.fill_null(0).to_numpy(zero_copy_only=False).astype(object)
    cells[column.is_null(nan_is_null=True).to_numpy(zero_copy_only=False)] = None
    return cells


def open_frame(frame: pd.DataFrame) -> OpenedTable:
    """A pandas frame."""
    columns = tuple(str(column) for column in frame.columns)

    def read(wanted: Sequence[str]) -> LoadedColumns:
        held = {c: frame.iloc[:, columns.index(c)].astype(object) for c in wanted}
        cells = {column: cells_in_memory(column, some) for column, some in held.items()}
        return LoadedColumns(cells, None, len(frame))

    levels = tuple(str(name) for name in frame.index.names if name is not None)
    return OpenedTable("the frame", None, columns, read, levels=levels)


def cells_in_memory(column: str, cells: Any) -> np.ndarray:
    """`object_array`; tensors and series are arrays, and an array of one value is that value."""
    arrays = {kind for kind in set(map(type, cells)) if hasattr(kind, "__array__")}
    if not all(issubclass(kind, np.generic) for kind in arrays):
        what = f"A cell of column {column!r}"
        cells = [_unwrapped(what, cell) if type(cell) in arrays else cell for cell in cells]
    return object_array(cells)


def _unwrapped(what: str, cell: Any) -> Any:
    if is_missing(cell) or (isinstance(cell, np.ma.MaskedArray) and _is_masked(cell)):
        return None
    array = opened(what, cell)
    return array if array.ndim else array.item()


def _is_masked(cell: np.ma.MaskedArray) -> bool:
    """Whether there is nothing but what a mask hides."""
    return bool(cell.size and np.ma.getmaskarray(cell).all())


def open_arrow(source: Any) -> OpenedTable:
    """An Arrow table, or a frame of another library that gives one, such as Polars'."""
    table = arrow_table("the table", source)
    columns = tuple(table.column_names)

    def read(wanted: Sequence[str]) -> LoadedColumns:
        cells = {c: arrow_cells(table.column(columns.index(c))) for c in wanted}
        return LoadedColumns(cells, None, len(table))

    return OpenedTable("the table", None, columns, read)
