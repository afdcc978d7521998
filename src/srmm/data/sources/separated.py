"""CSV and its relatives: text whose lines have cells between commas, tabs, semicolons or pipes.

Text stays text: "NA", "null", "007" and "nan" are never made numbers or nulls, which is why it is
read with the standard library and not with pandas.
"""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from srmm.data.formulas import from_text_cell, restored
from srmm.data.sources.base import LoadedColumns, OpenedTable, in_chunks, no_rows
from srmm.data.sources.text import encoding_notes, lines_of, text_file, uncompressed_name
from srmm.errors import InputError, first_few

SEPARATORS = (",", ";", "\t", "|")
"""What cells may be separated by, the usual one first."""

_SAMPLE_ROWS = 50
_NAMED = 5
_LONG = 3
"""Lines more than one, which few texts have that look like rows throughout."""
_SHOWN = {"\t": "tabs"}
_FIELD_LIMIT = threading.Lock()


class _Layout(NamedTuple):
    """How a file is written: the separator, and whether a line "sep=;" in front says so."""

    separator: str
    declared: bool = False


def open_csv(path: Path, *, join_surplus: bool = False) -> OpenedTable:
    """A CSV or TSV file with a header.

    The separator is the extension's, a comma or a tab, unless the header has none of it and its
    lines agree on another. A line with another number of cells than the header is an error; with
    `join_surplus`, cells beyond the header are one last cell whose commas were never quoted.
    """
    usual = "\t" if uncompressed_name(path).endswith(".tsv") else ","
    layout = _Layout(usual) if join_surplus else _layout(path, usual)
    with closing(_csv_lines(path, layout)) as lines, _large_fields():
        names = next(_rows(lines), (0, []))[1]
    if not names:
        raise InputError(f"{path.name} is empty: expected a header line with the column names.")
    header = [from_text_cell(name) for name in names]
    notes = encoding_notes(path)
    if layout.separator != usual:
        shown = _SHOWN.get(layout.separator, repr(layout.separator))
        notes += (f"{path.name} is separated by {shown}, and is read as such.",)

    def rows(broken: _Broken) -> Generator[tuple[int, list[str]]]:
        with closing(_csv_lines(path, layout)) as lines:
            next(_rows(lines))
            for line, row in _rows(lines, of_one_column=len(header) == 1):
                if len(row) > len(header) and join_surplus:
                    last = len(header) - 1
                    row = [*row[:last], layout.separator.join(row[last:])]
                if len(row) != len(header):
                    raise InputError(
                        f"Line {line} of {path.name} has {len(row)} cells, the header has "
                        f"{len(header)}. A cell that holds the separator or a line break must be "
                        'quoted, e.g. "red, blue".'
                    )
                if row == names and len(names) > 1 and all(names):
                    raise InputError(
                        f"Line {line} of {path.name} is the header again, as where files were put "
                        "together. Remove it."
                    )
                broken.look_at(line, row)
                yield line, row

    def chunks(wanted: Sequence[str], size: int | None) -> Iterator[LoadedColumns]:
        def getter(column: str) -> Callable[[Any], Any]:
            return itemgetter(header.index(column))

        broken = _Broken(layout.separator, len(header))
        for part in in_chunks(rows(broken), wanted, getter, size, _large_fields):
            yield replace(part, notes=restored(part.cells.items()) + broken.said(path.name))

    def read(wanted: Sequence[str]) -> LoadedColumns:
        return next(chunks(wanted, None), no_rows(wanted))

    return OpenedTable(path.name, path.parent, tuple(header), read, notes, chunks=chunks)


