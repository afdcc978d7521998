"""Columns that nobody has chosen and whose use the source itself names, as a class folder does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from srmm.data.modality import KINDS
from srmm.data.sources import OpenedTable

Choices = dict[str, str | Sequence[str]]
Roles = dict[str, str | None]


def with_usual(
    table: OpenedTable, chosen: Mapping[str, str | Sequence[str]], roles: Mapping[str, str | None]
) -> tuple[Choices, Roles, dict[str, str], tuple[str, ...]]:
    """The choices with what the source names itself, that alone, and a sentence that says so.

    Its split is taken unless another is chosen: who trained on the folder `test` would have
    nothing honest to test on. Items, labels and ids are taken only where no modality is chosen.
    """
    nothing = not any(chosen.values())
    used = [column for column in roles.values() if column is not None]
    assumed = {
        role: column
        for role, column in table.usual.items()
        if (nothing or role == "split") and not roles.get(role) and column not in used
    }
    if not assumed:
        return dict(chosen), dict(roles), {}, ()
    shown = ", ".join(f"{role} {column!r}" for role, column in assumed.items())
    note = f"Taken from {table.name} itself, as nothing else was chosen: {shown}."
    kinds = {kind: column for kind, column in assumed.items() if kind in KINDS}
    own = {role: column for role, column in assumed.items() if role in roles}
    return {**chosen, **kinds}, {**roles, **own}, assumed, (note,)
