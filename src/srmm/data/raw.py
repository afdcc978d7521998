"""Raw items where embeddings are due: what a classifier says to a frame of texts and paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from srmm.data.holders import is_arrow_table
from srmm.data.numerals import as_float
from srmm.data.sources import is_empty
from srmm.data.table import Table

REMEDY = (
    "These are raw items, and a classifier reads embeddings: put srmm.Encode in front of it, in a "
    "Pipeline, or load a saved model with its encoders by srmm.load."
)


def holds_raw_items(X: Any) -> bool:
    """Whether `X` is a table of texts, paths, pictures and the like rather than of vectors.

    >>> holds_raw_items(pd.DataFrame({"title": ["red shoe", None]}))
    True
    >>> holds_raw_items({"image": np.zeros((2, 3))})
    False
    """
    if isinstance(X, Table):
        return True
    if isinstance(X, list | tuple):
        if not X or not all(isinstance(row, Mapping) for row in X):
            return False
        return any(_is_item(cell) for row in X for cell in row.values())
    if isinstance(X, pd.Series):
        return _is_raw(X)
    if isinstance(X, pd.DataFrame):
        columns: Iterable[Any] = (X.iloc[:, i] for i in range(X.shape[1]))
    elif isinstance(X, Mapping):
        columns = X.values()
    elif is_arrow_table(X):
        columns = (column.drop_null()[:1].to_pylist() for column in _texts_of(X))
    else:
        return False
    return any(_is_raw(column) for column in columns)


def _texts_of(frame: Any) -> list[Any]:
    """The columns of texts or bytes of an Arrow table, or of a frame that gives one."""
    import pyarrow as pa

    try:
        table = pa.table(frame)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # which its reader says
        return []
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
             pa.types.is_binary, pa.types.is_large_binary)  # fmt: skip
    return [column for column in table.columns if any(is_one(column.type) for is_one in kinds)]


def _is_raw(column: Any) -> bool:
    """Whether the first cell that is not empty is an item; numbers as text are numbers."""
    if isinstance(column, np.ndarray | pd.Series) and column.dtype.kind in "biufc":
        return False
    if _is_item(column):
        return True
    if not isinstance(column, list | tuple | np.ndarray | pd.Series):
        return False
    return _is_item(next((cell for cell in column if not is_empty(cell)), None))


def _is_item(cell: Any) -> bool:
    if isinstance(cell, str):
        try:
            as_float(cell)
        except ValueError:
            return True
        return False
    return isinstance(cell, Path | bytes | Image.Image | dict)
