"""Dates as people write them: "2024-03-01", "1.3.2024 14:30", "03/01/2024", "1. März 2024"."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

ORIGIN = pd.Timestamp("2000-01-01", tz="UTC")
"""Days are counted from here."""

_DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y",
         "%d/%m/%y", "%m/%d/%y", "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%b %d %Y", "%d-%b-%Y",
         "%m/%Y")  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMATS = ("ISO8601", *(day + time for day in _DAYS for time in _TIMES))
"""Tried in this order: what starts with the day before what starts with the month."""

_SAMPLE = 1000
_MONTHS = {
    "jan": "Jan", "feb": "Feb", "mar": "Mar", "mär": "Mar", "mae": "Mar", "apr": "Apr",
    "may": "May", "mai": "May", "jun": "Jun", "jul": "Jul", "aug": "Aug", "sep": "Sep",
    "oct": "Oct", "okt": "Oct", "nov": "Nov", "dec": "Dec", "dez": "Dec",
}  # fmt: skip


def choose_formats(texts: pd.Series, elsewhere: str = "") -> tuple[tuple[str, ...], bool]:
    """(formats that read the texts, most frequent first; whether day and month could be swapped).

    Of "%d/%m/%Y" and "%m/%d/%Y" only one is taken: the one that reads more. Where both read all, it
    is day first, unless `elsewhere`, the decimal sign of the table's numbers, is a point beside
    slashes as in the United States.
    """
    cells = texts.value_counts(sort=False)  # in their order
    texts, counts = _plain(pd.Series(cells.index, dtype=object)), cells.to_numpy()
    sample = texts[:_SAMPLE]
    shapes = {_shape(text) for text in sample}
    likely = [form for form in FORMATS if form == "ISO8601" or _shape_of(form) in shapes]
    likely = [form for form in likely if _parse(sample, form).notna().any()]
    hits = {form: _parse(texts, form).notna().to_numpy() for form in likely}
    chosen: list[str] = []
    swapped = False
    read = np.zeros(len(texts), dtype=bool)
    for form in sorted(
        likely, key=lambda form: -int(counts[hits[form]].sum())
    ):  # ties as in FORMATS
        if read[hits[form]].all():
            continue
        other = _swapped(form)
        if other in hits and (hits[other] == hits[form]).all():
            swapped = True
            form = other if elsewhere == "." and form.startswith("%d/") else form
        if any(_swapped(one)[:5] == form[:5] != one[:5] for one in chosen):
            continue
        chosen.append(form)
        read |= hits[form]
    return tuple(chosen), swapped


def parse_dates(texts: pd.Series, formats: Sequence[str]) -> pd.Series:
    """Timestamps in UTC, NaT where no format fits."""
    codes, unique = pd.factorize(texts)
    plain = _plain(pd.Series(unique, dtype=object))
    found = pd.Series(pd.NaT, index=plain.index, dtype="datetime64[us, UTC]")
    for form in formats:
        found = found.fillna(_parse(plain, form))
    return found.iloc[codes].set_axis(texts.index)


def day_and_month(texts: pd.Series, formats: Sequence[str]) -> tuple[int, int, int]:
    """How many texts are dates by these formats only, only with day and month in the other order,
    and either way; 0 of formats that have no other order."""
    others = [other for form in formats if (other := _swapped(form))]
    if not others:
        return 0, 0, 0
    as_is, swapped = (parse_dates(texts, forms).notna() for forms in (formats, others))
    return (
        int((as_is & ~swapped).sum()),
        int((swapped & ~as_is).sum()),
        int((as_is & swapped).sum()),
    )


def calendar(dates: pd.Series) -> pd.DataFrame:
    """Days since 2000, and the parts of year, week and day as points on a circle."""
    days = (dates - ORIGIN).dt.total_seconds() / 86400
    turns = {
        "year": dates.dt.day_of_year / 365.25,
        "week": dates.dt.day_of_week / 7,
        "day": days % 1,
    }
    circles = {
        f"{name} {wave.__name__}": wave(2 * np.pi * turn.astype(float))
        for name, turn in turns.items()
        for wave in (np.sin, np.cos)
    }
    return pd.DataFrame({"days": days, **circles})


def _plain(texts: pd.Series) -> pd.Series:
    """Months in English, without the commas, points and endings around them."""
    worded = texts.str.contains(r"[^\W\dTZ]{3}", regex=True)
    if not worded.any():
        return texts.str.strip()
    plain = texts.str.strip().where(~worded, texts[worded].map(_english))
    return plain.astype(object)


def _english(text: str) -> str:
    def month(word: re.Match[str]) -> str:
        return _MONTHS.get(word[0].casefold()[:3], word[0])

    text = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b|(?<=\d)\.(?=\s)|,", "", text)
    return " ".join(re.sub(r"[^\W\d_]{3,}\.?", month, text).split())


def _shape(text: str) -> str:
    """What is left of "1 Mar 2024" without its letters and digits: "0 a 0"."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", text))


def _shape_of(form: str) -> str:
    return re.sub("%[a-zA-Z]", lambda part: "a" if part[0] in ("%b", "%p") else "0", form)


def _parse(texts: pd.Series, form: str) -> pd.Series:
    """Timestamps of the years that a nanosecond clock knows: 9999-12-31 means "never"."""
    found = pd.to_datetime(texts, format=form, errors="coerce", utc=True)
    found = found.where(found.dt.year.between(1678, 2261))
    return found.astype("datetime64[us, UTC]")


def _swapped(form: str) -> str:
    """The format with day and month in the other order; "" if that means nothing."""
    found = re.match(r"%([dm])([/-])%([dm])", form)
    return f"%{found[3]}{found[2]}%{found[1]}{form[5:]}" if found else ""
