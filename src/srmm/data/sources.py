"""Opening a table of any format, column by column, without guessing what its cells mean.

Every format gives the same thing: object arrays of cells, None where a cell is empty, and the
line each row starts at. Text stays text: "NA", "null", "007" and "nan" are never made numbers or
nulls, which is why CSV is read with the standard library and not with pandas.
"""

from __future__ import annotations

import csv
import gzip
import json
import threading
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from srmm.errors import InputError, did_you_mean

EXTENSIONS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq")
"""What can be read; the text formats also with `.gz` behind."""

_FIELD_LIMIT = threading.Lock()


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
    chunks: Callable[[Sequence[str], int], Iterator[LoadedColumns]] | None = None
    """Like `read`, that many rows at a time; None of a source that is read as a whole."""
    to_predict: bool = False
    """Whether its rows are to be predicted: they need no item, no label, and no id of their own."""


def open_source(source: str | Path | pd.DataFrame | OpenedTable) -> OpenedTable:
    """The table behind a path or a frame; `InputError` if there is none or it cannot be read."""
    if isinstance(source, OpenedTable):
        return source
    if isinstance(source, pd.DataFrame):
        return _open_frame(source)
    if not isinstance(source, (str, Path)):
        raise InputError(
            f"A table must be a path or a pandas DataFrame, got {type(source).__name__}."
        )
    path = Path(source)
    if not path.is_file():
        raise InputError(_no_such_table(path))
    form = path.name.lower().removesuffix(".gz")
    if form.endswith((".csv", ".tsv")):
        return open_csv(path)
    if form.endswith((".jsonl", ".ndjson")):
        return _open_json_lines(path)
    if path.suffix.lower() in (".parquet", ".pq"):
        return _open_parquet(path)
    hint = " (one JSON object per line: then name it .jsonl)" if form.endswith(".json") else ""
    raise InputError(
        f"{path.name} has an unknown extension {path.suffix!r}{hint}. "
        f"Expected one of {', '.join(EXTENSIONS)}; .gz may follow the text formats."
    )


def open_csv(path: Path, *, join_surplus: bool = False) -> OpenedTable:
    """A CSV or TSV file with a header.

    A line with another number of cells than the header is an error; with `join_surplus`, cells
    beyond the header are one last cell whose commas were never quoted.
    """
    delimiter = "\t" if path.name.lower().removesuffix(".gz").endswith(".tsv") else ","
    with closing(_csv_lines(path, delimiter)) as lines, _large_fields():
        header = next(lines, (0, []))[1]
    if not header:
        raise InputError(f"{path.name} is empty: expected a header line with the column names.")

    def rows() -> Generator[tuple[int, list[str]]]:
        with closing(_csv_lines(path, delimiter)) as lines:
            next(lines)
            for line, row in lines:
                if len(row) > len(header) and join_surplus:
                    last = len(header) - 1
                    row = [*row[:last], delimiter.join(row[last:])]
                if len(row) != len(header):
                    raise InputError(
                        f"Line {line} of {path.name} has {len(row)} cells, the header has "
                        f"{len(header)}. A cell that holds the separator or a line break must be "
                        'quoted, e.g. "red, blue".'
                    )
                yield line, row

    def chunks(wanted: Sequence[str], size: int | None) -> Iterator[LoadedColumns]:
        return _loaded(rows(), wanted, lambda column: itemgetter(header.index(column)), size)

    def read(wanted: Sequence[str]) -> LoadedColumns:
        return next(chunks(wanted, None), _no_rows(wanted))

    return OpenedTable(path.name, path.parent, tuple(header), read, chunks=chunks)


def _loaded(
    rows: Generator[tuple[int, Any]],
    wanted: Sequence[str],
    getter: Callable[[str], Callable[[Any], Any]],
    size: int | None,
) -> Iterator[LoadedColumns]:
    """The wanted columns of (line, row) pairs, `size` rows at a time, or all at once for None."""
    places: list[tuple[Callable[[Any], Any], list[Any]]] = [(getter(c), []) for c in wanted]
    done = 0
    with closing(rows):
        while True:
            lines: list[int] = []
            # Not longer: who asks for the rows may take hours over them, and other threads read.
            with _large_fields():
                for line, row in islice(rows, size):
                    lines.append(line)
                    for get, values in places:
                        values.append(get(row))
            if not lines:
                return
            cells = {c: object_array(v) for c, (_, v) in zip(wanted, places, strict=True)}
            yield LoadedColumns(cells, np.array(lines, dtype=np.int64), len(lines), first_row=done)
            done += len(lines)
            for _, values in places:
                values.clear()


def _no_rows(wanted: Sequence[str]) -> LoadedColumns:
    return LoadedColumns({column: object_array([]) for column in wanted}, np.arange(0), 0)


def is_empty(cell: Any) -> bool:
    """True for None, NaN and the other nulls, blank text, an empty list, a dict of nulls."""
    if isinstance(cell, str):
        return not cell or cell.isspace()
    if isinstance(cell, (float, np.floating)):
        return bool(cell != cell)
    if isinstance(cell, (list, tuple, np.ndarray)):
        return len(cell) == 0 if np.ndim(cell) else False
    if isinstance(cell, dict):  # an image of Hugging Face datasets: {"bytes": …, "path": …}
        return all(value is None for value in cell.values())
    return cell is None or cell is pd.NA or cell is pd.NaT


