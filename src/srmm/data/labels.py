"""Class labels: which are known, and which can name a class."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from srmm.data.arrays import as_column
from srmm.data.sources.base import plain_cell
from srmm.data.targets import markers_for_none, twins, unknown_twins
from srmm.data.times import MOMENTS, plain_span
from srmm.errors import InputError, shown

_AT_ONCE = 1 << 16
_TRUTH = {"true": "True", "false": "False"}
"""As Polars, SQL and, in capitals, Excel and R write them, and as Python does."""


def as_labels(name: str, held: Any, n: int | None = None) -> np.ndarray | None:
    """Labels in any form as an array (n,), None or NaN where unknown; see `as_column`.

    Warnings name those that may be one class, or none, as the notes on a table do.
    """
    labels = as_column(name, held, n)
    if labels is not None and labels.dtype.kind in "cMm":
        raise InputError(
            f"{name} holds {labels.dtype}, which cannot name a class. Use text or whole numbers, "
            "e.g. the year."
        )
    _warn_of_names(name, labels, "classes")
    return labels


def as_groups(held: Any, n: int) -> np.ndarray | None:
    """Groups in any form as an array (n,), as labels are; a warning names those that may be one."""
    groups = as_column("groups", held, n)
    _warn_of_names("groups", groups, "groups")
    return groups


def _warn_of_names(name: str, column: np.ndarray | None, what: str) -> None:
    if column is not None and column.dtype == object:
        counts = Counter(cell for cell in column.tolist() if isinstance(cell, str))
        said = [twins(counts, what), markers_for_none(counts) if what == "classes" else None]
        for sentence in filter(None, said):
            warnings.warn(f"{name}: {sentence}", stacklevel=4)


def name_of(value: Any) -> str:
    """What a group or an id is called as text: pandas' 7.0, of a 7 beside holes, is 7 again.

    >>> name_of(7.0), name_of(Decimal("7.00")), name_of("7.0"), name_of(b"seven")
    ('7', '7', '7.0', 'seven')
    >>> name_of(pd.Timestamp(2024, 3, 1))
    '2024-03-01'
    """
    if isinstance(value, bytes):  # as Parquet has texts that some programs write
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, MOMENTS):
        value = plain_cell(value)
    number = isinstance(value, float | np.floating | Decimal) and math.isfinite(value)
    return str(int(value) if number and value % 1 == 0 else value)


def written_as(classes: Iterable[Any]) -> Callable[[Any], Any]:
    """A function that gives a label as these classes are written: other files have other types.

    What none of them is called stays as it is. True is no 1, though Python has them equal.

    >>> [written_as([1, 2])(label) for label in ("1", 1.0, "1.0", "3", True)]
    [1, 1, 1, '3', True]
    """
    names: dict[Any, Any] = {name: name for name in classes}
    for called in (name_of, plain_name):
        for name in list(names.values()):
            names.setdefault(called(name), name)

    def as_class(label: Any) -> Any:
        if label is None or label != label:  # unknown, also where a class is called "None"
            return label
        keys = (*([label] if isinstance(label, str) else []), name_of(label), plain_name(label))
        return next((names[key] for key in keys if key in names), label)

    return as_class


def plain_name(value: Any) -> str:
    """`name_of`, also of a text such as "7.0" or "TRUE", by which the names of two tables are
    compared."""
    name = name_of(value)
    if (span := plain_span(name)) is not None:
        return span
    if name.lower() in _TRUTH:
        return _TRUTH[name.lower()]
    plain = name.removesuffix(".0")
    return plain if plain.removeprefix("-").isdecimal() else name


def known_labels(labels: np.ndarray) -> np.ndarray:
    """Boolean (n,): False where a label is None or NaN, which means "unknown"."""
    return np.asarray(pd.notna(np.asarray(labels, dtype=object)), dtype=bool)


def check_label_types(labels: Iterable[Any], source: str = "") -> np.ndarray:
    """The known labels as an array that compares and sorts; raise `InputError` for the others.

    A class is named by text, a truth value or a whole number. Mixed kinds are refused: as text,
    1 and "1" would silently become one class.
    """
    # A date of NumPy would become a whole number.
    plain = np.number | np.bool_ | np.str_
    values = [label.item() if isinstance(label, plain) else _text(label) for label in labels]
    distinct = _distinct(values)
    for value in distinct:
        if isinstance(value, float) and value % 1:
            raise InputError(
                f"Unknown label type: continuous. The label {value!r}{source} is a measurement, "
                "not a class. Use a column of classes, or cut the numbers into ranges first."
            )
        if not isinstance(value, str | bool | int | float) or abs(_size(value)) >= 2**53:
            raise InputError(
                f"The label {shown(value)}{source} of type {type(value).__name__} cannot name a "
                "class. Use text, whole numbers below 2**53 or truth values, e.g. str(label)."
            )
        if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise InputError(
                f"The label {shown(value)}{source} is no valid text: it was read in another "
                "encoding than it was written in. Read it again, with the right one."
            )
        if isinstance(value, str) and value.endswith("\0"):
            raise InputError(
                f"The label {shown(value)}{source} ends in a NUL character, which NumPy drops: it "
                "would be one class with the text before it. Take it off, e.g. "
                "label.rstrip('\\0')."
            )
    kinds = {_kind(value) for value in distinct}
    if len(kinds) > 1:
        raise InputError(
            f"The labels mix {' and '.join(sorted(kinds))}{source}; make them all text."
        )
    return np.array(values)


def check_same_kind(labels: np.ndarray, classes: np.ndarray) -> None:
    """Raise `InputError` where known labels are of another kind than the classes: "1" beside 1.

    A warning names those that are no class but for their spelling.
    """
    if not len(labels):
        return
    given, known = (_kind(values[:1].tolist()[0]) for values in (labels, classes))
    if given != known:
        raise InputError(
            f"The labels are {given}, such as {shown(labels[0])}, and the classes of the model are "
            f"{known}, such as {shown(classes[0])}: none would be right. Convert the labels."
        )
    names = set(classes.tolist())
    unknown = Counter(label for label in labels.tolist() if label not in names)
    for sentence in unknown_twins(unknown, names):
        warnings.warn(sentence, stacklevel=4)


def class_numbers(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(classes, numbers): `np.unique` with its inverse, in a fraction of the memory."""
    parts = [np.unique(labels[i : i + _AT_ONCE]) for i in range(0, len(labels), _AT_ONCE)]
    classes = np.unique(np.concatenate(parts))
    return classes, np.searchsorted(classes, labels)


def places_among(labels: np.ndarray, classes: Sequence[Any]) -> np.ndarray:
    """Where each label (n,) stands among classes, plain values; −1 for one that is none of them.

    >>> places_among(np.array(["b", "z"]), ["a", "b"])
    array([ 1, -1])
    """
    index = {label: c for c, label in enumerate(classes)}
    return np.array([index.get(label, -1) for label in labels.tolist()], dtype=np.int64)


def _distinct(values: list[Any]) -> list[Any]:
    """One of each type and value, in the order of the first; all where some cannot be told."""
    try:
        return [value for _, value in dict.fromkeys((type(value), value) for value in values)]
    except TypeError:  # such as lists, which are refused
        return values


def _text(label: Any) -> Any:
    """A text of a kind of its own, such as an enum's, as a plain one; NumPy would name the enum."""
    return str.__str__(label) if isinstance(label, str) else label


def _size(value: Any) -> float:
    return 0 if isinstance(value, str | bool) else value


def _kind(value: Any) -> str:
    return {str: "text", bool: "truth values"}.get(type(value), "numbers")
