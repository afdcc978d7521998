"""Splits and folds: stratified, groups kept whole; and groups from items that are the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from srmm.data.embeddings import Embeddings
from srmm.data.labels import name_of
from srmm.errors import InputError

_CHUNK = 4096
_COMMON = 0.05
"""An item that a larger share of the instances has says nothing of who belongs together."""
_MOST_PER_ITEM = 10
"""Where an item of a modality has more instances on average, it is a category's value."""


def stratified_split(
    y: np.ndarray, held_out: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(kept, held out) row indices, sorted, with every class split in the same proportion.

    `round(held_out · n)` rows are held out, shared among the classes by largest remainder (ties at
    random). A class keeps at least one row, so one with a single row is never held out.
    """
    labels, counts = np.unique(y, return_counts=True)
    quota = held_out * counts
    share = np.minimum(np.floor(quota).astype(int), counts - 1)
    # Whoever is furthest below its quota gets the next row, as long as it keeps one itself.
    order = np.lexsort((rng.random(len(labels)), share - quota))
    open_ = order[share[order] < counts[order] - 1]
    share[open_[: max(0, round(held_out * len(y)) - share.sum())]] += 1
    held = [
        rng.permutation(np.flatnonzero(y == label))[:count]
        for label, count in zip(labels, share, strict=True)
    ]
    out = np.sort(np.concatenate([np.empty(0, dtype=np.int64), *held]))
    return np.setdiff1d(np.arange(len(y)), out), out


def draw_folds(
    y: np.ndarray, groups: np.ndarray, n_folds: int, rng: np.random.Generator
) -> np.ndarray:
    """The fold (n,) of each instance: groups stay whole, classes are spread evenly.

    A group goes by the class that most of its instances have. Within a class, groups are dealt to
    the folds from the largest to the smallest, forth and back; of equal ones in random order. An
    instance whose group is None is one by itself.

    >>> rng = np.random.default_rng(0)
    >>> folds = draw_folds(np.repeat([0, 1], 10), np.arange(20), 5, rng)
    >>> np.bincount(folds[:10]), np.bincount(folds[10:])
    (array([2, 2, 2, 2, 2]), array([2, 2, 2, 2, 2]))
    """
    group = _numbered(groups)
    if group.max() == 0:
        raise InputError(
            "All labelled instances are of one group, so none can judge the others. Groups are "
            "what belongs together, such as a speaker; leave them out, or name another column."
        )
    n_groups, n_classes = int(group.max()) + 1, int(y.max()) + 1
    pairs, counts = np.unique(group * n_classes + y, return_counts=True)
    by_count = np.lexsort([counts, pairs // n_classes])
    pairs = pairs[by_count]
    del by_count, counts  # of very many groups each of these takes room
    last = np.flatnonzero(np.append(np.diff(pairs // n_classes) > 0, True))
    label = (pairs[last] % n_classes).astype(np.int32)  # (n_groups,): each one's most frequent
    del pairs, last
    size = np.bincount(group, minlength=n_groups).astype(np.int32)
    order = np.lexsort((rng.random(n_groups), -size, label))
    # One deal over all classes, so that the small ones do not all begin at the first fold.
    forth = np.arange(n_groups) % (2 * n_folds)
    fold = np.empty(n_groups, dtype=np.int64)
    fold[order] = np.minimum(forth, 2 * n_folds - 1 - forth)
    return fold[group]


def held_out_split(
    y: np.ndarray,
    share: float,
    groups: np.ndarray | None,
    rng: np.random.Generator,
    alike: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(kept, held out) row indices: stratified, and where there are groups, none in both.

    Without groups none of those is in both that are `alike`, numbered from 0 as by `repeated`.

    Groups come in random order, and one is held out where that brings the classes nearer to their
    share. A class keeps at least one row. Where no group does, the one that misses least is taken.
    """
    if not share:
        return np.arange(len(y)), np.arange(0)
    if groups is None:
        return stratified_split(y, share, rng) if alike is None else _apart(y, share, alike, rng)
    y = np.unique(y, return_inverse=True)[1]
    group = _numbered(groups)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    total = np.bincount(y)
    quota, taken = share * total, np.zeros(len(total))
    out = np.zeros(len(y), dtype=bool)
    nearest: tuple[float, np.ndarray] | None = None
    for number in rng.permutation(len(members)):
        rows = members[number]
        classes, counts = np.unique(y[rows], return_counts=True)
        after = taken[classes] + counts
        if (after >= total[classes]).any():
            continue
        further = np.abs(after - quota[classes]).sum() - np.abs(taken - quota)[classes].sum()
        if further < 0:
            taken[classes] = after
            out[rows] = True
        elif nearest is None or further < nearest[0]:
            nearest = float(further), rows
    if not out.any() and nearest is not None:
        out[nearest[1]] = True
    return np.flatnonzero(~out), np.flatnonzero(out)


def _apart(
    y: np.ndarray, share: float, alike: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`stratified_split` of one instance of each number, which the others follow."""
    first = np.unique(alike, return_index=True)[1]
    kept = np.zeros(len(first), dtype=bool)
    kept[stratified_split(y[first], share, rng)[0]] = True
    kept[alike[~np.isin(y, y[kept[alike]])]] = True  # a class of which no row would be left
    return np.flatnonzero(kept[alike]), np.flatnonzero(~kept[alike])


def several_groups(groups: np.ndarray | None) -> np.ndarray | None:
    """The groups of some instances if there are two or more, so that one can judge another."""
    return groups if groups is not None and _numbered(groups).max(initial=0) > 0 else None


def _numbered(groups: np.ndarray) -> np.ndarray:
    """A number (n,) per group; an instance whose group is None or NaN is one by itself.

    They are numbered in the order of their names as text.
    """
    if groups.dtype.kind == "i" and groups.min(initial=0) >= 0:
        known, number = np.unique(groups, return_inverse=True)
        return _places_as_text(known)[number]
    none = pd.isna(pd.Series(groups, dtype=object)).to_numpy()
    held = enumerate(groups.tolist())
    names = [f"row {i}" if none[i] else f"group {name_of(g)}" for i, g in held]
    return np.unique(names, return_inverse=True)[1]


def _places_as_text(numbers: np.ndarray) -> np.ndarray:
    """Where each of these whole numbers, none below 0, comes if they are sorted as text: 0, 10, 9.

    They have up to 19 digits.
    """
    numbers = numbers.astype(np.uint64)
    digits = np.searchsorted(10 ** np.arange(1, 20, dtype=np.uint64), numbers, side="right")
    # Filled up to one length they sort as numbers do; of equal ones the shorter is first.
    filled = numbers * 10 ** (digits.max(initial=0) - digits).astype(np.uint64)
    place = np.empty(len(numbers), dtype=np.int64)
    place[np.lexsort([digits, filled])] = np.arange(len(numbers))
    return place


def linked(embeddings: Embeddings, y: np.ndarray, n_folds: int) -> np.ndarray:
    """Groups (n,) of instances that share an identical item, directly or through others.

    Two takes of one photo, or one title on two products: in two folds they would teach the test.
    Values of a category are no such thing: nobody is linked by items that more than a twentieth of
    the instances have, nor by those of a modality with ten instances an item. A modality
    with which more than a fold, or that share of the own class `y` (n,), would be tied together
    links nobody either: a network has to see of every class what it is asked for.
    """
    n, none = len(embeddings), np.arange(0)
    rows, items, offset, group = none, none, n, np.arange(n)
    for name in embeddings.modalities:
        mine, _ = embeddings.places(name)
        code = identical_items(embeddings, name)
        shared = np.bincount(code)
        useful = (shared[code] > 1) & (shared[code] <= max(2, _COMMON * n))
        if not useful.any() or len(shared) * _MOST_PER_ITEM < len(code):
            continue
        i = np.concatenate([rows, mine[useful]])
        j = np.concatenate([items, code[useful] + offset])
        offset += len(shared)
        links = coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(offset, offset))
        tied = connected_components(links, directed=False)[1][:n]
        if max(np.bincount(tied).max() / n, _tied_of_class(tied, y)) <= 1 / n_folds:
            rows, items, group = i, j, tied
    return np.unique(group, return_inverse=True)[1]


def _tied_of_class(group: np.ndarray, y: np.ndarray) -> float:
    """What share of the others of its class is in the group of an instance, on average."""
    n_classes = int(y.max()) + 1
    _, number, size = np.unique(group * n_classes + y, return_inverse=True, return_counts=True)
    return float(np.mean((size[number] - 1) / np.maximum(1, np.bincount(y)[y] - 1)))


def repeated(embeddings: Embeddings) -> np.ndarray | None:
    """A number (n,) for those instances that are the same in every item; None if no two are.

    A row that stands twice would be learnt and judge what was learnt. Rows that a larger share than
    a twentieth are like say nothing, as in `linked`: each is one by itself.
    """
    n = len(embeddings)
    group = np.zeros(n, dtype=np.int64)
    for name in embeddings.modalities:
        code = np.zeros(n, dtype=np.int64)  # of those without the item
        code[embeddings.places(name)[0]] = 1 + identical_items(embeddings, name)
        group = np.unique(group * (1 + code.max(initial=0)) + code, return_inverse=True)[1]
    shared = np.bincount(group, minlength=1)[group]
    tied = (shared > 1) & (shared <= max(2, _COMMON * n))
    if not tied.any():
        return None
    return np.unique(np.where(tied, group, n + np.arange(n)), return_inverse=True)[1]


def identical(vectors: np.ndarray) -> np.ndarray:
    """A number (n,) per distinct row: their bits, hashed to 64 (multiply and add, without loss)."""
    return np.unique(_hashed(vectors), return_inverse=True)[1]


def identical_items(embeddings: Embeddings, modality: str) -> np.ndarray:
    """`identical` of the items of a modality, in the order of `Embeddings.items`."""
    hashed, done = np.empty(len(embeddings.places(modality)[0]), dtype=np.uint64), 0
    for _, vectors in embeddings.blocks(modality):
        hashed[done : done + len(vectors)] = _hashed(vectors)
        done += len(vectors)
    return np.unique(hashed, return_inverse=True)[1]


def _hashed(vectors: np.ndarray) -> np.ndarray:
    factors = np.random.default_rng(0).integers(2**64, size=vectors.shape[1], dtype=np.uint64) | 1
    hashed = np.empty(len(vectors), dtype=np.uint64)
    for start in range(0, len(vectors), _CHUNK):
        some = np.ascontiguousarray(vectors[start : start + _CHUNK], dtype=np.float32)
        hashed[start : start + _CHUNK] = some.view(np.uint32).astype(np.uint64) @ factors
    return hashed
