"""What cannot be stored, indexed or learnt from is refused by name, not turned into another."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import srmm
from srmm.data.embeddings import Embeddings
from srmm.data.inputs import as_embeddings
from srmm.errors import InputError
from srmm.methods import make_method

X = {"a": np.arange(16.0).reshape(8, 2), "b": np.arange(8.0).reshape(8, 1)}
Y = ["x", "y"] * 4


def embeddings(**roles) -> Embeddings:
    return Embeddings.from_arrays(X, **roles)


def test_groups_of_several_kinds_do_not_become_one_in_a_file(tmp_path) -> None:
    mixed = embeddings(groups=[1, "1", 2, 2, 3, 3, 4, 4])
    with pytest.raises(InputError, match=r"column 'group' cannot be stored \(it holds int and str"):
        mixed.to_numpy(tmp_path / "e.npz")
    for write in (mixed.to_arrow, lambda: srmm.save_embeddings(mixed, tmp_path / "store")):
        with pytest.raises(InputError, match="column 'group' cannot be stored"):
            write()
    assert not list(tmp_path.iterdir())


def test_ids_that_would_come_back_as_others_are_refused(tmp_path) -> None:
    named = embeddings(ids=[uuid.UUID(int=i) for i in range(8)])
    with pytest.raises(InputError, match="'id' cannot be stored"):
        srmm.save_embeddings(named, tmp_path / "store")
    with pytest.raises(InputError, match="'id' cannot be stored"):
        embeddings(ids=pd.date_range("2026-01-01", periods=8)).to_numpy(tmp_path / "e.npz")


def test_several_values_per_instance_are_labels_only_in_y() -> None:
    with pytest.raises(InputError, match="one-hot"):
        embeddings(labels=np.eye(8))
    with pytest.raises(InputError, match="ids has shape") as refused:
        embeddings(ids=[(1, i) for i in range(8)])
    assert "one-hot" not in str(refused.value)


def test_a_label_that_no_file_can_hold() -> None:
    with pytest.raises(InputError, match="is no valid text"):
        make_method("logreg").fit(X, ["x\udc80", "y"] * 4)


@pytest.mark.parametrize("cells", [[1 + 2j] * 8, np.full(8, 2j), [np.array([1j, 2j])] * 8])
def test_complex_numbers_in_a_table_are_no_features(cells) -> None:
    frame = pd.DataFrame({"v": cells, "w": range(8)})
    for chosen in ("v", "f=v,w"):
        with pytest.raises(InputError, match=r"'v' of row 0 of the frame has complex numbers"):
            srmm.encode(srmm.read_table(frame, features=chosen))


def test_what_is_no_array_is_named() -> None:
    model = make_method("logreg").fit(X, Y)
    sets = TensorDataset(torch.ones(3, 2), torch.ones(3, 1))
    for thing in (sets, DataLoader(sets), Path("x"), object(), iter([])):
        with pytest.raises(InputError, match=f"of type {type(thing).__name__}, expected Embedd"):
            model.predict(thing)


def test_weights_below_zero_and_no_rows() -> None:
    model = make_method("logreg")
    with pytest.raises(InputError, match="sample_weight of row 2 is -1"):
        model.fit(X, Y, sample_weight=[1, 1, -1, 1, 1, 1, 1, 1])
    with pytest.raises(InputError, match="X has 0 rows"):
        model.fit(embeddings(labels=Y)[:0])


def test_embeddings_are_indexed_by_rows() -> None:
    for key in ("a", (slice(None), 0)):
        with pytest.raises(InputError, match="to_array"):
            embeddings()[key]
    with pytest.raises(InputError, match="A slice of rows has whole numbers, got 'a' of type str"):
        embeddings()["a":]  # type: ignore[misc]
    assert len(embeddings()[np.arange(3), ...]) == 3


def test_records_of_vectors_are_no_raw_items() -> None:
    records = [{"a": a, "b": b} for a, b in zip(X["a"], X["b"], strict=True)]
    with pytest.raises(InputError, match="list of records"):
        make_method("logreg").fit(records, Y)


def test_names_that_are_given_twice_or_too_long() -> None:
    frame = pd.DataFrame(zip(X["a"], X["b"], strict=True), columns=["a", "a"])
    with pytest.raises(InputError, match="given more than once"):
        make_method("logreg").fit(frame, Y)
    with pytest.raises(InputError, match="250 characters"):
        Embeddings.from_arrays({"a" * 250: X["a"]})


def test_vectors_of_length_zero_are_refused() -> None:
    with pytest.raises(InputError, match="'a' has vectors of length 0"):
        Embeddings.from_arrays({"a": np.empty((8, 0)), "b": X["b"]})


def test_a_huggingface_dataset_is_taken_as_it_is() -> None:
    pytest.importorskip("datasets")
    dataset = embeddings(labels=Y).to_huggingface()
    assert make_method("logreg").fit(dataset).modalities_ == ("a", "b")
    with pytest.raises(InputError, match="raw items"):
        make_method("logreg").fit(dataset.select_columns(["label"]), Y)


def test_what_is_no_array_at_all_is_refused_by_name() -> None:
    model = make_method("logreg").fit(embeddings(labels=Y))
    for given, said in [("t.csv", "'t.csv' of type str"), (None, "None of type NoneType"),
                        (3, "3 of type int"), (iter([1]), "of type list_iterator")]:  # fmt: skip
        for ask in (model.predict, lambda X: model.fit(X, Y)):
            with pytest.raises(InputError, match=f"X is .*{said}, expected Embeddings, a dict"):
                ask(given)


def test_what_is_no_table_and_no_embeddings_is_refused_by_name(tmp_path) -> None:
    for given in ("t.csv", None, pd.DataFrame({"a": ["x"]}), embeddings()):
        with pytest.raises(InputError, match=f"encode takes a table, got {type(given).__name__}"):
            srmm.encode(given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="A store is made of Embeddings, got dict"):
        srmm.save_embeddings({"a": np.eye(2)}, tmp_path / "store")  # type: ignore[arg-type]


def test_a_mask_says_of_every_item_whether_it_is_there() -> None:
    there = [True] * 7 + [False]
    table = pa.table({"b": pa.array(there), "a": pa.array([False] * 8)})
    assert embeddings().mask(table).present.sum(axis=0).tolist() == [0, 7]
    holes = pa.table({"a": pa.array(there), "b": pa.array([*there[:-1], None])})
    for mask in (holes, holes.to_pandas().convert_dtypes()):
        with pytest.raises(InputError, match="present is None or NaN in 1 of 16 cells"):
            embeddings().mask(mask)
    with pytest.raises(InputError, match=r"must be boolean, got int64 of shape \(8, 2\)"):
        embeddings().mask(np.ones((8, 2), dtype=int))


def test_no_rows_are_nothing_to_score() -> None:
    model = make_method("logreg").fit(X, Y)
    for given in ((embeddings(labels=Y)[:0],), (embeddings()[:0], [])):
        with pytest.raises(InputError, match="no instance to score: X has 0 rows"):
            model.score(*given)


def test_a_report_has_content() -> None:
    with pytest.raises(InputError, match="content is a NoneType, expected the content of a report"):
        srmm.RobustnessReport(None)  # type: ignore[arg-type]


FRAME = pd.DataFrame({"u": [0.0, 1.0] * 4, "v": [1.0, 2.0] * 4})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            np.zeros((8, 2, 3)),
            r"dim 3.*X has shape \(8, 2, 3\)\. Expected an array of shape \(n, d",
        ),
        ([[[1, 2], [3, 4]]] * 8, r"dim 3.*Expected an array of shape \(n, d\)"),
        (np.arange(8.0), r"got 1D array instead\.\s+Reshape .*X has shape \(8,\)"),
        (FRAME.assign(d=pd.Timestamp(2024, 1, 1)), "Column 'd' holds datetime64.*expected numbers"),
        (FRAME.set_axis(["u", "u"], axis=1), "'u' 2 times"),
        (FRAME.to_records(index=False), r"an array of records, u, v: pass pandas.DataFrame\(X\)"),
        (pa.table({"u": ["red", "hat"] * 4}), "These are raw items"),
        ({"a": np.zeros((8, 2, 3))}, r"got shape \(8, 2, 3\)\. A vector per instance is"),
        (FRAME.to_numpy() + 1j, r"Complex data not supported\. X has shape"),
    ],
)
def test_arrays_that_are_no_vectors_are_errors_of_ours(given: Any, said: str) -> None:
    model = make_method("logreg", random_state=0)
    with pytest.raises(InputError, match=f"(?s){said}"):
        model.fit(given, [0, 1] * 4)


DAYS = pd.date_range("2024", periods=8).to_numpy()


@pytest.mark.parametrize(
    "given",
    [
        pa.table({"d": DAYS, "u": range(8)}),
        pa.table({"d": DAYS - DAYS[0], "u": range(8)}),
        FRAME.assign(d=DAYS - DAYS[0]),
        FRAME.assign(d=1j),
        FRAME.assign(d=pd.Series([*DAYS], dtype=object)),
        [[np.datetime64("2024"), 1.0]] * 8,
        np.array([[np.timedelta64(3, "s"), 1.0]] * 8, dtype=object),
    ],
)
def test_dates_and_spans_of_a_lone_table_are_no_numbers(given: Any) -> None:
    with pytest.raises(InputError, match=r"holds .*, expected numbers"):
        make_method("logreg", random_state=0).fit(given, [0, 1] * 4)
    with pytest.raises(InputError, match=r"holds .*, expected numbers"):
        as_embeddings(given)


def test_a_polars_frame_of_dates_or_of_what_arrow_lacks_is_refused() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"d": DAYS, "u": range(8)})
    with pytest.raises(InputError, match=r"Column 'd' holds timestamp.*expected numbers"):
        make_method("logreg", random_state=0).fit(frame, [0, 1] * 4)
    with pytest.raises(InputError, match="column 'u' of X holds what Arrow cannot"):
        as_embeddings(frame.cast({"u": polars.Int128}))


def test_score_takes_the_weights_that_fit_does() -> None:
    model = make_method("logreg", random_state=0).fit(X, Y)
    for weight in (-np.ones(8), np.ma.masked_array(np.ones(8), mask=np.eye(8)[2])):
        with pytest.raises(InputError, match=r"sample_weight of row [02] is (-1|nan), expected"):
            model.score(X, Y, weight)
    wrong = np.array([Y[1], *Y[1:]])
    assert model.score(X, wrong, [0.0, *np.ones(7)]) == model.score(
        {name: x[1:] for name, x in X.items()}, Y[1:]
    )


def test_a_lone_frame_is_predicted_from_by_the_columns_of_training(tmp_path: Path) -> None:
    model = make_method("logreg", random_state=0).fit(FRAME, [0, 1] * 4)
    with pytest.raises(InputError, match=r"(?s)same order.*X\[model.feature_names_in_\]"):
        model.predict(FRAME[["v", "u"]])
    with pytest.raises(InputError, match=r"(?s)Found array with dim 3.*X has shape"):
        model.predict(np.zeros((4, 2, 1)))
    with pytest.raises(InputError, match=r"(?s)Found array with dim 3"):
        as_embeddings(np.zeros((4, 2, 1)))
    model.save_pretrained(tmp_path / "m")
    again = srmm.from_pretrained(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(FRAME), model.predict_proba(FRAME))
    with pytest.raises(InputError, match=r"(?s)same order.*X\[model.feature_names_in_\]"):
        again.predict(FRAME[["v", "u"]])
    sparse = FRAME.astype(pd.SparseDtype("float"))
    np.testing.assert_array_equal(model.predict_proba(sparse), model.predict_proba(FRAME))


def test_an_array_of_records_is_told_of_its_fields() -> None:
    records = np.array([(1.0, 2.0)] * 8, dtype=[("u", float), ("v", float)])
    for held in (records, records.view(np.recarray)):
        with pytest.raises(InputError, match=r"'a' is an array of records, u, v: pass pandas"):
            as_embeddings({"a": held})


@pytest.mark.parametrize(
    "columns",
    [[0, 1], [2024, 2025], pd.MultiIndex.from_tuples([("u", 0), ("u", 1)])],
    ids=["numbered", "years", "two levels"],
)
def test_a_lone_frame_whose_columns_are_no_texts_is_known_by_them_too(
    tmp_path: Path, columns: Any
) -> None:
    frame = FRAME.set_axis(columns, axis=1)
    model = make_method("logreg", random_state=0).fit(frame, [0, 1] * 4)
    model.save_pretrained(tmp_path / "m")
    for one in (model, srmm.from_pretrained(tmp_path / "m")):
        np.testing.assert_array_equal(one.predict_proba(frame), one.predict_proba(FRAME.to_numpy()))
        with pytest.raises(InputError, match=r"Column 0 of modality 'features' is .*, in training"):
            one.predict(frame[frame.columns[::-1]])


def test_labels_that_are_no_class_but_for_their_spelling_are_said() -> None:
    model = make_method("logreg", random_state=0).fit(X, Y)
    other = ["X ", *Y[1:]]
    said = r"The label 'X ' \(1\) is no class of the model and 'x' is"
    with pytest.warns(UserWarning, match=said):
        assert model.score(X, other) < model.score(X, Y)
    report = srmm.evaluate(model, X, other, projection=False)
    assert re.search(said, report.content["data"]["notes"][0])
    with pytest.warns(UserWarning, match="1 of 8 labels, such as 'X ', are no class of the model"):
        model.calibrate(X, other)


def test_groups_of_which_none_can_be_held_out_are_said() -> None:
    with pytest.warns(UserWarning, match="No group could be held out"):
        make_method("logreg", random_state=0).fit(X, Y, groups=Y)
