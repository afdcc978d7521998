"""Probabilities that a classifier gives: checked, brought to other classes, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.errors import InputError, SrmmError, one_of, some_of
from srmm.learning.standardize import large_number

_AT_ONCE = 1_000_000  # probabilities on their way: what stays in a processor's cache
_ROWS = 4096

WHEN_NOTHING = ("error", "prior")
"""What can be done with an instance that has no item at all."""


def nothing_there(rows: np.ndarray, n: int) -> str:
    """The message on rows, by their numbers, of n that have no item at all."""
    return (
        f"{len(rows)} of {n} rows have no item at all (rows {some_of(rows, 10)}). Remove them, "
        "or set when_nothing_present='prior' (--when-nothing prior) to get the training set's "
        "class shares for them."
    )


def something_there(present: np.ndarray, when_nothing: str) -> np.ndarray:
    """Boolean (n,): rows with an item; raises listing the others unless they get the prior."""
    something = np.asarray(present.any(axis=1))
    if not something.all():
        one_of("when_nothing_present", when_nothing, WHEN_NOTHING)
        if when_nothing == "error":
            raise InputError(nothing_there(np.flatnonzero(~something), len(present)))
    return something


def check_probabilities(
    model: Any, probabilities: np.ndarray, rows: np.ndarray, embeddings: Embeddings | None = None
) -> np.ndarray:
    """Probabilities (n, n_classes) of these rows (of `embeddings`): each sums to 1 as doubles do.

    Single precision is a ten-millionth off, of which scikit-learn's log loss warns. Raises
    `SrmmError` naming the first row that is no distribution: a network that diverged, or a method
    with a fault, would else pass for one that is sure.
    """
    shape = len(rows), len(model.classes_)
    if probabilities.shape != shape:
        raise SrmmError(
            f"{type(model).__name__} gave probabilities of shape {probabilities.shape}, "
            f"expected {shape}: (instances, classes)."
        )
    # A NaN is the least of its row, and not at least 0.
    total = probabilities.sum(axis=1, dtype=np.float64)
    fine = (probabilities.min(axis=1) >= 0) & (abs(total - 1) < 1e-3)
    if not fine.all():
        first = int(fine.argmin())
        large = "" if embeddings is None else large_number(embeddings[rows[first]], "there")
        raise SrmmError(
            f"{type(model).__name__} gave row {rows[first]} the probabilities "
            f"{np.array2string(probabilities[first], precision=3, threshold=6)}, which are no "
            f"distribution ({(~fine).sum()} of {len(rows)} rows).{large} Look at that row for "
            "numbers far from those of training, and at how training went (history_)."
        )
    return probabilities / total[:, None]


def align_classes(probabilities: np.ndarray, known: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Probabilities over `known` classes (n, n_known) as columns of `classes`, 0 where unknown.

    >>> align_classes(np.array([[0.9, 0.1]]), np.array(["a", "c"]), np.array(["a", "b", "c"]))
    array([[0.9, 0. , 0.1]])
    """
    aligned = np.zeros((len(probabilities), len(classes)))
    aligned[:, np.searchsorted(classes, known)] = probabilities
    return aligned


def rows_at_once(n_classes: int) -> int:
    """How many rows to ask for at once, whose probabilities stay in a processor's cache."""
    return max(1, min(_ROWS, _AT_ONCE // n_classes))
