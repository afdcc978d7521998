"""Excel workbooks: one sheet is a table, "FILE.xlsx#Sheet" says which."""

from __future__ import annotations

import re
import zipfile
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.bombs import check_archive
from srmm.data.limits import limit
from srmm.data.sources.base import LoadedColumns, OpenedTable, is_empty, object_array, plain_cell
from srmm.data.there import is_file
from srmm.errors import InputError, MissingExtraError, damage_explained, did_you_mean, several

EXCEL = (".xlsx", ".xlsm")
EXCEL_ROWS = 1_048_576
"""Of a sheet, that of the names among them."""

_REMEDY = "Save it anew as .xlsx, or as .csv."
_FORMULA = re.compile(rb"<(\w+:)?f[ />]")
_END_OF_CELLS = re.compile(rb"</(\w+:)?sheetData>")
_ROW = re.compile(rb"<(?:\w+:)?row\s[^>]*>")
_NUMBER = re.compile(rb'\sr="(\d+)"')
_HIDDEN = re.compile(rb'\shidden="(?:1|true)"')
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')


def split_sheet(path: Path) -> tuple[Path, str | None]:
    """The workbook and the sheet that a path names; no sheet where it is a file's own name.

    >>> split_sheet(Path("shop/goods.xlsx#Summer"))
    (PosixPath('shop/goods.xlsx'), 'Summer')
    """
    for ending in EXCEL:
        start = str(path).lower().find(f"{ending}#")
        if start >= 0 and not is_file(path):
            end = start + len(ending)
            return Path(str(path)[:end]), str(path)[end + 1 :]
    return path, None


def open_excel(path: Path, sheet: str | None = None) -> OpenedTable:
    """A sheet, by default the first that is not hidden; its first row that is not empty has the
    names of the columns.

    Numbers and booleans keep their types, dates become ISO text, and a cell whose formula has
    failed is empty. Raises `MissingExtraError` without the extra `srmm[excel]`.
    """
    check_archive(path)
    with _workbook(path) as book:
        sheet, notes = _chosen_sheet(book, path.name, sheet)
        rows = list(_rows(book[sheet], path.name))
    name = f"{path.name}#{sheet}"
    if not rows:
        raise InputError(f"{name} is empty: expected a row with the column names.")
    # A column without a name is called as Excel calls it, if anything is in it.
    width = max(len(row) for _, row in rows)
    names = [*rows[0][1], *[None] * (width - len(rows[0][1]))]
    header = [_letters(n) if is_empty(name) else str(name) for n, name in enumerate(names)]
    lines = [number for number, _ in rows[1:]]

    def read(wanted: Sequence[str]) -> LoadedColumns:
        places = {column: header.index(column) for column in wanted}
        failed: Counter[str] = Counter()
        cells, empty = {}, {}
        for column, place in places.items():
            values = [row[place] if place < len(row) else None for _, row in rows[1:]]
            failed.update(str(value) for value in values if isinstance(value, _Failed))
            cells[column] = object_array([None if isinstance(v, _Failed) else v for v in values])
            empty[column] = {n for n, v in zip(lines, values, strict=True) if is_empty(v)}
        said = _said_of_errors(name, failed) + _said_of_formulas(path, sheet, places, empty)
        said += _said_of_merged(path, sheet, places, empty)
        said += _said_of_hidden(path, sheet, set(lines))
        return LoadedColumns(cells, np.array(lines, dtype=np.int64), len(lines), said)

    return OpenedTable(name, path.parent, tuple(header), read, notes)


class _Failed(str):
    """What a cell shows whose formula has failed, such as "#N/A"."""


@contextmanager
def _workbook(path: Path, *, formulas: bool = False) -> Iterator[Any]:
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise MissingExtraError("openpyxl", "excel", "An Excel workbook") from None
    try:
        book = load_workbook(path, read_only=True, data_only=not formulas, keep_links=False)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}).") from None
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise InputError(
            f"{path.name} is no readable Excel workbook: it is damaged, protected by a password "
            f"or of the old kind ({error}). {_REMEDY}"
        ) from None
    except Exception as error:  # whatever damaged XML makes its reader raise
        raise InputError(f"{path.name} is damaged ({type(error).__name__}). {_REMEDY}") from error
    try:
        with damage_explained(path.name, _REMEDY):
            yield book
    finally:
        book.close()


def _chosen_sheet(book: Any, name: str, sheet: str | None) -> tuple[str, tuple[str, ...]]:
    """The sheet that is read, and a sentence if nobody has chosen it among several."""
    sheets = {s.title: s for s in book.worksheets}
    if sheet is not None:
        if sheet not in sheets:
            raise InputError(f"{name} has no sheet {sheet!r}. {did_you_mean(sheet, sheets)}")
        return sheet, ()
    shown = [title for title, s in sheets.items() if s.sheet_state == "visible"] or [*sheets]
    if not shown:
        raise InputError(
            f"{name} has no sheet with cells: it has charts only, or was saved as Strict Open XML, "
            "which is not read. Save it as an ordinary Excel workbook (.xlsx)."
        )
    if len(sheets) == 1:
        return shown[0], ()
    others = ", ".join(repr(title) for title in sheets if title != shown[0])
    return shown[0], (
        f"{name} has {len(sheets)} sheets; {shown[0]!r} is read, and not {others}: "
        f"'{name}#SHEET' names another.",
    )


