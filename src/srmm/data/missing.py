"""Markers of missing items: "nan", "N/A", "-" and the like stand for nothing, and are no texts.

The same rule for every way in: pandas reads "NA" in a file as NaN, so a file and the frame made of
it hold the same items only if the word counts as absent, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from srmm.data.blocks import are_numbers, as_numbers
from srmm.data.columns import IN_BRACES, PATH_KINDS, ModalityColumns
from srmm.data.numerals import as_float
from srmm.errors import InputError, first_few, several

MARKERS = frozenset({
    # What pandas.read_csv takes for missing …
    "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>", "n/a",
    "na", "nan", "none", "null",
    # … what other programs write: pandas' dates, JavaScript, SQL dumps, spreadsheets …
    "nat", "undefined", "\\n", "(null)", "(none)", "(blank)", "[null]", "<null>", "<none>", "<nan>",
    "<missing>", "nil", "#ref!", "#value!", "#div/0!", "#name?", "#num!", "#null!",
    # … and people. A lone point is what SAS and Stata write.
    "n.a.", "n.a", "n/d", "n.d.", "k.a.", "tbd", "tba", "tbc", "t.b.d.", "t.b.a.",
    "not available", "not applicable", ".",
})  # fmt: skip
"""Cells, in lower case and without blanks around them, that stand for nothing. So do those that
are all dashes and question marks."""

_SIGNS = frozenset("-‐‑‒–—―−_?？ \u00a0")
_LONGEST = max(map(len, MARKERS))

_NUMBERS = (int, float, np.number, Decimal)
_SHORT = 30
"""Longer texts that are often the same are no placeholders but boilerplate."""

_FREQUENT = 0.02

IsMarker = Callable[[Any], bool]
"""Whether a cell is text that stands for nothing."""


def is_marker(cell: Any) -> bool:
    """Whether a cell is one of the usual markers.

    >>> [is_marker(cell) for cell in ("N/A", " nan", "--", "None of them", 3, None)]
    [True, True, True, False, False, False]
    >>> is_marker("N/A".ljust(40))
    True
    """
    if not isinstance(cell, str) or not cell:
        return False
    short = len(cell) <= _LONGEST or cell[-1] == " "  # databases pad columns of a fixed length
    if short and cell.strip().lower() in MARKERS:
        return True
    return cell[0] in _SIGNS and _SIGNS.issuperset(cell) and not cell.isspace()


def parse_missing(missing: str | Sequence[str]) -> IsMarker:
    """What counts as a marker: "auto", the usual ones; "none"; or a list, in which "auto" may be.

    Those of a list are recognised in any case and with blanks around them; a number is whatever
    writes it, "-999" also -999.0.

    >>> unknown = parse_missing("auto,unknown")
    >>> unknown("Unknown"), unknown("N/A"), unknown("red shoe")
    (True, True, False)
    """
    named, numbers, usual = _named(missing)
    if not named:
        return is_marker if usual else lambda cell: False

    def is_named(cell: Any) -> bool:
        if isinstance(cell, _NUMBERS) and not isinstance(cell, bool):
            return cell in numbers  # a file of text and a typed one hold the same items
        if not isinstance(cell, str):
            return False
        return (
            cell.strip().lower() in named
            or (bool(numbers) and _number(cell) in numbers)
            or (usual and is_marker(cell))
        )

    return is_named


def described(missing: str | Sequence[str]) -> dict[str, Any]:
    """What `parse_missing` looks for, as plain values for programs without srmm: "texts" in lower
    case, "numbers", and the "signs" of which a text that stands for nothing may be made.
    """
    named, numbers, usual = _named(missing)
    return {
        "texts": sorted(named | MARKERS if usual else named),
        "numbers": sorted(numbers),
        "signs": "".join(sorted(_SIGNS)) if usual else "",
    }


def _named(missing: str | Sequence[str]) -> tuple[set[str], set[float], bool]:
    """(markers that are named, in lower case; the numbers among them; whether the usual ones are
    markers, too)."""
    words = missing.split(",") if isinstance(missing, str) else missing
    expected = 'expected "auto", "none", or markers such as "auto,unknown" or ["n/a", "unknown"].'
    if not isinstance(words, Iterable) or isinstance(words, (bytes, Mapping)):
        raise InputError(f"missing is {missing!r}: {expected}")
    words = list(words)
    for word in words:
        if not isinstance(word, str) or not word.strip():
            raise InputError(f"missing is {missing!r}, with {word!r} in it: {expected}")
    named = {word.strip().lower() for word in words}
    if isinstance(missing, str) and named == {"none"}:
        return set(), set(), False
    usual = "auto" in named or not named
    named -= {"auto"}
    return named, {number for word in named if (number := _number(word)) is not None}, usual


def _number(text: str) -> float | None:
    try:
        return as_float(text)
    except ValueError:
        return None


def without_markers(
    modality: ModalityColumns,
    cells: Mapping[str, np.ndarray],
    stands_for_nothing: IsMarker,
    roles: Iterable[str] = (),
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The cells of a modality's columns, None where there is a marker, and a note per column.

    In a template of a path only the name of the file can be one. A folder may well be called "NA"
    or "None", as may an id or a class (`roles`); where it is not, there is no such file.
    """
    cleaned, notes = {}, []
    columns = list(modality.columns)
    if modality.form == "template" and modality.kind in PATH_KINDS:
        last = IN_BRACES.findall(modality.choice.replace("\\", "/").rpartition("/")[2])
        columns = [column for column in columns if column in last and column not in set(roles)]
    for column in modality.columns:
        cleaned[column] = cells[column]
        if column in columns:
            cleaned[column], said = blank_markers(column, cells[column], stands_for_nothing)
            notes += said
    return cleaned, notes


