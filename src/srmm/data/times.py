"""Spans of time and times of day, as programs write them, in seconds: "1 day, 2:03:04"."""

from __future__ import annotations

import datetime
import re

import numpy as np
import pandas as pd

MOMENTS = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)
"""What dates, times and spans are held in."""

_SPAN = re.compile(
    r"(?P<sign>[+-])?(?:(?P<days>\d{1,9}) days?,? \+?)?"
    r"(?P<hours>\d{1,9}):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d(?:\.\d{1,9})?)"
)
_DAYS = re.compile(r"[+-]?\d{1,9} days?")  # as pandas writes whole ones


def seconds_of(texts: np.ndarray) -> np.ndarray:
    """Seconds (n,), a time of day's from midnight on; NaN for a text that is none.

    Without seconds there is none: "12:30" may be a score. As Python has it, only the days of "-1
    day, 23:00:00" are below zero: it is an hour before.

    >>> seconds_of(np.array(["0 days 00:01:30", "-1 day, 23:00:00", "18:54:10.5", "12:30"]))
    array([   90. , -3600. , 68050.5,     nan])
    """
    return np.array([_seconds(text) for text in texts], dtype=np.float64)


def _seconds(text: str) -> float:
    if _DAYS.fullmatch(text):
        return 86400.0 * int(text.split()[0])
    found = _SPAN.fullmatch(text)
    if found is None:
        return np.nan
    clock = 3600 * int(found["hours"]) + 60 * int(found["minutes"]) + float(found["seconds"])
    sign = -1 if found["sign"] == "-" else 1
    return sign * clock if found["days"] is None else sign * 86400 * int(found["days"]) + clock


def span_text(span: datetime.timedelta | np.timedelta64) -> str:
    """A span of time as pandas writes it in CSV, whatever type it has.

    >>> span_text(datetime.timedelta(days=2)), span_text(np.timedelta64(90, "s"))
    ('2 days', '0 days 00:01:30')
    """
    return str(pd.Timedelta(span)).removesuffix(" 00:00:00")


def plain_span(text: str) -> str | None:
    """`span_text` of a span that is a text, by which two are compared; None of other texts.

    >>> plain_span("1 day, 0:00:00"), plain_span("1 days 00:00:00"), plain_span("a day")
    ('1 days', '1 days', None)
    """
    seconds = _seconds(text) if text.endswith(("day", "days")) or ":" in text else np.nan
    if np.isnan(seconds):
        return None
    try:
        return span_text(datetime.timedelta(seconds=seconds))
    except OverflowError:  # a million years
        return None
