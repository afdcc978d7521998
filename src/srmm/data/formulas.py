"""Texts that a spreadsheet would run as formulas: written so that none does, and read back.

`=HYPERLINK(…)` in a title would run where somebody opens the predictions in a spreadsheet. In CSV
and TSV such a text gets an apostrophe in front, by which spreadsheets know a text; reading takes it
away again. Numbers are no formulas: −1.5 stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

# What a spreadsheet strips may stand in front, and what it takes for the plain sign in its place.
_BEGINS = re.compile(
    r"[\t\r\n]|[\s\x00-\x1f\x7f\u200b-\u200f\u2060\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]"
)
_NUMBER = re.compile(r" *[+-]?[0-9.,]*[0-9][0-9.,]*([eE][+-]?[0-9]+)?%? *", re.ASCII)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet might run the text.

    >>> [is_formula(text) for text in ("=1+1", " ＠SUM(A1)", "-1.5", "- 20 %", "red = blue")]
    [True, True, False, True, False]
    """
    return _BEGINS.match(text) is not None and _NUMBER.fullmatch(text) is None


def as_text_cell(cell: Any) -> Any:
    """A cell of a CSV that is a text and no formula; anything else as it is.

    >>> as_text_cell("=1+1"), as_text_cell("'=1+1"), as_text_cell(-1.5), as_text_cell("'tis")
    ("'=1+1", "''=1+1", -1.5, "'tis")
    """
    return f"'{cell}" if isinstance(cell, str) and is_formula(cell.lstrip("'")) else cell


def from_text_cell(cell: str) -> str:
    """What `as_text_cell` was given.

    >>> from_text_cell("''=1+1"), from_text_cell("'tis"), from_text_cell("=1+1")
    ("'=1+1", "'tis", '=1+1')
    """
    return cell[1:] if cell[:1] == "'" and is_formula(cell.lstrip("'")) else cell


def restored(columns: Iterable[tuple[str, np.ndarray]]) -> tuple[str, ...]:
    """Take the apostrophes out of object arrays (n,) in place; a sentence for each that had any."""
    notes = []
    for name, cells in columns:
        marked = [row for row, cell in enumerate(cells) if cell is not None and cell[:1] == "'"]
        changed = [row for row in marked if from_text_cell(cells[row]) != cells[row]]
        for row in changed:
            cells[row] = from_text_cell(cells[row])
        if changed:
            notes.append(
                f"Texts of column {name!r} with an apostrophe before =, +, -, @ or the like, which "
                "keeps spreadsheets from running them, are read without it."
            )
    return tuple(notes)