def blank_markers(
    column: str, cells: np.ndarray, stands_for_nothing: IsMarker
) -> tuple[np.ndarray, list[str]]:
    """The cells of a column, None where there is a marker, and a note if there is one."""
    may_be = (str, *_NUMBERS)
    looked_at = _maybe_markers(cells, stands_for_nothing)
    distinct = {cell for cell in looked_at if isinstance(cell, may_be)}
    markers = set(filter(stands_for_nothing, distinct))
    if not markers:
        return cells, []
    rows = [row for row, cell in enumerate(cells) if isinstance(cell, may_be) and cell in markers]
    blanked = cells.copy()
    blanked[rows] = None
    return blanked, [marker_note(column, cells[rows])]


def _maybe_markers(cells: np.ndarray, stands_for_nothing: IsMarker) -> np.ndarray:
    """The cells that are to be looked up: none of numbers, of which no usual marker is one, and of
    texts of numbers those that are not finite.
    """
    if stands_for_nothing is not is_marker:
        return cells
    if are_numbers(cells):
        return cells[:0]
    numbers = as_numbers(cells)
    return cells if numbers is None else cells[~np.isfinite(numbers)]


def marker_note(column: str, markers: Iterable[Any]) -> str:
    """The sentence on the cells of a column that count as absent: how many of which marker."""
    counts = Counter(str(marker).strip() for marker in markers)
    n = sum(counts.values())
    which = several(n, "cell counts", "cells count")
    return f"Column {column!r}: {which} as absent, {counted(counts)} (see missing=, --missing)."


def counted(counts: Mapping[Any, int], shown: int = 5) -> str:
    """The most frequent things with their numbers.

    >>> counted({"nan": 3, "-": 1200})
    "'-' (1,200), 'nan' (3)"
    """
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return first_few((f"{value!r} ({n:,})" for value, n in ordered), shown)


def repeated_text_note(name: str, items: np.ndarray) -> str | None:
    """A note on short texts that fill more than 2 % of a modality and may stand for nothing.

    Not where most texts are of the kind: that is a column of categories.
    """
    counts = Counter(item.strip() for item in items if isinstance(item, str))
    least = max(2, _FREQUENT * len(items))
    often = {text: n for text, n in counts.items() if n > least and len(text) <= _SHORT}
    if not often or len(often) > len(counts) - len(often):
        return None
    return (
        f"Text {name!r} is often the same: {counted(often)} of {len(items):,} rows. What stands "
        "for nothing can count as absent: --missing 'auto,TEXT' (missing=)."
    )
