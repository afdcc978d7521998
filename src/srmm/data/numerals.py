"""Numbers as people write them: "1.234,50 €", "1,234.50", "12 %", "(3.5)", "1 234", "12 kg"."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

_CODES = (
    "EUR|USD|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RUB|UAH|TRY|BRL|MXN|ZAR|KRW|"
    "ILS|SGD|HKD|US\\$|R\\$|A\\$|C\\$|Rs\\.?|Fr\\.|kr\\.?|zł|Kč"
)
_NUMBER = re.compile(
    rf"(?P<bracket>\()?\s*(?P<sign>[-+])?\s*(?P<before>[$£¥€₹₽₩₺₴₪¢%]|{_CODES})?\s*(?P<sign2>[-+])?\s*"
    r"(?P<body>\d[\d.,' ]*|[.,]\d+)(?P<exponent>[eE][-+]?\d+)?(?P<dash>--?)?\s*"
    r"(?P<after>[^\W\d_][^\s;,()<>=]{0,11}|[$£¥€₹₽₩₺₴₪¢%‰°µ][^\s;,()<>=]{0,6})?\s*(?(bracket)\))"
)
_PLAIN = re.compile(r"-?[0-9]+(?:[.,][0-9]+)?")
_GROUPED = re.compile(r"\d{1,3}(?P<gap>[ '])\d{3}(?:(?P=gap)\d{3})*(?=[.,]|$)")
_SAME_SIGNS = str.maketrans({"−": "-", "–": "-", "—": "-", "’": "'", "‘": "'", "´": "'"})
_TIMES = {"k": 1e3, "tsd": 1e3, "mio": 1e6, "mn": 1e6, "mrd": 1e9, "bn": 1e9}
_SAME_UNITS = {"eur": "€", "euro": "€", "gbp": "£", "usd": "$", "us$": "$", "jpy": "¥", "inr": "₹"}


class Numeral(NamedTuple):
    """One cell as a number.

    `decimal` is the sign that this cell uses for decimals, as far as it shows: "." in "0.5" and
    "1,234,567", "," in "0,5", "" in "12" and in "1,234", which may be 1234 or 1.234. Of the latter
    `value` is what it is with decimal points, `other` what it is with decimal commas.
    """

    value: float
    other: float
    decimal: str
    unit: str


@dataclass(frozen=True)
class Notation:
    """How a column writes its numbers: what decides the cells that could be read in two ways.

    Parameters
    ----------
    decimal : "." or ","
    unit : str
        The unit or currency of nearly all cells that have one, "" if none has. A cell in another
        one is no number here; one without a unit is taken to be in this.
    """

    decimal: str
    unit: str


def read_numeral(text: str) -> Numeral | None:
    """The number that a text writes, None if it is none.

    >>> read_numeral("1.234,50 €")
    Numeral(value=1234.5, other=1234.5, decimal=',', unit='€')
    >>> read_numeral("1,234")
    Numeral(value=1234.0, other=1.234, decimal='', unit='')
    """
    if _PLAIN.fullmatch(text):  # most are, and need no more
        plain = _decimals(text.lstrip("-"), exponent=False)
        assert plain is not None
        minus = -1.0 if text[0] == "-" else 1.0
        return Numeral(minus * float(plain[0]), minus * float(plain[1]), plain[2], "")
    text = unicodedata.normalize("NFKC", text).translate(_SAME_SIGNS).strip()
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    body = found["body"].strip().rstrip(".,") if found["dash"] else found["body"].strip()
    read = _decimals(body, exponent=bool(found["exponent"]))
    times = _TIMES.get((found["after"] or "").rstrip(".").casefold())
    unit, second = found["before"] or "", found["after"] if times is None else None
    if read is None or (unit and second) or (found["sign"] and found["sign2"]):
        return None
    unit = _unit(unit or second or "")
    negative = "-" in (found["sign"], found["sign2"]) or found["bracket"] is not None
    scale = (-1.0 if negative else 1.0) * (1.0 if times is None else times)
    value, other = (scale * float(f"{digits}{found['exponent'] or ''}") for digits in read[:2])
    return Numeral(value, other, read[2], unit)


def _decimals(body: str, *, exponent: bool) -> tuple[str, str, str] | None:
    """(digits with decimal points, digits with decimal commas, the sign that shows), or None."""
    grouped = _GROUPED.match(body)
    if grouped:  # "1 234,5": what groups is no decimal sign, so the other is
        whole = re.sub(r"[ ']", "", grouped[0])
        rest = body[grouped.end() :]
        if not re.fullmatch(r"(?:[.,]\d*)?", rest):
            return None
        return whole + rest.replace(",", "."), whole + rest.replace(",", "."), rest[:1]
    if " " in body or "'" in body:
        return None
    signs = [sign for sign in body if sign in ".,"]
    if not signs:
        return body, body, ""
    last = signs[-1]
    if len(set(signs)) == 1 and len(signs) > 1:  # only groups: "1.234.567"
        if not _is_grouped(body, last):
            return None
        digits = body.replace(last, "")
        return digits, digits, "," if last == "." else "."
    whole, _, fraction = body.rpartition(last)
    if len(set(signs)) == 2:
        group = "," if last == "." else "."
        if signs.count(last) > 1 or not _is_grouped(whole, group):
            return None
        digits = f"{whole.replace(group, '')}.{fraction}"
        return digits, digits, last
    digits = f"{whole or 0}.{fraction}"
    if len(fraction) == 3 and 1 <= len(whole) <= 3 and whole[0] != "0" and not exponent:
        together = whole + fraction
        return (digits, together, "") if last == "." else (together, digits, "")
    return digits, digits, last


def _is_grouped(whole: str, sign: str) -> bool:
    """Groups of three; with commas of two before the last one, too, as in India."""
    first, *others = whole.split(sign)
    sizes = (2, 3) if sign == "," else (3,)
    return (
        1 <= len(first) <= 3
        and len(others[-1]) == 3
        and all(len(group) in sizes for group in others)
    )


def _unit(text: str) -> str:
    """One spelling of a unit: "EUR" as "€", "Years" as "year"."""
    bare = text.rstrip(".")
    folded = bare.casefold()
    if folded in _SAME_UNITS:
        return _SAME_UNITS[folded]
    return bare[:-1] if len(bare) > 3 and folded.endswith("s") else bare


class Numerals:
    """The cells of a column that are texts, each read once.

    Parameters
    ----------
    texts : object array of shape (n,), str
    """

    def __init__(self, texts: np.ndarray) -> None:
        self.codes, self.unique = pd.factorize(texts)
        self.read = [read_numeral(text) for text in self.unique]
        self.counts = np.bincount(self.codes, minlength=len(self.unique))

    @property
    def readable(self) -> int:
        """How many cells are numbers, in whatever unit."""
        known = [numeral is not None for numeral in self.read]
        return int(self.counts[known].sum())

    def votes(self) -> Counter[str]:
        """How many cells show each decimal sign; under "" those that could be either."""
        votes: Counter[str] = Counter()
        for numeral, n in zip(self.read, self.counts.tolist(), strict=True):
            if numeral is not None and (numeral.decimal or numeral.value != numeral.other):
                votes[numeral.decimal] += n
        return votes

    def units(self) -> Counter[str]:
        """How many cells have each unit."""
        units: Counter[str] = Counter()
        for numeral, n in zip(self.read, self.counts.tolist(), strict=True):
            if numeral is not None and numeral.unit:
                units[numeral.unit] += n
        return units

    def notation(self, elsewhere: str = "") -> Notation:
        """What most cells show; where none does, the decimal sign of the other columns, or "."."""
        votes, units = self.votes(), self.units()
        decimal = elsewhere or "."
        if votes["."] != votes[","]:
            decimal = "." if votes["."] > votes[","] else ","
        return Notation(decimal, units.most_common(1)[0][0] if units else "")

    def values(self, notation: Notation) -> np.ndarray:
        """float64 of shape (n,): NaN where a cell is no number that float32 can hold."""
        unique = np.array([_value(numeral, notation) for numeral in self.read], dtype=np.float64)
        return unique[self.codes] if len(unique) else np.empty(0)


def _value(numeral: Numeral | None, notation: Notation) -> float:
    if numeral is None:
        return math.nan
    if numeral.unit and numeral.unit.casefold() != notation.unit.casefold():
        return math.nan
    return within_float32(numeral.other if notation.decimal == "," else numeral.value)


def within_float32(value: float) -> float:
    """The value, or NaN if it is infinite or would be in float32."""
    return value if abs(value) <= float(np.finfo(np.float32).max) else math.nan


def decimal_elsewhere(columns: Iterable[Numerals]) -> str:
    """The decimal sign that a table's columns show together, "" if they show none, or both."""
    votes: Counter[str] = sum((column.votes() for column in columns), Counter())
    if votes["."] == votes[","]:
        return ""
    return "." if votes["."] > votes[","] else ","
