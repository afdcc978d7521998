"""The split of the rows a model is made from: the data's own, or a drawn one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from srmm.data.duplicates import (
    drawn_notes,
    groups_of_codes,
    held_out_rows,
    repeated_rows,
    split_notes,
)
from srmm.data.embeddings import Embeddings
from srmm.data.table import Table, check_labels
from srmm.encoding.unique_items import unique_items
from srmm.errors import InputError, several, shown


class Split(NamedTuple):
    """The part (n,) each instance is in, None of one that is in none, and what is to say of it."""

    parts: np.ndarray
    notes: tuple[str, ...] = ()


def choose_split(data: Table | Embeddings, test_size: float, seed: int) -> Split:
    """The data's own split, or a stratified one, groups whole.

    Where the data has no groups, rows with the same content are on one side; where it has some,
    a note counts those of several groups.
    """
    known = check_labels(data)
    if data.split is not None:
        split = data.split.copy()
        split[~known & (split != "test")] = None  # nothing to learn from
        if not (split == "train").any():
            raise InputError("The split column has no labelled 'train' row to learn from.")
        said = _own_split_notes(data.split, known)
        said += split_notes(split, data.groups, _repeated(data))
        assert data.labels is not None
        said += unlearnt_notes(data.labels[known], split[known])
        return Split(split, tuple(said))
    split = np.full(len(data), None, dtype=object)
    rows = np.flatnonzero(known)
    assert data.labels is not None
    codes = pd.factorize(pd.Series(data.labels[rows]))[0]
    groups = None if data.groups is None else data.groups[rows]
    repeated = _repeated(data[rows]) if test_size else None
    rng = np.random.default_rng(seed)
    train, test = held_out_rows(codes, test_size, groups, repeated, rng)
    split[rows[train]], split[rows[test]] = "train", "test"
    notes = drawn_notes(groups, repeated)
    if test_size and not len(test):
        notes.append(
            "No row could be held out for a test without tearing a group or emptying a class."
        )
    return Split(split, tuple(notes))


def _own_split_notes(split: np.ndarray, known: np.ndarray) -> list[str]:
    """Sentences on what the data's own split leaves out; `known` rows have a label and an item."""
    notes = []
    in_none = int((known & pd.isna(split)).sum())
    if in_none:
        rows = several(in_none, "labelled row is", "labelled rows are")
        notes.append(
            f"{rows} in no part of the data's own split: neither learnt from nor tested on."
        )
    for part in ("validation", "test"):
        if (split == part).any() and not known[split == part].any():
            notes.append(
                f"No {part!r} row of the data's own split has both a label and an item: it is as "
                "if there were none."
            )
    if not (split == "test").any():
        notes.append(
            "The data's own split has no 'test' row: nothing is held out to evaluate the model on."
        )
    return notes


def unlearnt_notes(labels: np.ndarray, split: np.ndarray) -> list[str]:
    """A sentence on test rows of classes that no training row has."""
    tested = labels[split == "test"].tolist()
    learnt = set(labels[split == "train"].tolist())
    unlearnt = [label for label in tested if label not in learnt]
    if not unlearnt:
        return []
    return [
        f"{len(unlearnt):,} of {several(len(tested), 'test row')} "
        f"{'is' if len(unlearnt) == 1 else 'are'} of classes that no training row has, such as "
        f"{shown(unlearnt[0])}: always wrong."
    ]


def _repeated(data: Table | Embeddings) -> np.ndarray | None:
    """Groups of rows with the same items, as `repeated_rows`."""
    if isinstance(data, Embeddings):
        return repeated_rows(data)
    codes = np.full((len(data), len(data.modalities)), -1, dtype=np.int64)
    for m, name in enumerate(data.modalities):
        unique = unique_items(data, name)
        codes[unique.rows, m] = unique.index
    return groups_of_codes(codes)


def trained_on(own: Embeddings, split: np.ndarray) -> Embeddings:
    """The instances a model learnt from, in the order of training: validation came last."""
    order = [np.flatnonzero(split == part) for part in ("train", "validation")]
    return own[np.concatenate(order)]


def same_item_notes(trained: Embeddings) -> list[str]:
    """A sentence on each modality whose training items are all the same."""
    notes = []
    for name in trained.modalities:
        n, first = 0, None
        for rows, vectors in trained.blocks(name):
            first = vectors[0] if first is None else first
            if (vectors != first).any():
                break
            n += len(rows)
        else:
            notes += [
                f"All {n:,} training items of {name} are the same: nothing can be learnt from it "
                "but whether it is there."
            ] * (n > 1)
    return notes
