"""Rows to predict in memory: what they may be held in, and what is said of anything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from srmm import Embeddings, InputError
from srmm.data.table import Table
from srmm.workflows.data import as_learnt, labels_as_learnt, row_digests
from srmm.workflows.rows import rows_to_predict

CONFIG: dict[str, Any] = {
    "modalities": {"text": 2},
    "inputs": {"text": {"kind": "text", "column": "0", "encoder": "minilm"}},
    "origin": None,
}
ROWS = [{"0": "red", "n": 1}, {"0": None, "n": 2}]
FRAME = pd.DataFrame(ROWS)


@pytest.mark.parametrize(
    "held",
    [
        ROWS,
        FRAME,
        pa.Table.from_pandas(FRAME),
        FRAME.rename(columns={"0": 0}),
        [{0: "red"}, {0: ""}],
    ],
    ids=["dicts", "frame", "Arrow", "numbered columns", "numbered keys"],
)
def test_the_same_rows_are_the_same_however_they_are_held(held: Any) -> None:
    [part] = rows_to_predict(CONFIG, held)
    assert isinstance(part.data, Table)
    assert part.data.items["text"].tolist() == ["red", None]


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (FRAME.to_numpy(), "got ndarray"),
        (np.array([["red"]]), "got ndarray"),
        ([ROWS[0], "red"], "got str"),
        ([None], "got NoneType"),
        ([], "an empty list"),
        (None, "got NoneType"),
        (FRAME.iloc[0], "got Series"),
    ],
)
def test_what_are_no_rows_is_refused_by_its_type(held: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        rows_to_predict(CONFIG, held)


def test_one_column_to_keep_may_be_a_text() -> None:
    [part] = rows_to_predict(CONFIG, FRAME, keep="n")
    assert part.kept["n"].tolist() == [1, 2]


def test_items_of_which_nothing_is_shown_are_told_apart_by_their_vectors() -> None:
    raw = {"image": np.array(["a.png", None, None], dtype=object)}  # two are bytes in the table
    data = Embeddings.from_arrays({"image": np.eye(3)})
    data.raw = raw
    assert len(set(row_digests(data))) == 3


@pytest.mark.parametrize(
    ("classes", "given", "read"),
    [
        ([1, 2], ["1", "2.0", 1.0, "x", None, "7"], [1, 2, 1, "x", None, "gone"]),
        ([1.0, 2.0], ["1", "2.0", 1], [1, 2, 1]),
        (["1", "2.0"], [1, 2, 2.0, "2"], ["1", "2.0", "2.0", "2.0"]),
        (["1", "1.0"], ["1", "1.0", 1], ["1", "1.0", "1"]),
        ([False, True], ["True", "False", "yes"], [True, False, "yes"]),
        ([False, True], ["TRUE", "false", "T"], [True, False, "T"]),
        (["FALSE", "TRUE"], [True, "False", "true"], ["TRUE", "FALSE", "TRUE"]),
        (["TRUE", "true"], ["TRUE", "true"], ["TRUE", "true"]),
        (["None", "x"], [None, "None"], [None, "None"]),
    ],
)
def test_labels_of_another_type_are_the_classes_they_name(
    classes: list[Any], given: list[Any], read: list[Any]
) -> None:
    config = {"classes": classes, "origin": {"rare": {"names": [7], "to": "gone"}}}
    found = labels_as_learnt(np.array(given, dtype=object), config).tolist()
    assert found == read
    data = Embeddings.from_arrays({"x": np.ones((len(given), 2))}, labels=given)
    assert as_learnt(data, config).labels.tolist() == read
    assert data.labels.tolist() == given


def test_labels_of_several_values_are_refused() -> None:
    lists = np.empty(1, dtype=object)
    lists[0] = [1]
    with pytest.raises(InputError, match=r"The label \[1\] holds several values"):
        labels_as_learnt(lists, {"classes": [1, 2]})
