"""Columns of a block, learnt from training rows: what each is, what fills its blanks, in words."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from srmm.data.block_cells import Column
from srmm.data.block_kinds import (
    KINDS_OF_COLUMNS,
    MOST,
    Reading,
    never_dates,
    read_distinct,
    without_unit,
)
from srmm.data.numeral_columns import decimal_elsewhere
from srmm.data.numerals import COUNTS
from srmm.errors import first_few, several

LEFT_OUT = "left out"
_UNITS = 3


@dataclass(frozen=True)
class LearntColumn:
    """One column: how its cells become numbers. All fields are JSON values.

    Parameters
    ----------
    name : str
    kind : str
        One of `KINDS_OF_COLUMNS`, or "left out".
    how : dict
        What reading a cell needs.
    features : list of str
        The names of the numbers it becomes.
    kept : list of int
        Which features of the reading vary in the training rows, and so are kept.
    fill : list of float
        Their medians over the training rows, for blank cells; 0 of a category.
    has_blanks : bool
        Whether training rows were blank; then the last feature says which are.
    note : str
        What it was taken for: a sentence without a full stop.
    """

    name: str
    kind: str
    how: dict[str, Any]
    features: list[str]
    kept: list[int]
    fill: list[float]
    has_blanks: bool
    note: str

    def read(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(float64 of shape (n, n_features), whether it is known) of cells, object (n,)."""
        reading, codes = read_distinct(self.kind, self.how, cells)
        values = reading.values[:, self.kept]
        blank = np.isnan(reading.values).all(axis=1)
        values = np.where(np.isnan(values), np.array(self.fill), values)
        indicator = blank[:, None].astype(float)
        filled = np.hstack([values, indicator] if self.has_blanks else [values])
        return filled[codes], ~blank[codes]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def check(self) -> None:
        """Raise `ValueError` for fields that no column could have learnt."""
        texts = (self.name, self.kind, self.note, *self.features)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a name or a note in it is no text")
        if self.kind not in KINDS_OF_COLUMNS:
            return
        probe = np.array(["1", None, "x", "2024-01-02"], dtype=object)
        found, _ = self.read(probe)
        if found.shape[1:] != (len(self.features),) or not np.isfinite(found).all():
            raise ValueError(f"column {self.name!r} gives other numbers than it names")


def learn_columns(columns: Mapping[str, np.ndarray]) -> list[LearntColumn]:
    """What each column is, from its training cells (object arrays of shape (n,))."""
    opened = {name: Column(cells) for name, cells in columns.items()}
    votes = {name: column.numerals for name, column in opened.items()}
    learnt = []
    for name, column in opened.items():
        others = decimal_elsewhere(v for other, v in votes.items() if other != name)
        learnt.append(_learn(name, column, others))
    return learnt


def _learn(name: str, column: Column, elsewhere: str) -> LearntColumn:
    if not column.filled:
        return _left_out(name, "blank in all training rows")
    for kind, (find, _) in KINDS_OF_COLUMNS.items():
        how = find(column, elsewhere)
        if how is not None:
            reading, codes = read_distinct(kind, how, column.cells)
            return _fit(name, kind, how, column, reading[codes], elsewhere)
    first = str(column.cells[np.flatnonzero(~column.blank)[0]])[:40]
    units = column.numerals.units()
    if len(units) > 1 and column.numerals.readable >= MOST * column.filled:
        told = first_few((f"{unit} ({n:,})" for unit, n in units.most_common()), _UNITS)
        return _left_out(name, f"its numbers are in several units, {told}; bring them to one")
    return _left_out(
        name,
        f"nearly every cell is another text, as of names or descriptions (the first, {first!r}); "
        "a column of texts is a modality of its own (text=…, --text)",
    )


def _left_out(name: str, why: str) -> LearntColumn:
    return LearntColumn(name, LEFT_OUT, {}, [], [], [], False, f"{name}: left out: {why}")


