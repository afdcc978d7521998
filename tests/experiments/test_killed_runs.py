"""A run that is ended while its files take the place of another's is no finished run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from srmm.experiments.data import open_experiment_data
from srmm.experiments.runner import reproduce
from srmm.workflows.compare import compare_workflow
from tests.experiments.test_before_work import stored

_MOVES = 6  # two files go, and config, masks, results.md and results.json come


class Ended(BaseException):
    """As if the process ended: nothing catches it."""


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("moved", range(_MOVES))
def test_no_file_of_one_run_lies_beside_one_of_another(
    moved: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, cells = tmp_path / "t6", tmp_path / "cells"
    data = open_experiment_data(stored(tmp_path / "zoo"))

    def run(seeds: int) -> None:
        reproduce("table6", [data], output, seeds=seeds, methods=["logreg-concat"], cells=cells)

    run(1)
    before, count = files_of(output), [0]

    def counting(of: Any) -> Any:
        def change(self: Path, *args: Any, **more: Any) -> Any:
            last = Path(args[0]) if args else self
            if last.parent == output:
                if count[0] == moved:
                    raise Ended
                count[0] += 1
            return of(self, *args, **more)

        return change

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", counting(Path.replace))
        patch.setattr(Path, "unlink", counting(Path.unlink))
        # The folder in which the files were made is left, too, as by a kill.
        patch.setattr("srmm.experiments.runner.shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(Ended):
            run(2)
    left = files_of(output)
    run(2)
    after = files_of(output)
    assert [path.name for path in output.iterdir() if path.is_dir()] == []
    assert json.loads(after["config.json"])["seeds"] == 2
    assert ("results.json" in left) == (left == before)
    results = {name: text for name, text in left.items() if name != "config.json"}
    assert any(all(run[name] == results[name] for name in results) for run in (before, after))


def test_a_full_disk_leaves_the_earlier_run(tmp_path: Path, monkeypatch: Any) -> None:
    output, cells = tmp_path / "t6", tmp_path / "cells"
    data = open_experiment_data(stored(tmp_path / "zoo"))
    reproduce("table6", [data], output, seeds=1, methods=["logreg-concat"], cells=cells)
    before = files_of(output)
    with monkeypatch.context() as patch:
        patch.setattr("srmm.experiments.runner._write", _no_space)
        with pytest.raises(OSError, match="No space"):
            reproduce("table6", [data], output, seeds=2, methods=["logreg-concat"], cells=cells)
    assert files_of(output) == before


def test_a_comparison_whose_page_cannot_be_written_keeps_its_numbers(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """Else new numbers would stand beside the old page."""
    store, output = stored(tmp_path / "zoo"), tmp_path / "c"
    methods = ["logreg", "logreg-concat"]
    compare_workflow(str(store), output, methods=methods, seeds=1)
    before = files_of(output)
    monkeypatch.setattr("srmm.workflows.compare.write_comparison", _no_space)
    with pytest.raises(OSError, match="No space"):
        compare_workflow(str(store), output, methods=methods, seeds=2)
    assert files_of(output) == before


def _no_space(*_: object) -> None:
    raise OSError(28, os.strerror(28))
