"""Rows with the same content: found, kept on one side, and counted where a split tears them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from srmm.data.duplicates import across_note, held_out_rows, repeated_rows, repetitions, split_notes
from srmm.data.embeddings import Embeddings
from srmm.data.split import stratified_split


def embeddings(first: list[float | None], second: list[float | None]) -> Embeddings:
    arrays = {"a": np.array(first, dtype=float), "b": np.array(second, dtype=float)}
    return Embeddings.from_arrays({name: array[:, None] for name, array in arrays.items()})


def test_all_items_must_be_equal_and_absent_is_equal_to_absent() -> None:
    found = repeated_rows(embeddings([1, 1, 1, 2, None, None], [5, 5, None, 5, None, None]))
    assert found is not None
    assert found[0] == found[1]
    assert found[2:].tolist() == [None] * 4  # a row of nothing repeats nothing
    assert repetitions(found) == 1


def test_nothing_repeated() -> None:
    assert repeated_rows(embeddings([1, 2, 3], [5, 5, 5])) is None


def test_few_values_are_the_same_by_chance() -> None:
    few = np.arange(300.0) % 3
    assert repeated_rows(embeddings(few.tolist(), [None] * 300)) is None
    many = np.arange(300.0) % 100  # each row three times: a table that was multiplied
    found = repeated_rows(embeddings(many.tolist(), [None] * 300))
    assert found is not None
    assert repetitions(found) == 200


@given(
    pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=4, max_size=60),
    seed=st.integers(0, 5),
)
def test_equal_rows_are_on_one_side(pairs: list[tuple[int, int]], seed: int) -> None:
    y = np.unique([label for label, _ in pairs], return_inverse=True)[1]
    repeated = np.array([None if item > 6 else item for _, item in pairs], dtype=object)
    kept, held = held_out_rows(y, 0.25, None, repeated, np.random.default_rng(seed))
    assert sorted([*kept, *held]) == list(range(len(y)))
    both = set(repeated[kept].tolist()) & set(repeated[held].tolist())
    assert both <= {None}
    assert set(y[kept].tolist()) == set(y.tolist())  # no class is lost to training


def test_without_repetitions_the_split_is_what_it_was() -> None:
    y = np.arange(100) % 4
    new = held_out_rows(y, 0.25, None, None, np.random.default_rng(0))
    old = stratified_split(y, 0.25, np.random.default_rng(0))
    assert [rows.tolist() for rows in new] == [rows.tolist() for rows in old]


def test_repetitions_of_another_group_are_said() -> None:
    repeated = np.array([0, 0, 1, 1, None, 2, 2], dtype=object)
    groups = np.array(["a", "b", "c", "c", "d", None, None], dtype=object)
    (said,) = across_note(repeated, groups)
    assert said.startswith("4 rows have the items of a row of another group exactly")
    assert not across_note(repeated[2:5], groups[2:5])


def test_what_a_split_tears_is_said() -> None:
    split = np.array(["train", "test", "test", "train", None], dtype=object)
    groups = np.array(["x", "x", "y", "z", "y"], dtype=object)
    repeated = np.array([None, None, 3, 3, None], dtype=object)
    torn, again = split_notes(split, groups, repeated)
    assert torn.startswith("1 group is on several sides of the data's own split, such as 'x'.")
    assert again.startswith("1 test row repeats the items of a training row exactly")
    assert split_notes(split, np.array([None] * 5, dtype=object), None) == []
