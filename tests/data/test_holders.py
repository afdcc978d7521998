"""Vectors, masks and labels in whatever people hold them: taken as what they are, or refused."""

from __future__ import annotations

import warnings
from collections import deque
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from scipy import sparse
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.inspection import permutation_importance

from srmm.data.arrays import as_column
from srmm.data.embeddings import Embeddings
from srmm.data.inputs import as_embeddings, as_lone, is_lone_array
from srmm.data.labels import as_labels, check_label_types
from srmm.data.store import load_embeddings, save_embeddings
from srmm.data.table import read_table
from srmm.errors import InputError
from srmm.methods import make_method

FULL = np.arange(12.0).reshape(4, 3)
HOLE = [[0.0, 1.0, 2.0], None, [6.0, 7.0, 8.0], [9.0, 10.0, 11.0]]
ROW_1 = np.repeat([[False], [True], [False], [False]], 3, axis=1)
nan, NA = float("nan"), pd.NA


class Capsule:
    """As a frame of another library gives its data."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.data.__arrow_c_stream__(requested_schema)


class Openable:
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return FULL


WHOLE = {
    "half": FULL.astype(np.float16),
    "wide": FULL.astype(np.longdouble),
    "matrix": np.matrix(FULL),
    "tuples": tuple(map(tuple, FULL)),
    "ranges": [range(3 * i, 3 * i + 3) for i in range(4)],
    "decimals": [[Decimal(int(x)) for x in row] for row in FULL],
    "bfloat16": torch.tensor(FULL).bfloat16(),
    "8 bits": torch.tensor(FULL).to(torch.float8_e4m3fn),
    "whole tensor": torch.tensor(FULL).to(torch.int8),
    "on the graph": torch.nn.Parameter(torch.tensor(FULL)) * 1,
    "list of tensors": [torch.tensor(row, requires_grad=True) for row in FULL],
    "frame": pd.DataFrame(FULL),
    "nullable": pd.DataFrame(FULL).astype("Int64"),
    "frame of Arrow": pd.DataFrame(FULL).astype("double[pyarrow]"),
    "column of lists": pd.Series(FULL.tolist()),
    "Arrow table": pa.table({str(i): FULL[:, i] for i in range(3)}),
    "capsule": Capsule(pa.chunked_array([pa.array(FULL.tolist())])),
    "openable": Openable(),
}

HOLES = {
    "None": HOLE,
    "NaN": [HOLE[0], nan, *HOLE[2:]],
    "NA": [HOLE[0], NA, *HOLE[2:]],
    "row of None": [HOLE[0], [None] * 3, *HOLE[2:]],
    "masked": np.ma.masked_array(np.where(ROW_1, 1e39, FULL), mask=ROW_1),
    "masked whole numbers": np.ma.masked_array(FULL.astype(int), mask=ROW_1),
    "masked junk": np.ma.masked_array(np.where(ROW_1, "junk", FULL.astype(object)), mask=ROW_1),
    "deque": deque(HOLE),
    "masked rows in a list": list(np.ma.masked_array(FULL, mask=ROW_1)),
    "tensors and None": [torch.tensor(row) if row else None for row in HOLE],
    "masked tensor": torch.masked.masked_tensor(torch.tensor(FULL), torch.tensor(~ROW_1)),
    "objects": pd.Series(HOLE).to_numpy(),
    "column": pd.Series(HOLE),
    "nullable frame": pd.DataFrame(FULL).astype("Float64").mask(pd.DataFrame(ROW_1)),
    **{
        f"Arrow's {kind}": pa.array(HOLE, kind)
        for kind in (
            pa.list_(pa.float16()),
            pa.list_(pa.int64()),
            pa.list_(pa.uint8(), 3),
            pa.large_list(pa.int16()),
            pa.list_view(pa.float32()),
            pa.large_list_view(pa.float64()),
        )
    },
    "encoded": pa.DictionaryArray.from_arrays(
        pa.array([0, None, 1, 2]), pa.array([HOLE[0], *HOLE[2:]])
    ),
    "column of Arrow": pd.Series(pd.arrays.ArrowExtensionArray(pa.array(HOLE))),
}

REFUSED = {
    "sparse": (sparse.csr_array(FULL), r"\.toarray\(\)"),
    "sparse tensor": (torch.tensor(FULL).to_sparse(), "cannot be read"),
    "no data": (torch.tensor(FULL, device="meta"), "cannot be read"),
    "complex": (FULL + 1j, "must hold numbers"),
    "dates": (FULL.astype("M8[D]"), "must hold numbers"),
    "spans": (FULL.astype("m8[s]"), "must hold numbers"),
    "frame of dates": (pd.DataFrame({"x": pd.date_range("2020", periods=4)}), "must hold numbers"),
    "a date": (np.array([[np.datetime64("2020"), 1]], dtype=object), "must hold numbers"),
    "texts": (["abc", "de"], "row 0"),
    "lengths": ([[1, 2], [3]], r"\(1,\) in row 1"),
    "a half-empty row": ([[1, None], [2, 3]], "Row 0 .* partly NaN"),
    "a half-masked row": (np.ma.masked_array(FULL, mask=np.eye(4, 3)), "partly masked in row 0"),
    "half-masked in a list": ([np.ma.masked_array([1, 2], mask=[0, 1])], "partly masked in row 0"),
    "numbers": (FULL[:, 0], r"reshape\(-1, 1\)"),
    "a set": ({1, 2}, r"shape \(\)"),
    "a dict": ({"x": 1}, r"shape \(\)"),
}


@pytest.mark.parametrize("held", WHOLE.values(), ids=WHOLE)
def test_vectors_are_taken(held: Any) -> None:
    embeddings = Embeddings.from_arrays({"image": held})
    np.testing.assert_array_equal(embeddings.to_array("image"), FULL.astype(np.float32))


@pytest.mark.parametrize("held", HOLES.values(), ids=HOLES)
def test_a_row_that_is_not_there_is_absent(held: Any) -> None:
    embeddings = Embeddings.from_arrays({"image": held})
    assert embeddings.present.ravel().tolist() == [True, False, True, True]
    np.testing.assert_array_equal(embeddings.values["image"], FULL[[0, 2, 3]])


@pytest.mark.parametrize(("held", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_vectors_is_refused_by_name(held: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        Embeddings.from_arrays({"image": held})
    assert "odality 'image'" in str(refused.value)


@pytest.mark.parametrize("junk", [np.inf, 1e39, [nan, 1, 1], "junk", None])
def test_what_a_hidden_row_holds_is_not_looked_at(junk: Any) -> None:
    array = FULL.astype(object)
    array[1] = junk
    present = ~ROW_1[:, :1]
    for held in (array, list(array)):
        embeddings = Embeddings.from_arrays({"a": held}, present=present)
        np.testing.assert_array_equal(embeddings.present, present)


def test_a_list_view_is_read_in_its_own_order() -> None:
    numbers = pa.array(np.arange(6, dtype=np.float32))
    view = pa.ListViewArray.from_arrays(pa.array([3, 0, 3]), pa.array([3, 3, 3]), numbers)
    embeddings = Embeddings.from_arrow(pa.table({"x": view}))
    assert embeddings.to_array("x").tolist() == [[3, 4, 5], [0, 1, 2], [3, 4, 5]]


def test_arrow_columns_of_whole_numbers_are_vectors_and_roles_are_not() -> None:
    table = pa.table(
        {"a": [[1, 2], None], "b": [[True], [False]], "c": [1, 2], "label": ["x", "y"]}
    )
    assert Embeddings.from_arrow(table).modalities == ("a", "b")
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(FULL))
    assert Embeddings.from_arrow(pa.table({"t": tensors})).embedding_dims == {"t": 3}
    several = pa.table({"a": [[1, 2], [3, 4]], "label": [["x"], ["y", "z"]]})
    with pytest.raises(InputError, match="several labels is not supported"):
        Embeddings.from_arrow(several)


@pytest.mark.parametrize(
    ("present", "message"),
    [
        (np.ma.masked_array(np.ones((4, 1), bool), mask=[[1], [0], [0], [0]]), "neither there"),
        (
            pd.DataFrame({"a": pd.array([True, None, True, True], dtype="boolean")}),
            "in 1 of 4 cells",
        ),
        (np.ones((4, 1), int), "boolean"),
        (np.ones((3, 1), bool), "present has 3 rows, modality 'a' has 4"),
        (np.ones(4, bool), "a column for each of 'a'"),
    ],
)
def test_a_mask_that_does_not_say_is_refused(present: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Embeddings.from_arrays({"a": FULL}, present=present)


def test_masks_in_other_hands() -> None:
    frame = pd.DataFrame({"a": [True, False, True, True]})
    for present in (frame, torch.tensor(frame.to_numpy()), frame.to_numpy().tolist()):
        found = Embeddings.from_arrays({"a": FULL}, present=present).present
        assert found.ravel().tolist() == [True, False, True, True]


def test_columns_of_a_mask_with_names_are_taken_by_name() -> None:
    data = Embeddings.from_arrays({"a": FULL, "b": FULL})
    mask = pd.DataFrame({"b": [True] * 4, "a": [False] * 4})
    hidden = Embeddings.from_arrays({"a": FULL, "b": FULL}, present=mask)
    for found in (hidden, data.mask(mask)):
        assert found.present.sum(axis=0).tolist() == [0, 4]
    assert data.mask(mask.set_axis([0, 1], axis=1)).present.sum(axis=0).tolist() == [4, 0]
    for other in (mask.rename(columns={"b": "c"}), mask.assign(c=True), mask[["a"]]):
        with pytest.raises(InputError, match=r"present has the columns .*expected one for each of"):
            data.mask(other)


LABELS = {
    "list": ["a", None, nan, NA],
    "masked": np.ma.masked_array(["a", "b", "c", "d"], mask=[0, 1, 1, 1]),
    "column": pd.Series(["a", None, None, None]),
    "categories": pd.Categorical(["a", None, None, None]),
    "Arrow": pa.array(["a", None, None, None]),
}


@pytest.mark.parametrize("held", LABELS.values(), ids=LABELS)
def test_an_unknown_label_is_none(held: Any) -> None:
    labels = Embeddings.from_arrays({"a": FULL}, labels=held).labels
    assert labels is not None
    assert labels.tolist() == ["a", None, None, None]


@pytest.mark.parametrize(
    "held",
    [
        pd.array([True, None], dtype="boolean"),
        pa.array([True, None]),
        pd.Series([True, None], dtype="bool[pyarrow]"),
    ],
)
def test_truth_beside_nulls_stays_truth(held: Any) -> None:
    labels = as_labels("y", held)
    assert labels is not None
    assert labels.tolist() == [True, None]


@pytest.mark.parametrize("held", [[1, "1"], [True, 2], [1, "a", None]])
def test_labels_of_two_kinds_do_not_become_one(held: list[Any]) -> None:
    labels = as_labels("y", held)
    assert labels is not None
    with pytest.raises(InputError, match="The labels mix"):
        check_label_types(labels[[label is not None for label in labels]])


@pytest.mark.parametrize("held", [FULL[:, :1], torch.ones(4, 1), pd.DataFrame({"y": list("abcd")})])
def test_one_column_is_made_flat_with_a_warning(held: Any) -> None:
    with pytest.warns(DataConversionWarning, match="1d array was expected"):
        labels = as_labels("y", held)
    assert labels is not None
    assert labels.ndim == 1


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (np.eye(4), r"shape \(4, 4\).*argmax"),
        ([["a", "b"], ["c"]], "several labels is not supported"),
        (pd.get_dummies(list("abcd")), "argmax"),
        (np.array(["2020", "2021"], "M8[Y]"), "cannot name a class"),
        (pd.to_datetime(["NaT", "2020"]), "cannot name a class"),
        (3, r"got \(\)"),
        ("abc", r"got \(\)"),
    ],
)
def test_what_is_not_one_label_each_is_refused(held: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_labels("y", held)


def test_a_date_among_labels_does_not_become_a_number() -> None:
    for day in (np.datetime64("2020-01-01", "ns"), date(2020, 1, 1)):
        with pytest.raises(InputError, match="cannot name a class"):
            check_label_types(np.array([day, "a"], dtype=object))


@pytest.mark.parametrize(
    "held",
    [
        np.array([1 << 63, (1 << 63) + 1, 5]),
        [np.uint64(1 << 63), np.uint64((1 << 63) + 1), np.int64(5)],
        [(1 << 53) + 1, 1 << 53, 0.5],
    ],
)
def test_no_digit_of_a_group_is_lost(held: Any) -> None:
    groups = as_column("groups", held)
    assert groups is not None
    assert groups.tolist() == [int(one) if one > 1 else one for one in held]


def test_what_numpy_would_merge_stays_apart() -> None:
    mixed = as_labels("y", [np.bool_(True), np.int64(2)])
    assert mixed is not None
    assert [type(label) for label in mixed.tolist()] == [bool, int]
    with pytest.raises(InputError, match="several values per instance"):
        as_labels("y", [[1], [2], None])  # all of which were unknown


@pytest.mark.parametrize("kind", ["M8[ns]", "m8[ns]"])
def test_moments_of_pandas_are_no_bare_numbers(kind: str) -> None:
    groups = as_column("groups", np.array([0, 1000], dtype=kind))
    assert groups is not None
    assert not any(isinstance(one, int) for one in groups.tolist())
    with pytest.raises(InputError, match=r"groups holds .* finer than microseconds.*astype\(str\)"):
        as_column("groups", np.array([0, 1], dtype=kind))


def test_labels_are_no_view_of_what_was_given() -> None:
    y = np.arange(4)
    embeddings = Embeddings.from_arrays({"a": FULL}, labels=y, ids=y, groups=y)
    y[:] = 9
    for column in (embeddings.labels, embeddings.ids, embeddings.groups):
        assert column is not None
        assert column.tolist() == [0, 1, 2, 3]


def test_another_order_of_bytes() -> None:
    embeddings = Embeddings.from_arrays({"a": FULL}, ids=np.arange(4, dtype=">i8"))
    assert embeddings.ids.dtype.isnative
    assert embeddings.ids.tolist() == [0, 1, 2, 3]


def test_splits_by_the_words_of_tables() -> None:
    embeddings = Embeddings.from_arrays({"a": FULL}, split=["Train", " VAL", nan, "test"])
    assert embeddings.split is not None
    assert embeddings.split.tolist() == ["train", "validation", None, "test"]
    with pytest.raises(InputError, match=r"row 1 is 'trian'.*Did you mean 'train'"):
        Embeddings.from_arrays({"a": FULL}, split=["test", "trian", "test", "test"])


def test_an_empty_id_is_named() -> None:
    for ids in (["a", None, "b", "c"], np.ma.masked_array(range(4), mask=[0, 1, 0, 0])):
        with pytest.raises(InputError, match="id of row 1 is empty"):
            Embeddings.from_arrays({"a": FULL}, ids=ids)
    column = as_column("groups", [1, "1", None])
    assert column is not None
    assert column.tolist() == [1, "1", None]


def test_embeddings_are_no_array_and_say_what_is_possible() -> None:
    embeddings = Embeddings.from_arrays({"image": FULL}, labels=[0, 1, 0, 1])
    with pytest.raises(InputError, match=r"Embeddings are .*\.to_array\('image'\)"):
        np.asarray(embeddings)
    with pytest.raises(InputError, match=r"srmm\.evaluate"):
        permutation_importance(DummyClassifier(), embeddings, [0, 1, 0, 1], scoring=lambda *_: 0.0)


@pytest.mark.parametrize(
    "held",
    [
        HOLE,
        np.ma.masked_array(FULL, mask=ROW_1),
        pd.Series(HOLE),
        deque(HOLE),
        pa.array(HOLE),
        pd.Series(pd.arrays.ArrowExtensionArray(pa.array(HOLE))),
    ],
    ids=["list", "masked", "column", "deque", "Arrow", "column of Arrow"],
)
def test_a_lone_array_may_have_holes(held: Any) -> None:
    assert is_lone_array(held)
    assert np.isnan(as_lone(held)).all(axis=1).tolist() == [False, True, False, False]
    assert as_embeddings(held).present.ravel().tolist() == [True, False, True, True]


def test_tables_of_vectors_have_modalities() -> None:
    table = pa.table({"image": pa.array(HOLE), "text": pa.array(FULL.tolist())})
    for held in (table, table.to_pandas(), table.to_pandas(types_mapper=pd.ArrowDtype)):
        assert not is_lone_array(held)
        assert as_embeddings(held).modalities == ("image", "text")
        assert as_embeddings(held).present[:, 0].tolist() == [True, False, True, True]


@pytest.mark.parametrize(
    ("held", "message"),
    [((FULL, FULL), "Give the modalities names"), ([{"image": [1, 2]}], "list of records")],
)
def test_modalities_without_names_are_refused(held: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_embeddings(held)


@pytest.mark.parametrize("name", ["file", "allow_pickle", "arr_0", "args", "kwds"])
def test_an_archive_takes_every_name(name: str, tmp_path: Any) -> None:
    embeddings = Embeddings.from_arrays({name: FULL, "other": HOLE}, labels=["a", None, "b", "c"])
    again = Embeddings.from_numpy(embeddings.to_numpy(tmp_path / "x.npz"))
    assert again.modalities == (name, "other")
    np.testing.assert_array_equal(again.present, embeddings.present)
    np.testing.assert_array_equal(again.to_array(name), FULL)


def test_a_modality_that_nobody_has_is_absent_however_it_is_written(tmp_path: Path) -> None:
    """A batch to predict may lack what the model knows: as None, null or NaN, it is the same."""
    here = np.eye(3, dtype=np.float32)
    for nobody in ([None] * 3, pa.array([None] * 3, pa.list_(pa.float32())), pd.Series([None] * 3)):
        data = Embeddings.from_arrays({"a": here, "b": nobody})
        assert data.present.tolist() == [[True, False]] * 3
        assert data.embedding_dims == {"a": 3, "b": 0}
        for again in (
            Embeddings.from_arrow(data.to_arrow()),
            Embeddings.from_parquet(data.to_parquet(tmp_path / "x.parquet")),
            Embeddings.from_numpy(data.to_numpy(tmp_path / "x.npz")),
            load_embeddings(save_embeddings(data, tmp_path / "store", overwrite=True)),
        ):
            assert again.present.tolist() == data.present.tolist()


@pytest.mark.parametrize(
    "rows", [None, True, 1.0, "a", [[0, 1]], [0.5], {1}, [True], np.ma.masked, np.zeros((2, 2))]
)
def test_what_chooses_no_rows_is_refused(rows: Any) -> None:
    data = Embeddings.from_arrays({"a": np.eye(3)})
    table = read_table(pd.DataFrame({"t": ["x", "y", "z"]}), text="t")
    for chosen in (data, table):
        with pytest.raises(InputError, match=r"truth value|indexed by rows alone"):
            chosen[rows]
        with pytest.raises(IndexError):
            chosen[[3]]
        assert len(chosen[[]]) == 0
        assert len(chosen[np.array(-1)]) == 1
        assert len(chosen[pd.array([True, False, True])]) == 2
        assert len([one for one in chosen]) == 3  # noqa: C416 - by IndexError


def test_columns_of_a_frame_in_another_order_are_refused_by_name(tmp_path: Path) -> None:
    y, frame = [0, 1, 0, 1], pd.DataFrame(FULL, columns=["u", "v", "w"])
    data = Embeddings.from_arrays({"a": frame, "b": FULL})
    save_embeddings(data, tmp_path / "store")
    for given in (data, load_embeddings(tmp_path / "store")):
        model = make_method("logreg").fit(given, y)
        expected = model.predict_proba({"a": frame, "b": FULL})
        unnamed = {"a": FULL, "b": FULL}  # of an array nobody knows
        np.testing.assert_array_equal(model.predict_proba(unnamed), expected)
        for other in (frame[["u", "w", "v"]], pa.Table.from_pandas(frame[["u", "w", "v"]])):
            with pytest.raises(InputError, match=r"Column 1 of modality 'a' is 'w', .* was 'v'"):
                model.predict({"a": other, "b": FULL})
    numbered = make_method("logreg").fit({"a": pd.DataFrame(FULL), "b": FULL}, y)
    assert numbered.encoders_ == {"a": None, "b": None}


@pytest.mark.parametrize("columns", [None, pd.MultiIndex.from_product([["a"], range(3)])])
def test_columns_without_texts_as_names_are_refused_in_another_order(columns: Any) -> None:
    frame = pd.DataFrame(FULL, columns=columns)
    model = make_method("logreg").fit({"a": frame}, [0, 1, 0, 1])
    model.predict({"a": FULL})
    with pytest.raises(InputError, match=r"Column 0 of modality 'a' is .*2.*, in training .*0"):
        model.predict({"a": frame.iloc[:, ::-1]})


def test_frames_whose_indices_have_another_order_are_warned_of() -> None:
    frame = pd.DataFrame(FULL, index=["p", "q", "r", "s"])
    labels = pd.Series(["x", "y", "x", "y"], index=frame.index)
    other = [2, 0, 1, 3]
    with pytest.warns(UserWarning, match="The index of b has the rows of that of a in another"):
        Embeddings.from_arrays({"a": frame, "b": frame.iloc[other]})
    with pytest.warns(UserWarning, match="The index of labels has"):
        Embeddings.from_arrays({"a": frame}, labels=labels.iloc[other])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for same in (frame, frame.to_numpy(), frame.reset_index(drop=True)):
            Embeddings.from_arrays({"a": same, "b": frame}, labels=labels)
