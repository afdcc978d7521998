"""Checks of the arrays that embeddings are built from besides vectors: one value per instance."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd

from srmm.data.holders import column_names, is_missing, opened, opened_cells
from srmm.errors import InputError, shown

_ONE_LABEL = (
    "; of one-hot labels that is labels.argmax(axis=1). An instance with several labels is not "
    "supported: train a classifier for each of them."
)


def as_mask(present: Any, modalities: Sequence[str]) -> np.ndarray:
    """Which items are there, as a boolean array; raise `InputError` if it does not say so.

    The columns of a frame are taken by their names, which must be those of the modalities.
    """
    array = opened("present", present)
    names = column_names(present)
    if names is not None:
        if sorted(names) != sorted(modalities):
            raise InputError(
                f"present has the columns {', '.join(map(repr, names))}, expected one for each of "
                f"{', '.join(map(repr, modalities))}. Rename them, or pass present.to_numpy() for "
                "columns in the order of the modalities."
            )
        array = np.asarray(array)[:, [names.index(name) for name in modalities]]
    if np.ma.getmaskarray(array).any():
        raise InputError(
            "present is masked in places, which says neither there nor absent. Pass "
            "present.filled(False), or True where that is meant."
        )
    array = np.asarray(array)
    if array.dtype == bool:
        return array
    if absent := int(pd.isna(array).sum()):
        raise InputError(
            f"present is None or NaN in {absent:,} of {array.size:,} cells, which says neither "
            "there nor absent. Put True or False there."
        )
    if array.dtype == object and {type(cell) for cell in array.flat} <= {bool, np.bool_}:
        return array.astype(bool)  # as Arrow gives truth values
    raise InputError(
        f"present must be boolean, got {array.dtype} of shape {array.shape}. Pass True where an "
        "item is there and False where it is absent."
    )


def as_column(name: str, column: Any, n: int | None = None) -> np.ndarray | None:
    """Labels, ids, groups or a split as an array of shape (n,), texts as objects; None stays None.

    What is masked, None or NA is None, and NaN among numbers stays. One column of shape (n, 1) is
    made flat with scikit-learn's warning. Raises `InputError` for any other shape.
    """
    if column is None:
        return None
    array = _flat(name, _unmasked(opened_cells(name, column)))
    if array.dtype.kind in "US":
        array = array.astype(object)
    if array.ndim != 1 or (n is not None and len(array) != n):
        of = f"({n},)" if n is not None else "(n,)"
        raise InputError(f"{name} must have shape {of}, one per instance, got {array.shape}.")
    array = array.copy()  # what is changed later changes nothing here
    if array.dtype == object:
        array[[is_missing(cell) for cell in array]] = None
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return _in_microseconds(name, array) if array.dtype.kind in "Mm" else array


def _in_microseconds(name: str, moments: np.ndarray) -> np.ndarray:
    """Moments as Python has them: finer ones, as pandas', NumPy gives to it as bare numbers."""
    if np.datetime_data(moments.dtype)[0] not in ("ns", "ps", "fs", "as"):
        return moments
    found = moments.astype(f"{moments.dtype.kind}8[us]")
    if not (np.isnat(moments) | (found == moments)).all():
        raise InputError(
            f"{name} holds {moments.dtype} finer than microseconds. Make them text, e.g. by "
            ".astype(str), or round them."
        )
    return found


