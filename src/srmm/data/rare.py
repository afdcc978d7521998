"""Classes of few rows: left out, or merged into one, where a person asks for it."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.labels import known_labels
from srmm.data.missing import counted
from srmm.data.table import Table
from srmm.errors import InputError, one_of, several

RARE = ("error", "drop", "other")
"""What can be done with a rare class."""

OTHER = "other"
"""The class that rare ones are merged into."""

_Data = TypeVar("_Data", bound=Table | Embeddings)


class RareClasses(NamedTuple):
    """Classes of too few rows, and what becomes of them: the class `to`, or None of an unknown."""

    names: tuple[Any, ...] = ()
    to: str | None = None
    note: str | None = None

    def apply(self, labels: np.ndarray) -> np.ndarray:
        """The labels (n,), object array, with these classes gone."""
        return relabelled(labels, self._asdict())


def find_rare(data: Table | Embeddings, rare: str = "error", min_rows: int = 2) -> RareClasses:
    """The classes with fewer than `min_rows` rows that have an item.

    Parameters
    ----------
    rare : {"error", "drop", "other"}
        Raise an error that names them; make their rows unlabelled; or make them the class "other".
    min_rows : int
        With how many rows a class is not rare.

    Raises
    ------
    InputError
        For a rare class under "error"; under "other" if the classes are no texts.
    """
    one_of("rare", rare, RARE)
    if isinstance(min_rows, bool) or not isinstance(min_rows, int) or min_rows < 1:
        raise InputError(f"min_rows must be a whole number of at least 1, got {min_rows!r}.")
    if data.labels is None:
        return RareClasses()
    usable = known_labels(data.labels) & data.present.any(axis=1)
    try:
        counts = Counter(data.labels[usable].tolist())
    except TypeError:  # lists: what they lack is said where labels are checked
        return RareClasses()
    few = {name: n for name, n in counts.items() if n < min_rows}
    if not few or (rare == "error" and min_rows <= 2):  # then the check of labels says it
        return RareClasses()
    n, where = sum(few.values()), f"fewer than {min_rows:,} rows"
    which = several(len(few), "class has", "classes have")
    said = f"{which} {where}: {counted(few)}"
    if rare == "error":
        raise InputError(
            f"{said}. Leave them out with rare='drop' (--rare drop), make them one class with "
            "rare='other' (--rare other), or lower min_rows (--min-rows)."
        )
    rows = several(n, "row is", "rows are")
    if rare == "drop":
        return RareClasses(tuple(few), None, f"{said}. Their {rows} left out.")
    if not all(isinstance(name, str) for name in counts):
        raise InputError(
            f"{said}. They cannot be made the class {OTHER!r}, because the classes are no texts, "
            f"such as {next(iter(few))!r}. Make them texts, or leave these out: --rare drop."
        )
    more = counts[OTHER] if OTHER in counts and OTHER not in few else 0
    beside = f", beside {more:,} that were of it before" if more else ""
    return RareClasses(tuple(few), OTHER, f"{said}. Their {rows} of the class {OTHER!r}{beside}.")


def merge_rare(data: _Data, rare: str = "other", *, min_rows: int) -> _Data:
    """A copy of a table or of embeddings without rare classes; see `find_rare`.

    The notes of a table say what was done.

    >>> import numpy as np
    >>> data = Embeddings.from_arrays({"x": np.eye(5)}, labels=["a", "a", "b", "c", "a"])
    >>> merge_rare(data, "other", min_rows=2).labels.tolist()
    ['a', 'a', 'other', 'other', 'a']
    """
    found = find_rare(data, rare, min_rows)
    if not found.names:
        return data
    if isinstance(data, Table) and found.note:
        data = replace(data, notes=(*data.notes, found.note))
    return with_labels(data, found._asdict())


def with_labels(data: _Data, rare: Mapping[str, Any] | None) -> _Data:
    """The data with labels as `RareClasses` (names and what they became) changes them."""
    if not rare or not rare["names"] or data.labels is None:
        return data
    labels = relabelled(data.labels, rare)
    if isinstance(data, Table):
        return replace(data, labels=labels)
    changed = copy.copy(data)
    changed.labels = labels
    return changed


def relabelled(labels: np.ndarray, rare: Mapping[str, Any]) -> np.ndarray:
    """The labels with those of `rare["names"]` replaced by `rare["to"]`."""
    names = set(rare["names"])
    changed = np.array(labels, dtype=object)
    for row, label in enumerate(changed):
        if label in names:
            changed[row] = rare["to"]
    return changed
