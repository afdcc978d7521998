"""Writing predictions part by part: CSV, TSV, JSON Lines, Parquet (a file, or a folder of files),
Excel, or standard output.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from srmm.data.formulas import as_text_cell, is_formula
from srmm.data.sources.excel import EXCEL_ROWS
from srmm.errors import InputError, MissingExtraError
from srmm.files import json_ready, replacing_file, replacing_folder
from srmm.workflows.made_by import MARK, PARQUET_KEY
from srmm.workflows.survey import Survey

STANDARD_OUTPUT = "-"
EXTENSIONS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq", ".xlsx")
PARQUET = (".parquet", ".pq", "")
"""Endings of Parquet; an output without any is a folder of such files."""
_EXCEL_DIGITS = 10**15
"""From here on Excel rounds whole numbers, such as ids, which are therefore written as text."""
_EXCEL_LETTERS = 32_767
"""What a cell holds; openpyxl drops the rest without a word."""
_CODE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
"""Begins what Excel takes for a character that XML has not, such as "_x000D_": "_" is "_x005F_"."""

Write = Callable[[pd.DataFrame], None]


class OutputColumns:
    """What is known of the columns before the first row: their types, and what cannot be written.

    Raises `InputError` for a column to keep that the format cannot hold; of `everything`, such
    columns are left out, and a note says so.
    """

    def __init__(
        self, output: Path | str, classes: np.ndarray, survey: Survey, *, everything: bool
    ) -> None:
        self.rows, self.label = survey.n, pa.array(classes.tolist()).type
        self.kept = {"id": pa.int64(), "set": pa.list_(self.label), **survey.types}
        self.left_out: list[str] = []
        form = form_of(output)
        for column, type in survey.types.items():
            if type is None or (form not in PARQUET and _holds_bytes(type)):
                self.left_out.append(column)
        self.notes: tuple[str, ...] = ()
        if self.left_out:
            names = ", ".join(map(repr, self.left_out))
            why = f"the cells of {names} are no texts or numbers, which is all that {form} holds"
            if not everything:
                raise InputError(f"{why[0].upper()}{why[1:]}. Write .parquet, or do not keep them.")
            self.notes = (f"Left out of the output: {why}.",)
        if form == ".xlsx" and self.rows >= EXCEL_ROWS:
            raise InputError(
                f"{self.rows:,} predictions do not fit a sheet of Excel ({EXCEL_ROWS:,} rows with "
                "the header). Write .csv or .parquet."
            )

    def chosen(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame without what cannot be written."""
        return frame.drop(columns=self.left_out)

    def schema(self, frame: pd.DataFrame) -> pa.Schema:
        """Arrow types of a frame's columns, the same for all parts."""
        plain = {"b": pa.bool_(), "f": pa.float64(), "i": pa.int64()}
        types = {
            column: self.kept.get(str(column)) or plain.get(frame[column].dtype.kind, self.label)
            for column in frame
            if column != "label"
        }
        types["label"] = self.label
        return pa.schema([(column, types[column]) for column in frame])


def check_output(output: Path | str) -> Path | str:
    """`output`, as a path unless it is "-"; `InputError` for a format that is not written."""
    if str(output) == STANDARD_OUTPUT:
        if sys.stdout is None:
            raise InputError("Standard output is closed. Name a file to write to (--output).")
        return STANDARD_OUTPUT
    output = Path(output)
    if form_of(output) not in (*EXTENSIONS, ""):
        raise InputError(
            f"Predictions are written as {', '.join(EXTENSIONS)}, to a folder of Parquet files for "
            f"a name without an ending, or to standard output for '-', not as {output.name!r}."
        )
    if form_of(output) == ".xlsx":
        _openpyxl()
    return output


def check_not_read(source: str | Path | None, *outputs: Path | str) -> None:
    """Raise `InputError` if an output is the table that is read, or a folder in a file's place."""
    read = [] if source is None else [Path(source), Path(str(source).partition("#")[0])]
    for output in outputs:
        if output == STANDARD_OUTPUT or not Path(output).exists():
            continue
        if Path(output).is_dir() and form_of(output):
            raise InputError(f"{output} is a folder. Name a file to write to (--output).")
        if any(path.exists() and path.samefile(output) for path in read):
            raise InputError(
                f"{output} is the table that is read, and would be replaced. Name another file "
                "to write to (--output)."
            )


@contextmanager
def writing(output: Path | str, columns: OutputColumns) -> Iterator[Write]:
    """Yield a function that writes the next rows; the output is there whole at the end, or not."""
    if output == STANDARD_OUTPUT:
        with _standard_output() as file:
            yield text_writer(file, ".csv", columns)
    elif form_of(output):
        with (
            replacing_file(Path(output)) as temporary,
            open_writer(temporary, form_of(output), columns) as write,
        ):
            yield write
    else:
        with (
            replacing_folder(Path(output)) as folder,
            open_writer(folder / part_name(0), ".parquet", columns) as write,
        ):
            yield write


