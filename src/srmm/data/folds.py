"""Folds and held-out parts that keep groups whole, and groups from items that are the same."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from srmm.data.embeddings import Embeddings
from srmm.data.split import stratified_split
from srmm.errors import InputError

_COMMON = 0.05
"""An item that a larger share of the instances has says nothing of who belongs together."""


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
    names = [f"row {i}" if g is None else f"group {g}" for i, g in enumerate(groups.tolist())]
    group = np.unique(names, return_inverse=True)[1]
    if group.max() == 0:
        raise InputError(
            "All labelled instances are of one group, so none can judge the others. Groups are "
            "what belongs together, such as a speaker; leave them out, or name another column."
        )
    n_groups, n_classes = int(group.max()) + 1, int(y.max()) + 1
    pairs, counts = np.unique(group * n_classes + y, return_counts=True)
    by_count = np.lexsort([counts, pairs // n_classes])
    own, usual = pairs[by_count] // n_classes, pairs[by_count] % n_classes
    last = np.flatnonzero(np.append(np.diff(own) > 0, True))
    label = usual[last]  # (n_groups,): the most frequent class of each
    size = np.bincount(group, minlength=n_groups)
    order = np.lexsort([rng.random(n_groups), -size, label])
    # One deal over all classes, so that the small ones do not all begin at the first fold.
    forth = np.arange(n_groups) % (2 * n_folds)
    fold = np.empty(n_groups, dtype=np.int64)
    fold[order] = np.minimum(forth, 2 * n_folds - 1 - forth)
    return fold[group]


def held_out_split(
    y: np.ndarray, share: float, groups: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(kept, held out) row indices: stratified, and where there are groups, none in both.

    Of groups the share is met as well as whole ones allow.
    """
    if groups is None or not share:
        return stratified_split(y, share, rng)
    out = draw_folds(np.unique(y, return_inverse=True)[1], groups, max(2, round(1 / share)), rng)
    return np.flatnonzero(out != 0), np.flatnonzero(out == 0)


def linked(embeddings: Embeddings, n_folds: int) -> np.ndarray:
    """Groups (n,) of instances that share an identical item, directly or through others.

    Two takes of one photo, or one title on two products: in two folds they would teach the test.
    Items that more than a twentieth of the instances have link nobody. If the rest still ties more
    than a fold together, items say nothing here, and every instance is on its own.
    """
    n = len(embeddings)
    rows, items, offset = [], [], n
    for name in embeddings.modalities:
        mine, vectors = embeddings.items(name)
        if not len(mine):
            continue
        code = _identical(vectors)
        shared = np.bincount(code)
        useful = (shared[code] > 1) & (shared[code] <= max(2, _COMMON * n))
        rows.append(mine[useful])
        items.append(code[useful] + offset)
        offset += len(shared)
    i, j = np.concatenate(rows), np.concatenate(items)
    graph = coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(offset, offset))
    group = connected_components(graph, directed=False)[1][:n]
    if np.bincount(group).max() > n / n_folds:
        return np.arange(n)
    return np.unique(group, return_inverse=True)[1]


def _identical(vectors: np.ndarray) -> np.ndarray:
    """A number (n,) per distinct row."""
    rows = np.ascontiguousarray(vectors)
    seen = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0]
    return np.unique(seen, return_inverse=True)[1]
