"""What labels look like: blanks are taken off, the rest is said; and what can be no class."""

from __future__ import annotations

import datetime
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from srmm.data.embeddings import Embeddings
from srmm.data.labels import written_as
from srmm.data.table import Table, check_labels, read_table
from srmm.errors import InputError
from srmm.methods import make_method


def labelled(labels: list[object], **roles: list[object]) -> Table:
    frame = pd.DataFrame({"t": [f"text {i}" for i in range(len(labels))]})
    frame["y"] = pd.Series(labels, dtype=object)
    for role, column in roles.items():
        frame[role] = pd.Series(column, dtype=object)
    return read_table(frame, text="t", label="y", **{role: role for role in roles})


def test_blanks_around_labels_are_taken_off_and_said() -> None:
    table = labelled(["shirt", " shirt", "hat\u00a0", "hat"])
    assert table.labels is not None
    assert table.labels.tolist() == ["shirt", "shirt", "hat", "hat"]
    assert table.notes == ("Column 'y': blanks around 2 labels were taken off, as of ' shirt'.",)


@pytest.mark.parametrize(
    "twins",
    [
        ("Shirt", "shirt"),
        ("T shirt", "t  shirt"),
        ("caf\u00e9", "cafe\u0301"),
        ("1", "1.0"),
        ("shirt", "shirt\u200b"),
        ("\ufeffshirt", "shirt"),
        ("living room", "living_room"),
        ("T-shirt", "T\u2011Shirt"),
        ("10-20", "10\u201320"),
        ("men's", "men\u2019s"),
        ("C", "\N{CYRILLIC CAPITAL LETTER ES}"),
        ("Omega", "\N{GREEK CAPITAL LETTER OMICRON}mega"),
    ],
)
def test_twins_are_said_and_stay_two_classes(twins: tuple[str, str]) -> None:
    table = labelled([*twins, "hat", "hat"])
    assert table.labels is not None
    assert table.labels.tolist()[:2] == list(twins)
    assert f"{twins[0]!r} (1), {twins[1]!r} (1) differ only in case or spelling" in table.notes[0]


@pytest.mark.parametrize(
    "names", [("A", "A-"), ("5", "-5"), ("b", "\N{CYRILLIC SMALL LETTER VE}"), ("a-b", "ab")]
)
def test_names_that_differ_to_a_person_are_no_twins(names: tuple[str, str]) -> None:
    assert not any("spelling" in note for note in labelled([*names, "hat", "hat"]).notes)


@pytest.mark.parametrize("none", ["nan", "NaT", "<NA>", "None", " "])
def test_what_was_missing_before_it_became_a_text_is_said_of_arrays(none: str) -> None:
    X = {"a": np.arange(8.0).reshape(8, 1)}
    y = ["hat", "shoe", none, "hat"] * 2
    for call in (
        lambda: Embeddings.from_arrays(X, labels=y),
        lambda: make_method("logreg", random_state=0).fit(X, np.array(y)),
    ):
        with pytest.warns(UserWarning, match=r" \(2\) is taken for a class like any other"):
            call()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Embeddings.from_arrays(X, labels=["none", "shoe"] * 4, groups=y)


def test_twins_among_labels_of_arrays_are_said() -> None:
    X = {"a": np.arange(8.0).reshape(8, 1)}
    y = [*("hat", "shoe") * 3, "hat ", "Shoe"]
    for call in (
        lambda: Embeddings.from_arrays(X, labels=y),
        lambda: make_method("logreg", random_state=0).fit(X, y),
    ):
        with pytest.warns(UserWarning, match=r"'hat' \(3\), 'hat ' \(1\); 'shoe' .* of their own"):
            call()


def test_twins_among_groups_of_arrays_are_said() -> None:
    X, who = {"a": np.arange(8.0).reshape(8, 1)}, [*("Ann", "Bob") * 3, "ann", None]
    for call in (
        lambda: Embeddings.from_arrays(X, groups=who),
        lambda: make_method("logreg", random_state=0).fit(X, [0, 1] * 4, groups=who),
    ):
        with pytest.warns(UserWarning, match=r"groups: 'Ann' \(3\), 'ann' \(1\) .*: two groups"):
            call()


def test_a_class_may_be_called_like_a_marker() -> None:
    table = labelled(["NA", "DE", "None", "NA", None, float("nan"), pd.NA])
    assert table.labels is not None
    assert table.labels.tolist() == ["NA", "DE", "None", "NA", None, None, None]
    (note,) = table.notes
    assert "'NA' (2), 'None' (1)" in note


