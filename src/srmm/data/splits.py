"""The split of embeddings given as arrays, by the words that tables use for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from srmm.data.arrays import as_column
from srmm.data.sources.base import SPLITS
from srmm.errors import InputError, did_you_mean, shown


def as_split(held: Any, n: int) -> np.ndarray | None:
    """Per instance "train", "validation", "test" or None, (n,); raise for any other word."""
    split = as_column("split", held, n)
    if split is None:
        return None
    words = {word: name for name, synonyms in SPLITS.items() for word in synonyms}
    found = np.empty(n, dtype=object)
    cells: list[Any] = split.tolist()
    names = {cell: words.get(str(cell).strip().lower()) for cell in set(cells) - {None}}
    for row, cell in enumerate(cells):
        if cell is None or cell != cell:
            continue
        found[row] = names[cell]
        if found[row] is None:
            raise InputError(
                f"The split of row {row} is {shown(cell)}, which is unknown. "
                f"{did_you_mean(str(cell), words)}"
            )
    return found
