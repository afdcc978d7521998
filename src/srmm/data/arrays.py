"""Checks of the arrays that embeddings are built from: vectors, and one value per instance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from srmm.errors import InputError, shown


def as_matrix(name: str, array: Any) -> np.ndarray:
    """One modality as numbers of shape (n, d_m); raise `InputError` if it is not that."""
    matrix = np.asarray(array)
    if matrix.ndim != 2:
        raise InputError(
            f"Modality {name!r} must be an array of shape (n_instances, embedding_dim), "
            f"got shape {matrix.shape}."
        )
    if matrix.dtype.kind not in "fiub":
        try:
            matrix = matrix.astype(np.float64)
        except (TypeError, ValueError):
            raise InputError(
                f"Modality {name!r} must hold numbers, got dtype {matrix.dtype}."
            ) from None
    return matrix


def present_rows(name: str, array: np.ndarray) -> np.ndarray:
    """Boolean (n,): rows with numbers in them; raise for partly NaN or infinite rows."""
    nan = np.isnan(array)
    absent = nan.all(axis=1) if array.shape[1] else np.zeros(len(array), dtype=bool)
    bad = {
        "is partly NaN": nan.any(axis=1) & ~absent,
        "holds an infinity": np.isinf(array).any(axis=1),
        "holds a number beyond the range of float32": (
            np.abs(array) > np.finfo(np.float32).max
        ).any(axis=1),
    }
    for fault, rows in bad.items():
        if rows.any():
            raise InputError(
                f"Row {int(np.argmax(rows))} of modality {name!r} {fault}. A row must hold finite "
                "numbers only, or be entirely NaN, which means that the item is absent."
            )
    return ~absent


def as_column(name: str, column: Any, n: int) -> np.ndarray | None:
    """Labels, ids or a split as an array of shape (n,), texts as objects; None stays None."""
    if column is None:
        return None
    array = np.asarray(column)
    if array.dtype.kind in "US":
        array = array.astype(object)
    if array.shape != (n,):
        raise InputError(f"{name} must have shape ({n},), one per instance, got {array.shape}.")
    return array


def check_ids(ids: np.ndarray | None) -> np.ndarray | None:
    """Return `ids` if they are unique; raise `InputError` naming the first that is not."""
    if ids is None:
        return None
    duplicated = pd.Series(ids).duplicated()
    if duplicated.any():
        twice = ids[int(np.argmax(duplicated))]
        first, second = np.flatnonzero(ids == twice)[:2]
        raise InputError(
            f"Id {shown(twice)} stands in rows {first} and {second}; ids must be unique. "
            "Remove the repeated row, or leave the id out to number the rows."
        )
    return ids
