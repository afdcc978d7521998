"""What learnt columns meet in cells that are not their training cells, counted and said."""

from __future__ import annotations

import numpy as np
import pandas as pd

from srmm.data.block_cells import Column, distinct_cells
from srmm.data.block_columns import LearntColumn
from srmm.data.block_columns import cells_counted as counted
from srmm.data.block_kinds import (
    dates_for_none,
    has_zone,
    is_naive,
    read_distinct,
    without_unit,
)
from srmm.data.dates import day_and_month
from srmm.data.numeral_columns import Numerals

_EXPECTED = {
    "yes or no": "yes or no",
    "date": "dates",
    "time": "times such as 18:54:10",
    "number": "numbers",
    "tags": "lists of tags",
}


class Surprises:
    """What a learnt column meets in cells that are not its training cells, counted."""

    def __init__(self, column: LearntColumn) -> None:
        self.column = column
        self.unread = self.unknown = 0
        # By the decimal sign, or the order of day and month, that a cell shows.
        self.same = self.against = self.either = 0
        self.bare = self.in_unit = 0
        self.zoned = self.naive = self.never = 0
        self.first: dict[str, str] = {}

    def add(self, cells: np.ndarray) -> None:
        """Count the cells of some rows."""
        reading, codes = read_distinct(self.column.kind, self.column.how, cells)
        for what, of_distinct in {"unread": reading.unread, "unknown": reading.unknown}.items():
            mask = of_distinct[codes]
            setattr(self, what, getattr(self, what) + int(mask.sum()))
            if mask.any():
                self.first.setdefault(what, str(cells[mask.argmax()])[:40])
        if self.column.kind == "number":
            found = Column(cells)
            self._count_signs(found.numerals)
            self.bare += without_unit(found)
            self.in_unit += found.numerals.units().total()
        elif self.column.kind == "date":
            texts = pd.Series(Column(cells).texts, dtype=object)
            same, against, either = day_and_month(texts, self.column.how["formats"])
            self.same, self.against = self.same + same, self.against + against
            self.either += either
            self._count_moments(cells)

    def _count_moments(self, cells: np.ndarray) -> None:
        codes, distinct = distinct_cells(cells)
        times = np.bincount(codes, minlength=len(distinct))
        never = dates_for_none(self.column.how, Column(distinct))
        self.zoned += int(times[list(map(has_zone, distinct))].sum())
        self.naive += int(times[list(map(is_naive, distinct))].sum())
        self.never += int(times[never].sum())
        if never.any():
            self.first.setdefault("never", str(distinct[never.argmax()])[:40])

    def _count_signs(self, numerals: Numerals) -> None:
        votes = numerals.votes()
        sign = self.column.how["decimal"]
        self.same += votes[sign]
        self.against += votes["." if sign == "," else ","]
        self.either += votes[""]
        if votes[""]:
            value, other = numerals.first_either()
            self.first.setdefault("either", f"{value:.10g} or {other:.10g}")

    def notes(self) -> list[str]:
        """A sentence for each kind of surprise."""
        column, notes = self.column, []
        if self.unread:
            unit = column.how.get("unit")
            what = _EXPECTED.get(column.kind, "text") + (f" in {unit}" if unit else "")
            notes.append(
                f"{column.name}: {counted(self.unread)} that cannot be read as {what} (the first, "
                f"{self.first['unread']!r}), counted as blank"
            )
        if self.unknown:
            what = "tags" if column.kind == "tags" else "categories"
            as_what = "'other'" if column.how["other"] else f"none of the {what} that are known"
            notes.append(
                f"{column.name}: {counted(self.unknown)} with {what} that are rare or not in the "
                f"training rows (the first, {self.first['unknown']!r}), counted as {as_what}"
            )
        unit = column.how.get("unit")
        if unit in ("%", "‰") and self.bare > self.in_unit:
            notes.append(
                f"{column.name}: {counted(self.bare)} without {unit}, in which the column "
                f"was in training, taken to be in it: 0.5 is 0.5 {unit}, not a half"
            )
        elif column.how.get("in_all") and self.bare and not self.in_unit:
            notes.append(
                f"{column.name}: {counted(self.bare)} without {unit}, which every cell had in "
                "training, taken to be in it"
            )
        notes += self._on_moments()
        if self.against > self.same and self.either and column.kind == "date":
            month_first = any(f.startswith(("%m/%d", "%m-%d")) for f in column.how["formats"])
            first, other = ("day", "month")[:: -1 if month_first else 1]
            notes.append(
                f"{column.name}: {counted(self.against)} with the {other} first, where training "
                f"had the {first}: what could be either ({counted(self.either)}) is read as in "
                "training, and may be another day"
            )
        elif self.against > self.same and self.either:
            sign, other = ("comma", "point")[:: 1 if column.how["decimal"] == "," else -1]
            notes.append(
                f"{column.name}: {counted(self.against)} with a decimal {other}, where training "
                f"had a {sign}: what could be {self.first['either']} ({counted(self.either)}) is "
                "read as in training, and may be wrong a thousandfold"
            )
        return notes

    def _on_moments(self) -> list[str]:
        """Sentences on dates in other zones than those of training, and on none at all."""
        name, notes = self.column.name, []
        if self.zoned and not self.column.how.get("zones"):
            notes.append(
                f"{name}: {counted(self.zoned)} in another zone than UTC, and read in UTC; "
                "in training no cell had a zone: if those were local times, these are hours off"
            )
        if self.naive and self.column.how.get("zones") and not self.zoned:
            notes.append(
                f"{name}: {counted(self.naive)} without a zone, taken for UTC; in training "
                "cells had zones: if these are local times, they are hours off"
            )
        if self.never:
            notes.append(
                f"{name}: {counted(self.never)} of days that stand for no date elsewhere "
                f"(the first, {self.first['never']!r}), far from all of training, and read as "
                "days; empty them if they do"
            )
        return notes
