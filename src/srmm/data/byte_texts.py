"""Texts that are held as bytes, as Parquet of some programs and columns of databases have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from srmm.data.columns import PATH_KINDS, ModalityColumns
from srmm.data.sources import is_empty


def with_texts(
    cells: Mapping[str, np.ndarray], modalities: Iterable[ModalityColumns]
) -> dict[str, np.ndarray]:
    """The columns with texts in place of bytes that are UTF-8; other bytes stay what they are.

    So a marker of missing items, a number or the name of a split is known in them, too. A column
    that holds pictures or sounds is left alone.
    """
    held = {
        column
        for modality in modalities
        if modality.kind in PATH_KINDS and modality.form == "column"
        for column in modality.columns
    }
    return {name: column if name in held else _texts(column) for name, column in cells.items()}


def _texts(column: np.ndarray) -> np.ndarray:
    if column.dtype != object or not any(
        issubclass(kind, bytes) for kind in set(map(type, column))
    ):
        return column
    texts = np.empty(len(column), dtype=object)
    for row, cell in enumerate(column):
        text = _text(cell) if isinstance(cell, bytes) else cell
        texts[row] = None if isinstance(text, str) and is_empty(text) else text
    return texts


def _text(cell: bytes) -> Any:
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:
        return bytes(cell)