def _rows(sheet: Any, name: str) -> Iterator[tuple[int, list[Any]]]:
    """(row number, cells) of each row that has any, without empty cells at its end.

    Raises `InputError` for more rows or cells than a sheet has: one cell far out has all the empty
    ones before it read.
    """
    sheet.reset_dimensions()  # what a file says of its size is often wrong
    cells, most = 0, limit("SRMM_MAX_CELLS")
    for number, row in enumerate(sheet.iter_rows(), 1):
        values = [_value(cell) for cell in row]
        while values and is_empty(values[-1]):
            values.pop()
        cells += len(values)
        if number > EXCEL_ROWS or cells > most:
            what = f"{EXCEL_ROWS:,} rows" if number > EXCEL_ROWS else f"{most:,} cells"
            raise InputError(
                f"{name} has more than {what}, empty ones counted: more than a sheet is read to. "
                "Remove what stands far out, or save it as .csv or .parquet; the environment "
                "variable SRMM_MAX_CELLS changes the number of cells."
            )
        if values:
            yield number, values


def _value(cell: Any) -> Any:
    """Python's value of a cell."""
    if isinstance(cell.value, str) and "_x" in cell.value:
        from openpyxl.utils.escape import unescape

        return unescape(cell.value)  # "_x000D_" is a line's end
    return _Failed(cell.value) if cell.data_type == "e" else plain_cell(cell.value)


def _letters(place: int) -> str:
    """What Excel calls a column: A, …, Z, AA, …"""
    letters, place = "", place + 1
    while place:
        place, digit = divmod(place - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


def _said_of_errors(name: str, failed: Counter[str]) -> tuple[str, ...]:
    if not failed:
        return ()
    kinds = ", ".join(f"{error} ({n:,})" for error, n in failed.most_common())
    return (f"Cells of {name} that hold an Excel error count as empty: {kinds}.",)


def _said_of_formulas(
    path: Path, sheet: str, places: Mapping[str, int], empty: Mapping[str, set[int]]
) -> tuple[str, ...]:
    """A program other than Excel may have written formulas whose results nobody has computed."""
    if not any(empty.values()) or not _has_formulas(path):
        return ()
    found: Counter[str] = Counter()
    with _workbook(path, formulas=True) as book:
        book[sheet].reset_dimensions()
        for number, row in enumerate(book[sheet].iter_rows(), 1):
            found.update(
                column
                for column, place in places.items()
                if number in empty[column] and place < len(row) and row[place].data_type == "f"
            )
    return tuple(
        f"{several(n, 'cell')} of column {column!r} of {path.name}#{sheet} "
        f"{'is a formula' if n == 1 else 'are formulas'} with no result or an empty one, and "
        f"{'counts' if n == 1 else 'count'} as empty. If there should be one, open the workbook "
        "in Excel or LibreOffice and save it."
        for column, n in found.items()
    )


def _said_of_merged(
    path: Path, sheet: str, places: Mapping[str, int], empty: Mapping[str, set[int]]
) -> tuple[str, ...]:
    """What is merged to one cell has its value in the first of them alone."""
    found: Counter[str] = Counter()
    rows = {column: sorted(numbers) for column, numbers in empty.items() if numbers}
    for left, top, right, bottom in _merged(path, sheet) if rows else ():
        for column, numbers in rows.items():
            if left <= places[column] <= right:
                found[column] += bisect_right(numbers, bottom) - bisect_left(numbers, top)
    return tuple(
        f"{n:,} empty cells of column {column!r} of {path.name}#{sheet} are parts of merged cells, "
        "of which the first alone has the value. If it is meant for all of them, unmerge them and "
        "fill it in."
        for column, n in found.items()
        if n
    )


def _said_of_hidden(path: Path, sheet: str, lines: set[int]) -> tuple[str, ...]:
    """Who looks at the sheet sees fewer rows than are read."""
    hidden = 0
    with _workbook(path) as book, zipfile.ZipFile(path) as archive:
        rest = b""
        with archive.open(book[sheet]._worksheet_path) as file:
            while piece := file.read(1 << 20):
                rest += piece
                found = [*_ROW.finditer(rest)]
                rows = [row[0] for row in found if _HIDDEN.search(row[0])]
                numbers = [number for row in rows if (number := _NUMBER.search(row))]
                hidden += sum(int(number[1]) in lines for number in numbers)
                rest = rest[found[-1].end() if found else 0 :][-1000:]
    if not hidden:
        return ()
    are = several(hidden, "row is", "rows are")
    return (
        f"{are} hidden in {path.name}#{sheet}, as a filter does it, and read like all others. "
        "Delete what is not meant.",
    )


def _merged(path: Path, sheet: str) -> list[tuple[int, int, int, int]]:
    """(first column from 0, first row from 1, last column, last row) of merged cells."""
    from openpyxl.utils import column_index_from_string

    with _workbook(path) as book, zipfile.ZipFile(path) as archive:
        rest = b""
        with archive.open(book[sheet]._worksheet_path) as file:
            while piece := file.read(1 << 20):
                rest += piece
                end = _END_OF_CELLS.search(rest)
                rest = rest[end.start() :] if end else rest[-100:]
    return [
        (
            column_index_from_string(left.decode()) - 1,
            int(top),
            column_index_from_string(right.decode()) - 1,
            int(bottom),
        )
        for left, top, right, bottom in _MERGED.findall(rest)
    ]


def _has_formulas(path: Path) -> bool:
    """Whether any sheet has one: looked for in the text, as reading every cell again is slow."""
    with damage_explained(path.name, _REMEDY), zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                with archive.open(name) as file:
                    end = b""
                    while piece := file.read(1 << 20):
                        if _FORMULA.search(end + piece):
                            return True
                        end = piece[-8:]
    return False
