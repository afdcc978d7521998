"""Columns that tell the label: copies of it, its number codes, its classes as columns of 0 and 1.

A model that learns from one is right in every figure, and wrong where the label is not known yet.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from srmm.data.blocks import is_blank
from srmm.data.columns import PATH_KINDS, ModalityColumns
from srmm.data.embeddings import Embeddings, taken
from srmm.data.labels import known_labels
from srmm.errors import first_few, several, shown

_FEWEST = 10
"""Rows; in fewer, two columns may agree by chance."""
_OF_EACH = 2
"""So many rows a value has on average: names of rows tell nothing of others."""
_OF_FINER = 5
"""The same of values that are more than the classes."""
_LOOKED_AT = 1000
"""Rows, from all over the table, that are looked at first."""
_BY_CHANCE = 0.001
"""As rarely a column of two values may tell a class by chance, of all columns."""
_NAMED = 3
_REMEDY = (
    "If it was made from the label, or is not known before it, leave it out: what is learnt from "
    "it holds of no new row."
)


def leak_notes(
    modality: ModalityColumns, cells: Mapping[str, np.ndarray], labels: np.ndarray | None
) -> list[str]:
    """A sentence on each column of a modality that tells the class of every labelled row.

    Parameters
    ----------
    cells : dict of str to object array of shape (n,)
    labels : object array of shape (n,) or None
        None where unknown.
    """
    # A path may well lead through a folder of its class.
    if labels is None or (modality.form == "template" and modality.kind in PATH_KINDS):
        return []
    known = known_labels(labels)
    if known.sum() < _FEWEST:
        return []
    try:
        of_row, classes = pd.factorize(labels[known])
    except TypeError:  # lists: what they lack is said where labels are checked
        return []
    notes, single = [], {}
    for column in dict.fromkeys(modality.columns):
        here = cells[column][known]
        step = 1 + len(here) // _LOOKED_AT
        some = _values(here[::step])
        if some is None or _cannot_tell(some, of_row[::step], len(here), len(classes)):
            continue
        values = _values(here)
        if values is None:
            continue
        found = _told(values, of_row, finer=modality.kind == "features")
        if found:
            stands = [f"{shown(value)[:40]} where it is {shown(classes[c])}" for value, c in found]
            more = f" and so on, {len(found):,} values" if len(found) > _NAMED else ""
            notes.append(
                f"Column {column!r} tells the label of every row that has it: "
                f"{', '.join(stands[:_NAMED])}{more}. {_REMEDY}"
            )
        elif modality.kind == "features" and (of := _one_class(values, of_row)) is not None:
            single[column] = classes[of]
    if single:
        told = (f"{column!r} {shown(name)}" for column, name in single.items())
        notes.append(
            f"{several(len(single), 'column tells', 'columns tell')} one class from all others "
            f"without a miss: {first_few(told, _NAMED)}. {_REMEDY}"
        )
    return notes


def warn_of_leaks(embeddings: Embeddings, labels: np.ndarray) -> None:
    """Warn of numbers in arrays that tell the class of every row, of 1,000 rows at most.

    Of what an encoder made, the table has said it.
    """
    for name in embeddings.modalities:
        about = embeddings.encoders.get(name) or {}
        if about.get("spec"):
            continue
        rows, places = embeddings.places(name)
        step = 1 + len(rows) // _LOOKED_AT
        some, of = taken(embeddings.values[name], places[::step]), labels[rows[::step]]
        if told := _telling(some, of):
            names = about.get("columns") or range(some.shape[1])
            columns = first_few((shown(names[column]) for column in told), _NAMED)
            warnings.warn(
                f"{several(len(told), 'column')} of modality {name!r}, {columns}, "
                f"{'tells' if len(told) == 1 else 'tell'} the class of every row, or one class "
                f"from all others without a miss. {_REMEDY}",
                stacklevel=5,
            )


def _telling(vectors: np.ndarray, labels: np.ndarray) -> list[int]:
    """The columns that have one value in each class: another in all, or another in one of them.

    Of columns of two values, as words are, so many have to be there that none does by chance.
    """
    _, of_row, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    n, starts = len(labels), np.concatenate([[0], np.cumsum(sizes)[:-1]])
    if n < max(_FEWEST, _OF_EACH * len(sizes)):
        return []
    by_class = vectors[np.argsort(of_row, kind="stable")]
    low, high = np.minimum.reduceat(by_class, starts), np.maximum.reduceat(by_class, starts)
    told = []
    for column in np.flatnonzero((low == high).all(axis=0) & (low != low[0]).any(axis=0)):
        _, of_class, shared = np.unique(low[:, column], return_inverse=True, return_counts=True)
        alone = sizes[shared[of_class] == 1]  # of the classes that share their value with none
        one_apart = len(shared) == 2 and len(alone) and alone.max() >= _OF_FINER
        if len(shared) < len(sizes) and not one_apart:
            continue
        if math.comb(n, int(alone.min())) > vectors.shape[1] / _BY_CHANCE:
            told.append(int(column))
    return told


def _cannot_tell(some: list[Hashable], of_row: np.ndarray, n: int, n_classes: int) -> bool:
    """Whether some of n rows show that a column tells no class: most do, and need no more."""
    there = {value for value in some if value is not None}
    words = all(isinstance(value, str) for value in there)
    if len(there) > (max(n // _OF_FINER, n_classes) if words else max(n_classes, 2)):
        return True
    pairs = {(value, of) for value, of in zip(some, of_row.tolist(), strict=True)}
    pairs = {(value, of) for value, of in pairs if value is not None}
    return len(pairs) > len(there) > 2


def _values(cells: np.ndarray) -> list[Hashable] | None:
    """The cells as values that can be compared, None where blank; None if they hold lists.

    Texts have no case and no blanks around them, and 1 is 1.0.
    """
    found: list[Hashable] = []
    for cell in cells:
        if isinstance(cell, str):
            found.append(None if is_blank(cell) else cell.strip().casefold())
        elif isinstance(cell, Hashable):
            found.append(cell)
        else:
            return None
    return found


def _told(
    values: list[Hashable], of_row: np.ndarray, *, finer: bool
) -> list[tuple[Any, int]] | None:
    """(value, class) of a column whose every value stands with one class, and none with two.

    With `finer`, texts may be of several to a class, as a kind of shoes is.
    """
    pairs: dict[Hashable, int] = {}
    n = 0
    for value, of in zip(values, of_row.tolist(), strict=True):
        if value is None:
            continue
        if pairs.setdefault(value, of) != of:
            return None
        n += 1
    classes = set(pairs.values())
    if n < _FEWEST or len(classes) < 2:
        return None
    if len(classes) == len(pairs):
        return [*pairs.items()] if n >= _OF_EACH * len(pairs) else None
    words = finer and all(isinstance(value, str) for value in pairs)
    return [*pairs.items()] if words and n >= _OF_FINER * len(pairs) else None


def _one_class(values: list[Hashable], of_row: np.ndarray) -> int | None:
    """The class whose rows, and no others, have one of a column's two values (or are filled)."""
    number, unique = pd.factorize(pd.Series(values, dtype=object), use_na_sentinel=False)
    if len(unique) != 2:
        return None
    for rows in (number == 0, number == 1):
        inside = of_row[rows]
        if len(inside) >= _OF_FINER and (inside == inside[0]).all():
            return int(inside[0]) if (of_row == inside[0]).sum() == len(inside) else None
    return None