class _Broken:
    """Rows of several lines, and which of them may be several rows.

    A quotation mark that opens a cell and is not closed goes on to the next one, lines below, and
    what is between is one cell. Then each of its lines has as many cells as a row, which the lines
    of a text seldom have.
    """

    def __init__(self, separator: str, width: int) -> None:
        self._separator, self._width = separator, width
        self._n = 0
        self._like_rows: list[tuple[int, int]] = []

    def look_at(self, line: int, row: list[str]) -> None:
        """Count a row that starts at this line."""
        text = self._separator.join(row)
        if self._width == 1 or not ("\n" in text or "\r" in text):
            return
        self._n += 1
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if all(one.count(self._separator) == self._width - 1 for one in lines):
            self._like_rows.append((line, line + len(lines) - 1))

    def said(self, name: str) -> tuple[str, ...]:
        """A sentence on them, if they are long or the most of those of several lines."""
        most = 2 * len(self._like_rows) > self._n
        named = [span for span in self._like_rows if most or span[1] - span[0] >= _LONG]
        self._n, self._like_rows = 0, []
        if not named:
            return ()
        shown = first_few((f"{first}–{last}" for first, last in named), _NAMED)
        return (
            f"Lines {shown} of {name} are read as one row each, since a quoted cell goes "
            "from the first to the last of them; but every one of these lines looks like a row of "
            "its own. If it is, close or double the quotation mark that opens in the first.",
        )


def _layout(path: Path, usual: str) -> _Layout:
    with text_file(path) as file:
        first = file.readline(10).lstrip("\ufeff").rstrip("\r\n")
    if len(first) == 5 and first.lower().startswith("sep=") and first[4] in SEPARATORS:
        return _Layout(first[4], declared=True)
    mine = _sample(path, usual)
    width = len(mine[0]) if mine else 0  # none: a row of "a";"b" is no row between commas
    others = {sign: _sample(path, sign) for sign in SEPARATORS if sign != usual}
    # Where the usual one finds one column, or not even that, a few wrong lines are no reason.
    share = 1.0 if width != 1 else 0.8 if all(len(row) == 1 for row in mine) else 0.5
    agreeing = {sign: len(rows[0]) for sign, rows in others.items() if _agree(rows, share)}
    best = max(agreeing, key=lambda sign: agreeing[sign], default=usual)
    # A file that can be read as its name says is read so, unless another separator finds more.
    if width > 1 and _agree(mine, 1.0) and width >= agreeing.get(best, 0):
        best = usual
    return _Layout(best)


def _agree(rows: list[list[str]], share: float) -> bool:
    """Whether there are several columns, and at least this share of the rows has as many."""
    if len(rows) < 2 or len(rows[0]) < 2:
        return False
    as_many = sum(len(row) == len(rows[0]) for row in rows[1:])
    return as_many >= share * (len(rows) - 1)


def _sample(path: Path, separator: str) -> list[list[str]]:
    """The first rows, split at this separator; none if its quotes do not allow that."""
    try:
        with closing(_csv_lines(path, _Layout(separator))) as lines, _large_fields():
            return [row for _, row in islice(_rows(lines), _SAMPLE_ROWS)]
    except InputError:
        return []


def _csv_lines(path: Path, layout: _Layout) -> Generator[tuple[int, list[str]]]:
    """(first line, cells) of each row, the header among them; no cells where a line is blank."""
    start = 1
    with text_file(path) as file:
        reader = csv.reader(lines_of(file), delimiter=layout.separator, strict=True)
        try:
            if layout.declared:
                next(reader)
                start = 2
            for row in reader:
                yield start, row
                start = reader.line_num + 1
        except csv.Error as error:
            raise InputError(
                f"The row that starts at line {start} of {path.name} is not well quoted "
                f"({error}). Close every quotation mark, and double those inside a quoted cell."
            ) from None


def _rows(
    lines: Iterable[tuple[int, list[str]]], *, of_one_column: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Those that are not blank. Of one column, a blank line between two is an empty cell."""
    blank: list[int] = []
    for line, row in lines:
        if row:
            yield from ((one, [""]) for one in blank)
            blank = []
            yield line, row
        elif of_one_column:
            blank.append(line)


@contextmanager
def _large_fields() -> Iterator[None]:
    """Let the csv module read cells of any length; its limit belongs to the whole process."""
    with _FIELD_LIMIT:
        limit = csv.field_size_limit(2**31 - 1)
        try:
            yield
        finally:
            csv.field_size_limit(limit)