def test_among_numbers_a_marker_is_an_unknown_label_or_group() -> None:
    table = labelled(["1", "0", "NA", "1"], group=["7", "nan", "7", "8"])
    assert table.labels is not None
    assert table.groups is not None
    assert table.labels.tolist() == ["1", "0", None, "1"]
    assert table.groups.tolist() == ["7", None, "7", "8"]
    assert table.notes == (
        "Column 'y': 'NA' (1) among numbers is an unknown label.",
        "Column 'group': 'nan' (1) among numbers is an unknown group.",
    )


def test_groups_that_may_be_one_are_said() -> None:
    (said,) = labelled(["a", "b", "a", "b"], group=["Ann", "ann", "bob", "carl"]).notes
    assert said.endswith("'Ann' (1), 'ann' (1) differ only in case or spelling: two groups.")
    long = [str(2**53 + i) for i in range(4)]  # of which two are one as a float
    assert labelled(["a", "b", "a", "b"], group=long).notes == ()


def test_groups_lose_blanks_and_splits_lose_markers() -> None:
    table = labelled(["a", "b"], group=["ann ", "ann"], split=["train", "n/a"])
    assert table.groups is not None
    assert table.split is not None
    assert table.groups.tolist() == ["ann", "ann"]
    assert table.split.tolist() == ["train", None]
    assert len(table.notes) == 2


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["red;blue", "red", "blue"], "1 label looks like several classes of one row"),
        (["a|b", "b|c", "a|c"], "3 labels look like several classes"),
        ([1, 2, 3, 4, 5], "the numbers 1 to 5. If they are steps of a scale"),
        (["1", "1.5", "2", "2.5"], "steps of a scale"),
        (list(range(1990, 2025)), "35 different numbers"),
        (["2020-01-02", "2021-03-04"], "are dates, such as '2020-01-02'"),
        (["02.01.2020", "04.03.2021"], "are dates"),
    ],
)
def test_labels_that_may_be_no_classes_are_pointed_out(labels: list[object], said: str) -> None:
    (note,) = labelled(labels).notes
    assert said in note


@pytest.mark.parametrize(
    "labels",
    [
        ["Hats, Caps", "Bras", "Socks"],
        [0, 1, 2, 3],
        ["0", "1"],
        [True, False],
        ["1,5", "2,5", "1,2"],
        ["dog", "cat", 3],  # refused where labels are checked
    ],
)
def test_usual_labels_need_no_words(labels: list[object]) -> None:
    assert labelled(labels).notes == ()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([["a", "b"], ["a"]], "The label \\['a', 'b'\\] in the frame holds several values"),
        ([{"a": 1}, {"a": 2}], "holds several values"),
        ([str(i / 7) for i in range(1, 60)], "label type: continuous. The 59 labels in the frame"),
    ],
)
def test_labels_that_cannot_be_classes_are_errors(labels: list[object], said: str) -> None:
    table = labelled(labels)  # a table may be predicted from, whatever its labels are
    with pytest.raises(InputError, match=said):
        check_labels(table)


def test_names_of_any_type_survive() -> None:
    table = labelled([np.int64(3), 4, None])
    assert table.labels is not None
    assert table.labels.tolist() == [3, 4, None]


def test_spans_of_time_have_one_name_in_every_format(tmp_path: Path) -> None:
    spans = pd.to_timedelta(["1 days", "1 days", "2 days", "2 days"]).to_series(index=range(4))
    frame = pd.DataFrame({"t": list("abcd"), "y": spans})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    held = [datetime.timedelta(days=1)] * 2 + [np.timedelta64(48, "h")] * 2
    objects = pd.DataFrame({"t": list("abcd"), "y": pd.Series(held, dtype=object)})
    for source in (frame, objects, tmp_path / "t.csv", tmp_path / "t.parquet"):
        table = read_table(source, text="t", label="y")
        assert table.labels is not None
        assert table.labels.tolist() == ["1 days", "1 days", "2 days", "2 days"]
        groups = read_table(source, text="t", group="y").groups
        assert groups is not None
        assert groups.tolist() == table.labels.tolist()


def test_labels_of_another_table_are_read_as_the_classes_are_written() -> None:
    as_class = written_as(["1 days", "0 days 00:01:30"])
    spans = ["1 day, 0:00:00", "1 days 00:00:00", datetime.timedelta(days=1), "0:01:30"]
    assert list(map(as_class, spans)) == ["1 days"] * 3 + ["0 days 00:01:30"]
    assert [written_as([0, 1])(label) for label in (True, np.False_, 1, "1.0")] == [
        True,
        False,
        1,
        1,
    ]
    assert [written_as([False, True])(label) for label in (1, 0.0, "True")] == [1, 0.0, True]
    assert written_as(["True", "12:30:00"])(True) == "True"
    assert written_as(["True", "12:30:00"])("12:30:00") == "12:30:00"