def _fit(
    name: str, kind: str, how: dict[str, Any], column: Column, reading: Reading, elsewhere: str
) -> LearntColumn:
    values = reading.values
    one_hot = kind in ("category", "tags")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # features that are nowhere known
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        median = np.zeros(values.shape[1]) if one_hot else np.nanmedian(values, axis=0)
    blank = np.isnan(values).all(axis=1)
    kept = np.flatnonzero(high > low).tolist()
    if not kept and not blank.any():
        what = str(column.cells[np.flatnonzero(~column.blank)[0]])[:40]
        spelt = ", in several spellings" if how.get("spellings") else ""
        return _left_out(name, f"{what!r} in all training rows{spelt}")
    fill = [float(median[i]) for i in kept]
    names = [f"{name}{reading.names[i]}" for i in kept]
    names += [f"{name} is blank"] * bool(blank.any())
    note = f"{name}: {_SAYINGS[kind](how, column, elsewhere)}"
    if blank.any():
        note += f"; {cells_counted(int(blank.sum()), 'blank training ')}, "
        if not kept:
            note += "and only whether a cell is blank is used: the others are all the same"
        elif one_hot:
            note += f"{'without a tag' if kind == 'tags' else 'of no category'} and marked as blank"
        else:
            value = f" {median[0]:.6g}" if kind == "number" else ""
            note += f"taken as the median{value} and marked as blank"
    return LearntColumn(name, kind, how, names, kept, fill, bool(blank.any()), note)


def _say_number(how: Mapping[str, Any], column: Column, elsewhere: str) -> str:
    numerals = column.numerals
    votes = numerals.votes()
    decimal, words = how["decimal"], "numbers"
    if votes[decimal] and decimal == ",":
        words += " with decimal comma"
    if how["unit"] == COUNTS:
        words += ", k, M and B for thousands, millions and billions"
    elif how["unit"]:
        words += f", in {how['unit']}"
        bare = without_unit(column)
        words += f" ({cells_counted(bare)} without it taken to be so, too)" if bare else ""
    against = votes["," if decimal == "." else "."]
    if against:
        sign = "comma" if decimal == "." else "point"
        words += f"; {against:,} cells have a decimal {sign} instead, and are read so"
    if votes[""] and votes[decimal] == against:
        read, not_read = numerals.first_either()[:: -1 if decimal == "," else 1]
        why = "as the other columns have it" if elsewhere else "as no cell shows which"
        words += f"; what could be {read:.10g} or {not_read:.10g} is read as {read:.10g}, {why}"
    return words


def _say_date(how: Mapping[str, Any], column: Column, elsewhere: str) -> str:
    first, last = how["range"]
    words = f"dates from {first} to {last}, as days and as parts of the year and the week"
    if how["day"]:
        words += " and the day"
    if how.get("zones"):
        words += ", in UTC, though cells are in other zones"
    if any("%y" in form for form in how["formats"]):
        words += "; years of two digits are taken for 1969 to 2068"
    if how["swapped"]:
        first_part = "month" if how["formats"][0].startswith("%m") else "day"
        words += f"; read with the {first_part} first, which no cell shows"
    if never := never_dates(how, column):
        cell, n = never
        words += (
            f"; {cells_counted(n)} of {cell}, far from all others: if that stands for no date, say "
            f"so: --missing 'auto,{cell}' (missing=), or empty them"
        )
    return words


def _say_time(how: Mapping[str, Any], column: Column, elsewhere: str) -> str:
    return "times, in seconds; a time of day from midnight on"


def _say_yes_or_no(how: Mapping[str, Any], column: Column, elsewhere: str) -> str:
    return "yes or no"


def _say_category(how: Mapping[str, Any], column: Column, elsewhere: str) -> str:
    words = _say_kept(how, "categories", "category")
    if how["spellings"]:
        words += "; spellings that differ in capitals or spaces alone are one"
    return words


def _say_tags(how: Mapping[str, Any], column: Column, elsewhere: str) -> str:
    return f"lists of {_say_kept(how, 'tags', 'tag')}"


def _say_kept(how: Mapping[str, Any], plural: str, singular: str) -> str:
    n = len(how["keys"]) + how["rare"]
    words = several(n, singular, plural)
    return words + (f", {how['rare']:,} rare ones as 'other'" if how["rare"] else "")


_SAYINGS = {
    "yes or no": _say_yes_or_no,
    "date": _say_date,
    "time": _say_time,
    "number": _say_number,
    "tags": _say_tags,
    "category": _say_category,
}


def cells_counted(n: int, which: str = "") -> str:
    """
    >>> cells_counted(1), cells_counted(1200, "blank ")
    ('1 cell', '1,200 blank cells')
    """
    return several(n, f"{which}cell")