@contextmanager
def open_writer(
    path: Path, form: str, columns: OutputColumns, *, header: bool = True
) -> Iterator[Write]:
    """Yield a function that writes the next rows to a file, in a form such as ".csv"."""
    if form in PARQUET:
        with _parquet_writer(path, columns) as write:
            yield write
    elif form == ".xlsx":
        with _excel_writer(path, columns) as write:
            yield write
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield text_writer(file, form, columns, header=header)


def form_of(output: Path | str) -> str:
    """The ending that says how an output is written; "" of a folder of Parquet files."""
    return ".csv" if output == STANDARD_OUTPUT else Path(output).suffix.lower()


def part_name(number: int) -> str:
    """What a file in a folder of Parquet files is called."""
    return f"part-{number:05d}.parquet"


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    """Standard output as UTF-8 where it is no terminal, whatever the locale says."""
    if not sys.stdout.isatty() and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    yield sys.stdout
    sys.stdout.flush()


def text_writer(file: TextIO, form: str, columns: OutputColumns, *, header: bool = True) -> Write:
    """Rows as lines of CSV, TSV or JSON, with the names of the columns above as `header`."""

    def write(frame: pd.DataFrame) -> None:
        nonlocal header
        frame = columns.chosen(frame)
        if form in (".jsonl", ".ndjson"):
            for row in _rows(frame):
                record = json_ready(dict(zip(frame, row, strict=True)))
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
            return
        for column in columns.kept.keys() & set(frame):
            frame[column] = [_as_text(cell) for cell in frame[column].tolist()]
        # A lone carriage return ends a row for most readers, and is not quoted for itself.
        returns = _as_text_cells(frame)
        frame.to_csv(
            file,
            index=False,
            header=[as_text_cell(name) for name in frame] if header else False,
            sep="\t" if form == ".tsv" else ",",
            lineterminator="\n",
            quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL,
        )
        header = False

    return write


def _as_text_cells(frame: pd.DataFrame) -> bool:
    """Make nothing in a frame a formula any more; whether a text in it has a carriage return."""
    returns = False
    for column in frame:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            cells = [as_text_cell(cell) for cell in frame[column].tolist()]
            frame[column] = cells
            returns |= any(isinstance(cell, str) and "\r" in cell for cell in cells)
    return returns


def _rows(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    return zip(*(frame[name].tolist() for name in frame), strict=True)


def _as_text(cell: Any) -> Any:
    """Lists and dicts as JSON."""
    if isinstance(cell, list | tuple | dict | np.ndarray):
        return json.dumps(json_ready(cell), ensure_ascii=False)
    return cell


@contextmanager
def _parquet_writer(path: Path, columns: OutputColumns) -> Iterator[Write]:
    writer: pq.ParquetWriter | None = None

    def write(frame: pd.DataFrame) -> None:
        nonlocal writer
        frame = columns.chosen(frame)
        schema = columns.schema(frame).with_metadata({PARQUET_KEY: MARK})
        for column, type in columns.kept.items():
            if column in frame and pa.types.is_string(type):
                cells = frame[column].tolist()
                frame[column] = [None if cell is None else str(cell) for cell in cells]
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, schema)
        writer.write_table(table)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


@contextmanager
def _excel_writer(path: Path, columns: OutputColumns) -> Iterator[Write]:
    openpyxl = _openpyxl()
    book = openpyxl.Workbook(write_only=True)
    book.properties.creator = book.properties.lastModifiedBy = MARK  # see `made_by`
    sheet = book.create_sheet("predictions")
    header = True

    def cell(value: Any) -> Any:
        value = _as_text(value)
        if isinstance(value, int) and abs(value) >= _EXCEL_DIGITS:
            value = str(value)
        if isinstance(value, str):
            # As text even where it starts like a formula; control characters are not allowed.
            value = openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value)
            value = _CODE.sub("_x005F_", value)
            if len(value) > _EXCEL_LETTERS:
                raise InputError(
                    f"A cell of {len(value):,} characters, {value[:30]!r}…, does not fit Excel, "
                    f"whose cells hold {_EXCEL_LETTERS:,}. Write .csv or .parquet, or do not keep "
                    "its column."
                )
            text = openpyxl.cell.WriteOnlyCell(sheet, value)
            text.data_type = "s"
            text.quotePrefix = is_formula(value)  # nor does it run once somebody edits the cell
            return text
        return None if isinstance(value, float) and np.isnan(value) else value

    def write(frame: pd.DataFrame) -> None:
        nonlocal header
        frame = columns.chosen(frame)
        if header:
            sheet.append([cell(name) for name in frame])
            header = False
        for row in _rows(frame):
            sheet.append([cell(value) for value in row])

    try:
        yield write
    finally:
        sheet.close()  # what is left open complains once it is collected
    book.save(path)


def _holds_bytes(type: pa.DataType) -> bool:
    """Whether cells of an Arrow type are bytes, or have some inside."""
    if pa.types.is_binary(type) or pa.types.is_large_binary(type):
        return True
    return any(_holds_bytes(type.field(i).type) for i in range(type.num_fields))


def _openpyxl() -> Any:
    try:
        import openpyxl
        import openpyxl.cell.cell
    except ImportError:
        raise MissingExtraError("openpyxl", "excel", "Writing .xlsx") from None
    return openpyxl
