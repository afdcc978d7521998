from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srmm.data.embeddings import Embeddings
from srmm.errors import InputError

holes = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 4)))


def with_holes(present: np.ndarray, seed: int = 0) -> Embeddings:
    """Embeddings of sizes 2, 3, 4, … whose numbers say where they belong."""
    rng = np.random.default_rng(seed)
    dense = {}
    for m in range(present.shape[1]):
        array = rng.normal(size=(len(present), m + 2))
        array[~present[:, m]] = np.nan
        dense[f"m{m}"] = array
    labels = np.array(["a", "b"] * len(present), dtype=object)[: len(present)]
    return Embeddings.from_arrays(dense, labels=labels, ids=[f"id{i}" for i in range(len(present))])


@given(holes)
def test_present_is_where_rows_are_not_nan(present: np.ndarray) -> None:
    embeddings = with_holes(present)
    np.testing.assert_array_equal(embeddings.present, present)
    for m, name in enumerate(embeddings.modalities):
        assert len(embeddings.values[name]) == present[:, m].sum()  # only present items are kept
        np.testing.assert_array_equal(~np.isnan(embeddings.to_array(name)[:, 0]), present[:, m])


@given(holes, st.data())
def test_rows_keep_their_items(present: np.ndarray, data: st.DataObject) -> None:
    embeddings = with_holes(present)
    rows = np.array(data.draw(st.lists(st.integers(0, len(present) - 1), max_size=20)), dtype=int)
    chosen = embeddings[rows]
    assert len(chosen) == len(rows)
    for name in embeddings.modalities:
        np.testing.assert_array_equal(chosen.to_array(name), embeddings.to_array(name)[rows])
        assert chosen.values[name] is embeddings.values[name]  # nothing is copied
    assert chosen.ids.tolist() == embeddings.ids[rows].tolist()


@given(holes, st.data())
def test_mask_only_hides(present: np.ndarray, data: st.DataObject) -> None:
    wanted = data.draw(arrays(bool, present.shape))
    masked = with_holes(present).mask(wanted)
    np.testing.assert_array_equal(masked.present, present & wanted)


@given(holes)
def test_frame_round_trip(present: np.ndarray) -> None:
    embeddings = with_holes(present)
    if not present.any(axis=0).all():
        return  # a column without a single vector has no size
    again = Embeddings.from_frame(embeddings.to_frame(), label="label", id="id")
    for name in embeddings.modalities:
        np.testing.assert_array_equal(again.to_array(name), embeddings.to_array(name))
    assert again.ids.tolist() == embeddings.ids.tolist()


def test_none_leaves_a_modality_out() -> None:
    assert Embeddings.from_arrays({"image": np.eye(2), "text": None}).modalities == ("image",)


def test_present_hides_rows_that_hold_numbers() -> None:
    present = np.array([[True], [False]])
    assert Embeddings.from_arrays({"x": np.eye(2)}, present=present).present.tolist() == [
        [True],
        [False],
    ]


@pytest.mark.parametrize("dtype", [float, int])
def test_numbers_that_are_one_in_single_precision_are_warned_of(dtype: type) -> None:
    X = np.random.default_rng(0).normal(size=(20, 3)) * 1000
    X[:, 1] = 1_700_000_000 + np.arange(20)
    with pytest.warns(UserWarning, match="Number 1 of modality 'a': the numbers from 1700000000 "):
        Embeddings.from_arrays({"a": X.astype(dtype)})
    with pytest.warns(UserWarning, match="Modality 'a': the numbers are so small"):
        Embeddings.from_arrays({"a": np.float32(1e-30) * X})
    X[:, 1] -= 1_700_000_000
    Embeddings.from_arrays({"a": X.astype(dtype), "b": np.full((20, 2), 0.1)})


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("odd", [np.inf, -np.inf])
def test_an_infinity_is_refused_in_any_width(dtype: type, odd: float) -> None:
    """In 16 bits the largest number of 32 bits is infinite itself."""
    array = np.ones((2, 3), dtype)
    array[1, 1] = odd
    with pytest.raises(InputError, match="Row 1 of modality 'x' holds an infinity"):
        Embeddings.from_arrays({"x": array})


