"""Numbers, names and patterns in the words of the report. Nothing here draws or escapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeGuard

import numpy as np

NOTHING = "–"
"""Printed where there is no number."""

METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1", "auroc": "AUROC"}

_METHODS = {
    "srmm": "SRMM",
    "srmm-paper": "SRMM, the paper's",
    "router": "availability router",
    "logreg-concat": "logistic regression",
    "logreg": "averaged logistic regression",
    "extratrees": "extra-trees forest",
    "hist-gradient-boosting": "gradient boosting",
}


def is_number(value: Any) -> TypeGuard[float]:
    """True for a number that can be printed: not None, not NaN, not infinite.

    >>> is_number(0.5), is_number(None), is_number(float("nan"))
    (True, False, False)
    """
    return isinstance(value, int | float) and math.isfinite(value)


def percent(value: Any) -> str:
    """A share as a percentage with one decimal, without the sign.

    >>> percent(0.9304), percent(-0.012), percent(-0.0001), percent(None)
    ('93.0', '−1.2', '0.0', '–')
    """
    if not is_number(value):
        return NOTHING
    return f"{rounded(value):.1f}".replace("-", "−")


def rounded(value: float) -> float:
    """The share as the percentage that is printed. Comparing these never contradicts the page."""
    return round(100 * value, 1) + 0.0


def points(difference: float) -> str:
    """A difference of two percentages, signed.

    >>> points(0.0123), points(-0.02), points(-0.0001)
    ('+1.2', '−2.0', '0.0')
    """
    whole = rounded(difference)
    return f"{whole:+.1f}".replace("-", "−") if whole else "0.0"


def interval(bounds: Sequence[Any] | None) -> str:
    """The two ends of an interval of shares, in percent; empty if there is none.

    >>> interval([0.905, 0.951]), interval(None)
    ('90.5–95.1', '')
    """
    return _ends(bounds, percent, "–")


def signed_interval(bounds: Sequence[Any] | None) -> str:
    """The two ends of an interval of differences, in points; empty if there is none.

    >>> signed_interval([-0.012, 0.03])
    '−1.2 to +3.0'
    """
    return _ends(bounds, points, " to ")


def _ends(bounds: Sequence[Any] | None, said: Callable[[float], str], between: str) -> str:
    if bounds is None or not all(is_number(bound) for bound in bounds):
        return ""
    return between.join(map(said, bounds))


def p_text(p: Any) -> str:
    """A p-value as it is written.

    >>> p_text(0.0421), p_text(1e-9), p_text(None)
    ('p = 0.042', 'p < 0.001', 'p unknown')
    """
    if not is_number(p):
        return "p unknown"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def count(number: Any) -> str:
    """A count with thousands separated.

    >>> count(1260389), count(None)
    ('1,260,389', '–')
    """
    return f"{number:,}" if is_number(number) else NOTHING


def many(number: Any, thing: str) -> str:
    """A count of things.

    >>> many(1, "test item"), many(1200, "row")
    ('1 test item', '1,200 rows')
    """
    return f"{count(number)} {thing}{'' if number == 1 else 's'}"


def label_text(label: Any) -> str:
    """A class label as words, also where it is empty.

    >>> label_text("cat"), label_text(3), label_text(" "), label_text(None)
    ('cat', '3', '(empty)', '(none)')
    """
    if label is None:
        return "(none)"
    return str(label) if str(label).strip() else "(empty)"


def shorten(text: Any, length: int) -> str:
    """The text, cut to `length` characters with an ellipsis if it is longer, between words.

    A word that is longer than half of what is left room for is cut itself.

    >>> shorten("a long label", 9), shorten("a longlonglabel", 9)
    ('a long…', 'a longlo…')
    """
    text = str(text)
    if len(text) <= length:
        return text
    kept = text[: length - 1]
    if not text[length - 1].isspace():
        words = kept.rsplit(maxsplit=1)
        whole = kept[: len(kept.rstrip()) - len(words[-1])] if len(words) > 1 else ""
        if 2 * len(whole.rstrip()) >= length:
            kept = whole
    return kept.rstrip() + "…"


def pattern_text(present: Sequence[str], modalities: Sequence[str]) -> str:
    """A presence pattern in words that fit after "with".

    >>> pattern_text(["image", "text"], ["image", "text"])
    'everything'
    >>> pattern_text(["text"], ["image", "text"])
    'only text'
    >>> pattern_text(["image", "text"], ["image", "text", "audio"])
    'all but audio'
    """
    absent = [modality for modality in modalities if modality not in present]
    if not absent:
        return "everything"
    if not present:
        return "nothing"
    if len(present) == 1:
        return f"only {present[0]}"
    return f"all but {absent[0]}" if len(absent) == 1 else " + ".join(present)


def method_text(method: Any) -> str:
    """The method's name as the page says it, at the head of a sentence, too.

    >>> method_text("srmm"), method_text("router"), method_text("tbn-early")
    ('SRMM', 'Availability router', 'TBN-early')
    """
    text = baseline_text(str(method))
    return f"TBN{text[3:]}" if text.startswith("tbn") else text[:1].upper() + text[1:]


def baseline_text(name: str) -> str:
    """A baseline's name in words.

    >>> baseline_text("unimodal:image"), baseline_text("router"), baseline_text("tbn-early")
    ('image alone', 'availability router', 'tbn-early')
    """
    kind, _, modality = name.partition(":")
    if kind == "unimodal" and modality:
        return f"{shorten(modality, 54)} alone"
    return shorten(_METHODS.get(name, name), 60)


def date_text(created: Any) -> str:
    """An ISO date in words; anything else unchanged.

    >>> date_text("2026-11-24T10:00:00")
    '24 November 2026, 10:00'
    """
    try:
        moment = datetime.fromisoformat(str(created))
    except ValueError:
        return shorten(created, 60)
    months = "January February March April May June July August September October November December"
    return f"{moment.day} {months.split()[moment.month - 1]} {moment.year}, {moment:%H:%M}"


def duration_text(seconds: Any) -> str:
    """Seconds in the unit a person would choose.

    >>> duration_text(8.21), duration_text(130), duration_text(7300)
    ('8.2 s', '2 min 10 s', '2 h 1 min')
    """
    if not is_number(seconds):
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def mean_sd(values: Sequence[float | None]) -> str:
    """ "81.6 ± 2.8" in %, over seeds."""
    known = [100 * value for value in values if value is not None]
    if not known:
        return NOTHING
    if len(known) == 1:
        return f"{known[0]:.1f}"
    return f"{np.mean(known):.1f} ± {np.std(known, ddof=1):.1f}"
