"""Hugging Face `datasets`: one in memory, several splits of one, or a folder of `save_to_disk`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from srmm.data.sources.base import SPLIT_OF_WORD, LoadedColumns, OpenedTable, object_array
from srmm.data.sources.typed import arrow_cells
from srmm.errors import InputError, MissingExtraError

_SAVED = ("dataset_dict.json", "state.json")


def is_dataset(source: Any) -> bool:
    """Whether it is an object of `datasets`, which is not imported to find out."""
    library = sys.modules.get("datasets")
    names = ("Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")
    return library is not None and isinstance(source, tuple(getattr(library, n) for n in names))


def is_saved_dataset(folder: Path) -> bool:
    """Whether `save_to_disk` of `datasets` wrote the folder."""
    return any((folder / name).is_file() for name in _SAVED)


def open_saved_dataset(folder: Path) -> OpenedTable:
    """The data set in a folder. Raises `MissingExtraError` without `srmm[huggingface]`."""
    try:
        from datasets import load_from_disk
    except ImportError:
        raise MissingExtraError("datasets", "huggingface", "A saved data set") from None
    try:
        dataset = load_from_disk(str(folder))
    except Exception as error:  # damaged files make it raise anything
        raise InputError(f"{folder} is no readable data set of `datasets` ({error}).") from None
    return open_dataset(dataset, folder.name, folder)


def open_dataset(
    dataset: Any, name: str = "the data set", folder: Path | None = None
) -> OpenedTable:
    """A `Dataset`, or a `DatasetDict` whose splits are a column `split`.

    Pictures and sounds are not decoded: their cells are dicts of bytes and path. The classes of a
    `ClassLabel` are their names, and its −1 is an unknown one.
    """
    if not hasattr(dataset, "with_format") or type(dataset).__name__.startswith("Iterable"):
        raise InputError(
            "A streamed data set has no number of rows: make a Dataset of it first, e.g. with "
            "Dataset.from_list(list(dataset))."
        )
    parts: Mapping[str, Any] = dataset if isinstance(dataset, Mapping) else {"": dataset}
    parts = {split: part for split, part in parts.items() if len(part)}
    if not parts:
        raise InputError(f"{name} has no rows.")
    columns: dict[str, None] = {}
    for part in parts.values():
        columns |= dict.fromkeys(part.column_names)
    notes: tuple[str, ...] = ()
    usual: dict[str, str] = {}
    named = isinstance(dataset, Mapping) and "split" not in columns
    if named:
        columns["split"] = None
        if len(parts) > 1 and all(split.lower() in SPLIT_OF_WORD for split in parts):
            usual["split"] = "split"  # "train" alone would hold nothing out
        else:
            notes = (f"{name} has the splits {', '.join(map(repr, parts))}, in the column 'split', "
                     "which decides nothing unless it is chosen.",)  # fmt: skip
    elif isinstance(dataset, Mapping):
        notes = (f"{name} has a column 'split' of its own, which hides its splits "
                 f"{', '.join(map(repr, parts))}.",)  # fmt: skip

    def read(wanted: Sequence[str]) -> LoadedColumns:
        own = [column for column in wanted if not (named and column == "split")]
        cells = {column: [] for column in wanted}  # type: dict[str, list[np.ndarray]]
        for split, part in parts.items():
            there = [column for column in own if column in part.column_names]
            table = part.select_columns(there).with_format("arrow")[:] if there else None
            for column in wanted:
                found = np.full(len(part), None, dtype=object)
                if named and column == "split":
                    found[:] = split
                elif table is not None and column in there:
                    found = _named(part.features[column], arrow_cells(table.column(column)))
                cells[column].append(found)
        said = _said_of_unknown(parts, own)
        arrays = {column: np.concatenate(found) for column, found in cells.items()}
        return LoadedColumns(arrays, None, sum(map(len, parts.values())), said)

    return OpenedTable(name, folder, tuple(columns), read, notes, usual)


def named_classes(dataset: Any) -> pa.Table:
    """A `Dataset` as an Arrow table, with the names of classes in place of their numbers."""
    if isinstance(dataset, Mapping):
        splits = [repr(split) for split in dataset] or ["none"]
        raise InputError(
            f"This is a {type(dataset).__name__} with the splits {', '.join(splits)}. Choose one, "
            f"e.g. dataset[{splits[0]}]."
        )
    if not hasattr(dataset, "with_format") or type(dataset).__name__.startswith("Iterable"):
        raise InputError(
            f"Expected is a Dataset of `datasets`, got {type(dataset).__name__}. A streamed one is "
            "made one by Dataset.from_list(list(dataset))."
        )
    table = dataset.with_format("arrow")[:]
    for place, name in enumerate(table.column_names):
        if getattr(dataset.features[name], "names", None) is not None:
            cells = _named(dataset.features[name], arrow_cells(table.column(name)))
            table = table.set_column(place, name, pa.array(cells, pa.string()))
    return table


def _named(feature: Any, cells: np.ndarray) -> np.ndarray:
    """The cells with the names of classes in place of their numbers."""
    names = getattr(feature, "names", None)
    if names is None:
        return cells
    return object_array([None if cell is None or cell < 0 else names[cell] for cell in cells])


def _said_of_unknown(parts: Mapping[str, Any], columns: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each column of classes that has −1 where none is told."""
    said = []
    for column in columns:
        n = 0
        for part in parts.values():
            if getattr(part.features.get(column), "names", None) is not None:
                cells = part.select_columns([column]).with_format("arrow")[:].column(column)
                n += sum(cell is not None and cell < 0 for cell in cells.to_pylist())
        if n:
            said.append(f"{n:,} cells of column {column!r} are −1, an unknown class: empty here.")
    return tuple(said)
