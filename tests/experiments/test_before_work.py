"""What `compare` and `reproduce` cannot do is said before anything is encoded or written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from srmm.cli import run
from srmm.data.embeddings import Embeddings
from srmm.data.store import save_embeddings
from srmm.errors import StoreError
from srmm.experiments.cells import Cell, read_outcome, run_cells
from srmm.experiments.data import open_experiment_data
from srmm.experiments.runner import reproduce

TWO = ["--features", "a=u,v", "--features", "b=w", "--label", "y"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = (f"{i % 3},{i % 7},{i % 5},{'xyz'[i % 3]},one," for i in range(60))
    (tmp_path / "t.csv").write_text("u,v,w,y,same,blank\n" + "\n".join(rows) + "\n")
    return tmp_path / "t.csv"


def stored(place: Path) -> Path:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    arrays = {name: rng.normal(size=(60, 4)) + y[:, None] for name in ("image", "text")}
    return save_embeddings(Embeddings.from_arrays(arrays, labels=y), place)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--features", "a=u,v", "--label", "y"], "t.csv has the modality 'a' only; experiments"),
        (
            ["--features", "a=u", "--features", "b=blank", "--label", "y"],
            "'a' only ('b' in no row)",
        ),
        (TWO[:4], "t.csv has no labels: name the column"),
        ([*TWO[:4], "--label", "same"], "t.csv have the one class 'one'"),
        ([*TWO, "--limit", "5"], "limit is 5: a subset of"),
        ([*TWO, "--seeds", "0"], "seeds must be from 1 to 1,000,000, got 0"),
        ([*TWO, "--jobs", "0"], "jobs must be at least 1, got 0"),
        ([*TWO, "--methods", "logreg"], "at least two methods, got logreg"),
        ([*TWO, "--methods", "logreg,unimodal:c"], "'unimodal:c' is of a modality that the data"),
    ],
)
def test_a_comparison_that_cannot_be_made(
    options: list[str], said: str, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = table.parent / "c"
    assert run(["compare", str(table), *options, "-o", str(output), "-q"]) == 1
    assert said in " ".join(capsys.readouterr().err.split())
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data", "htad", "--seeds", "0"], "seeds must be from 1"),
        (["--data", "htad", "--max-epochs", "0"], "max_epochs must be from 1"),
        (["--data", "htad", "--jobs", "0"], "jobs must be at least 1"),
        (["--data", "htad", "--limit", "3"], "limit is 3: a subset of htad, which has 7 classes"),
        (["--data", "htad", "--data", "htad"], "Two data sets are called 'htad'"),
        (["--data", "../zoo={store}"], "A data set called '../zoo' could not be part of"),
        (["--data", "={store}"], "A data set called '' could not"),
        (["--data", "zoo=none"], "'none' is no embedding store, and 'zoo' no data set"),
        (["--data", "htad=none"], "'none' is no embedding store, and the data set 'htad' comes in"),
        (["--data", "zoo={table}"], "t.csv is a table. Make a store of it first"),
    ],
)
def test_an_experiment_that_cannot_be_run(
    options: list[str], said: str, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = stored(table.parent / "zoo")
    given = [option.format(store=store, table=table) for option in options]
    output = table.parent / "runs" / "t7"
    assert run(["reproduce", "table7", *given, "-o", str(output), "-q"]) == 1
    assert said in " ".join(capsys.readouterr().err.split())
    assert not output.parent.exists()


def test_a_training_under_the_name_of_another_is_made_again(tmp_path: Path) -> None:
    data = open_experiment_data(stored(tmp_path / "zoo"))
    cells = [Cell(data.key, "logreg-concat", 0), Cell(data.key, "logreg", 0)]
    run_cells(cells, data, tmp_path)
    one, other = (tmp_path / f"{cell.name}.safetensors" for cell in cells)
    right = other.read_bytes()
    other.write_bytes(one.read_bytes())
    with pytest.raises(StoreError, match="the result of another training"):
        read_outcome(tmp_path, cells[1])
    run_cells(cells, data, tmp_path)
    assert len(other.read_bytes()) == pytest.approx(len(right), rel=0.01)
    assert read_outcome(tmp_path, cells[1]).about["cell"]["method"] == "logreg"


def test_masks_of_data_of_before_go_and_what_is_somebodys_stays(tmp_path: Path) -> None:
    output = tmp_path / "t6"
    for name in ("zoo", "farm"):
        data = open_experiment_data(stored(tmp_path / name))
        reproduce("table6", [data], output, seeds=1, methods=["logreg-concat"])
        (output / "curves-mine.png").touch()
    assert {path.name for path in output.glob("*-*")} == {
        "masks-farm.safetensors",
        "curves-mine.png",
    }
