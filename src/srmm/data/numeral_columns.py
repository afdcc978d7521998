"""Whole columns of numbers as people write them: texts of one shape are read together.

"12,50 €" and "73,99 €" have one shape: it is made sense of once, and the digits of all its texts
become numbers in one go, with the bits that one by one they would have.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd

from srmm.data.numerals import (
    COUNTS,
    TIMES_OF_COUNTS,
    Notation,
    Numeral,
    WrittenNumber,
    parse_numeral,
    read_numeral,
    within_float32,
)

_LONGEST = 24
_MOST_DIGITS = 15
"""So many fit a float64 exactly, and so do the powers of ten: their quotient is rounded once, as
the decimal number is."""

_FEW = 4
_THOUSAND = re.compile(r"\d\s?[kK]$")
_ZERO, _ONE, _NINE = b"019"


class Numerals:
    """The cells of a column that are texts, each read once.

    Parameters
    ----------
    texts : object array of shape (n,), str
    """

    def __init__(self, texts: np.ndarray) -> None:
        self.codes, self.unique = pd.factorize(texts)
        self.counts = np.bincount(self.codes, minlength=len(self.unique))
        read = _Readings(self.unique)
        self._known, self._value, self._other = read.known, read.value, read.other
        self._decimal = read.decimal
        self._unit, self._units = pd.factorize(read.unit)

    @property
    def readable(self) -> int:
        """How many cells are numbers, in whatever unit."""
        return int(self.counts[self._known].sum())

    def votes(self) -> Counter[str]:
        """How many cells show each decimal sign; under "" those that could be either."""
        signs = {sign: self._known & (self._decimal == sign) for sign in (".", ",")}
        signs[""] = self._either
        return Counter({sign: int(self.counts[shown].sum()) for sign, shown in signs.items()})

    def first_either(self) -> tuple[float, float]:
        """The first cell that could be two numbers: with decimal points, and with commas."""
        place = int(self._either.argmax())
        return float(self._value[place]), float(self._other[place])

    def units(self) -> Counter[str]:
        """How many cells have each unit."""
        cells = np.zeros(len(self._units), dtype=np.int64)
        np.add.at(cells, self._unit[self._known], self.counts[self._known])
        return Counter(
            {unit: n for unit, n in zip(self._units, cells.tolist(), strict=True) if unit and n}
        )

    def notation(self, elsewhere: str = "") -> Notation:
        """What most cells show; where none does, the decimal sign of the other columns, or "."."""
        votes, units = self.votes(), self.units()
        decimal = elsewhere or "."
        if votes["."] != votes[","]:
            decimal = "." if votes["."] > votes[","] else ","
        if units and units.keys() <= TIMES_OF_COUNTS.keys() and self._thousands:
            return Notation(decimal, COUNTS)
        return Notation(decimal, units.most_common(1)[0][0] if units else "")

    def values(self, notation: Notation) -> np.ndarray:
        """float64 of shape (n,): NaN where a cell is no number that float32 can hold."""
        found = self._other if notation.decimal == "," else self._value
        if notation.unit == COUNTS:
            right = np.array([u in TIMES_OF_COUNTS for u in self._units], dtype=bool)
            times = np.array([TIMES_OF_COUNTS.get(u, 1.0) for u in self._units])
            found = found * times[self._unit] if len(found) else found
        else:
            unit = notation.unit.casefold()
            right = np.array([not u or u.casefold() == unit for u in self._units], dtype=bool)
        found = within_float32(found)
        unique = np.where(right[self._unit], found, math.nan)
        return unique[self.codes] if len(unique) else np.empty(0)

    @property
    def _thousands(self) -> bool:
        """Whether some number has a k for thousand."""
        return any(map(_THOUSAND.search, self.unique[self._known]))

    @property
    def _either(self) -> np.ndarray:
        return np.asarray(self._known & (self._decimal == "") & (self._value != self._other))


def decimal_elsewhere(columns: Iterable[Numerals]) -> str:
    """The decimal sign that a table's columns show together, "" if they show none, or both."""
    votes: Counter[str] = sum((column.votes() for column in columns), Counter())
    if votes["."] == votes[","]:
        return ""
    return "." if votes["."] > votes[","] else ","


