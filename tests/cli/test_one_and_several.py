"""One row is, and several rows are: what commands say of a table with one of something."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from srmm.cli import run
from srmm.data.sources.class_folders import _said_of_depth
from srmm.report.data_words import _cut
from srmm.report.watch_words import headline, pattern_words
from srmm.workflows.splits import unlearnt_notes

FIT = ["--features", "a=u,v", "--label", "y", "--id", "n", "--method", "logreg", "-q"]


@pytest.mark.workflow
def test_commands_say_one_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{i},{i % 3},{i % 7},{'xyz'[i % 3]}" for i in range(60)]
    table, one, model = tmp_path / "t.csv", tmp_path / "one.csv", tmp_path / "m"
    table.write_text("\n".join(["n,u,v,y", *rows]) + "\n")
    one.write_text("\n".join(["n,u,v,y", rows[0]]) + "\n")
    assert run(["fit", str(table), *FIT, "-o", str(model)]) == 0
    assert " test rows are held out" in capsys.readouterr().out
    assert run(["predict", str(model), str(one), "-o", str(tmp_path / "p.csv"), "-q"]) == 0
    said = capsys.readouterr().out
    assert "1 row in " in said
    assert "1 prediction (0 rows with something missing)" in said


def test_words_of_pages_say_one_comparison() -> None:
    one = {"data": {"rows": 1}, "alarms": [], "n_tests": 1}
    assert headline(one) == (
        "No alarm on 1 row: 1 comparison with training, not both significant and large."
    )
    assert "2 comparisons with training, none both" in headline({**one, "n_tests": 2})
    assert pattern_words({"present": None, "patterns": 1}, ["a"]) == "1 rarer pattern"
    assert _cut({"items": 1, "of": 1, "limit": "9 tokens"}) == "1 of 1 item was cut at 9 tokens"


def test_notes_say_one_row() -> None:
    split = np.array(["train", "train", "test"], dtype=object)
    (note,) = unlearnt_notes(np.array(["a", "a", "b"], dtype=object), split)
    assert note.startswith("1 of 1 test row is of classes that no training row has")
    (deep,) = _said_of_depth(Path("animals"), [PurePosixPath("cat/old/1.png")], False)
    assert deep.startswith("1 file of animals lies deeper than the folder of its class, which is")
