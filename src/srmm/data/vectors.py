"""One modality, in whatever it is held, as numbers and which rows are there."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from srmm.data.holders import is_missing, opened
from srmm.data.odd_numbers import digits_notes
from srmm.errors import InputError

_LARGEST = float(np.finfo(np.float32).max)


def as_vectors(
    name: str, held: Any, shown: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """One modality as (n, d_m) numbers, and which rows are there, boolean (n,).

    A row is absent where it is None, entirely NaN or masked, or not `shown` (n,); nothing that lies
    in its place is looked at. Raises `InputError` naming modality and row for a row that is partly
    so, or holds an infinity or a number beyond float32.
    """
    what = f"Modality {name!r}"
    array = opened(what, held)
    if isinstance(array, list | tuple) or (array.ndim == 1 and array.dtype == object):
        stacked = _stacked(what, array, shown)
        if stacked is None:  # of what length its vectors would be, nobody can say
            return np.empty((len(array), 0)), np.zeros(len(array), dtype=bool)
        array = stacked
    if fields := getattr(array.dtype, "names", None):
        raise InputError(
            f"{what} is an array of records, {', '.join(fields)}: pass pandas.DataFrame(array)."
        )
    if array.ndim != 2:
        hint = " One number per row is array.reshape(-1, 1)." if array.ndim == 1 else ""
        if array.ndim > 2:
            hint = (
                " A vector per instance is array.reshape(len(array), -1), or of a sequence its "
                "mean, array.mean(axis=1). Pictures and sounds are for srmm.encode."
            )
        raise InputError(
            f"{what} must be an array of shape (n_instances, embedding_dim), got shape "
            f"{array.shape}.{hint}"
        )
    if len(array) and not array.shape[1]:
        raise InputError(f"{what} has vectors of length 0. Leave it out, or pass None.")
    if shown is not None and len(shown) != len(array):
        raise InputError(f"present has {len(shown)} rows, modality {name!r} has {len(array)}.")
    if isinstance(array, np.ma.MaskedArray):
        shown = np.ones(len(array), dtype=bool) if shown is None else shown
        shown, array = shown & _unmasked(what, array, shown), array.data
    if shown is None or shown.all():
        numbers = _numbers(what, array)
        return numbers, present_rows(name, numbers)
    there, rows = shown.copy(), np.flatnonzero(shown)
    numbers = np.full(array.shape, np.nan)
    numbers[rows] = _numbers(what, array[rows])
    there[rows] = present_rows(name, numbers[rows], rows)
    return numbers, there


def present_rows(name: str, array: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Boolean (n,): which of these `rows` have numbers; raise for partly NaN or infinite ones."""
    # NaN and infinity pass through a minimum and a maximum: most arrays need no more than these.
    # As Python numbers: in 16 bits the bound itself would be infinite.
    if array.size and max(-float(array.min()), float(array.max())) <= _LARGEST:
        return np.ones(len(array), dtype=bool)
    nan = np.isnan(array)
    absent = nan.all(axis=1) if array.shape[1] else np.zeros(len(array), dtype=bool)
    bad = {
        "is partly NaN": nan.any(axis=1) & ~absent,
        "holds an infinity": np.isinf(array).any(axis=1),
        "holds a number beyond the range of float32": (np.abs(array) > np.float32(_LARGEST)).any(
            axis=1
        ),
    }
    for fault, of in bad.items():
        if of.any():
            first = int(np.argmax(of))
            row = first if rows is None else int(rows[first])
            raise InputError(
                f"Row {row} of modality {name!r} {fault}. A row must hold finite numbers only, or "
                "be entirely NaN, which means that the item is absent."
            )
    return ~absent