def _unmasked(held: Any) -> np.ndarray:
    """As an array, with None where something is masked."""
    if isinstance(held, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(held)
        held = held.data
        if mask.any():
            held = held.astype(object)
            held[mask] = None
        return held
    if not isinstance(held, list | tuple):
        return held
    cells = np.empty(len(held), dtype=object)
    for i, cell in enumerate(held):
        cells[i] = cell.item() if _is_number(cell) and not cell.ndim else cell
    rows = [cell for cell in cells if isinstance(cell, list | tuple | np.ndarray)]
    kinds = {type(cell) for cell in cells}
    # NumPy makes texts of a list of texts and numbers, or NaN: 1 and "1" would be one class.
    # And it cuts NULs off the ends of texts, and an enum's down to the enum's name.
    texts = any(issubclass(kind, str | bytes) for kind in kinds)
    if not (texts or (len(kinds) > 1 and bool in kinds)) and not any(
        is_missing(cell) for cell in cells
    ):
        with suppress(ValueError):  # lists of several lengths
            array = np.asarray(list(cells))
            exact = array.dtype.kind != "f" or array.tolist() == list(cells)  # to the last digit
            if rows or exact:
                return array
    return cells if not rows else np.empty((len(cells), max(2, *map(len, rows))), dtype=object)


def _is_number(cell: Any) -> bool:
    """True of a number or truth value of NumPy, and of tensors."""
    number = isinstance(cell, np.number | np.bool_) and not isinstance(cell, np.timedelta64)
    return number or hasattr(cell, "detach")


def _flat(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim == 2 and array.shape[1] == 1:
        from sklearn.exceptions import DataConversionWarning  # a worker that encodes needs none

        warnings.warn(
            f"A column-vector {name} was passed when a 1d array was expected. Please change the "
            f"shape of {name} to (n_samples,), for example using ravel().",
            DataConversionWarning,
            stacklevel=4,
        )
        return array[:, 0]
    if array.ndim == 2:
        raise InputError(
            f"{name} has shape {array.shape}: several values per instance. There must be one per "
            "instance" + (_ONE_LABEL if name in ("y", "labels") else ", e.g. a text.")
        )
    return array


def as_rows(rows: Any, n: int) -> Any:
    """What chooses some of n instances: a slice, or an array of whole numbers or truth values.

    Raises `InputError` for what NumPy would take for something else, and `IndexError` for a row
    beyond n, which is how Python ends a loop.
    """
    if isinstance(rows, slice):
        for end in (rows.start, rows.stop, rows.step):
            if end is not None and not hasattr(end, "__index__"):
                raise InputError(
                    f"A slice of rows has whole numbers, got {shown(end)[:80]} of type "
                    f"{type(end).__name__}. Rows of some names are embeddings[numpy.isin("
                    "embeddings.ids, names)]."
                )
        return rows
    if rows is Ellipsis:
        return rows
    array = _row_array(rows)
    if array is None or array.ndim != 1 or array.dtype.kind not in "iub":
        raise InputError(
            f"Rows are chosen by a slice, whole numbers or a truth value for each of the {n}, got "
            f"{shown(rows)[:80]} of type {type(rows).__name__}."
        )
    if array.dtype == bool and len(array) != n:
        raise InputError(f"A mask of {len(array)} truth values cannot choose among {n} rows.")
    return array


def _row_array(rows: Any) -> np.ndarray | None:
    """The choice as an array; one number as one row. None for what Python takes for a number."""
    if rows is None or isinstance(rows, bool | np.bool_):
        return None
    if isinstance(rows, np.ma.MaskedArray) and np.ma.getmaskarray(rows).any():
        return None
    array = rows if type(rows) is np.ndarray else np.asarray(opened("the choice of rows", rows))
    if array.ndim == 0 and array.dtype.kind in "iu":
        return array.reshape(1)
    if array.ndim == 1 and not len(array) and array.dtype != bool:
        return array.astype(np.intp)  # of an empty list NumPy makes floats
    return array


def check_ids(ids: np.ndarray | None) -> np.ndarray | None:
    """Return `ids` if they are unique; raise `InputError` naming the first that is not."""
    if ids is None:
        return None
    empty = np.asarray(pd.isna(ids), dtype=bool)
    if empty.any():
        raise InputError(
            f"The id of row {int(np.argmax(empty))} is empty. Fill it in, or leave the id out to "
            "number the rows."
        )
    duplicated = pd.Series(ids).duplicated()
    if duplicated.any():
        twice = ids[int(np.argmax(duplicated))]
        first, second = np.flatnonzero(ids == twice)[:2]
        raise InputError(
            f"Id {shown(twice)} stands in rows {first} and {second}; ids must be unique. "
            "Remove the repeated row, or leave the id out to number the rows."
        )
    return ids
