"""What a column of labels looks like: blanks, twins, markers; several classes, measurements, order.

Nothing here changes a class but blanks around its name. The rest is said, for a person to judge.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from srmm.data.letters import lost_letters
from srmm.data.missing import counted, is_marker
from srmm.data.numerals import as_float
from srmm.errors import InputError, several, shown

_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})")
_NUMBER = re.compile(r"[-+\d.,/ ]*")
_SEPARATORS = ";|,/"
_MANY_NUMBERS = 30
"""More numbers than this are no classes, as a rule."""
_SCALE = range(3, 12)
"""How many steps a scale has that people rate on."""
_NAMED = 3
_NONE = ("nan", "NaN", "NaT", "<NA>", "None", "null")
"""What is missing, once it is made a text."""
_JOINTS = re.compile(r"(?<=[^\W_])[-\u2010-\u2015_](?=[^\W_])")
"""What words are joined by, one way or another."""
_LIKE_LATIN = str.maketrans(
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405"
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf"
    "\u2019\u2018\u00b4",
    "ABEKMHOPCTYXIJSaeopcyxijsABEZHIKMNOPTYXo'''",
)
"""Letters of Cyrillic and Greek that nobody can tell from Latin ones, and apostrophes."""


def tidy_names(column: str, names: np.ndarray, what: str) -> tuple[np.ndarray, list[str]]:
    """Names of classes or groups without the blanks around them, and notes on what was found.

    Among numbers a marker such as "NA" is an unknown name. Among words it may be one: Namibia, or
    the class "None".
    """
    tidy, notes = names.copy(), []
    stripped = Counter[str]()
    for row, name in enumerate(names):
        if isinstance(name, str) and name != (plain := name.strip()):
            tidy[row] = plain
            stripped[name] += 1
    if stripped:
        n = sum(stripped.values())
        example = next(iter(stripped))
        notes.append(
            f"Column {column!r}: blanks around {several(n, what)} were taken off, as of "
            f"{example!r}."
        )
    rows = [row for row, name in enumerate(tidy) if is_marker(name)]
    if not rows:
        return tidy, notes
    others = {name for name in tidy if name is not None and not is_marker(name)}
    counts = counted(Counter(tidy[rows]))
    if others and all(_number(name) is not None for name in others):
        notes.append(f"Column {column!r}: {counts} among numbers is an unknown {what}.")
        tidy[rows] = None
    else:
        notes.append(
            f"Column {column!r}: taken for {what}s like any other are {counts}. Where they stand "
            f"for an unknown {what}, empty the cells."
        )
    return tidy, notes


def label_notes(column: str, labels: np.ndarray) -> list[str]:
    """Sentences on labels that may not mean what a classifier makes of them.

    >>> labels = np.array(["Shirt", "shirt", "hat", "hat"], dtype=object)
    >>> label_notes("kind", labels)[0]
    "Column 'kind': 'Shirt' (1), 'shirt' (1) differ only in case or spelling: two classes."
    """
    counts = Counter(label for label in labels if isinstance(label, str | bool | int | float))
    if not counts:
        return []
    found = [twins(counts), _dates(counts) or _combinations(counts) or _numbers(counts)]
    found.append(lost_letters(label for label in labels if isinstance(label, str)))
    return [f"Column {column!r}: {sentence}" for sentence in found if sentence]


def group_notes(column: str, groups: np.ndarray) -> list[str]:
    """A sentence on groups that may be one: what belongs together would be torn."""
    sentence = twins(Counter(group for group in groups if group is not None), "groups")
    return [f"Column {column!r}: {sentence}"] if sentence else []


def check_targets(labels: Sequence[Any] | np.ndarray, source: str = "") -> None:
    """Raise `InputError` where known labels cannot be one class per row: lists, measurements."""
    for label in labels:
        if isinstance(label, list | tuple | set | dict | np.ndarray):
            raise InputError(
                f"The label {shown(label)}{source} holds several values, but a row has one class. "
                "Choose one of them, make a text of it, or train a model for each class."
            )
    texts = {label for label in labels if isinstance(label, str)}
    numbers = [_number(text) for text in texts] if len(texts) > _MANY_NUMBERS else []
    if numbers and all(number is not None and np.isfinite(number) for number in numbers):
        fraction = next((text for text in sorted(texts) if (_number(text) or 0) % 1), None)
        if fraction is not None:
            raise InputError(
                f"Unknown label type: continuous. The {len(texts):,} labels{source}, such as "
                f"{fraction!r}, are a measurement, not classes. Use a column of classes, or cut "
                "the numbers into ranges first."
            )


def _number(name: Any) -> float | None:
    """The number that a name is, or is written as."""
    if isinstance(name, bool):
        return None
    try:
        return as_float(name)
    except (TypeError, ValueError):
        return None


def twins(counts: Counter[Any], what: str = "classes") -> str | None:
    """Names (of classes, or groups) that differ in case, blanks or code points, or as 1 and 1.0."""
    same: dict[Any, list[str]] = {}
    for name in counts:
        if isinstance(name, str):
            number = _number(name)
            exact = number is not None and abs(number) < 2**53  # beyond, others are equal, too
            same.setdefault(number if exact else _spoken(name), []).append(name)
    found = [names for names in same.values() if len(names) > 1]
    if not found:
        return None
    parts = [counted({name: counts[name] for name in names}) for names in found[:_NAMED]]
    more = f"; and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    two = len(found) == 1 and len(found[0]) == 2
    as_what = f"two {what}" if two else f"{what} of their own"
    return f"{'; '.join(parts)}{more} differ only in case or spelling: {as_what}."


def unknown_twins(unknown: Mapping[Any, int], classes: Iterable[Any]) -> list[str]:
    """Sentences on labels that are no classes, with their counts, and look like one.

    >>> unknown_twins({"Shirt": 3, "hat": 1}, ["shirt", "shoe"])
    ["The label 'Shirt' (3) is no class of the model and 'shirt' is: they differ only in case or \
spelling."]
    """
    alike = {_spoken(name): name for name in classes if isinstance(name, str)}
    return [
        f"The label {counted({name: n})} is no class of the model and {alike[_spoken(name)]!r} is: "
        "they differ only in case or spelling."
        for name, n in unknown.items()
        if isinstance(name, str) and _spoken(name) in alike
    ]


def markers_for_none(counts: Counter[Any]) -> str | None:
    """A sentence on classes called as programs write what is missing, and as blanks.

    >>> markers_for_none(Counter(["nan", "red", "nan", "blue"]))
    "'nan' (2) is taken for a class like any other. If it stands for an unknown label, give None."
    """
    found = {name: n for name, n in counts.items() if name in _NONE or not name.strip()}
    if not found:
        return None
    is_, stands = ("is", "it stands") if len(found) == 1 else ("are", "they stand")
    like = "a class like any other" if len(found) == 1 else "classes like any others"
    what = "an unknown label" if len(found) == 1 else "unknown labels"
    return f"{counted(found)} {is_} taken for {like}. If {stands} for {what}, give None."


def _spoken(name: str) -> str:
    """By which two names are one to a person: without case, blanks, and ways to write a letter.

    >>> _spoken("living_room") == _spoken("Living  room") == _spoken("living\N{EN DASH}room")
    True
    >>> _spoken("\N{CYRILLIC CAPITAL LETTER ES}") == _spoken("C"), _spoken("A-") == _spoken("A")
    (True, False)
    """
    plain = _seen(unicodedata.normalize("NFKC", name)).translate(_LIKE_LATIN)
    return " ".join(_JOINTS.sub(" ", plain).casefold().split())


def _seen(text: str) -> str:
    """The text without characters that nobody sees, such as a space without width."""
    if text.isascii():
        return text
    return "".join(letter for letter in text if unicodedata.category(letter) != "Cf")


def _combinations(counts: Counter[Any]) -> str | None:
    """Labels that look like several classes of one row, "red;blue": parts stand elsewhere, too."""
    names = [name for name in counts if isinstance(name, str)]
    for separator in _SEPARATORS:
        if separator in ",/" and all(_NUMBER.fullmatch(name) for name in names):
            continue  # 1,5 is a number, 1/2 a share
        split = {name: [part.strip() for part in name.split(separator)] for name in names}
        uses = Counter(part for parts in split.values() for part in set(parts))
        joined = [
            name
            for name, parts in split.items()
            if len(parts) > 1 and all(part and uses[part] > 1 for part in parts)
        ]
        if len(joined) > 1 or (joined and all(part in names for part in split[joined[0]])):
            n = sum(counts[name] for name in joined)
            return (
                f"{several(n, 'label looks', 'labels look')} like several classes of one row, as "
                f"{joined[0]!r} does. Each combination is learnt as a class of its own."
            )
    return None


def _dates(counts: Counter[Any]) -> str | None:
    if not all(isinstance(name, str) and _DATE.fullmatch(name) for name in counts):
        return None
    return (
        f"the labels are dates, such as {next(iter(counts))!r}. Each of the {len(counts):,} is "
        "learnt as a class of its own, without an order."
    )


def _numbers(counts: Counter[Any]) -> str | None:
    """Numbers that are many, or the steps of a scale."""
    found = [_number(name) for name in counts]
    numbers = sorted({number for number in found if number is not None and np.isfinite(number)})
    if len(numbers) < len(found):
        return None
    if len(numbers) > _MANY_NUMBERS:
        return (
            f"the labels are {len(numbers):,} different numbers. Each is learnt as the name of a "
            "class; if they measure something, cut them into ranges first."
        )
    steps = {round(high - low, 9) for low, high in pairwise(numbers)}
    codes = numbers[0] == 0 and numbers[-1] == len(numbers) - 1 and len(numbers) != 11
    if len(numbers) in _SCALE and steps in ({1}, {0.5}) and not codes:
        return (
            f"the labels are the numbers {numbers[0]:g} to {numbers[-1]:g}. If they are steps of a "
            "scale, their order is not learnt: to miss by one counts as much as to miss by all."
        )
    return None
