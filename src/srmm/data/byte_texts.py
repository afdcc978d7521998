"""Texts that are held as bytes, as Parquet of some programs and columns of databases have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from srmm.data.columns import PATH_KINDS, ModalityColumns
from srmm.data.sources import is_empty


def with_texts(
    cells: Mapping[str, np.ndarray], modalities: Iterable[ModalityColumns]
) -> dict[str, np.ndarray]:
    """The columns with texts in place of bytes that are UTF-8; other bytes stay what they are.

    So a marker of missing items, a number or the name of a split is known in them, too. In a column
    that holds pictures or sounds only what can be a path or an address is a text.
    """
    held = {
        column
        for modality in modalities
        if modality.kind in PATH_KINDS and modality.form == "column"
        for column in modality.columns
    }
    return {
        name: _texts(column, _as_path if name in held else _as_text)
        for name, column in cells.items()
    }


def _texts(column: np.ndarray, read: Callable[[bytes], str | bytes]) -> np.ndarray:
    kinds = set(map(type, column))
    if not any(issubclass(kind, bytes) for kind in kinds):
        return column
    texts = np.empty(len(column), dtype=object)
    for row, cell in enumerate(column):
        text = read(cell) if isinstance(cell, bytes) else cell
        texts[row] = None if isinstance(text, str) and is_empty(text) else text
    return texts


def _as_text(cell: bytes) -> str | bytes:
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:
        return bytes(cell)


def _as_path(cell: bytes) -> str | bytes:
    """No picture or sound is one line that can be printed, but for a drawing, which begins so."""
    text = _as_text(cell)
    is_path = isinstance(text, str) and text and text.isprintable() and text.lstrip()[:1] != "<"
    return text if is_path else bytes(cell)
