"""Names that a shell or a file has trouble with."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from srmm.cli import run

FIT = ["--features", "a=w,h", "--label", "y", "--method", "logreg", "-q"]


def table(path: Path) -> str:
    path.write_text("w,h,y\n" + "".join(f"{i},{i % 3},{'xy'[i % 2]}\n" for i in range(20)))
    return str(path)


@pytest.mark.workflow
def test_the_next_command_can_be_copied(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "my model"
    assert run(["fit", table(tmp_path / "a b.csv"), *FIT, "-o", str(folder)]) == 0
    said = next(line for line in capsys.readouterr().out.splitlines() if "srmm evaluate" in line)
    assert str(folder) in shlex.split(said)


@pytest.mark.workflow
def test_a_name_that_is_no_text_gets_a_sentence(tmp_path: Path, capsys) -> None:
    code = run(["fit", table(tmp_path / "t.csv"), *FIT, "-o", str(tmp_path / "m\udcff")])
    assert code == 1
    assert "is no valid UTF-8" in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "m\udcff").exists()


def test_a_seed_below_zero_is_a_usage_error(capsys) -> None:
    assert run(["evaluate", "model", "--seed", "-1"]) == 2
    assert run(["fit", "t.csv", "-o", "m", "--seed", "-1"]) == 2
    assert "--seed" in capsys.readouterr().err
