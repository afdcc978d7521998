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
