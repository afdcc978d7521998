"""What a column of a block can be, found out from its training cells, and its cells as numbers.

Each kind has two functions. `find` takes the training cells and returns what has to be kept to read
others (JSON values), or None if they are nothing of the kind; `read` reads any cells with that.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from srmm.data.block_cells import Column, distinct_cells
from srmm.data.blocks import is_blank
from srmm.data.dates import calendar, choose_formats, parse_dates
from srmm.data.numerals import CODE, COUNTS, Notation, floats_of, within_float32
from srmm.data.times import seconds_of

MOST = 0.8
"""The share of the cells that must be readable as numbers, or dates, for a column to be that."""

_NEVER = ("1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1970-01-01", "2099-12-31")
"""Days that databases, spreadsheets and clocks that were never set give for none."""

_FAR = pd.Timedelta(days=366)

MAX_CATEGORIES = 64
MIN_ROWS = 2
"""A category, or tag, of its own stands in so many training rows."""

YES = frozenset(
    ("yes", "y", "true", "t", "on", "ja", "j", "wahr", "oui", "o", "vrai", "si", "sí", "sì", "s",
     "vero", "verdadero", "sim", "da", "да", "ano", "tak", "✓", "✔")
)  # fmt: skip
NO = frozenset(
    ("no", "n", "false", "f", "off", "nein", "falsch", "non", "faux", "falso", "não", "nao", "nee",
     "net", "нет", "ne", "nie", "✗", "✘")
)  # fmt: skip

_INFINITE = ("inf", "infinity", "∞", "1.#inf")

_CODE_LETTERS = 2
"""Of words that short, two may be codes that have nothing to do with each other."""

_DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
COMPACT = "%Y%m%d"
_TYPED = "ISO8601"
"""The format of a column of dates without a text: how other files write what it holds."""
_ZONE = re.compile(r":\d\d(?:\.\d+)? ?[+-](?!00:?00$)\d\d:?\d\d$")
_ANY_ZONE = re.compile(r":\d\d(?:\.\d+)? ?(?:Z|[+-]\d\d(?::?\d\d)?)$")

SEPARATORS = (";", "|", ",")


@dataclass(frozen=True)
class Reading:
    """Cells as numbers.

    Parameters
    ----------
    names : list of str
        What is behind the column's name in the name of each feature.
    values : float array of shape (n, n_features)
        NaN where nothing is known.
    unread : bool array of shape (n,)
        There is a cell, but nothing that this kind of column can read: it counts as blank.
    unknown : bool array of shape (n,)
        A category, or some tag, that has no feature of its own.
    """

    names: list[str]
    values: np.ndarray
    unread: np.ndarray
    unknown: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Reading:
        """That of some cells, or of cells that these are the distinct ones of."""
        return Reading(self.names, self.values[rows], self.unread[rows], self.unknown[rows])


class Kind(NamedTuple):
    """A kind of column: how it is found and read."""

    find: Callable[[Column, str], dict[str, Any] | None]
    read: Callable[[Mapping[str, Any], Column], Reading]


def _find_number(column: Column, elsewhere: str) -> dict[str, Any] | None:
    if any(map(CODE.fullmatch, column.numerals.unique)) or _are_compact_days(column):
        return None
    notation = column.numerals.notation(elsewhere)
    how = {"decimal": notation.decimal, "unit": notation.unit}
    known = (~np.isnan(_read_number(how, column).values)).sum()
    # What was divided by 0 was a number, of no size that could be learnt from.
    finite = column.filled - sum(map(_is_infinite, column.cells))
    if not known or known < MOST * finite:
        return None
    in_all = notation.unit not in ("", COUNTS) and not without_unit(column)
    return {**how, "in_all": True} if in_all else how


def without_unit(column: Column) -> int:
    """How many cells are numbers and nothing else."""
    numerals = column.numerals
    return len(column.rows("number")) + numerals.readable - numerals.units().total()


def _is_infinite(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell.strip().lower().lstrip("+-") in _INFINITE
    return isinstance(cell, float | np.floating) and bool(np.isinf(cell))


def _read_number(how: Mapping[str, Any], column: Column) -> Reading:
    values = np.full((len(column.cells), 1), np.nan)
    values[column.rows("text"), 0] = column.numerals.values(Notation(how["decimal"], how["unit"]))
    typed = column.rows("number", "yes or no")
    values[typed, 0] = within_float32(floats_of(column.cells[typed]))
    return _one_feature(values, column)


def _find_yes_or_no(column: Column, elsewhere: str) -> dict[str, Any] | None:
    words = {text.casefold() for text in column.texts}
    texts, typed = len(column.texts), len(column.rows("yes or no"))
    if column.filled > texts + typed or not words <= YES | NO | {"0", "1"} or words in (
        {"0"}, {"1"}, {"0", "1"},
    ):  # fmt: skip
        return None
    return None if any(map(_are_codes, (words & YES, words & NO))) else {}


def _are_codes(words: set[str]) -> bool:
    """Whether words for one answer are several of the shortest: "t" and "o" are not both yes, but
    two and one, and of countries "no" and "ne" are two. "si" and "sí" are one."""
    plain = {"".join(filter(str.isalpha, unicodedata.normalize("NFD", word))) for word in words}
    shortest = min(map(len, plain), default=0)
    return shortest <= _CODE_LETTERS and sum(len(word) == shortest for word in plain) > 1


def _read_yes_or_no(how: Mapping[str, Any], column: Column) -> Reading:
    values = np.full((len(column.cells), 1), np.nan)
    for row in column.rows("text", "yes or no", "number"):
        word = str(column.cells[row]).strip().casefold().removesuffix(".0")
        if word in YES or word in NO or word in ("0", "1"):
            values[row, 0] = word in YES or word == "1"
    return _one_feature(values, column)


def _one_feature(values: np.ndarray, column: Column) -> Reading:
    unread = np.isnan(values[:, 0]) & ~column.blank
    return Reading([""], values, unread, np.zeros(len(values), dtype=bool))


def _find_date(column: Column, elsewhere: str) -> dict[str, Any] | None:
    formats, swapped = [COMPACT], False
    if not _are_compact_days(column):
        chosen, swapped = choose_formats(pd.Series(column.texts, dtype=object), elsewhere)
        formats = list(chosen) or [_TYPED]
    dates = _dates({"formats": formats}, column)
    if dates.notna().sum() < max(1, MOST * column.filled):
        return None
    midnight = bool((dates.dropna() == dates.dropna().dt.normalize()).all())
    first, last = (str(moment.date()) for moment in (dates.min(), dates.max()))
    how = {"formats": formats, "day": not midnight, "swapped": swapped, "range": [first, last]}
    return {**how, "zones": True} if any(map(has_zone, column.cells)) else how


def never_dates(how: Mapping[str, Any], column: Column) -> tuple[str, int] | None:
    """(the first cell, how many) of a date that programs write for none, further from all others
    than these are apart; None if there is none."""
    dates = _dates(how, column)
    for day in _NEVER:
        same = (dates.dt.strftime("%Y-%m-%d") == day).to_numpy()
        others = dates[~same].dropna()
        if same.sum() < MIN_ROWS or not len(others):
            continue
        moment, low, high = dates[same].iloc[0], others.min(), others.max()
        if max(low - moment, moment - high) > max(high - low, _FAR):
            return str(column.cells[same.argmax()]), int(same.sum())
    return None


def dates_for_none(how: Mapping[str, Any], column: Column) -> np.ndarray:
    """Boolean (n,): the cells of a date that programs write for none, further from the dates of
    training than these are apart."""
    dates = _dates(how, column)
    low, high = (pd.Timestamp(day, tz="UTC") for day in how["range"])
    apart = max(high - low, _FAR)
    far = (dates < low - apart) | (dates > high + apart)
    return np.asarray(far & dates.dt.strftime("%Y-%m-%d").isin(_NEVER), dtype=bool)


def has_zone(cell: Any) -> bool:
    """Whether it is a moment in another zone than UTC."""
    if isinstance(cell, str):
        return bool(_ZONE.search(cell.strip()))
    return bool(isinstance(cell, datetime.datetime) and cell.utcoffset())


def is_naive(cell: Any) -> bool:
    """Whether it is a date or a moment without a zone, or a text with no sign of one."""
    if isinstance(cell, str):
        return bool(cell.strip()) and not _ANY_ZONE.search(cell.strip())
    return isinstance(cell, datetime.datetime) and cell.tzinfo is None


def _are_compact_days(column: Column) -> bool:
    """Whether all cells are 20240301 and the like."""
    days = column.cells[column.rows("text", "number")]
    return column.filled == len(days) and all(_DAY.fullmatch(_compact(day)) for day in days)


def _compact(day: Any) -> str:
    """A cell as 20240301 is written; pandas' 20240301.0 beside holes is that again."""
    return str(day).strip().removesuffix(".0")


