"""Cells of a table as items, vectors, labels, ids and splits, None where there is none."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.addresses import local_item
from srmm.data.blocks import are_numbers, holds_vectors, numeric_block, raw_block
from srmm.data.columns import IN_BRACES, PATH_KINDS, ModalityColumns
from srmm.data.labels import name_of
from srmm.data.sources import object_array
from srmm.data.sources.base import SPLIT_OF_WORD, plain_cell
from srmm.data.times import MOMENTS
from srmm.errors import InputError, did_you_mean

Where = Callable[[int], str]
"""How a message names a row, as `Table.where`."""


def read_items(
    where: Where, modality: ModalityColumns, cells: dict[str, np.ndarray], *, as_cells: bool = False
) -> np.ndarray:
    """The object array (n,) of one modality's items, None where absent.

    `as_cells` keeps columns of features as they are though all are numbers.
    """
    if modality.kind == "features":
        return _features(where, modality, cells, as_cells=as_cells)
    columns = [[_plain(cell) for cell in cells[column]] for column in modality.columns]
    local = local_item if modality.kind in PATH_KINDS else _as_it_is
    if modality.form == "column":
        return object_array([local(cell) for cell in columns[0]])
    items = np.empty(len(columns[0]), dtype=object)
    parts = IN_BRACES.split(modality.choice)  # literal, column, literal, …, literal
    for row, values in enumerate(zip(*columns, strict=True)):
        if None not in values:
            parts[1::2] = map(str, values)
            items[row] = local("".join(parts))
    return items


def _as_it_is(cell: Any) -> Any:
    return cell


def _plain(cell: Any) -> Any:
    """Numbers, dates and paths as text; pandas' 7.0 (an integer beside holes) is 7 again."""
    if isinstance(cell, (float, np.floating)) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, bytes):  # also NumPy's, whose text would be "b'…'"
        return bytes(cell)
    if isinstance(cell, MOMENTS):
        return plain_cell(cell)
    if isinstance(cell, (bool, int, float, np.generic, Decimal, Path)):
        return str(cell)
    return cell


def _features(
    where: Where, modality: ModalityColumns, cells: dict[str, np.ndarray], *, as_cells: bool
) -> np.ndarray:
    """Vectors, from a column of them or one number per column; of any other columns the cells."""
    columns = {column: cells[column] for column in modality.columns}
    for column, held in columns.items():
        if not are_numbers(held):
            _check_real(where, column, held)
            _check_no_bytes(where, column, held)
    if modality.form == "column" and not as_cells and holds_vectors(cells[modality.columns[0]]):
        return _vectors(where, modality, cells[modality.columns[0]])
    numbers = None if as_cells else numeric_block(columns)
    if numbers is None:
        for column, held in columns.items():
            _check_unicode(where, column, held)
    return raw_block(where, columns) if numbers is None else numbers


def _check_real(where: Where, column: str, cells: np.ndarray) -> None:
    """Of a complex number NumPy would take the real part, and a text of it has a unit, j."""
    kinds = set(map(type, cells))
    kinds = {kind for kind in kinds if issubclass(kind, complex | np.complexfloating | np.ndarray)}
    rows = (row for row, cell in enumerate(cells) if type(cell) in kinds and np.iscomplexobj(cell))
    row = next(rows, None) if kinds else None
    if row is None:
        return
    raise InputError(
        f"Column {column!r} of {where(row)} has complex numbers, {str(cells[row])[:40]}. Features "
        "are real: make columns of its parts, such as .real and .imag, or numpy.abs of it."
    )


def _check_no_bytes(where: Where, column: str, cells: np.ndarray) -> None:
    """Bytes that are no text, such as a vector's in a database, would be names of categories."""
    if bytes not in set(map(type, cells)):
        return
    row = next(row for row, cell in enumerate(cells) if type(cell) is bytes)
    raise InputError(
        f"Column {column!r} of {where(row)} holds {len(cells[row]):,} bytes that are no text. "
        "Features are numbers, lists of numbers, or texts: write a vector as a list, in Parquet or "
        "JSON Lines, or read it into a frame (numpy.frombuffer)."
    )


