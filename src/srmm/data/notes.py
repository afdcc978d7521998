"""Notes on the parts of a table as notes on the whole of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import chain

_QUOTED = r"'(?:[^'\\]|\\.)*'"
_COUNTED = rf"{_QUOTED} \([\d,]+\)(?:, {_QUOTED} \([\d,]+\))*"
_EXAMPLE = re.compile(rf"""(?:the first|such|, as)(?:,| as)? (?:{_QUOTED}|"[^"]*")""")
_PIECES = re.compile(
    rf"({_EXAMPLE.pattern}|{_COUNTED}|{_QUOTED}|\b(?:line|row|id) \d[\d,]*|\b\d[\d,]*(?![\w.]| %))"
)
"""Examples, lists such as "'-' (1,200), 'nan' (3)", quotations, places, and counts."""
_SHOWN = 5


def united(notes: Iterable[str]) -> tuple[str, ...]:
    """Sentences of several parts of one table: each once, with its counts summed up.

    An example, its place and a share are those of the first part.

    >>> united(["'-' (2) of 10 rows", "'-' (3), 'nan' (1) of 8 rows", "'a' is new", "'a' is new"])
    ("'-' (5), 'nan' (1) of 18 rows", "'a' is new")
    """
    alike: dict[str, list[list[str]]] = {}
    for note in notes:
        pieces = _PIECES.split(note)
        alike.setdefault("\0".join(map(_shape, pieces)), []).append(pieces)
    return tuple("".join(map(_sum, zip(*same, strict=True))) for same in alike.values())


def _shape(piece: str) -> str:
    """What two sentences must have in common to be summed up in one."""
    if _EXAMPLE.fullmatch(piece):
        return "example"
    if re.fullmatch(_COUNTED, piece):
        return "counted"
    if re.fullmatch(r"\d[\d,]*", piece):
        return "count"
    return re.sub(r"^(line|row|id) [\d,]+$", r"\1", piece)


def _sum(pieces: tuple[str, ...]) -> str:
    if _shape(pieces[0]) == "count":
        return f"{sum(map(_number, pieces)):,}"
    if _shape(pieces[0]) == "counted":
        counts: Counter[str] = Counter()
        listed = re.compile(rf"({_QUOTED}) \(([\d,]+)\)")
        for what, n in chain.from_iterable(map(listed.findall, pieces)):
            counts[what] += _number(n)
        return ", ".join(f"{what} ({n:,})" for what, n in counts.most_common(_SHOWN))
    return pieces[0]


def _number(text: str) -> int:
    return int(text.replace(",", "") or 0)
