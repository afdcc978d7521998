"""Numbers as people write them: "1.234,50 €", "1,234.50", "12 %", "(3.5)", "3.5-", "12 kg"."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

_CODES = (
    "EUR|USD|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RUB|UAH|TRY|BRL|MXN|ZAR|KRW|"
    "ILS|SGD|HKD|US\\$|R\\$|A\\$|C\\$|Rs\\.?|Fr\\.|kr\\.?|zł|Kč"
)
_NUMBER = re.compile(
    rf"(?P<bracket>\()?\s*(?P<sign>[-+])?\s*(?P<before>[$£¥€₹₽₩₺₴₪¢%]|{_CODES})?\s*(?P<sign2>[-+])?\s*"
    r"(?P<body>\d[\d.,' ]*|[.,]\d+)(?P<exponent>[eE][-+]?\d+)?(?P<dash>--?)?\s*"
    r"(?P<after>[^\W\d_][^\s;,()<>=]{0,11}|[$£¥€₹₽₩₺₴₪¢%‰°µ][^\s;,()<>=]{0,6})?\s*(?(bracket)\))"
)
_RAISED = re.compile("\\d[\u00b2\u00b3\u00b9\u2070-\u2089]")
_PLAIN = re.compile(r"-?[0-9]+(?:[.,][0-9]+)?")
CODE = re.compile(r"0\d+")
"""Such as "00123": as a number it would lose its zeros."""

_GROUPED = re.compile(r"\d{1,3}(?P<gap>[ '])\d{3}(?:(?P=gap)\d{3})*(?=[.,]|$)")
_SAME_SIGNS = str.maketrans({"−": "-", "–": "-", "—": "-", "’": "'", "‘": "'", "´": "'"})
_TIMES = {"k": 1e3, "tsd": 1e3, "mio": 1e6, "mn": 1e6, "mrd": 1e9, "bn": 1e9}
COUNTS = "k, M or B"
"""The unit of a column that counts in thousands, millions and billions."""
TIMES_OF_COUNTS = {"": 1.0, "M": 1e6, "B": 1e9}
"""By the unit that a cell has, if it stood alone; a k is a thousand everywhere."""
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


class WrittenNumber(NamedTuple):
    """A number as a text has it: its digits with decimal points, or commas read as such."""

    digits: str
    other: str
    decimal: str
    unit: str
    scale: float
    exponent: str


@dataclass(frozen=True)
class Notation:
    """How a column writes its numbers: what decides the cells that could be read in two ways.

    Parameters
    ----------
    decimal : "." or ","
    unit : str
        The unit or currency of nearly all cells that have one, "" if none has. A cell in another
        one is no number here; one without a unit is taken to be in this. `COUNTS` is none, but
        says that "3M", beside "2k", is three millions.
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
    written = parse_numeral(text)
    if written is None:
        return None
    value, other = (
        written.scale * float(f"{digits}{written.exponent}")
        for digits in (written.digits, written.other)
    )
    return Numeral(value, other, written.decimal, written.unit)


def parse_numeral(text: str) -> WrittenNumber | None:
    """How a text writes a number, None if it writes none.

    Which digits they are makes no difference, but for a 0 in front: so texts that differ in others
    alone need only one look.
    """
    if _PLAIN.fullmatch(text):  # most are, and need no more
        plain = _decimals(text.lstrip("-"), exponent=False)
        assert plain is not None
        return WrittenNumber(*plain, "", -1.0 if text[0] == "-" else 1.0, "")
    if _RAISED.search(text):  # which would be one more digit
        return None
    text = unicodedata.normalize("NFKC", text).translate(_SAME_SIGNS).strip()
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    body, dash = found["body"].strip(), found["dash"] or ""
    if body[-1] in ".,":  # "12.–" has no cents
        body, dash = body.rstrip(".,") if dash else body, ""
    signs = f"{found['sign'] or ''}{found['sign2'] or ''}{dash}"
    read = _decimals(body, exponent=bool(found["exponent"]))
    times = _TIMES.get((found["after"] or "").rstrip(".").casefold())
    unit, second = found["before"] or "", found["after"] if times is None else None
    if read is None or (unit and second) or len(signs) > 1:
        return None
    unit = _unit(unit or second or "")
    negative = signs == "-" or found["bracket"] is not None
    scale = (-1.0 if negative else 1.0) * (1.0 if times is None else times)
    return WrittenNumber(*read, unit, scale, found["exponent"] or "")


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


def floats_of(numbers: np.ndarray) -> np.ndarray:
    """float64 of shape (n,) of numbers as objects; an integer too large for one is infinite."""
    try:
        return numbers.astype(np.float64)
    except OverflowError:
        return np.array([as_float(number) for number in numbers])


def as_float(number: Any) -> float:
    """`float` of a number or a text, infinite where that is an integer too large for one.

    `ValueError` for "2020_21", too: a number to Python, a season or a code to all others.

    >>> as_float(10**400), as_float("-1e400")
    (inf, -inf)
    """
    if isinstance(number, str) and "_" in number:
        raise ValueError(f"could not convert string to float: {number!r}")
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def within_float32(values: np.ndarray) -> np.ndarray:
    """The values, NaN where one is infinite or would be in float32."""
    return np.where(np.abs(values) <= float(np.finfo(np.float32).max), values, math.nan)