def _vectors(where: Where, modality: ModalityColumns, cells: np.ndarray) -> np.ndarray:
    """float32 vectors from a column of them."""
    vectors = np.empty(len(cells), dtype=object)
    length: int | None = None
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        if isinstance(cell, np.ma.MaskedArray) and np.ma.getmaskarray(cell).any():
            fault = "is partly masked"
            raise InputError(_bad_vector(where, modality, row, cell, fault))
        try:
            if getattr(getattr(cell, "dtype", None), "kind", "") in ("m", "M"):  # of any unit
                raise TypeError
            vector = np.atleast_1d(np.array(cell, dtype=np.float64))  # a number is a short vector
        except (TypeError, ValueError):
            vector = np.empty((0, 0))
        if vector.ndim != 1:
            fault = "is not a number and not a list of numbers"
            raise InputError(_bad_vector(where, modality, row, cell, fault))
        if np.isnan(vector).all():
            continue
        if length is None:
            length = len(vector)
        if len(vector) != length:
            fault = f"has {len(vector)} numbers, the rows before have {length}"
            raise InputError(_bad_vector(where, modality, row, cell, fault))
        with np.errstate(over="ignore"):
            vectors[row] = vector.astype(np.float32)
        if not np.isfinite(vectors[row]).all():
            fault = "is partly empty, infinite or too large"
            raise InputError(_bad_vector(where, modality, row, cell, fault))
    return vectors


def _bad_vector(where: Where, modality: ModalityColumns, row: int, cell: Any, fault: str) -> str:
    """The message for a vector that is none: which row, and its value."""
    return (
        f"Column {modality.columns[0]!r} of {where(row)} ({str(cell)[:40]!r}) {fault}. The vectors "
        f"of {modality.name!r} need finite numbers, as many in every row, or nothing where they "
        "are absent. Vectors in one column need JSON Lines, Parquet or a frame."
    )


def read_labels(where: Where, column: str, cells: np.ndarray) -> np.ndarray:
    """Classes as they are; bytes and dates as text and decimals as numbers, as other files would
    have them."""
    _check_unicode(where, column, cells)
    values = [plain_cell(cell) for cell in cells]
    values = [name_of(value) if isinstance(value, bytes) else value for value in values]
    known = [value for value in values if value is not None]
    # pandas makes whole numbers beside holes floats; undo that.
    if len(known) < len(values) and all(isinstance(v, float) and v.is_integer() for v in known):
        values = [None if value is None else int(value) for value in values]
    return object_array(values)


def read_ids(where: Where, column: str, cells: np.ndarray) -> np.ndarray:
    _check_unicode(where, column, cells)
    values = [plain_cell(cell) if isinstance(cell, np.generic) else cell for cell in cells]
    if None in values:
        raise InputError(
            f"The id of {where(values.index(None))} is empty (column {column!r}). "
            "Fill it in, or leave the id out to number the rows."
        )
    whole = all(type(value) is int and abs(value) < 2**63 for value in values)
    ids = np.array(values if whole else [name_of(value) for value in values], dtype=object)
    ids = ids.astype(np.int64) if whole else ids  # of longer numbers NumPy would make floats
    first: dict[Any, int] = {}
    for row, value in enumerate(ids.tolist()):
        if first.setdefault(value, row) != row:
            raise InputError(
                f"Id {value!r} (column {column!r}) stands in {where(first[value])} and in "
                f"{where(row)}; ids must be unique. Remove the repeated row, or leave the "
                "id out to number the rows."
            )
    return ids


def read_groups(where: Where, column: str, cells: np.ndarray) -> np.ndarray:
    """What each row belongs to, None of a row whose cell is empty."""
    _check_unicode(where, column, cells)
    groups = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        groups[row] = None if cell is None else name_of(cell)
    return groups


def _check_unicode(where: Where, column: str, cells: np.ndarray) -> None:
    """Lone surrogates, as JSON can hold, cannot be written to any file that names the row."""
    for row, cell in enumerate(cells):
        if isinstance(cell, str) and cell.isascii():
            continue
        try:
            str(cell).encode("utf-8")
        except UnicodeEncodeError:
            raise InputError(
                f"Column {column!r} of {where(row)} ({ascii(cell)[:40]}) is not valid Unicode text."
            ) from None


def read_splits(where: Where, column: str, cells: np.ndarray) -> np.ndarray:
    split = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        split[row] = SPLIT_OF_WORD.get(str(cell).strip().lower())
        if split[row] is None:
            raise InputError(
                f"The split of {where(row)} is {cell!r} (column {column!r}), which is "
                f"unknown. {did_you_mean(str(cell), SPLIT_OF_WORD)}"
            )
    return split
