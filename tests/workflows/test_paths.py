"""A path may be a text or a `Path`, wherever a workflow takes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from srmm.workflows import (
    check_workflow,
    distil_workflow,
    evaluate_workflow,
    fit_workflow,
    load,
    note_source,
    open_data,
    predict_workflow,
    watch_workflow,
)
from srmm.workflows.compare import compare_workflow
from srmm.workflows.data import own_store
from srmm.workflows.reproduce import reproduce_again, reproduce_workflow

SMALL = {"hidden_dim": 8, "max_epochs": 1}


@pytest.mark.workflow
@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_a_text_or_a_path(kind: Callable[[str], str | Path], tmp_path: Path) -> None:
    def place(name: str) -> str | Path:
        return kind(f"{tmp_path}/{name}" if name else f"{tmp_path}")

    rows = (f"{i % 3},{i % 7},{i % 5},{'xyz'[i % 3]}" for i in range(60))
    (tmp_path / "t.csv").write_text("u,v,w,y\n" + "\n".join(rows) + "\n")
    columns, table, root = {"features": ["a=u,v", "b=w"], "label": "y"}, place("t.csv"), place("")
    assert len(open_data(table, columns, root=root)) == 60
    store = place("s")
    fit_workflow(table, place("m"), columns=columns, root=root, store=store, settings=SMALL)
    note_source(store, table, columns, root, None)
    model = place("m")
    assert load(model, root=root).modalities == ("a", "b")
    assert not check_workflow(model).problems
    distil_workflow(model, place("small"))
    evaluate_workflow(model, place("r"), source=table, root=root, baselines=False)
    predict_workflow(model, table, place("p.csv"), root=root)
    watch_workflow(model, table, place("w"), root=root)
    compare_workflow(
        table, place("c"), columns=columns, root=root, methods=["logreg", "logreg-concat"], seeds=1
    )
    run, cells = place("runs/r"), place("cells")
    reproduce_workflow(
        "table6", run, data=[store], seeds=1, methods=["tbn-early"], max_epochs=1, cells=cells
    )
    again = reproduce_again(run, place("runs/again"), cells=place("cells-again"))
    made = {"r.html", "w.html", "p.csv", "small", "c", "cells", "cells-again"}
    assert made <= {path.name for path in tmp_path.iterdir()}
    assert (again / "results.md").is_file()


def test_the_store_of_a_model_has_a_path_without_detours(tmp_path: Path) -> None:
    (tmp_path / "a" / "model").mkdir(parents=True)
    where = own_store(tmp_path / "a" / "model", {"store": "../stores/goods"})
    assert str(where) == str((tmp_path / "stores" / "goods").resolve())
    assert own_store(tmp_path / "a" / "model", {"name": "goods"}) is None


def test_what_is_said_of_the_rows_of_a_comparison_is_in_its_files(tmp_path: Path) -> None:
    rows = "".join(f"{i % 7},{i % 5 if i % 4 else ''},{i % 3 + 1}\n" for i in range(60))
    (tmp_path / "t.csv").write_text(f"u,v,stars\n{rows},,2\n")
    compared = compare_workflow(
        tmp_path / "t.csv",
        tmp_path / "c",
        columns={"features": ["a=u", "b=v"], "label": "stars"},
        methods=["logreg", "logreg-concat"],
        seeds=1,
    )
    assert any("the labels are the numbers 1 to 3" in note for note in compared.notes)
    assert compared.content["data"]["notes"] == list(compared.notes)
    page = (tmp_path / "c" / "comparison.html").read_text(encoding="utf-8")
    assert "the labels are the numbers 1 to 3" in page
    assert "<li>1 row is left out, without a label or without an item.</li>" in page