def _dates(how: Mapping[str, Any], column: Column) -> pd.Series:
    found = pd.Series(pd.NaT, index=range(len(column.cells)), dtype="datetime64[us, UTC]")
    is_compact = how["formats"] == [COMPACT]
    texts = ("text", "number") if is_compact else ("text",)
    for types, formats in [(("date",), [_TYPED]), (texts, how["formats"])]:
        rows, shown = column.rows(*types), _compact if formats == [COMPACT] else str
        cells = pd.Series([shown(cell) for cell in column.cells[rows]], index=rows, dtype=object)
        found.loc[rows] = parse_dates(cells, formats)
    return found


def _read_date(how: Mapping[str, Any], column: Column) -> Reading:
    dates = _dates(how, column)
    parts = calendar(dates)
    if not how["day"]:
        parts = parts.drop(columns=["day sin", "day cos"])
    names = [f": {name}" for name in parts.columns]
    unread = dates.isna().to_numpy() & ~column.blank
    return Reading(names, parts.to_numpy(dtype=float), unread, np.zeros(len(dates), dtype=bool))


def _find_time(column: Column, elsewhere: str) -> dict[str, Any] | None:
    known = (~np.isnan(_read_time({}, column).values)).sum()
    return {} if known >= MOST * column.filled else None


