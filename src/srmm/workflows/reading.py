"""How a model's training table was read, so that every later one is read in the same way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase as fnmatch
from typing import Any

from srmm.data.modality import KINDS
from srmm.encoding.fitting import read_as_cells
from srmm.errors import InputError, did_you_mean, first_few, one_of, spelt_otherwise

_NAMED = 5

READING = ("missing",)
"""Arguments of `read_table` that say what cells mean: a model keeps those it was trained with."""


def reading_of(
    config: Mapping[str, Any],
    there: Sequence[str],
    columns: Mapping[str, Any] | None,
    name: str,
) -> tuple[dict[str, Any], list[str]]:
    """(keyword arguments of `read_table`, notes): a table with these columns, read as in training.

    What is named in `columns` goes before what the model remembers. Raises `InputError` if the
    table has none of the columns that the model reads.
    """
    origin, inputs = config.get("origin") or {}, config["inputs"]
    as_cells = read_as_cells({modality: about["encoder"] for modality, about in inputs.items()})
    chosen = {"as_cells": as_cells, **kept_options(config)}
    chosen |= {key: value for key, value in (columns or {}).items() if value}
    for role, column in (origin.get("roles") or {}).items():
        if column in there:
            chosen.setdefault(role, column)
    if any(kind in chosen for kind in KINDS):
        return chosen, []
    notes, wanted, lacking = [], [], dict[str, None]()
    for modality, about in inputs.items():
        choices = [about["column"], modality]
        if modality in as_cells:  # a column that the table lacks is blank in every row
            choices[0] = _those_there(about["column"], there)
        column = next((c for c in choices if c and readable(c, there)), None)
        if modality not in config["modalities"]:
            notes += [left_out_note(modality)] if column else []
            continue
        if column is None:
            missing = _lacking(about["column"] or modality, there)
            lacking |= dict.fromkeys(missing)
            wanted.append(f"{modality} needs {_listed(missing)}")
            note = f"{name} has no {_listed(missing)}: {modality} is absent in all rows."
            notes.append(f"{note} {spelt_otherwise(missing, there)}".rstrip())
            continue
        lacking_in = _lacking(about["column"] or modality, there) if modality in as_cells else []
        if alike := spelt_otherwise(lacking_in, there):
            notes.append(f"{modality} lacks columns that {name} may have by another name. {alike}")
        kind = about["kind"] if about["encoder"] else "features"
        chosen.setdefault(kind, []).append(f"{modality}={column}")
    if not any(kind in chosen for kind in KINDS):
        raise InputError(
            f"{name} has nothing that the model reads: {', '.join(wanted)}. "
            f"{_hint(list(lacking), there)} Name the columns (--image, --text, …), or rename them."
        )
    return chosen, notes


def kept_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `read_table` named in `READING` that the model was trained with."""
    origin = config.get("origin") or {}
    before = {"missing": "none"} if "roles" in origin else {}  # when markers were texts
    reading = dict(origin.get("reading", before))
    for key in reading:
        one_of("A name in the model's origin.reading", key, READING)
    return reading


def left_out_note(modality: str) -> str:
    """What to say of a modality that the model was trained without."""
    return f"{modality} is left out: the model was trained without it."


def readable(choice: str, columns: Sequence[str]) -> bool:
    """Whether a column, template or pattern over columns can be read from these columns."""
    if choice in columns or all(_matches(part.strip(), columns) for part in choice.split(",")):
        return True
    used = re.findall(r"{(.*?)}", choice)
    return bool(used) and all(column in columns for column in used)


def _matches(part: str, columns: Sequence[str]) -> bool:
    """Whether it is one of these columns, as "width[cm]" may be, or a pattern of some."""
    return part in columns or any(fnmatch(column, part) for column in columns)


def _those_there(choice: str | None, columns: Sequence[str]) -> str:
    """The part of a choice such as "width,height" that can be read from these columns."""
    if not choice or choice in columns:
        return choice or ""
    parts = [part.strip() for part in choice.split(",")]
    return ",".join(part for part in parts if readable(part, columns))


def _lacking(choice: str, columns: Sequence[str]) -> list[str]:
    """The parts of a choice such as "width,height" that cannot be read from these columns."""
    return [part for part in map(str.strip, choice.split(",")) if not readable(part, columns)]


def _hint(lacking: Sequence[str], there: Sequence[str]) -> str:
    """What the columns that are lacking may be called, and what there is."""
    hint = did_you_mean(next(iter(lacking), ""), there)
    alike = spelt_otherwise(lacking, there)
    return f"{alike} Available: {hint.partition('Available: ')[2]}" if alike else hint


def _listed(names: Sequence[str]) -> str:
    return first_few(map(repr, names), _NAMED)
