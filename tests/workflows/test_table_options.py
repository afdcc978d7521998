"""What a table was read with and split by: kept with the model, and honoured by every command."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import srmm
from srmm.cli import run
from srmm.data.embeddings import Embeddings
from srmm.data.table import read_table
from srmm.errors import InputError
from srmm.evaluation.evaluate import RobustnessReport
from srmm.experiments.data import open_experiment_data, split_for
from srmm.learning.saving import open_saved, read_config
from srmm.workflows import evaluate_workflow, fit_workflow, predict_workflow
from srmm.workflows.data import group_names
from srmm.workflows.evaluate import _unseen
from srmm.workflows.splits import choose_split, same_item_notes

pytestmark = [pytest.mark.workflow, pytest.mark.usefixtures("brief_training")]

COLUMNS = {"features": ["size=w", "rest=u,v"], "label": "y", "id": "id"}


def numbers(n: int = 80, seed: int = 0) -> pd.DataFrame:
    """Two modalities of numbers, two classes, four rows per customer."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    frame = pd.DataFrame(rng.normal(size=(n, 3)) + 2 * y[:, None], columns=["w", "u", "v"])
    frame = frame.round(6).astype(object)
    frame["y"], frame["id"] = np.array(["no", "yes"])[y], [f"r{seed}-{i}" for i in range(n)]
    frame["customer"] = [f"c{i // 4}" for i in range(n)]
    return frame


def fit(frame: pd.DataFrame, folder: Path, name: str = "m", **options: Any) -> Any:
    path = folder / f"{name}.csv"
    frame.to_csv(path, index=False)
    columns = {**COLUMNS, **options.pop("columns", {})}
    return fit_workflow(str(path), folder / name, columns=columns, method="logreg", **options)


def test_a_model_reads_other_tables_as_its_own(tmp_path: Path) -> None:
    frame = numbers()
    frame.loc[[3, 4], "w"] = ["lost", "N/A"]
    model = fit(frame, tmp_path, columns={"missing": "auto,lost"})
    assert read_config(tmp_path / "m")["origin"]["reading"] == {"missing": "auto,lost"}
    assert "Column 'w': 2 cells count as absent, 'lost' (1), 'N/A' (1)" in model.notes[0]
    output = tmp_path / "p.csv"
    predicted = predict_workflow(tmp_path / "m", str(tmp_path / "m.csv"), output)
    assert predicted.notes == model.notes
    assert pd.read_csv(output)["size_present"].tolist().count(False) == 2
    asked = predict_workflow(  # what is asked for goes first
        tmp_path / "m", str(tmp_path / "m.csv"), output, columns={"missing": "auto"}
    )
    assert [entry.reason for entry in asked.summary.unreadable] == [
        "is no vector: 'w' is 'lost', no finite number. The encoder 'columns' reads such rows"
    ]
    # A model made from the store knows it, too.
    fit_workflow(str(tmp_path / "m.embeddings"), tmp_path / "again", method="logreg")
    assert read_config(tmp_path / "again")["origin"]["reading"] == {"missing": "auto,lost"}


@pytest.mark.parametrize("seed", [0, 1])
def test_groups_are_on_one_side_and_their_new_rows_are_no_test(tmp_path: Path, seed: int) -> None:
    frame = numbers()
    fit(frame, tmp_path, columns={"group": "customer"}, seed=seed)
    rows = open_saved(tmp_path / "m").rows
    assert rows is not None
    assert rows.groupby("group")["split"].nunique().max() == 1
    assert set(rows["split"]) == {"train", "test"}
    trained = set(rows["group"][rows["split"] == "train"])
    new = numbers(seed=7)
    new.to_csv(tmp_path / "new.csv", index=False)
    left = int((~new["customer"].isin(trained)).sum())
    report = evaluate_workflow(
        tmp_path / "m", tmp_path / "r.html", source=str(tmp_path / "new.csv"), baselines=False
    )
    data = report.content["data"]
    assert data["splits"]["test"] == left
    said = f"{80 - left} rows are not tested on: others of their groups were trained on."
    assert said in data["notes"]


