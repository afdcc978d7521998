"""Columns of a table that make up a modality: "photo=images/{id}.jpg", "v2_*", "width,height"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from srmm.data.modality import check_modalities, check_modality_name
from srmm.data.sources import OpenedTable
from srmm.errors import InputError, alike_key, did_you_mean

IN_BRACES = re.compile(r"\{([^{}]+)\}")
_AMBIGUOUS = re.compile(r"^\s|,|\s$")
"""What a name in a list of names cannot have: any letter stands for it."""
PATH_KINDS = ("image", "audio", "voice", "face")


@dataclass(frozen=True)
class ModalityColumns:
    """One modality as the user chose it: the columns it uses and how they become an item."""

    name: str
    kind: str
    choice: str
    form: str  # "column", "template", or "numbers": one column for each number of a vector
    columns: tuple[str, ...]

    @property
    def resolved(self) -> str:
        """The choice, of a pattern the columns in their order: another table may have another."""
        if self.form != "numbers":
            return self.choice
        return ",".join(_AMBIGUOUS.sub("?", column) for column in self.columns)


def alike_notes(used: Iterable[str], there: Iterable[str]) -> list[str]:
    """A sentence where columns that are not used differ from those that are only in case, blanks or
    ways to write a letter, as where files of two spellings were put together.

    >>> alike_notes(["price", "kind"], ["price", "Price ", "kind", "colour"])
    ["Column 'Price ' is not read, and 'price' is: they differ only in case or spelling. If they \
are one, join them."]
    """
    used = [*used]
    known = {alike_key(column): column for column in used}
    others = [column for column in there if column not in used]
    return [
        f"Column {column!r} is not read, and {known[alike_key(column)]!r} is: they differ only in "
        "case or spelling. If they are one, join them."
        for column in dict.fromkeys(others)
        if alike_key(column) in known
    ]


def as_choices(kind: str, choices: Any) -> list[str]:
    """The columns chosen for a kind as a list; raise `InputError` for what names no column."""
    if choices is None:
        return []
    listed = isinstance(choices, Iterable) and not isinstance(choices, str | bytes)
    found = list(choices) if listed else [choices]
    for choice in found:
        _check_text(f"The {kind}", choice)
    return found


def _check_text(role: str, column: Any) -> None:
    if not isinstance(column, str):
        raise InputError(
            f"{role} is chosen by {column!r} of type {type(column).__name__}; expected the name of "
            f"a column as text, e.g. {str(column)!r}."
        )


def parse_choice(
    table: OpenedTable, kind: str, choice: str, reserved: Sequence[str]
) -> ModalityColumns:
    name, wanted = "", choice
    if choice not in table.columns and "=" in choice:
        name, wanted = (part.strip() for part in choice.split("=", 1))
        name = check_modality_name(name)
    form = "column"
    columns: tuple[str, ...] = (wanted,)
    if wanted in table.columns:
        pass
    elif kind == "features" and any(sign in wanted for sign in "*?[,"):
        form = "numbers"
        several = [_matching(table, part.strip(), reserved) for part in wanted.split(",")]
        columns = tuple(dict.fromkeys(column for part in several for column in part))
    elif kind != "features" and IN_BRACES.search(wanted):
        form, columns = "template", tuple(IN_BRACES.findall(wanted))
    for column in columns:
        check_column(table, f"The {kind}", column)
    return ModalityColumns(name, kind, wanted, form, columns)


def _matching(table: OpenedTable, wanted: str, reserved: Sequence[str]) -> list[str]:
    """The columns that a name or a pattern means."""
    if wanted in table.columns or not any(sign in wanted for sign in "*?["):
        return [wanted]
    columns = [c for c in table.columns if fnmatchcase(c, wanted) and c not in reserved]
    if not columns:
        raise InputError(
            f"The features {wanted!r} match no column of {table.name}. "
            f"{did_you_mean(wanted, table.columns)}"
        )
    return columns


def check_column(table: OpenedTable, role: str, column: str) -> None:
    _check_text(role, column)
    if table.columns.count(column) > 1:
        raise InputError(
            f"{role} column {column!r} stands {table.columns.count(column)} times in "
            f"{table.name}; rename all but one."
        )
    if column in table.columns:
        return
    hint = did_you_mean(column, table.columns)
    if len(table.columns) == 1 and ";" in table.columns[0]:
        hint = (
            "If it is separated by ';', its lines do not agree on how many cells they have. "
            f"Mend them. {hint}"
        )
    if column in table.levels:
        hint = "It names the frame's index: call .reset_index() first, which makes it a column."
    raise InputError(f"{role} column {column!r} is not in {table.name}. {hint}")


def name_modalities(parsed: list[ModalityColumns], table: OpenedTable) -> list[ModalityColumns]:
    if not parsed:
        raise InputError(
            "No modality chosen: name at least one column of items, e.g. image='photo' or "
            f"text='title' (--image photo, --text title). "
            f"{table.name} has: {', '.join(map(repr, table.columns))}."
        )
    named = []
    for modality in parsed:
        alone = sum(other.kind == modality.kind for other in parsed) == 1
        if not (modality.name or alone or modality.form == "column"):
            raise InputError(
                f"There are several {modality.kind} modalities, so {modality.choice!r} needs a "
                f"name: write e.g. '{modality.kind}1={modality.choice}'."
            )
        name = modality.name or (modality.kind if alone else modality.choice)
        named.append(replace(modality, name=name))
    try:
        check_modalities([modality.name for modality in named])
    except InputError as error:
        raise InputError(f"{error} The name goes in front: 'name=column'.") from None
    return named


def check_roles(modalities: Iterable[ModalityColumns], roles: dict[str, str | None]) -> None:
    """One column cannot be two things, nor an input hold what is to be predicted.

    The path of a picture may: "images/{split}/{label}/{id}.jpg" is how many data sets are laid
    out. So may an id (but as a feature) or a group, and a photo be both an image and a face, a
    recording both audio and a voice.
    """
    uses = [(f"the {role}", column) for role, column in roles.items() if column is not None]
    inputs: list[tuple[str, str, str]] = []
    for modality in modalities:
        if modality.form == "template" and modality.kind in PATH_KINDS:
            continue
        kind = {"face": "image", "voice": "audio"}.get(modality.kind, modality.kind)
        inputs += [(f"the {modality.kind} {modality.name!r}", kind, c) for c in modality.columns]
    clashes = [
        (first, second, column)
        for i, (first, column) in enumerate(uses)
        for second, other in uses[i + 1 :]
        if column == other
    ]
    clashes += [
        (role, what, column)
        for role, column in uses
        for what, kind, other in inputs
        if column == other
        # An id as a number, or a category, says which row it is and no more.
        and (role not in ("the id", "the group") or (role, kind) == ("the id", "features"))
    ]
    seen: dict[str, tuple[str, str]] = {}
    for what, kind, column in inputs:
        before, other_kind = seen.setdefault(column, (what, kind))
        if other_kind != kind:
            clashes.append((before, what, column))
    if clashes:
        first, second, column = clashes[0]
        raise InputError(
            f"Column {column!r} cannot be both {first} and {second}; choose another for one."
        )
