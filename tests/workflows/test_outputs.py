"""Predictions in every format that is written."""

from __future__ import annotations

import csv
import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import srmm
from srmm.cli import run
from srmm.data.sources import open_source
from srmm.errors import InputError
from srmm.workflows import evaluate_workflow, fit_workflow, predict_workflow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("outputs"), np.random.default_rng(0)
    y = rng.integers(2, size=60)
    frame = pd.DataFrame({"w": y + rng.normal(size=60), "h": y + rng.normal(size=60), "y": y})
    frame.to_json(folder / "t.jsonl", orient="records", lines=True)
    columns = {"features": ["a=w", "b=h"], "label": "y"}
    fit_workflow(str(folder / "t.jsonl"), folder / "m", columns=columns, method="logreg")
    rows = [
        {"id": 1, "w": 0.5, "h": None, "label": "=1+1", "tags": ["x", "y"], "mixed": 1},
        {"id": 2, "w": 0.1, "h": 2.0, "label": None, "tags": None, "mixed": "two"},
    ] * 3
    lines = "".join(json.dumps({**row, "id": i}) + "\n" for i, row in enumerate(rows))
    (folder / "new.jsonl").write_text(lines)
    return folder / "m"


def predicted(model: Path, output: Path, *keep: str) -> tuple[str, ...]:
    source = str(model.parent / "new.jsonl")
    return predict_workflow(model, source, output, keep=keep).notes


def test_the_table_that_is_read_is_not_replaced(model: Path, tmp_path: Path) -> None:
    source = model.parent / "new.jsonl"
    before = source.read_bytes()
    with pytest.raises(InputError, match=r"new\.jsonl is the table that is read"):
        predicted(model, model.parent / "." / "new.jsonl")
    numbers = tmp_path / "data.json"
    numbers.write_bytes(before)
    with pytest.raises(InputError, match=r"data\.json is the table that is read"):
        evaluate_workflow(model, tmp_path / "data.html", source=str(numbers))
    assert source.read_bytes() == numbers.read_bytes() == before