def test_columns_of_a_pattern_are_read_in_the_order_of_training(tmp_path: Path) -> None:
    frame = numbers().rename(columns={"u": "v_2", "v": "v_1, m"})
    fit(frame, tmp_path, columns={"features": ["size=w", "rest=v_*"]})
    assert read_config(tmp_path / "m")["inputs"]["rest"]["column"] == "v_2,v_1? m"
    model = srmm.load(tmp_path / "m")
    expected = model.predict_proba(frame)
    moved = frame[frame.columns[::-1]].assign(v_3=1.0)
    np.testing.assert_array_equal(model.predict_proba(moved), expected)
    renamed = frame.rename(columns={"v_2": "v_9"})
    notes = model.predict_frame(renamed).attrs["notes"]
    assert "the frame has no 'v_2': rest is absent in all rows." in notes  # that one alone
    with pytest.raises(
        InputError, match=r"reads: size needs 'w', rest needs 'v_2'\. Did you mean 'W'"
    ):
        model.predict(renamed.rename(columns={"w": "W"}))
    with pytest.raises(InputError, match=r"mean 'W' \(for 'w'\), 'V_2' \(for 'v_2'\)\?"):
        model.predict(frame.rename(columns=str.upper))
    upper = frame.rename(columns={"v_2": "V_2 "})
    (note,) = [n for n in model.predict_frame(upper).attrs["notes"] if "rest is absent" in n]
    assert note.endswith("Did you mean 'V_2 ' (for 'v_2')?")
    tensors = {key: torch.tensor(frame[key][0]) for key in ("w", "v_2", "v_1, m")}
    np.testing.assert_array_equal(model.predict_proba(tensors), expected[:1])


@pytest.mark.parametrize(("ids", "left"), [(np.arange(80) * 7, 20), (np.arange(80), 80)])
def test_rows_are_known_again_by_numbers_that_are_ids(ids: np.ndarray, left: int) -> None:
    rows = pd.DataFrame({"id": ids, "split": ["train"] * 60 + ["test"] * 20, "digest": "other"})
    for same in (ids, [str(id) for id in ids] if left < 80 else ids):
        new = Embeddings.from_arrays({"x": np.ones((80, 2))}, ids=same)  # of other content
        test, _ = _unseen(new, rows, named=True)
        assert test.sum() == left
        assert _unseen(new, rows)[0].sum() == 80


@pytest.mark.parametrize("trained", [["7", "8", "9"], ["7.0", "8.0", "9.0"]])
def test_names_are_known_again_where_holes_made_pandas_write_numbers_with_a_point(
    trained: list[str],
) -> None:
    known = {"split": "train", "digest": "other"}  # another content
    for names in (["7", "8", None], ["7.0", "8.0", None], [7.0, 8, None]):
        groups = np.array(names, dtype=object)
        new = Embeddings.from_arrays({"x": np.ones((3, 2))}, groups=groups, ids=["a", "b", "c"])
        rows = pd.DataFrame({"id": ["x", "y", "z"], "group": trained, **known})
        test, notes = _unseen(new, rows)
        assert test.tolist() == [False, False, True]
        assert notes == ["2 rows are not tested on: others of their groups were trained on."]
    new = Embeddings.from_arrays({"x": np.ones((3, 2))}, ids=["7", "8.0", "10"])
    assert _unseen(new, pd.DataFrame({"id": trained, **known}), named=True)[0].tolist() == [
        False,
        False,
        True,
    ]


