"""Opening a file of JSON: a list of objects, an object of columns, or, after all, JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from srmm.data.sources.base import LoadedColumns, OpenedTable, object_array
from srmm.data.sources.text import encoding_notes, text_file
from srmm.data.sources.typed import JSON, open_json_lines
from srmm.errors import InputError, shown

_EXPECTED = (
    'Expected a list of objects, one per row, [{"title": "…"}, …]; or an object of columns, '
    '{"title": ["…", …]} or {"title": {"0": "…", …}}, as pandas writes it; or an object on each '
    "line."
)

Columns = Mapping[str, Sequence[Any]]


def open_json(path: Path) -> OpenedTable:
    """A table that is one JSON document, read whole.

    A list of objects has a row each, and an object a column for each name: a list of cells, or an
    object of row names → cells. What pandas calls "split", "table" and "index" is read, too, and a
    list of objects under one name. Objects that follow one another on lines of their own are JSON
    Lines.
    """
    with text_file(path) as file:
        text = file.read()
    try:
        content = JSON.decode(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip()[:1] == "{":
            return open_json_lines(path)
        raise InputError(f"{path.name} is not JSON ({error}).") from None
    except ValueError as error:
        raise InputError(f"{path.name} is not JSON ({error}).") from None
    except RecursionError:
        raise InputError(f"{path.name} is nested too deeply.") from None
    notes = encoding_notes(path)
    if isinstance(content, dict) and len(content) == 1:
        ((key, rows),) = content.items()
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            content, notes = (
                rows,
                (*notes, f"The rows of {path.name} are what it has under {key!r}."),
            )
    columns = _columns(path.name, content)

    def read(wanted: Sequence[str]) -> LoadedColumns:
        cells = {column: object_array(columns[column]) for column in wanted}
        return LoadedColumns(cells, None, len(next(iter(columns.values()), ())))

    return OpenedTable(path.name, path.parent, tuple(columns), read, notes)


def _columns(name: str, content: Any) -> Columns:
    """The cells of every column; raises `InputError` for a document that is no table."""
    if isinstance(content, list):
        return _of_records(name, content)
    if not isinstance(content, dict):
        raise InputError(f"{name} holds {shown(content)[:40]}, which is no table. {_EXPECTED}")
    parts = content.keys()
    if {"columns", "data"} <= parts <= {"columns", "index", "index_names", "column_names", "data"}:
        return _of_lists(name, content["columns"], content["data"])
    if {"schema", "data"} == parts and isinstance(content["data"], list):
        return _of_records(name, content["data"])
    values = [*content.values()]
    if values and all(isinstance(value, list) for value in values):
        lengths = {len(value) for value in values}
        if len(lengths) > 1:
            raise InputError(
                f"The columns of {name} are lists of several lengths, {min(lengths):,} to "
                f"{max(lengths):,} cells. {_EXPECTED}"
            )
        return content
    if values and all(isinstance(value, dict) for value in values):
        if _numbered(content) and not all(map(_numbered, values)):
            return _of_records(name, values)  # row names → rows
        rows = dict.fromkeys(row for value in values for row in value)
        return {column: [value.get(row) for row in rows] for column, value in content.items()}
    if values and not any(isinstance(value, list | dict) for value in values):
        return _of_records(name, [content])  # the one line of JSON Lines
    raise InputError(
        f"{name} is an object of {', '.join(map(repr, [*parts][:5])) or 'nothing'}, whose values "
        f"are no columns of one kind. {_EXPECTED}"
    )


def _of_records(name: str, records: list[Any]) -> Columns:
    """Rows that are objects; a name that one lacks is an empty cell."""
    for number, row in enumerate(records):
        if not isinstance(row, dict):
            raise InputError(
                f"Entry {number} of {name} is {shown(row)[:40]}, which is no row. {_EXPECTED}"
            )
    columns = dict.fromkeys(column for row in records for column in row)
    return {column: [row.get(column) for row in records] for column in columns}


def _of_lists(name: str, columns: Any, rows: Any) -> Columns:
    """Rows that are lists, the columns named beside them."""
    named = isinstance(columns, list) and all(isinstance(column, str) for column in columns)
    if not named or len(set(columns)) < len(columns) or not isinstance(rows, list):
        raise InputError(
            f"The 'columns' and 'data' of {name} are expected to be names, each once, and a list "
            f"of rows. {_EXPECTED}"
        )
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            raise InputError(
                f"Row {number} of {name} is {shown(row)[:40]}, expected a list of "
                f"{len(columns):,} cells."
            )
    return {column: [row[place] for row in rows] for place, column in enumerate(columns)}


def _numbered(names: Mapping[str, Any]) -> bool:
    """Whether these are the numbers of rows, as no column is called."""
    return all(name.isdecimal() for name in names)
