"""The rows that a model is to predict, in parts: any source, read as its training data was."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.inputs import as_embeddings
from srmm.data.parts import read_in_parts
from srmm.data.sources import LoadedColumns, OpenedTable, object_array, open_source
from srmm.data.sources.typed import cells_in_memory
from srmm.data.table import Table
from srmm.encoders import kind_of
from srmm.errors import InputError
from srmm.workflows.data import is_table, open_data
from srmm.workflows.left_out import without_left_out
from srmm.workflows.made_by import is_predicted
from srmm.workflows.reading import reading_of

PART_ROWS = 16_384
"""Rows that are read, encoded and predicted at a time: what memory holds."""


class RowsPart(NamedTuple):
    """Some rows to predict, and cells that are carried through to the output."""

    data: Table | Embeddings
    kept: dict[str, np.ndarray]
    """Column → object array (n,); "id" is what names the rows, where they have a name."""
    number: int
    first_row: int
    """The place of the part, and of its first row, in the whole."""


@dataclass
class Rows:
    """Rows to predict: each iteration reads them anew, part by part."""

    name: str
    parts: Callable[[Collection[int]], Iterator[RowsPart]]
    """Those whose numbers are not among the given ones."""
    notes: tuple[str, ...] = ()
    """What is taken for granted in reading all of them."""
    kept: tuple[str, ...] = ()
    only: RowsPart | None = field(default=None, repr=False)
    """The one part there is, once that is known: it need not be read twice."""

    def __iter__(self) -> Iterator[RowsPart]:
        return self.without(())

    def without(self, numbers: Collection[int]) -> Iterator[RowsPart]:
        """The parts whose numbers are not among these."""
        if self.only is None:
            return self.parts(numbers)
        return iter([] if self.only.number in numbers else [self.only])


def rows_to_predict(
    config: Mapping[str, Any],
    source: Any,
    *,
    columns: Mapping[str, Any] | None = None,
    root: Path | None = None,
    options: Mapping[str, Any] | None = None,
    keep: Sequence[str] = (),
    part_rows: int = PART_ROWS,
) -> Rows:
    """The rows of `source`, for the model of that config.

    Parameters
    ----------
    source : path, str, DataFrame, dict, list of dict, Table, Embeddings, or dict of arrays
        A table file, a store, the name of a data set; or rows in memory: their keys are the columns
        the model was trained on, or the names of its modalities. A key that is not there is absent.
        Arrays of shape (n, d) are embeddings.
    columns : dict, optional
        Keyword arguments of `read_table`, by default those of training.
    keep : sequence of str
        Columns to carry through; "all" is every column of the table.

    Raises
    ------
    InputError
        If the source has none of the columns that the model reads, or lacks one to keep.
    """
    if isinstance(keep, str):
        keep = [keep]
    if _is_arrays(source):
        source = as_embeddings(source)
    if isinstance(source, str | Path) and not is_table(str(source)):
        source = open_data(str(source), columns, root=root, options=options)
    if isinstance(source, Table | Embeddings):
        if keep:
            raise InputError(
                f"Columns can be kept of a table file or a frame, not of {type(source).__name__}: "
                f"{', '.join(keep)}. Leave --keep (keep=…) out."
            )
        return _of_data(config, source, part_rows)
    opened = _opened_rows(source, (columns or {}).get("query"))
    reading, notes = reading_of(config, opened.columns, columns, opened.name)
    if root is not None:
        reading["folder"] = root
    elif opened.folder is None:
        reading.setdefault("folder", (config.get("origin") or {}).get("folder"))
    id = reading.get("id")
    others = opened.columns if "all" in keep and "all" not in opened.columns else tuple(keep)
    kept = dict.fromkeys(column for column in others if column != id or column != "id")

    def parts(but: Collection[int]) -> Iterator[RowsPart]:
        wanted = list(dict.fromkeys([*kept, *([id] if id else [])]))
        for part in read_in_parts(opened, part_rows, keep=wanted, but=but, **reading):
            carried = {"id": part.kept[id]} if id else {}
            carried |= {kept_name(config, column): part.kept[column] for column in kept}
            yield RowsPart(part.table, carried, part.number, part.first_row)

    return Rows(opened.name, parts, (*opened.notes, *notes), tuple(kept))


def with_inputs(config: dict[str, Any]) -> dict[str, Any]:
    """The config; of a classifier that was saved alone, how raw items become its embeddings.

    What made them is known where `srmm.encode` did; a column is called after its modality.
    """
    if config["inputs"]:
        return config
    inputs = {}
    for name in config["modalities"]:
        spec = (config["encoders"].get(name) or {}).get("spec")
        inputs[name] = {"kind": kind_of(name, spec), "column": None, "encoder": spec}
    return {**config, "inputs": inputs}


def kept_name(config: Mapping[str, Any], column: str) -> str:
    """What a column that is carried through is called beside those of the prediction."""
    ours = column == "id" or is_predicted(column, config["modalities"])
    return f"table:{column}" if ours else column


def _of_data(config: Mapping[str, Any], data: Table | Embeddings, part_rows: int) -> Rows:
    data, notes = without_left_out(config, data)
    numbered = np.array_equal(data.ids, np.arange(len(data)))

    def parts(but: Collection[int]) -> Iterator[RowsPart]:
        for number, start in enumerate(range(0, max(len(data), 1), part_rows)):  # of none, one
            if number in but:
                continue
            part = data[start : start + part_rows]
            ids = {} if numbered else {"id": object_array(part.ids.tolist())}
            if isinstance(part, Table):
                part = replace(part, first_row=start)
            yield RowsPart(part, ids, number, start)

    name = data.name if isinstance(data, Table) else "the embeddings"
    of_table = data.notes if isinstance(data, Table) else ()
    return Rows(name, parts, (*of_table, *notes))


def _is_arrays(source: Any) -> bool:
    """Whether it is vectors of many rows: an array, or a dict of modality to array (n, d)."""
    if isinstance(source, Mapping):
        arrays = [value for value in source.values() if value is not None]
        return bool(arrays) and all(
            isinstance(a, np.ndarray) and a.ndim == 2 and a.dtype.kind == "f" for a in arrays
        )
    return isinstance(source, np.ndarray) and source.dtype.kind in "fiub"


def _opened_rows(source: Any, query: str | None) -> OpenedTable:
    """A file, a frame, or rows as dicts, opened as a table."""
    if isinstance(source, Mapping):
        source = [source]
    if not isinstance(source, list | tuple):
        return open_source(source, query=query)
    rows = list(source)
    other = next((row for row in rows if not isinstance(row, Mapping)), None)
    if not all(isinstance(row, Mapping) for row in rows) or not rows:
        raise InputError(
            "Rows to predict are dicts of raw items such as {'title': 'red shoe'}, got "
            f"{'an empty list' if not rows else type(other).__name__}. Give a dict, a list of "
            "them, a DataFrame, or the path of a table."
        )
    rows = [{str(key): cell for key, cell in row.items()} for row in rows]
    columns = tuple(dict.fromkeys(key for row in rows for key in row))

    def read(wanted: Sequence[str]) -> LoadedColumns:
        cells = {c: cells_in_memory(c, [row.get(c) for row in rows]) for c in wanted}
        return LoadedColumns(cells, None, len(rows))

    return OpenedTable("the rows", None, columns, read)
