"""The cells of one column of a block: what each is, and each distinct text once."""

from __future__ import annotations

import datetime
from decimal import Decimal
from functools import cached_property
from operator import not_
from typing import Any

import numpy as np
import pandas as pd

from srmm.data.numeral_columns import Numerals

TYPES = ("blank", "text", "number", "yes or no", "date", "list")

_OF_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (type(None), "blank"),
    ((str, np.timedelta64), "text"),  # which NumPy takes for a number, of any unit
    ((bool, np.bool_), "yes or no"),
    ((int, float, np.number, Decimal), "number"),
    ((datetime.date, np.datetime64), "date"),
    ((list, tuple, np.ndarray), "list"),
)
_REPEATED = ({str}, {bool}, {int})
"""Types of which equal cells are the same in every way, so that one of them is read for all."""


class Column:
    """The cells of one column and what each is.

    Parameters
    ----------
    cells : object array of shape (n,)
    """

    def __init__(self, cells: np.ndarray) -> None:
        self.cells = cells
        self._types = _types(cells)
        self.blank = self._types == TYPES.index("blank")
        self.filled = int((~self.blank).sum())

    def rows(self, *types: str) -> np.ndarray:
        return np.flatnonzero(np.isin(self._types, [TYPES.index(name) for name in types]))

    @cached_property
    def texts(self) -> np.ndarray:
        """The text cells alone, without white space around them."""
        cells = self.cells[self.rows("text")]
        spans = (pd.Timedelta(c) if isinstance(c, np.timedelta64) else c for c in cells)
        return np.array([str(c).strip() for c in spans], dtype=object)

    @cached_property
    def numerals(self) -> Numerals:
        return Numerals(self.texts)

    def as_texts(self, separator: str = ";") -> np.ndarray:
        """The cells as texts, "" where blank; pandas' 7.0 beside holes is 7 again."""
        texts = np.full(len(self.cells), "", dtype=object)
        codes, unique = pd.factorize(self.texts)
        texts[self.rows("text")] = np.array([" ".join(t.split()) for t in unique], object)[codes]
        for row in self.rows("yes or no", "date"):
            texts[row] = " ".join(str(self.cells[row]).split())
        for row in self.rows("number"):
            texts[row] = str(self.cells[row]).removesuffix(".0")
        for row in self.rows("list"):
            texts[row] = separator.join(map(str, self.cells[row]))
        return texts


def distinct_cells(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(which one each cell is, the distinct cells); all of them where telling is not worth it."""
    if set(map(type, cells)) - {type(None)} not in _REPEATED:
        return np.arange(len(cells)), cells
    codes, distinct = pd.factorize(cells)
    if (codes < 0).any():
        codes = np.where(codes < 0, len(distinct), codes)
        distinct = np.append(distinct, [None])
    return codes, distinct.astype(object)


def _types(cells: np.ndarray) -> np.ndarray:
    """Of each cell its place in `TYPES`, int8 of shape (n,)."""
    classes = list(map(type, cells))
    of_class = {one: _type_of(one) for one in set(classes)}
    types = np.fromiter(map(of_class.__getitem__, classes), np.int8, len(cells))
    words = {one for one in of_class if issubclass(one, str)}
    if words:
        texts = np.fromiter(map(words.__contains__, classes), bool, len(cells))
        empty = np.fromiter(map(not_, map(str.strip, cells[texts])), bool)
        types[np.flatnonzero(texts)[empty]] = TYPES.index("blank")
    return types


def _type_of(one: type[Any]) -> int:
    names = (name for classes, name in _OF_TYPES if issubclass(one, classes))
    return TYPES.index(next(names, "text"))