def _read_time(how: Mapping[str, Any], column: Column) -> Reading:
    values = np.full((len(column.cells), 1), np.nan)
    values[column.rows("text"), 0] = seconds_of(column.texts)
    return _one_feature(values, column)


def _find_tags(column: Column, elsewhere: str) -> dict[str, Any] | None:
    if len(column.rows("list")):
        counts = Counter(column.as_texts()[~column.blank].tolist())
        return {"separator": ";", **_most_frequent(_each_tag(counts, ";"))}
    counts = Counter(column.texts.tolist())
    for separator in SEPARATORS:
        several = sum(n for text, n in counts.items() if separator in text)
        if several < max(MIN_ROWS, 0.1 * column.filled) or column.filled > len(column.texts):
            continue
        tags = _each_tag(counts, separator)
        found = _most_frequent(tags)
        # "Bern, CH" of a few towns is a category; a sentence is neither.
        several_words = separator != "," or len({key for key, _ in tags}) <= len(counts)
        if found["covered"] >= 0.5 and several_words:
            return {"separator": separator, **found}
    return None


def _each_tag(cells: Mapping[str, int], separator: str) -> Counter[tuple[str, str]]:
    """How many rows have each (key, tag), from how many have each cell."""
    tags: Counter[tuple[str, str]] = Counter()
    for cell, n in cells.items():
        for key, text in _tags(cell, separator).items():
            tags[key, text] += n
    return tags


