"""Rare classes: an error by default, left out or merged where that was asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from srmm.data.embeddings import Embeddings
from srmm.data.rare import find_rare, merge_rare
from srmm.data.table import Table, check_labels, read_table
from srmm.errors import InputError

LABELS = ["a", "a", "a", "b", "b", "c", None]


def table(labels: list[object] = LABELS, texts: list[str | None] | None = None) -> Table:
    texts = texts or [f"text {i}" for i in range(len(labels))]
    frame = pd.DataFrame({"t": texts, "y": pd.Series(labels, dtype=object)})
    return read_table(frame, text="t", label="y")


def test_left_out() -> None:
    fewer = merge_rare(table(), "drop", min_rows=3)
    assert fewer.labels is not None
    assert fewer.labels.tolist() == ["a", "a", "a", None, None, None, None]
    assert fewer.notes == (
        "2 classes have fewer than 3 rows: 'b' (2), 'c' (1). Their 3 rows are left out.",
    )


def test_merged() -> None:
    merged = merge_rare(table(), "other", min_rows=3)
    assert merged.labels is not None
    assert merged.labels.tolist() == ["a", "a", "a", "other", "other", "other", None]
    assert "Their 3 rows are of the class 'other'." in merged.notes[0]
    assert check_labels(merged).sum() == 6


def test_merged_into_a_class_that_was_there() -> None:
    found = find_rare(table(["a", "a", "other", "other", "b"]), "other", 2)
    assert found.names == ("b",)
    assert found.note is not None
    assert found.note.endswith("of the class 'other', beside 2 that were of it before.")


def test_an_error_names_them_and_the_way_out() -> None:
    with pytest.raises(InputError, match=r"'b' \(2\), 'c' \(1\).*--rare drop.*--rare other"):
        find_rare(table(), "error", 3)
    with pytest.raises(InputError, match=r"Class 'c' has one row.*--rare drop.*--rare other"):
        check_labels(table())
    assert find_rare(table()) == ((), None, None)  # the check of labels has it


def test_rows_without_an_item_do_not_count() -> None:
    found = find_rare(table(["a", "a", "b", "b"], ["x", "y", "z", None]), "drop", 2)
    assert found.names == ("b",)


def test_embeddings_are_copied_not_changed() -> None:
    data = Embeddings.from_arrays({"x": np.eye(7)}, labels=LABELS)
    fewer = merge_rare(data, "drop", min_rows=2)
    assert fewer.labels is not None
    assert data.labels is not None
    assert fewer.labels.tolist()[5] is None
    assert data.labels.tolist()[5] == "c"


@pytest.mark.parametrize(
    ("rare", "min_rows", "says"),
    [("keep", 2, "rare is 'keep'"), ("drop", 0, "min_rows must be"), ("drop", 2.5, "min_rows")],
)
def test_options_are_checked(rare: str, min_rows: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        find_rare(table(), rare, min_rows)


def test_numbers_cannot_be_other() -> None:
    with pytest.raises(InputError, match="because the classes are no texts, such as 2"):
        find_rare(table([1, 1, 2]), "other", 2)
    assert find_rare(table([1, 1, 2]), "drop", 2).names == (2,)
