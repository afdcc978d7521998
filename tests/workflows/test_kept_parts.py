"""A prediction job in parts: it goes on after a kill, and several processes say what one says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import srmm.data.parts
from srmm.errors import InputError
from srmm.workflows import predict_workflow
from srmm.workflows.kept_parts import KeptParts
from tests.tampering import edit_json

N = 22  # rows, of four a part: six parts
FORMS = ("p.csv", "p.tsv", "p.jsonl", "p.parquet", "p")


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table whose first and last parts have other things in the column that is carried along."""
    monkeypatch.setattr("srmm.workflows.predict.PART_ROWS", 4)
    rng = np.random.default_rng(1)
    rows = [
        {
            "w": None if k % 3 == 1 else float(rng.normal()),
            "h": None if k % 3 == 2 else float(rng.normal()),
            "tag": f"no. {k}, ünder" if k > 8 else None,
        }
        for k in range(N)
    ]
    path = tmp_path / "new.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def predict(model: Path, table: Path, output: str, **options: object) -> tuple[str, ...]:
    options = {"keep": ["tag"], "explain": True, **options}
    found = predict_workflow(model, str(table), table.parent / output, **options)
    assert (found.rows, found.summary.rows, found.incomplete) == (N, N, 14)
    assert found.summary.modalities["a"].present == 15
    return found.notes


def content(output: Path) -> object:
    if output.is_dir():
        assert all(path.suffix == ".parquet" for path in output.iterdir())
        return pd.concat([content(path) for path in sorted(output.iterdir())]).to_dict("list")
    return pd.read_parquet(output) if output.suffix == ".parquet" else output.read_bytes()


def same(a: object, b: object) -> bool:
    return a.equals(b) if isinstance(a, pd.DataFrame) else str(a) == str(b)


def predict_killed_after(parts: int, model: Path, table: Path, output: str, **options: str) -> None:
    """The job is killed when it has kept some parts."""
    keep = KeptParts.keep

    def killed(self: KeptParts, *arguments: object) -> None:
        if len(self.done) == parts:
            raise KeyboardInterrupt
        keep(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeptParts, "keep", killed)
        with pytest.raises(KeyboardInterrupt):
            predict(model, table, output, **options)


@pytest.mark.parametrize("name", FORMS)
def test_a_killed_job_goes_on_and_says_the_same(
    model: Path, table: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = f"whole{Path(name).suffix}"
    assert not any("earlier run" in note for note in predict(model, table, whole))
    predict_killed_after(3, model, table, name)
    assert not (table.parent / name).exists()
    assert (table.parent / f"{name}.partial").is_dir()
    read = []
    read_table = srmm.data.parts.read_table
    monkeypatch.setattr(
        srmm.data.parts, "read_table", lambda *a, **k: read.append(0) or read_table(*a, **k)
    )
    assert predict(model, table, name)[-1] == (
        "12 rows are from an earlier run, which had not come to its end."
    )
    assert len(read) == 4, "the first, to know the columns, and three that were not there"
    assert same(content(table.parent / name), content(table.parent / whole))
    assert not (table.parent / f"{name}.partial").exists()


def test_a_job_killed_before_its_first_part_leaves_nothing_to_tell(
    model: Path, table: Path
) -> None:
    predict_killed_after(0, model, table, "p.csv")
    assert (table.parent / "p.csv.partial").is_dir()
    assert not any("earlier run" in note for note in predict(model, table, "p.csv"))


def test_parts_of_another_job_are_thrown_away(model: Path, table: Path) -> None:
    changes = (
        lambda: {"probabilities": True},
        lambda: os.utime(table, (1e9, 1e9)),
        lambda: edit_json(model / "config.json", lambda config: config.update(comment="other")),
    )
    for change in changes:
        predict_killed_after(2, model, table, "p.csv")
        notes = predict(model, table, "p.csv", **(change() or {}))
        assert any(note.startswith("2 unfinished parts were thrown away") for note in notes)


def test_a_damaged_part_is_made_again(model: Path, table: Path) -> None:
    predict(model, table, "whole.csv")
    predict_killed_after(3, model, table, "p.csv")
    part = table.parent / "p.csv.partial" / "00000001.csv"
    part.write_bytes(part.read_bytes().replace(b"0.", b"1.", 1))
    assert predict(model, table, "p.csv")[-1].startswith("8 rows are from an earlier run")
    assert same(content(table.parent / "p.csv"), content(table.parent / "whole.csv"))


def test_a_folder_is_replaced_only_if_it_holds_predictions_alone(
    model: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srmm.workflows.kept_parts._FILE_ROWS", 8)
    predict(model, table, "p")
    predict(model, table, "p")
    files = sorted((table.parent / "p").iterdir())
    assert [path.name for path in files] == [f"part-0000{k}.parquet" for k in range(3)]
    assert [pq.read_metadata(path).num_rows for path in files] == [8, 8, 6]
    (table.parent / "p" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"p exists, and holds what this command did not"):
            predict(model, table, "p", overwrite=overwrite)
    assert (table.parent / "p" / "thesis.txt").exists()


def test_one_part_makes_a_folder_too(model: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("w,h\n1,2\n")
    predict_workflow(model, str(tmp_path / "new.csv"), tmp_path / "p")
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["part-00000.parquet"]
    assert len(pd.read_parquet(tmp_path / "p")) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "dask"}, "engine is 'dask'"),
        ({"workers": 2}, "workers is 2, processes for the engine 'daft'"),
        ({"address": "auto"}, "address is 'auto', a cluster for engine='daft'"),
    ],
)
def test_options_are_checked(
    model: Path, table: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        predict(model, table, "p.csv", **options)


@pytest.mark.workflow
@pytest.mark.slow
def test_several_processes_say_what_one_says(model: Path, table: Path) -> None:
    """Bit by bit, and one goes on where the other was killed."""
    pytest.importorskip("daft", reason="needs daft: pip install 'srmm[daft]'")
    with pytest.raises(InputError, match="finish in any order"):
        predict(model, table, "p.xlsx", engine="daft")
    predict(model, table, "one.csv")
    predict(model, table, "many.csv", engine="daft", workers=2)
    assert content(table.parent / "many.csv") == content(table.parent / "one.csv")
    predict_killed_after(3, model, table, "p.csv", engine="daft", workers=2)
    assert "rows are from an earlier run" in predict(model, table, "p.csv")[-1]
    assert content(table.parent / "p.csv") == content(table.parent / "one.csv")
