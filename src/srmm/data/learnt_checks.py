"""Learnt columns from a file that anybody may have written: what reading a cell relies on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from srmm.data.block_columns import LEFT_OUT, LearntColumn
from srmm.data.block_kinds import COMPACT, KINDS_OF_COLUMNS, MAX_CATEGORIES, SEPARATORS
from srmm.data.checks import mapping, number, text, texts, whole
from srmm.data.dates import FORMATS
from srmm.errors import InputError, one_of


def columns_from(stored: Any) -> list[LearntColumn]:
    """The columns of `LearntColumn.to_json`, none of which comes twice.

    Raises `InputError` naming the column and the value that cannot be.
    """
    if not isinstance(stored, list) or not stored:
        raise InputError("columns is expected to be a list of one column or more.")
    columns = [_column(f"columns.{i}", one) for i, one in enumerate(stored)]
    if len({column.name for column in columns}) < len(columns):
        raise InputError("columns names one of them twice.")
    return columns


def _column(place: str, stored: Any) -> LearntColumn:
    found = mapping(place, stored, [one.name for one in fields(LearntColumn)])
    name, kind = (text(f"{place}.{key}", found[key]) for key in ("name", "kind"))
    place = f"the column {name[:60]!r}: "
    one_of(f"{place}kind", kind, (*KINDS_OF_COLUMNS, LEFT_OUT))
    text(f"{place}note", found["note"])
    how = mapping(f"{place}how", found["how"])
    n = 0
    if kind != LEFT_OUT:
        n = _HOW[kind](place, how)
    features, kept = texts(f"{place}features", found["features"]), found["kept"]
    if not isinstance(kept, list) or not isinstance(found["fill"], list):
        raise InputError(f"{place}kept and fill are expected to be lists.")
    for one in kept:
        whole(f"{place}kept", one, 0, n - 1)
    for one in found["fill"]:
        number(f"{place}fill", one)
    blank = _truth(f"{place}has_blanks", found["has_blanks"])
    if len(set(kept)) < len(kept) or len(kept) != len(found["fill"]):
        raise InputError(f"{place}kept names a number twice, or fill has another number of values.")
    if len(features) != len(kept) + blank:
        raise InputError(
            f"{place}features names {len(features)} numbers, expected {len(kept) + blank}: those "
            "that are kept, and whether it is blank."
        )
    return LearntColumn(**found)


def _truth(place: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{place} is {value!r}, expected true or false.")
    return value


def _of_number(place: str, how: Mapping[str, Any]) -> int:
    one_of(f"{place}decimal", how["decimal"], (".", ","))
    text(f"{place}unit", how["unit"])
    return 1


def _of_one(place: str, how: Mapping[str, Any]) -> int:
    return 1


def _of_date(place: str, how: Mapping[str, Any]) -> int:
    formats = texts(f"{place}formats", how["formats"])
    whole(f"the number of {place}formats", len(formats), 1, len(FORMATS))
    for form in formats:
        one_of(f"{place}formats", form, (COMPACT, *FORMATS))
    if len(texts(f"{place}range", how["range"])) != 2:
        raise InputError(f"{place}range is expected to be the first day and the last.")
    return 7 if _truth(f"{place}day", how["day"]) else 5


def _of_category(place: str, how: Mapping[str, Any]) -> int:
    keys, names = (texts(f"{place}{key}", how[key]) for key in ("keys", "names"))
    whole(f"the number of {place}keys", len(keys), 0, MAX_CATEGORIES)
    if len(set(keys)) < len(keys) or len(names) != len(keys):
        raise InputError(f"{place}keys are expected to be distinct, with a name each.")
    whole(f"{place}rare", how["rare"])
    number(f"{place}covered", how["covered"], 0, 1)
    return len(keys) + _truth(f"{place}other", how["other"])


def _of_tags(place: str, how: Mapping[str, Any]) -> int:
    one_of(f"{place}separator", how["separator"], SEPARATORS)
    return _of_category(place, how)


_HOW: dict[str, Callable[[str, Mapping[str, Any]], int]] = {
    "yes or no": _of_one,
    "time": _of_one,
    "number": _of_number,
    "date": _of_date,
    "tags": _of_tags,
    "category": _of_category,
}
"""By kind, what checks `how` and says how many numbers the reading has."""