def as_single(name: str, vectors: np.ndarray) -> np.ndarray:
    """Finite vectors (n, d) as float32, with a warning where that takes what they differ in."""
    for note in digits_notes(name, vectors):
        warnings.warn(note, stacklevel=4)
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _unmasked(what: str, array: np.ma.MaskedArray, shown: np.ndarray) -> np.ndarray:
    """Boolean (n,): rows of a masked array that are not masked; partly masked ones are refused."""
    mask = np.ma.getmaskarray(array)
    whole = mask.all(axis=1) if mask.shape[1] else np.zeros(len(mask), dtype=bool)
    partly = mask.any(axis=1) & ~whole & shown
    if partly.any():
        raise InputError(
            f"{what} is partly masked in row {int(np.argmax(partly))}. An item is there or absent: "
            "mask the row as a whole, or fill it in."
        )
    return np.asarray(~whole)


def _stacked(
    what: str, rows: Sequence[Any] | np.ndarray, shown: np.ndarray | None
) -> np.ndarray | None:
    """A list of vectors as (n, d), NaN where there is none; lists of numbers at one go.

    None if there is no vector at all.
    """
    if isinstance(rows, np.ma.MaskedArray):
        rows = list(rows)
    if len(rows) and all(type(row) in (list, tuple, np.ndarray) for row in rows):
        try:
            array = np.asarray(list(rows))
        except ValueError:  # of several lengths
            array = np.empty(0)
        if array.ndim == 2 and array.dtype.kind in "fiub":
            return array
    vectors: list[Any] = [None] * len(rows)
    for i, row in enumerate(rows):
        if is_missing(row) or (shown is not None and i < len(shown) and not shown[i]):
            continue
        vector = opened(f"{what}, row {i},", row)
        if isinstance(vector, list | tuple):
            vector = _cells(vector)
        masked = np.ma.getmaskarray(vector)
        if masked.any() and not masked.all():
            raise InputError(f"{what} is partly masked in row {i}: mask all of it, or fill it in.")
        if not masked.any() or not masked.size:
            vectors[i] = np.asarray(vector)
    return _joined(what, vectors)


def _joined(what: str, vectors: list[Any]) -> np.ndarray | None:
    kept = {vector.shape: i for i, vector in reversed([*enumerate(vectors)]) if vector is not None}
    if not kept:
        return None
    if len(kept) > 1 or len(next(iter(kept))) != 1:
        found = ", ".join(f"{shape} in row {i}" for shape, i in sorted(kept.items())[:4])
        raise InputError(
            f"{what} must be an array of shape (n_instances, embedding_dim): every row a vector of "
            f"one length, or None where the item is absent. Got shapes {found}."
        )
    dense = np.full((len(vectors), *next(iter(kept))), np.nan)
    for i, vector in enumerate(vectors):
        if vector is not None:
            dense[i] = _numbers(what, vector)
    return dense


def _cells(row: Sequence[Any]) -> np.ndarray:
    """A list as a vector; of objects, if something in it is no number."""
    try:
        array = np.asarray(row)
    except ValueError:
        array = np.empty(0, dtype="U1")
    if array.dtype.kind in "fiub":
        return array
    cells = np.empty(len(row), dtype=object)
    for i, cell in enumerate(row):
        cells[i] = cell.item() if hasattr(cell, "item") and hasattr(cell, "detach") else cell
    return cells


def _numbers(what: str, array: np.ndarray) -> np.ndarray:
    """The array as it is, if it holds numbers, or made numbers; raise `InputError` otherwise."""
    kind = array.dtype.kind
    if kind in "fiub":
        return array
    try:
        if kind in "cMm":
            raise TypeError
        if kind == "O":
            array = np.where(pd.isna(array), np.nan, array)
            if any(isinstance(cell, np.datetime64 | np.timedelta64) for cell in array.flat):
                raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError):
        hint = {"m": " Take seconds, e.g. column.dt.total_seconds().", "M": " Take days since one."}
        raise InputError(
            f"{what} must hold numbers, got dtype {array.dtype}.{hint.get(kind, '')}"
        ) from None
