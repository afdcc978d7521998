"""Opening a table of any format, column by column, without guessing what its cells mean.

One file per family of formats; each gives an `OpenedTable`: object arrays of cells, None where a
cell is empty, and the line each row starts at where there are lines.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from srmm.data.holders import is_arrow_table
from srmm.data.sources.base import LoadedColumns, OpenedTable, is_empty, object_array
from srmm.data.sources.class_folders import open_class_folders
from srmm.data.sources.excel import EXCEL, open_excel, split_sheet
from srmm.data.sources.huggingface import (
    is_dataset,
    is_saved_dataset,
    open_dataset,
    open_saved_dataset,
)
from srmm.data.sources.json_document import open_json
from srmm.data.sources.separated import open_csv
from srmm.data.sources.sql import (
    file_of,
    is_address,
    is_sqlite,
    kept_address,
    open_address,
    open_sqlite,
    without_secrets,
)
from srmm.data.sources.text import COMPRESSIONS, uncompressed_name
from srmm.data.sources.typed import open_arrow, open_frame, open_json_lines, open_parquet
from srmm.data.there import exists, is_dir, is_file
from srmm.errors import InputError, did_you_mean

_OPENERS = {
    ".csv": open_csv,
    ".tsv": open_csv,
    ".jsonl": open_json_lines,
    ".ndjson": open_json_lines,
    ".json": open_json,
    ".parquet": open_parquet,
    ".pq": open_parquet,
    ".xlsx": open_excel,
    ".xlsm": open_excel,
    ".sqlite": open_sqlite,
    ".sqlite3": open_sqlite,
    ".db": open_sqlite,
}
_TEXT = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")

EXTENSIONS = tuple(_OPENERS)
"""What can be read; the text formats also with `.gz`, `.bz2`, `.xz` or `.zip` behind."""

_HINTS = {
    ".xls": " (Excel's old format: save it as .xlsx)",
    ".xlsb": " (save it as .xlsx)",
    ".ods": " (save it as .xlsx or .csv)",
    ".feather": " (write it as .parquet)",
    ".arrow": " (write it as .parquet)",
    ".tar": " (unpack it, and name the table in it)",
    ".tgz": " (unpack it, and name the table in it)",
    ".zst": " (unpack it: zstd -d)",
}


def open_source(source: Any, *, query: str | None = None) -> OpenedTable:
    """The table behind a path, an address, a frame or a data set of `datasets`.

    Raises `InputError` if there is none or it cannot be read. `query` is for databases alone; an
    `OpenedTable` is itself.
    """
    if isinstance(source, OpenedTable):
        return source
    if isinstance(source, (str, Path)):
        if is_address(str(source)):
            return _open_address(str(source), query)
        path, sheet = split_sheet(Path(source))
        if is_file(path) and (is_sqlite(path) or path.suffix.lower() in _endings(open_sqlite)):
            return open_sqlite(path, query)
    if query is not None:
        raise InputError(
            f"A query is for a database, and {_shown(source)} is none: {query[:60]!r} would change "
            "nothing. Leave it out."
        )
    if isinstance(source, pd.DataFrame):
        return open_frame(source)
    if is_dataset(source):
        return open_dataset(source)
    if is_arrow_table(source) or isinstance(source, pa.RecordBatch):
        return open_arrow(source)
    if not isinstance(source, (str, Path)):
        remedy = " Call its .collect() first." if hasattr(source, "collect") else ""
        if isinstance(source, dict | list | np.ndarray | pd.Series):
            remedy = " Make it a frame: pandas.DataFrame(…)."
        raise InputError(
            "A table must be a path, an address of a database, a frame, an Arrow table or a data "
            f"set of `datasets`, got {type(source).__name__}.{remedy}"
        )
    return _open_folder(path) if is_dir(path) else _open_file(path, sheet)


def names_a_table(source: str) -> bool:
    """Whether the text names a file, a folder or a database that `open_source` may open."""
    return is_address(source) or exists(split_sheet(Path(source))[0])


def local_file(source: str) -> Path | None:
    """The file or folder on this machine that a name of a table leads to; None if there is none."""
    path = file_of(source) if is_address(source) else split_sheet(Path(source))[0]
    return path if path is not None and path.exists() else None


def kept_name(source: str) -> str:
    """What may be written down to open a table again: an absolute path, no password."""
    if is_address(source):
        return kept_address(source)
    return str(Path(source).resolve()) if names_a_table(source) else source


def _endings(opener: Any) -> list[str]:
    return [ending for ending, mine in _OPENERS.items() if mine is opener]


def _shown(source: Any) -> str:
    return str(source) if isinstance(source, (str, Path)) else f"a {type(source).__name__}"


def _open_address(address: str, query: str | None) -> OpenedTable:
    if address.partition("://")[0].lower() in ("http", "https", "ftp", "s3", "gs", "file", "hf"):
        raise InputError(
            f"{without_secrets(address)} is a URL, not a table that lies here. Download it first, "
            "and give the path of the file."
        )
    return open_address(address, query)


def _open_file(path: Path, sheet: str | None) -> OpenedTable:
    if not is_file(path):
        raise InputError(_no_such_table(path))
    name = uncompressed_name(path)
    ending = Path(name).suffix
    opener = _OPENERS.get(ending)
    if opener is None or (name != path.name.lower() and ending not in _TEXT):
        unknown = path.suffix if opener else ending or path.suffix
        raise InputError(
            f"{path.name} has an unknown extension {unknown!r}{_HINTS.get(ending, '')}. "
            f"Expected one of {', '.join(EXTENSIONS)}; {' or '.join(COMPRESSIONS)} may follow the "
            "text formats."
        )
    return open_excel(path, sheet) if ending in EXCEL else opener(path)


def _open_folder(path: Path) -> OpenedTable:
    if is_saved_dataset(path):
        return open_saved_dataset(path)
    # What lies beside pictures as .json says something of them as a rule, and is no table.
    tables = tuple(ending for ending in EXTENSIONS if ending != ".json")
    table = open_class_folders(path, tables, lambda file: _open_file(file, None))
    if table is None:
        raise InputError(
            f"{path} is a folder, with no pictures or sounds in it. A table is a file, e.g. "
            f"{path / 'table.csv'}, or a folder with one folder of files per class."
        )
    return table


def _no_such_table(path: Path) -> str:
    if exists(path):
        return f"{path} is no file, but a device or a pipe. Name a file."
    if os.path.islink(path):  # noqa: PTH114
        return f"{path} is a link to {path.readlink()}, which does not exist. Check the path."
    if not is_dir(path.parent):
        return f"{path} does not exist, nor does its folder {path.parent}. Check the path."
    if len(os.fsencode(path.name)) > 255:
        return f"{str(path)[:60]}… does not exist: no file has a name that long."
    beside = [file.name for file in path.parent.iterdir() if file.name.endswith(EXTENSIONS)][:20]
    return f"{path} does not exist. {did_you_mean(path.name, sorted(beside))}"


__all__ = [
    "EXTENSIONS",
    "LoadedColumns",
    "OpenedTable",
    "is_empty",
    "kept_name",
    "local_file",
    "names_a_table",
    "object_array",
    "open_csv",
    "open_source",
]