@pytest.mark.parametrize(
    ("row", "fault"),
    [([1.0, np.nan], "partly NaN"), ([1.0, np.inf], "infinity"), ([1.0, 1e300], "float32")],
)
def test_a_bad_row_is_named(row: list[float], fault: str) -> None:
    array = np.zeros((4, 2))
    array[2] = row
    with pytest.raises(InputError, match=rf"Row 2 of modality 'text' .*{fault}"):
        Embeddings.from_arrays({"image": np.zeros((4, 3)), "text": array})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "No modality"),
        ({"a": np.zeros(3)}, r"shape \(n_instances, embedding_dim\)"),
        ({"a": np.zeros((3, 2)), "b": np.zeros((4, 2))}, "one row per instance"),
        ({"a/b": np.zeros((3, 2))}, "cannot name a modality"),
        (
            {"é": np.zeros((3, 2))},
            "expected is a letter of a to z or A to Z",
        ),  # of which there are two spellings
        ({"text": np.zeros((3, 2)), "Text": np.zeros((3, 2))}, "'text' and 'Text' differ by"),
        ({"text.": np.zeros((3, 2))}, "Windows drops.*Rename it, e.g. 'text'"),
        ({"text ": np.zeros((3, 2))}, "Windows drops"),
        ({"aux": np.zeros((3, 2))}, "a device of Windows.*Rename it, e.g. 'aux_'"),
        ({"Com1.left": np.zeros((3, 2))}, "a device.*'Com_1.left'"),
        ({"a": np.array([["x", "y"]])}, "must hold numbers"),
    ],
)
def test_bad_arrays(arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Embeddings.from_arrays(arrays)


def test_names_that_only_begin_like_a_device_are_names() -> None:
    made = {name: np.zeros((3, 2)) for name in ("auxiliary", "con_", "com", "lpt10", "a.con")}
    assert Embeddings.from_arrays(made).modalities == tuple(made)


def test_a_repeated_id_is_named() -> None:
    with pytest.raises(InputError, match="Id 'x' stands in rows 0 and 2"):
        Embeddings.from_arrays({"a": np.zeros((3, 2))}, ids=["x", "y", "x"])


def test_vectors_of_two_lengths_in_a_column() -> None:
    frame = pd.DataFrame({"a": [np.zeros(2), np.zeros(3), None]})
    with pytest.raises(InputError, match="one length"):
        Embeddings.from_frame(frame)


def test_an_unknown_column_or_modality_is_suggested() -> None:
    embeddings = with_holes(np.ones((2, 2), dtype=bool))
    with pytest.raises(InputError, match="Did you mean 'label'"):
        Embeddings.from_frame(embeddings.to_frame(), label="lable")
    with pytest.raises(InputError, match="Available: 'm0', 'm1'"):
        embeddings.select(["image"])
    for column in ("lable", "Label"):
        with pytest.raises(InputError, match=f"no label column '{column}'.*Did you mean 'label'"):
            Embeddings.from_arrow(embeddings.to_arrow(), label=column)


def test_a_frame_of_ours_is_read_back_as_it_is() -> None:
    embeddings = with_holes(np.array([[True, False], [True, True]]))
    again = Embeddings.from_frame(embeddings.to_frame())
    assert again.modalities == ("m0", "m1")
    assert again.labels.tolist() == ["a", "b"]
    assert again.ids.tolist() == ["id0", "id1"]
    assert again.present.tolist() == embeddings.present.tolist()
    only = Embeddings.from_frame(embeddings.to_frame(), label=None, id="m0", modalities=["m1"])
    assert only.labels is None


def test_check_names_modality_and_row_of_a_number_that_is_not_finite() -> None:
    values = {"a": np.array([[1.0], [np.nan]], dtype=np.float32)}
    broken = Embeddings(values, np.array([[0], [-1], [1]]), ids=np.array(["x", "y", "z"]))
    with pytest.raises(InputError, match=r"a embedding of row 2 \(id 'z'\)"):
        broken.check()


def test_what_is_not_there_is_refused_by_name() -> None:
    data = Embeddings.from_arrays({"a": np.eye(4), "b": np.eye(4)}, split=["train", "test"] * 2)
    for ask in (data.to_array, data.items, data.places, data.select):
        with pytest.raises(InputError, match=r"There is no modality 'c'. Available: 'a', 'b'"):
            ask("c")
    with pytest.raises(InputError, match=r"The split is 'tset', which is unknown. .*'test'"):
        data.rows_in("tset")
    with pytest.raises(InputError, match="'a' is given more than once"):
        data.select(["a", "a"])
    with pytest.raises(InputError, match=r"shape \(4, 2\) or \(2,\), got \(3, 2\)"):
        data.mask(np.ones((3, 2), dtype=bool))
    with pytest.raises(InputError, match=r"dict of one array per modality.*got list"):
        Embeddings.from_arrays([np.eye(2)])  # type: ignore[arg-type]
    assert data.select("b").modalities == ("b",)
    assert not data.rows_in("validation").any()
