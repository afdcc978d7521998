from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import srmm
from srmm.errors import StoreError
from srmm.files import (
    beside,
    json_ready,
    read_json,
    replacing_file,
    replacing_folder,
    write_json,
)
from srmm.version import __version__, versions

OURS = {"format": "srmm-test", "version": 2}


def read(path: Path) -> dict[str, object]:
    return read_json(path, format="srmm-test", version=2, what="a test", remedy="Make one.")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    content = {**OURS, "name": "Käse", "numbers": [1, 2.5, None]}
    write_json(tmp_path / "new" / "x.json", content)
    assert read(tmp_path / "new" / "x.json") == content
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"has no x\.json; expected a test\. Make one\."),
        ("{", r"x\.json is not readable JSON .*; expected a test\. Make one\."),
        ("\udcff", r"x\.json is not readable JSON"),
        ("[1]", r"x\.json is not a test \(format 'srmm-test'\)\. Make one\."),
        ('{"format": "bert", "version": 1}', r"x\.json is not a test"),
        (json.dumps(OURS | {"version": 3}), r"newer version .*version 3.*pip install -U srmm"),
        ('{"format": "srmm-test"}', r"its version is None, expected a whole number"),
        (json.dumps(OURS | {"version": "2"}), r"its version is '2'"),
        (json.dumps(OURS | {"version": 1.5}), r"its version is 1\.5"),
        (json.dumps(OURS | {"version": True}), r"its version is True"),
    ],
)
def test_a_file_that_is_not_ours_says_so(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "x.json"
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreError, match=said):
        read(path)


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="gone does not exist; expected a test"):
        read(tmp_path / "gone" / "x.json")
    (tmp_path / "t.csv").touch()
    with pytest.raises(StoreError, match=r"t\.csv is a file and no folder; expected a test"):
        read(tmp_path / "t.csv" / "x.json")


def test_an_older_version_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", OURS | {"version": 1})
    assert read(tmp_path / "x.json")["version"] == 1


def test_json_ready_keeps_plain_values_and_names_others() -> None:
    value = {"a": np.int64(1), 2: (np.nan, np.inf, True), "path": Path("x"), "b": np.bool_(False)}
    assert json_ready(value) == {"a": 1, "2": [None, None, True], "path": "x", "b": False}


def test_the_version_is_the_one_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert srmm.__version__ == __version__ == versions()["srmm"] == project["version"]


@pytest.mark.workflow
@pytest.mark.parametrize("what", ["srmm.__version__", "importlib.import_module('srmm.cli')"])
def test_the_version_and_the_help_load_nothing(what: str) -> None:
    heavy = "{'torch', 'numpy', 'pandas', 'sklearn', 'yaml', 'fastapi', 'huggingface_hub'}"
    program = f"import importlib, sys, srmm; {what}; print({heavy} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert said.stdout.split() == [b"set()"]


@pytest.mark.parametrize("name", ["a" * 255, "ж" * 127, "a.b" + "c" * 200])
def test_a_long_name_is_written_and_replaced(tmp_path: Path, name: str) -> None:
    for content in ("old", "new"):
        with replacing_file(tmp_path / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
        with replacing_folder(tmp_path / f"{name[:-1]}d") as folder:
            (folder / "x").write_text(content, encoding="utf-8")
    assert (tmp_path / name).read_text(encoding="utf-8") == "new"
    assert len(list(tmp_path.iterdir())) == 2


def test_names_that_are_cut_stay_apart(tmp_path: Path) -> None:
    first, second = (beside(tmp_path / "x", "a" * 250 + end, ".partial") for end in "xy")
    assert first != second
    assert len(os.fsencode(first.name)) == 255
    assert beside(tmp_path / "x", "short", ".partial").name == "short.partial"


def test_an_error_of_the_system_that_a_library_words_anew_is_the_systems(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="model") as error, replacing_folder(tmp_path / "model"):
        raise ValueError("Error while serializing: I/O error: no room (os error 28)")
    assert error.value.errno == errno.ENOSPC
    with pytest.raises(ValueError, match="its own"), replacing_file(tmp_path / "x"):
        raise ValueError("its own")
    with pytest.raises(OSError, match="x") as error, replacing_file(tmp_path / "x"):
        raise OSError(errno.ENOSPC, "no room")
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    """A model's place may be a link to another disk: that is where it belongs."""
    disk = tmp_path / "disk"
    disk.mkdir()
    for name in ("old", "new"):  # "new" is not there yet
        (tmp_path / name).symlink_to(disk / name)
        (tmp_path / f"{name}.txt").symlink_to(disk / f"{name}.txt")
    (disk / "old").mkdir()
    (disk / "old.txt").write_text("before")
    for name in ("old", "new"):
        with replacing_folder(tmp_path / name) as folder:
            (folder / "a").write_text("x")
        with replacing_file(tmp_path / f"{name}.txt") as file:
            file.write_text("after")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / f"{name}.txt").is_symlink()
        assert (disk / name / "a").read_text() == "x"
        assert (disk / f"{name}.txt").read_text() == "after"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "disk", "new", "new.txt", "old", "old.txt"
    ]  # fmt: skip


def test_what_lies_behind_a_link_and_up_is_where_the_system_has_it(tmp_path: Path) -> None:
    """A temporary folder was made in one place and filled in another."""
    (tmp_path / "disk" / "data").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "disk" / "data")
    up = tmp_path / "here" / "link" / ".."
    for _ in range(2):  # the second time what is there is replaced
        with replacing_folder(up / "model") as folder:
            (folder / "file").write_text("whole")
            assert folder.parent == tmp_path / "disk"
        with replacing_file(up / "table.csv") as file:
            file.write_text("whole")
            assert file.parent == tmp_path / "disk"
    assert (tmp_path / "disk" / "model" / "file").read_text() == "whole"
    names = {path.name for path in (tmp_path / "disk").iterdir()}
    assert names == {"data", "model", "table.csv"}
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["link"]