def _tags(cell: str, separator: str) -> dict[str, str]:
    """The tags of a cell, each once: key → as it is written."""
    tags = {key_of(part): " ".join(part.split()) for part in cell.split(separator)}
    return {key: text for key, text in tags.items() if not is_blank(text)}


def _read_tags(how: Mapping[str, Any], column: Column) -> Reading:
    codes, unique = pd.factorize(column.as_texts(how["separator"]))
    place = {key: i for i, key in enumerate(how["keys"])}
    values = np.zeros((len(unique), len(place) + how["other"]))
    nothing, unknown = np.zeros((2, len(unique)), dtype=bool)
    for row, cell in enumerate(unique):
        places = [place.get(key, -1) for key in _tags(cell, how["separator"])]
        nothing[row], unknown[row] = not places, -1 in places
        values[row, [p for p in places if p >= 0]] = 1
        if unknown[row] and how["other"]:
            values[row, -1] = 1
    values[nothing] = np.nan
    names = [f" has {name}" for name in how["names"]] + [" has (other)"] * how["other"]
    return Reading(names, values[codes], nothing[codes] & ~column.blank, unknown[codes])


def _find_category(column: Column, elsewhere: str) -> dict[str, Any] | None:
    counts = Counter(column.as_texts()[~column.blank].tolist())
    by_key = Counter({(key_of(text), text): n for text, n in counts.items()})
    found = _most_frequent(by_key)
    known = set(found["keys"])
    found["spellings"] = sum(key in known for key, _ in by_key) - len(known)
    return found if found["covered"] >= 0.5 else None


def _read_category(how: Mapping[str, Any], column: Column) -> Reading:
    codes, unique = pd.factorize(column.as_texts())
    place = {key: i for i, key in enumerate(how["keys"])}
    n = len(place)
    at = np.array([place.get(key_of(text), n) for text in unique], dtype=int)[codes]
    unknown = (at == n) & ~column.blank
    one_hot = np.eye(n + 1, n + how["other"])[at]
    one_hot[column.blank] = np.nan
    names = [f"={name}" for name in how["names"]] + ["=(other)"] * how["other"]
    return Reading(names, one_hot, np.zeros(len(codes), dtype=bool), unknown)


def key_of(text: str) -> str:
    """By which two spellings of a category are one: "Red " and "red"."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _most_frequent(counts: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """The keys that get a feature each, how they are written, and what is left."""
    rows: Counter[str] = Counter()
    for (key, _), n in counts.items():
        rows[key] += n
    kept = [key for key, n in rows.most_common(MAX_CATEGORIES) if n >= MIN_ROWS]
    names = dict.fromkeys(kept, "")
    for (key, text), _ in sorted(counts.items(), key=lambda entry: -entry[1]):
        names[key] = names.get(key) or text
    repeated = sum(n for n in rows.values() if n >= MIN_ROWS)
    return {
        "keys": kept,
        "names": [names[key] for key in kept],
        "other": len(rows) > len(kept),
        "rare": len(rows) - len(kept),
        "covered": repeated / max(1, rows.total()),
    }


def read_distinct(
    kind: str, how: Mapping[str, Any], cells: np.ndarray
) -> tuple[Reading, np.ndarray]:
    """(the reading of the distinct cells, which of them each cell is): no text is read twice."""
    codes, distinct = distinct_cells(cells)
    return KINDS_OF_COLUMNS[kind].read(how, Column(distinct)), codes


KINDS_OF_COLUMNS = {
    "yes or no": Kind(_find_yes_or_no, _read_yes_or_no),
    "number": Kind(_find_number, _read_number),
    "date": Kind(_find_date, _read_date),
    "time": Kind(_find_time, _read_time),
    "tags": Kind(_find_tags, _read_tags),
    "category": Kind(_find_category, _read_category),
}
"""In the order in which they are tried: "2024" is a number before it is a date."""
