"""The split of embeddings given as arrays, by the words that tables use for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from srmm.data.arrays import as_column
from srmm.data.sources.base import SPLIT_OF_WORD
from srmm.errors import InputError, did_you_mean, shown


def as_split(held: Any, n: int) -> np.ndarray | None:
    """Per instance "train", "validation", "test" or None, (n,); raise for any other word."""
    split = as_column("split", held, n)
    if split is None:
        return None
    found = np.empty(n, dtype=object)
    cells: list[Any] = split.tolist()
    names = {cell: SPLIT_OF_WORD.get(str(cell).strip().lower()) for cell in set(cells) - {None}}
    for row, cell in enumerate(cells):
        if cell is None or cell != cell:
            continue
        found[row] = names[cell]
        if found[row] is None:
            raise InputError(
                f"The split of row {row} is {shown(cell)}, which is unknown. "
                f"{did_you_mean(str(cell), SPLIT_OF_WORD)}"
            )
    return found