def object_array(values: Any) -> np.ndarray:
    """The cells as an object array (n,), None where empty.

    Filled one by one: NumPy would unpack lists of one length, and pictures into pixels.
    """
    column = np.empty(len(values), dtype=object)
    for row, cell in enumerate(values):
        if not is_empty(cell):
            column[row] = cell
    return column


def _no_such_table(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder; a table is a file, e.g. {path / 'table.csv'}."
    if not path.parent.is_dir():
        return f"{path} does not exist, nor does its folder {path.parent}. Check the path."
    beside = [file.name for file in path.parent.iterdir() if file.name.endswith(EXTENSIONS)][:20]
    return f"{path} does not exist. {did_you_mean(path.name, sorted(beside))}"


def _csv_lines(path: Path, delimiter: str) -> Generator[tuple[int, list[str]]]:
    """(first line, cells) of each row that is not blank, the header among them."""
    start = 1
    with _text_file(path) as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if row:
                    yield start, row
                start = reader.line_num + 1
        except csv.Error as error:
            raise InputError(
                f"The row that starts at line {start} of {path.name} is not well quoted "
                f"({error}). Close every quotation mark, and double those inside a quoted cell."
            ) from None


@contextmanager
def _large_fields() -> Iterator[None]:
    """Let the csv module read cells of any length; its limit belongs to the whole process."""
    with _FIELD_LIMIT:
        limit = csv.field_size_limit(2**31 - 1)
        try:
            yield
        finally:
            csv.field_size_limit(limit)


@contextmanager
def _text_file(path: Path) -> Iterator[TextIO]:
    """Open UTF-8 text, gzipped or not, with or without a byte order mark."""
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} is not UTF-8 text ({_bad_byte(path, opener, error)}). Save it as UTF-8, "
            f"e.g. with: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8-{path.name}"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path.name} is damaged or not gzipped ({error}).") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}).") from None


def _bad_byte(path: Path, opener: Any, error: UnicodeDecodeError) -> str:
    """Where the first undecodable byte is; the decoder only knows its place in a buffer."""
    with opener(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                return "it starts like UTF-16"
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as found:
                return f"byte 0x{line[found.start]:02x} in line {number}"
    return error.reason


def _open_json_lines(path: Path) -> OpenedTable:
    columns: dict[str, None] = {}
    for _, row in _json_rows(path):
        columns |= dict.fromkeys(row)

    def chunks(wanted: Sequence[str], size: int | None) -> Iterator[LoadedColumns]:
        return _loaded(_json_rows(path), wanted, lambda column: lambda row: row.get(column), size)

    def read(wanted: Sequence[str]) -> LoadedColumns:
        return next(chunks(wanted, None), _no_rows(wanted))

    return OpenedTable(path.name, path.parent, tuple(columns), read, chunks=chunks)


def _json_rows(path: Path) -> Generator[tuple[int, dict[str, Any]]]:
    """(line, object) of each line that is not blank."""
    with _text_file(path) as file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            try:
                row = json.loads(line)
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


def _open_parquet(path: Path) -> OpenedTable:
    try:
        columns = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path.name} is not a readable Parquet file ({error}).") from None

    def read(wanted: Sequence[str]) -> LoadedColumns:
        try:
            with pq.ParquetFile(path) as file:
                n, table = file.metadata.num_rows, file.read(columns=list(wanted))
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path.name} is damaged ({error}).") from None
        return LoadedColumns({c: _arrow_cells(table.column(c)) for c in wanted}, None, n)

    def chunks(wanted: Sequence[str], size: int) -> Iterator[LoadedColumns]:
        done = 0
        try:
            # Not the whole of a row group, which may be the whole file, in advance.
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
                for batch in file.iter_batches(size, columns=list(wanted)):
                    cells = {column: _arrow_cells(batch.column(column)) for column in wanted}
                    yield LoadedColumns(cells, None, len(batch), first_row=done)
                    done += len(batch)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path.name} is damaged ({error}).") from None

    return OpenedTable(path.name, path.parent, tuple(columns), read, chunks=chunks)


def _arrow_cells(values: Any) -> np.ndarray:
    """Vectors stay arrays; everything else becomes Python's own types, so that whole numbers
    beside nulls stay whole."""
    nested = pa.types.is_nested(values.type) and not pa.types.is_struct(values.type)
    return object_array(values.to_pandas() if nested else values.to_pylist())


def _open_frame(frame: pd.DataFrame) -> OpenedTable:
    columns = tuple(str(column) for column in frame.columns)

    def read(wanted: Sequence[str]) -> LoadedColumns:
        cells = {c: object_array(frame.iloc[:, columns.index(c)].astype(object)) for c in wanted}
        return LoadedColumns(cells, None, len(frame))

    return OpenedTable("the frame", None, columns, read)
