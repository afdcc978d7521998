"""Rows with the same content, which one side of a split must not teach to the other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from srmm.data.embeddings import Embeddings
from srmm.data.split import held_out_split, identical_items
from srmm.errors import several

_COMMON = 0.05
"""What more rows than this share have in common is a category, and no repetition."""


def repeated_rows(embeddings: Embeddings) -> np.ndarray | None:
    """Groups (n,) of instances whose items are all equal; None of one that is like no other.

    None if no instance repeats another. Where there are fewer contents than half the instances,
    one that more than a twentieth have is no repetition: few values are often the same by chance.
    """
    codes = np.full(embeddings.position.shape, -1, dtype=np.int64)
    for m, name in enumerate(embeddings.modalities):
        codes[embeddings.places(name)[0], m] = identical_items(embeddings, name)
    return groups_of_codes(codes)


def groups_of_codes(codes: np.ndarray) -> np.ndarray | None:
    """As `repeated_rows`, from a number (n, M) per item: equal ones for equal items, −1: absent."""
    number, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)[1:]
    number = number.reshape(-1)
    most = max(2, _COMMON * len(codes)) if 2 * len(counts) < len(codes) else len(codes)
    again = (counts[number] > 1) & (counts[number] <= most) & (codes >= 0).any(axis=1)
    if not again.any():
        return None
    groups = np.full(len(codes), None, dtype=object)
    groups[again] = number[again]
    return groups


def held_out_rows(
    y: np.ndarray,
    share: float,
    groups: np.ndarray | None,
    repeated: np.ndarray | None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """(kept, held out) as `held_out_split`; without groups, `repeated` rows are on one side.

    Those and the rows that are like no other are each split by themselves: the latter are many as
    a rule, and need no care.
    """
    if groups is not None or repeated is None:
        return held_out_split(y, share, groups, rng)
    again = pd.notna(repeated)
    out = [
        rows[held_out_split(y[rows], share, mine, rng)[1]]
        for rows, mine in (
            (np.flatnonzero(~again), None),
            (np.flatnonzero(again), repeated[again]),
        )
        if len(rows)
    ]
    held = np.sort(np.concatenate([np.empty(0, dtype=np.int64), *out]))
    return np.setdiff1d(np.arange(len(y)), held), held


def repetitions(repeated: np.ndarray) -> int:
    """How many instances of `repeated_rows` are like an earlier one."""
    there = pd.Series(repeated, dtype=object).dropna()
    return len(there) - there.nunique()


def across_note(repeated: np.ndarray, groups: np.ndarray) -> list[str]:
    """A sentence on instances that repeat one of another group, if any does."""
    rows = np.flatnonzero(pd.notna(repeated))
    alone = pd.isna(groups[rows])
    group = np.where(alone, rows, pd.factorize(groups[rows])[0] + len(groups))
    same = pd.Series(group).groupby(repeated[rows].tolist())
    n = int((same.transform("nunique") > 1).sum())
    return [
        f"{several(n, 'row has', 'rows have')} the items of a row of another group exactly. "
        "Groups alone decide which side of the split a row is on, so figures may be too good."
    ] * bool(n)


def drawn_notes(groups: np.ndarray | None, repeated: np.ndarray | None) -> list[str]:
    """Sentences on rows with the same content, where the split is drawn."""
    if repeated is None:
        return []
    if groups is not None:
        return across_note(repeated, groups)
    rows = several(repetitions(repeated), "row repeats", "rows repeat")
    return [f"{rows} the items of another row exactly; equal rows are on one side of the split."]


def split_notes(
    split: np.ndarray, groups: np.ndarray | None, repeated: np.ndarray | None
) -> list[str]:
    """Sentences on what stands on both sides of a split that came with the data."""
    notes = []
    across = [] if groups is None else _across(split, groups)
    if across:
        notes.append(
            f"{several(len(across), 'group is', 'groups are')} on several sides of the data's own "
            f"split, such as {across[0]!r}. Figures may be too good: leave the split column out, "
            "and groups are kept whole."
        )
    both = set() if repeated is None else set(_across(split, repeated, ("train", "test")))
    if both:
        assert repeated is not None
        n_test = sum(g in both for g in repeated[split == "test"])
        rows = several(n_test, "test row repeats", "test rows repeat")
        notes.append(
            f"{rows} the items of a training row exactly, as the data's own split has it. Figures "
            "may be too good."
        )
    return notes


def _across(
    split: np.ndarray, groups: np.ndarray, parts: Iterable[str] = ("train", "validation", "test")
) -> list[object]:
    """The groups that have rows in two or more parts of a split."""
    frame = pd.DataFrame({"group": groups, "part": split}, dtype=object).dropna()
    frame = frame[frame["part"].isin(list(parts))]
    sides = frame.groupby("group", sort=False)["part"].nunique()
    return sides.index[sides > 1].tolist()
