"""Names that a shell or a file has trouble with."""

from __future__ import annotations

import shlex
import shutil
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
    assert "is no name in UTF-8" in capsys.readouterr().err.replace("\n", " ")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]  # nothing was encoded


@pytest.mark.workflow
def test_whole_files_under_a_name_that_is_no_text_are_not_called_damaged(
    tmp_path: Path, capsys
) -> None:
    data, odd = table(tmp_path / "t.csv"), tmp_path / "m\udcff"
    assert run(["fit", data, *FIT, "-o", str(tmp_path / "m")]) == 0
    for name in ("m", "m.embeddings"):
        shutil.copytree(tmp_path / name, odd / name)
    shutil.copy(data, odd)
    capsys.readouterr()
    for arguments, says in (
        (["predict", odd / "m", data, "-o", tmp_path / "o.csv"], "Nothing says that it is damaged"),
        (["check", odd / "m.embeddings"], "Nothing says that it is damaged"),
        (["fit", odd / "t.csv", *FIT, "-o", tmp_path / "n"], "it could not be noted what the emb"),
        (["encode", odd / "t.csv", *FIT[:4], "-o", tmp_path / "n"], "it could not be noted what"),
        (["predict", tmp_path / "m", data, "-o", odd / "o.parquet"], "Parquet and ONNX files are"),
        (["distil", tmp_path / "m", "-o", odd / "d"], "Parquet and ONNX files are"),
        (["export", tmp_path / "m", "-o", odd / "e"], "Parquet and ONNX files are"),
    ):
        assert run([str(argument) for argument in arguments]) == 1
        said = capsys.readouterr().err
        assert says in said.replace("\n", " ")
        assert len(said) < 500
    here = {path.name for path in tmp_path.iterdir() if path.suffix != ".lock"}
    assert here == {"t.csv", "m", "m.embeddings", odd.name}
    assert run(["predict", str(tmp_path / "m"), str(odd / "t.csv"), "-o", f"{tmp_path}/o.csv"]) == 0


def test_a_seed_below_zero_is_a_usage_error(capsys) -> None:
    assert run(["evaluate", "model", "--seed", "-1"]) == 2
    assert run(["fit", "t.csv", "-o", "m", "--seed", "-1"]) == 2
    assert "--seed" in capsys.readouterr().err