class _Readings:
    """`read_numeral` of many texts: its fields as arrays (n,), and which texts are numbers."""

    def __init__(self, texts: np.ndarray) -> None:
        self.texts = texts
        self.known = np.zeros(len(texts), dtype=bool)
        self.value, self.other = np.full((2, len(texts)), math.nan)
        self.decimal, self.unit = np.full((2, len(texts)), "", dtype=object)
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        short = np.flatnonzero(lengths <= _LONGEST)
        alone = [np.flatnonzero(lengths > _LONGEST)]
        for rows, chars in _same_shape(texts, short, lengths):
            if len(rows) < _FEW or not self._read_together(rows, chars):
                alone.append(rows)
        self._read_alone(np.concatenate(alone))

    def _read_together(self, rows: np.ndarray, chars: np.ndarray) -> bool:
        """Read texts of one shape; False if its digits are not all those of one number."""
        written = parse_numeral(self.texts[rows[0]])
        if written is None:
            return True
        places = np.flatnonzero(_is_digit(chars[0]))
        shown = "".join(map(chr, chars[0, places]))
        forms = (written.digits, written.other)
        if written.exponent or len(places) > _MOST_DIGITS:
            return False
        if any(form.replace(".", "") not in (shown, f"0{shown}") for form in forms):
            return False  # a digit in the unit, or of another script
        tens = 10 ** np.arange(len(places), dtype=np.int64)[::-1]
        whole = (chars[:, places].astype(np.int64) - _ZERO) @ tens
        self._keep(rows, written, *(_shifted(whole, form, written.scale) for form in forms))
        return True

    def _read_alone(self, rows: np.ndarray) -> None:
        for row in rows.tolist():
            read = read_numeral(self.texts[row])
            if read is not None:
                self._keep(row, read, read.value, read.other)

    def _keep(
        self,
        rows: np.ndarray | int,
        read: WrittenNumber | Numeral,
        value: np.ndarray | float,
        other: np.ndarray | float,
    ) -> None:
        self.known[rows], self.value[rows], self.other[rows] = True, value, other
        self.decimal[rows], self.unit[rows] = read.decimal, read.unit


def _shifted(whole: np.ndarray, form: str, scale: float) -> np.ndarray:
    """The whole numbers with the decimal point where this form has it."""
    return np.asarray(scale * (whole / 10.0 ** len(form.partition(".")[2])))


def _is_digit(chars: np.ndarray) -> np.ndarray:
    return np.asarray((chars >= _ZERO) & (chars <= _NINE))


def _same_shape(
    texts: np.ndarray, rows: np.ndarray, lengths: np.ndarray
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """(rows, their characters as numbers) of each set of texts that differ only in digits.

    A 0 that is a text's first digit is no digit like others: "0,123" can only be a fraction.
    """
    if not len(rows):
        return
    chars = np.array(texts[rows].tolist(), dtype=f"U{_LONGEST}").view(np.uint32)
    chars = chars.reshape(len(rows), _LONGEST)
    digits = _is_digit(chars)
    shape = np.where(digits, np.uint32(_ONE), chars)
    first = digits.argmax(axis=1)
    leading = np.flatnonzero(chars[np.arange(len(rows)), first] == _ZERO)
    shape[leading, first[leading]] = _ZERO
    shape = np.column_stack([shape, lengths[rows].astype(np.uint32)])
    weights = np.random.default_rng(0).integers(1, 1 << 63, shape.shape[1], dtype=np.uint64)
    codes = pd.factorize((shape * weights).sum(axis=1, dtype=np.uint64))[0]
    order = np.argsort(codes, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        # Two shapes have the same sum less often than a disk errs; it is looked at all the same.
        if (shape[same] == shape[same[0]]).all():
            yield rows[same], chars[same]
        else:
            yield from ((rows[[one]], chars[[one]]) for one in same)