def test_a_folder_is_no_place_for_predictions(model: Path, tmp_path: Path) -> None:
    (tmp_path / "p.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        predicted(model, tmp_path / "p.csv")


def test_formats_agree(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openpyxl")
    monkeypatch.setattr("srmm.workflows.predict.PART_ROWS", 4)
    for name in ("p.csv", "p.tsv", "p.jsonl", "p.parquet", "p.xlsx"):
        assert predicted(model, tmp_path / name, "all") == ()
    parquet = pd.read_parquet(tmp_path / "p.parquet")
    assert list(parquet)[:9] == [
        "id", "table:id", "w", "h", "table:label", "tags", "mixed", "label", "probability"
    ]  # fmt: skip
    schema = pq.read_schema(tmp_path / "p.parquet")
    assert [str(schema.field(c).type) for c in ("label", "a_label", "mixed")] == [
        "int64", "int64", "string"
    ]  # fmt: skip
    assert parquet["mixed"].tolist() == ["1", "two"] * 3
    csv = pd.read_csv(tmp_path / "p.csv")
    assert csv["tags"].tolist()[:1] == ['["x", "y"]']
    sheet = pd.read_excel(tmp_path / "p.xlsx")
    assert sheet["table:label"].tolist()[0] == "=1+1"  # a text, no formula
    tsv = pd.read_csv(tmp_path / "p.tsv", sep="\t")
    lines = pd.read_json(tmp_path / "p.jsonl", lines=True)
    for other in (csv, sheet, tsv, lines):
        assert list(other) == list(parquet)
        assert other["label"].tolist() == parquet["label"].tolist()
        np.testing.assert_allclose(other["b_probability"], parquet["b_probability"])
        assert other["b_label"].isna().tolist() == [True, False] * 3


def test_no_cell_is_a_formula_and_all_are_read_back(model: Path, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    texts = ["=1+1", "+x", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " ＝1", "'=1", "a\rb", "-1.5", "x"]
    texts += ["_x000D_", "_x005F_x000D_"]
    rows = {"w": np.arange(13.0) - 5, "h": 1.0, "=name": texts, "sku": texts}
    pd.DataFrame(rows).to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for ending in (".csv", ".tsv", ".xlsx"):
        output = tmp_path / f"p{ending}"
        chosen = {"id": "sku", "features": ["a=w", "b=h"]}
        predict_workflow(model, str(tmp_path / "t.jsonl"), output, keep=["all"], columns=chosen)
        read = open_source(output).read(["id", "=name", "w"])
        # XML has no lone carriage return.
        expected = [text.replace("\r", "\n") for text in texts] if ending == ".xlsx" else texts
        for column in ("id", "=name"):
            assert read.cells[column].tolist() == expected
        assert [float(cell) for cell in read.cells["w"]] == rows["w"].tolist()
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell[:1] in tuple("=+@\t\r")]
    assert "-5.0" in cells
    sheet = openpyxl.load_workbook(tmp_path / "p.xlsx").active
    found = {cell.value: cell for row in sheet.iter_rows() for cell in row}
    assert found["=1+1"].data_type == "s"
    assert found["=1+1"].quotePrefix
    assert found["=name"].quotePrefix
    assert not found["x"].quotePrefix


def test_a_text_longer_than_a_cell_of_excel_is_not_cut(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    for n in (32_767, 32_768):
        frame = pd.DataFrame({"w": [0.1], "h": [1.0], "more": ["x" * n]})
        frame.to_csv(tmp_path / "t.csv", index=False)
        output = tmp_path / f"{n}.xlsx"
        with (
            nullcontext() if n == 32_767 else pytest.raises(InputError, match=r"32,768 char.*hold")
        ):
            predict_workflow(
                model,
                str(tmp_path / "t.csv"),
                output,
                keep=["more"],
                columns={"features": ["a=w", "b=h"]},
            )
        assert output.exists() == (n == 32_767)


def test_what_a_format_cannot_hold_is_refused_or_left_out(model: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"w": [0.1, 0.2], "h": [1.0, 2.0], "blob": [b"a", None]})
    frame.to_parquet(tmp_path / "t.parquet")
    source = str(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"'blob' are no texts or numbers.*Write \.parquet"):
        predict_workflow(model, source, tmp_path / "p.csv", keep=["blob"])
    assert not (tmp_path / "p.csv").exists()
    (note,) = predict_workflow(model, source, tmp_path / "p.csv", keep=["all"]).notes
    assert "'blob'" in note
    predict_workflow(model, source, tmp_path / "p.parquet", keep=["blob"])
    assert pd.read_parquet(tmp_path / "p.parquet")["blob"].tolist() == [b"a", None]
    with pytest.raises(InputError, match=r"kept column 'bolb'.*Did you mean 'blob'"):
        predict_workflow(model, source, tmp_path / "p.csv", keep=["bolb"])
    with pytest.raises(InputError, match=r"not as 'p\.txt'"):
        predict_workflow(model, source, tmp_path / "p.txt")


def test_standard_output_holds_predictions_and_nothing_else(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(model.parent / "new.jsonl")
    assert run(["predict", str(model), source, "-o", "-", "--keep", "w", "-q"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("id,w,label,probability,a_present")
    assert len(lines) == 7
    assert "b  3 present (50 %; in training 100 %), 3 empty" in err
    assert "6 predictions (3 rows with something missing)" in err


def test_repeated_ids_are_predicted_and_said(model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("sku,w,h\nx,1,2\nx,1,\n,2,2\n")
    found = predict_workflow(
        model, str(tmp_path / "t.csv"), tmp_path / "p.csv", columns={"id": "sku"}
    )
    assert found.notes == ("1 ids stand in several rows: tell these by their place.",)
    assert pd.read_csv(tmp_path / "p.csv")["id"].fillna("").tolist() == ["x", "x", ""]


def test_sets_and_shares_are_written_in_every_format(model: Path, tmp_path: Path) -> None:
    source, rng = model.parent / "new.jsonl", np.random.default_rng(1)
    y = rng.integers(2, size=80)
    w, h = y + rng.normal(size=80), y + rng.normal(size=80)
    held = {"a": w[:, None].astype(np.float32), "b": h[:, None].astype(np.float32)}
    calibrated = srmm.from_pretrained(model).calibrate(held, y)
    calibrated.save_pretrained(tmp_path / "m")
    asked = {"coverage": 0.9, "explain": True, "columns": {"features": ["a=w", "b=h"]}}
    for name in ("p.csv", "p.parquet", "p.jsonl"):
        predict_workflow(tmp_path / "m", str(source), tmp_path / name, **asked)
    frame = pd.read_parquet(tmp_path / "p.parquet")
    assert str(pq.read_schema(tmp_path / "p.parquet").field("set").type) == "list<element: int64>"
    assert [len(labels) for labels in frame["set"]] == frame["set_size"].tolist()
    assert all(
        labels[0] == label for labels, label in zip(frame["set"], frame["label"], strict=True)
    )
    shares = frame[["prior_share", "a_share", "b_share"]].fillna(0).sum(axis=1)
    np.testing.assert_allclose(shares, frame["probability"], atol=1e-6)
    assert frame["b_share"].isna().tolist() == [True, False] * 3  # absent: no share
    csv, lines = pd.read_csv(tmp_path / "p.csv"), pd.read_json(tmp_path / "p.jsonl", lines=True)
    assert [json.loads(cell) for cell in csv["set"]] == lines["set"].tolist()


def test_sets_need_scores_of_held_out_rows(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kept no scores of held-out instances"):
        predict_workflow(model, str(model.parent / "new.jsonl"), tmp_path / "p.csv", coverage=0.9)
    assert not (tmp_path / "p.csv").exists()


def test_ids_of_many_digits_are_written_whole(model: Path, tmp_path: Path) -> None:
    ids = [2**70, 10**16 + 1]
    rows = tmp_path / "long.jsonl"
    rows.write_text("".join(json.dumps({"id": id, "w": 1, "h": 2}) + "\n" for id in ids))
    for name in ("p.csv", "p.parquet", "p.xlsx"):
        columns = {"id": "id"}
        predict_workflow(model, str(rows), tmp_path / name, columns=columns)
        read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "xlsx": pd.read_excel}
        more = {} if name == "p.parquet" else {"dtype": {"id": str}}
        found = read[name.partition(".")[2]](tmp_path / name, **more)
        assert found["id"].tolist() == list(map(str, ids))
