"""Columns that tell the label are pointed out; those that only go with it are not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from srmm.data.embeddings import Embeddings
from srmm.data.leaks import warn_of_leaks
from srmm.data.table import Table, read_table
from srmm.methods import make_method

LABELS = [*("hat", "shoe", "bag") * 8]
CODES = [*(0, 1, 2) * 8]


def notes(column: list[object], labels: list[object] | None = None, **kinds: str) -> list[str]:
    y = LABELS if labels is None else labels
    frame = pd.DataFrame({"y": pd.Series(y, dtype=object), "c": pd.Series(column, dtype=object)})
    table = read_table(frame, label="y", **(kinds or {"features": "c"}))
    return [note for note in table.notes if "label of every row" in note or "one class" in note]


@pytest.mark.parametrize(
    "column",
    [
        LABELS,
        CODES,
        [float(code) for code in CODES],
        [f"K-{code}" for code in CODES],
        [label.upper() + " " if i % 2 else label for i, label in enumerate(LABELS)],
        [None if i < 6 else label for i, label in enumerate(LABELS)],
        [pd.Timestamp(2024, 1, 1 + code) for code in CODES],
    ],
)
def test_copies_of_the_label_are_pointed_out(column: list[object]) -> None:
    (note,) = notes(column)
    assert note.startswith("Column 'c' tells the label of every row that has it: ")
    assert "where it is 'hat'" in note
    assert "leave it out" in note


def test_a_text_or_picture_of_every_class_is_pointed_out() -> None:
    assert len(notes([*LABELS], text="c")) == 1
    assert len(notes([f"{label}.jpg" for label in LABELS], image="c")) == 1
    assert notes([f"{label}/{i}.jpg" for i, label in enumerate(LABELS)], image="c") == []
    frame = pd.DataFrame({"y": LABELS, "i": range(24)})
    assert read_table(frame, label="y", image="{y}/{i}.jpg").notes == ()


def test_finer_classes_and_columns_of_single_ones_are_pointed_out() -> None:
    kinds = [f"{label} {i % 2}" for i, label in enumerate(LABELS * 2)]
    (note,) = notes([*kinds], [*LABELS * 2])
    assert "and so on, 6 values" in note
    frame = pd.get_dummies(pd.Series(LABELS)).astype(float).assign(y=LABELS, w=np.arange(24) % 7)
    table: Table = read_table(frame, label="y", features="hat,shoe,bag,w")
    (said,) = table.notes
    assert said.startswith("3 columns tell one class from all others without a miss: 'hat' 'hat', ")
    marked: list[object] = ["x" if label == "hat" else None for label in LABELS]
    assert notes(marked)[0].startswith("1 column tells one class from all others without a miss")


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        ([*range(24)], None),  # each row its own
        ([*"abcd" * 6], None),
        ([*LABELS[:-1], "hat"], None),  # one is another
        (["same"] * 24, None),
        ([0.5 * code + 0.001 * i for i, code in enumerate(CODES)], None),  # apart, and measured
        ([[1.0, float(code)] for code in CODES], None),
        ([*"ababab"], [*"xyxyxy"]),  # too few to tell
        ([*"abcdefghijkl"], [*"ABCDEFGHIJKL"]),  # names of rows
        (CODES, [None] * 24),
        (CODES, [[label] for label in LABELS]),  # refused where they are learnt from
    ],
)
def test_other_columns_need_no_words(column: list[object], labels: list[object] | None) -> None:
    assert notes(column, labels) == []


def test_of_many_rows_a_few_show_that_a_column_tells_nothing() -> None:
    many = 300
    labels: list[object] = [*LABELS * many]
    assert len(notes([*CODES * many], labels)) == 1
    assert len(notes([f"{label} {i % 40}" for i, label in enumerate(labels)], labels)) == 1
    assert notes([*CODES * (many - 1), *CODES[::-1]], labels) == []
    assert notes([i % 50 for i in range(len(labels))], labels) == []
    late: list[object] = [float(label == "hat") for label in labels]
    assert len(notes(late, labels)) == 1


def warned(X: dict[str, Any], y: np.ndarray) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_leaks(Embeddings.from_arrays(X), y)
    return [str(one.message) for one in caught]


def test_arrays_that_tell_the_label_are_warned_of() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=60)
    noise = rng.normal(size=(60, 4))
    (said,) = warned({"image": noise, "tab": np.column_stack([noise, 2 * y + 1])}, y)
    assert "1 column of modality 'tab', 4, tells the class of every row" in said
    (said,) = warned({"tab": pd.DataFrame({"u": noise[:, 0], "is_b": y == 1, "code": -y})}, y)
    assert "2 columns of modality 'tab', 'is_b', 'code', tell" in said
    half = np.where(np.arange(60)[:, None] % 2, np.column_stack([y, y]), np.nan)
    (said,) = warned({"tab": half}, np.array(["x", "y", "z"])[y])
    assert "modality 'tab', 0, 1, tell" in said
    with pytest.warns(UserWarning, match="3, tells the class of every row"):
        make_method("logreg", random_state=0).fit(np.column_stack([noise[:, :3], y]), y)


def test_arrays_that_may_not_tell_it_are_not() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=40)
    words = rng.integers(2, size=(40, 3000))
    few = np.repeat([0, 1], 6)
    assert warned({"words": words, "noisy": y[:, None] + (np.arange(40) == 3)[:, None]}, y) == []
    assert warned({"words": rng.integers(2, size=(12, 3000))}, few) == []
    assert warned({"constant": np.ones((40, 2)), "row": np.arange(40.0)[:, None]}, y) == []
    encoded = Embeddings.from_arrays({"tab": y[:, None]})
    encoded.encoders = {"tab": {"spec": "columns"}}  # of which the table has said it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_leaks(encoded, y)