def test_groups_are_known_again_whatever_type_their_numbers_have(tmp_path: Path) -> None:
    frame = numbers()
    frame["customer"] = pd.Series([i // 4 + 0.0 for i in range(76)] + [None] * 4)  # as pandas does
    frame.astype({"w": float, "u": float, "v": float}).to_parquet(tmp_path / "t.parquet")
    columns = {**COLUMNS, "group": "customer"}
    fit_workflow(str(tmp_path / "t.parquet"), tmp_path / "m", columns=columns, method="logreg")
    rows = open_saved(tmp_path / "m").rows
    assert rows is not None
    frame.assign(customer=[i // 4 for i in range(80)]).to_csv(tmp_path / "new.csv", index=False)
    for source in ("t.parquet", "new.csv"):
        groups = read_table(tmp_path / source, **columns).groups
        assert groups is not None
        assert groups[:76].tolist() == rows["group"][:76].tolist()
    assert group_names(np.array([0.0, None])).tolist() == ["0", None]  # of arrays, too


def test_a_split_of_the_table_that_tears_groups_is_said(tmp_path: Path) -> None:
    frame = numbers()
    frame["part"] = np.where(np.arange(80) < 58, "train", "test")
    frame.loc[70, ["w", "u", "v"]] = frame.loc[10, ["w", "u", "v"]]
    fitted = fit(frame, tmp_path, columns={"group": "customer", "split": "part"})
    torn, again = fitted.notes
    assert "1 group is on several sides of the data's own split, such as 'c14'" in torn
    assert again.startswith("1 test row repeats the items of a training row exactly")
    # What fit held out is what evaluate tests on, also where the same table is named.
    reports = [
        evaluate_workflow(tmp_path / "m", tmp_path / "r.html", source=source, baselines=False)
        for source in (None, str(tmp_path / "m.csv"))
    ]
    own, named = (report.content["data"]["splits"]["test"] for report in reports)
    assert (own, named) == (22, 21)  # one is learnt from, in another row
    assert (
        "1 row is not tested on: the model has learnt from the same."
        in reports[1].content["data"]["notes"]
    )


def test_what_a_split_of_the_table_leaves_out_is_said(tmp_path: Path) -> None:
    frame = numbers()
    frame["part"] = np.where(np.arange(80) < 58, "train", "")
    fitted = fit(frame, tmp_path, columns={"split": "part"})
    assert [note.split(":")[0] for note in fitted.notes] == [
        "22 labelled rows are in no part of the data's own split",
        "The data's own split has no 'test' row",
    ]


def test_a_part_of_the_split_without_a_usable_row_is_said() -> None:
    x = np.arange(12.0)[:, None]
    x[6:9] = np.nan
    parts = ["train"] * 6 + ["val"] * 3 + ["test"] * 3
    labels = [*"ababababa", None, None, None]
    data = Embeddings.from_arrays({"x": x}, labels=labels, split=parts)
    validation, test = choose_split(data, 0.25, 0).notes
    data.labels[9:] = ["a", "c", "c"]
    _, said = choose_split(data, 0.25, 0).notes
    assert said.startswith("2 of 3 test rows are of classes that no training row has, such as 'c'")
    assert validation.startswith("No 'validation' row of the data's own split has both a label")
    assert test.startswith("No 'test' row of the data's own split has both a label and an item")


def test_a_split_without_test_rows_and_labels_in_another_spelling(tmp_path: Path) -> None:
    fit(numbers(), tmp_path)
    new = numbers(seed=7)
    new["y"] = new["y"].replace("yes", "Yes")

    def evaluated(part: str | None) -> Any:
        new.assign(part=part).to_csv(tmp_path / "new.csv", index=False)
        return evaluate_workflow(
            tmp_path / "m", tmp_path / "r.html", source=str(tmp_path / "new.csv"),
            columns={"split": "part"}, baselines=False,
        )  # fmt: skip

    with pytest.raises(InputError, match=r"The split of new\.csv has no 'test' row"):
        evaluated("train")
    assert evaluated(None).content["data"]["notes"] == [
        "The label 'Yes' (40) is no class of the model and 'yes' is: they differ only in case or "
        "spelling."
    ]


def test_test_rows_that_no_figure_is_of_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(numbers(), tmp_path)
    new = numbers(seed=7)
    new.loc[:4, "w"], new.loc[:1, ["u", "v"]], new.loc[6:8, "y"] = "x", None, "maybe"
    new.to_csv(tmp_path / "new.csv", index=False)
    asked = ["evaluate", str(tmp_path / "m"), str(tmp_path / "new.csv"), "--no-baselines", "-q"]
    assert run([*asked, "-o", str(tmp_path / "r.html")]) == 0
    said = capsys.readouterr().out
    assert "note: 5 items are unreadable and counted as absent, the first in row 0" in said
    assert "note: 2 test items with a label but no item were left out." in said
    assert (
        "note: 3 test items of a class that training lacks were kept, and count as wrong." in said
    )


def test_items_that_are_all_the_same_are_said() -> None:
    same = np.full((6, 2), 1.5)
    same[0] = np.nan
    arrays = {"same": same, "other": np.eye(6), "once": [[1.0]] + [None] * 5}
    (said,) = same_item_notes(Embeddings.from_arrays(arrays))
    assert said.startswith("All 5 training items of same are the same")


def test_the_notes_on_another_table_are_not_those_of_training(tmp_path: Path) -> None:
    frame = numbers()
    frame.loc[3, "w"] = "N/A"
    fit(frame, tmp_path)
    other = numbers(seed=7)
    other.loc[:1, "w"] = "-"
    other.to_csv(tmp_path / "other.csv", index=False)
    report = evaluate_workflow(
        tmp_path / "m", tmp_path / "r.html", source=str(tmp_path / "other.csv"), baselines=False
    )
    other.drop(columns="y").to_csv(tmp_path / "unlabelled.csv", index=False)
    with pytest.raises(InputError, match=r"no labels in unlabelled.csv.*In training .* in 'y'"):
        evaluate_workflow(
            tmp_path / "m", tmp_path / "r.html", source=str(tmp_path / "unlabelled.csv")
        )
    first, second = report.content["data"]["notes"]
    assert first.startswith("Column 'w': 2 cells count as absent, '-' (2)")
    assert second.startswith("In training: Column 'w': 1 cell counts as absent, 'N/A' (1)")


def test_rows_that_repeat_others_are_on_one_side(tmp_path: Path) -> None:
    frame = pd.concat([numbers(), numbers().head(30)], ignore_index=True)
    frame["id"] = [f"r{i}" for i in range(110)]
    fitted = fit(frame, tmp_path)
    assert fitted.notes == (
        "30 rows repeat the items of another row exactly; equal rows are on one side of the split.",
    )
    rows = open_saved(tmp_path / "m").rows
    assert rows is not None
    assert (rows["split"][:30].to_numpy() == rows["split"][80:].to_numpy()).all()
    assert rows["split"].value_counts()["test"] == pytest.approx(110 / 4, abs=4)
    data = open_experiment_data(tmp_path / "m.embeddings")
    for seed in range(3):
        test = np.isin(np.arange(110), split_for(data, seed).test)
        assert (test[:30] == test[80:]).all()


def test_one_group_leaves_nothing_to_test_on(tmp_path: Path) -> None:
    fitted = fit(numbers().assign(customer="c"), tmp_path, columns={"group": "customer"})
    assert "No row could be held out for a test" in fitted.notes[0]
    assert set(fitted.counts) == {"train"}


def test_a_page_that_cannot_be_written_leaves_the_old_numbers_beside_the_old_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    fit(numbers(), tmp_path)
    evaluate_workflow(tmp_path / "m", tmp_path / "r.html", baselines=False)
    before = {name: (tmp_path / name).read_bytes() for name in ("r.html", "r.json")}
    monkeypatch.setattr(RobustnessReport, "to_html", full)
    with pytest.raises(OSError, match="No space left"):
        evaluate_workflow(tmp_path / "m", tmp_path / "r.html", baselines=False, seed=1)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("r*")} == before


@pytest.mark.parametrize(("rare", "classes"), [("drop", 2), ("other", 3)])
def test_rare_classes_are_the_same_for_fit_and_evaluate(
    tmp_path: Path, rare: str, classes: int
) -> None:
    frame = numbers(160)
    frame.loc[range(0, 160, 20), "y"] = [f"rare {i}" for i in range(8)]
    with pytest.raises(InputError, match=r"8 classes have one row.*--rare drop"):
        fit(frame, tmp_path)
    fitted = fit(frame, tmp_path, rare=rare)
    assert len(fitted.classes) == classes
    assert "8 classes have fewer than 2 rows" in fitted.notes[0]
    report = evaluate_workflow(tmp_path / "m", tmp_path / "r.html", baselines=False)
    assert report.content["data"]["splits"]["test"] == fitted.counts["test"]
    # Another model from the same store finds the labels as they were.
    with pytest.raises(InputError, match="8 classes have one row"):
        fit_workflow(str(tmp_path / "m.embeddings"), tmp_path / "n", method="logreg")
    whole = numbers(160, seed=3)
    whole.loc[:9, "y"] = "rare 1"
    whole.to_csv(tmp_path / "new.csv", index=False)
    other = evaluate_workflow(
        tmp_path / "m", tmp_path / "r.html", source=str(tmp_path / "new.csv"), baselines=False
    )
    assert other.content["data"]["splits"]["test"] == (150 if rare == "drop" else 160)


def test_columns_whose_names_look_like_patterns_are_found_again(tmp_path: Path) -> None:
    frame = numbers().rename(columns={"u": "u[cm]", "v": "v{kg}"})
    frame["w, net"] = [f"{w} kg" for w in frame.pop("w")]
    columns = {"features": ["size=w*", "rest=u[cm],v{kg}"]}
    for _ in range(2):  # again over what is there: the one is fitted anew, the other reused
        fit(frame, tmp_path, columns=columns, overwrite=True)
    predict_workflow(tmp_path / "m", str(tmp_path / "m.csv"), tmp_path / "p.csv")
    found = pd.read_csv(tmp_path / "p.csv")
    assert found["size_present"].all()
    assert found["rest_present"].all()
