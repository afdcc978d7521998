"""`srmm check`: whole, damaged, and what is neither a store nor a model."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import srmm
from srmm.cli import run
from srmm.errors import StoreError
from srmm.methods import make_method
from tests.tampering import edit_json, reseal


@pytest.fixture
def store(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(8, 3)).astype(np.float32) for name in ("a", "b")}
    data = srmm.Embeddings.from_arrays(arrays, labels=np.arange(8) % 2)
    make_method("logreg", random_state=0).fit(data).save_pretrained(tmp_path / "model")
    return srmm.save_embeddings(data, tmp_path / "store")


def test_what_is_whole_is_said_to_be(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = store.parent / "model"
    assert run(["check", str(store), str(model), "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)["checked"]
    assert [one["kind"] for one in checked] == ["store", "model"]
    assert [one["files"] for one in checked] == [3, 1]
    assert not any(one["problems"] for one in checked)


def test_every_file_that_changed_is_named(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.safetensors", "rows.parquet"):
        data = bytearray((store / name).read_bytes())
        data[-9] ^= 1
        (store / name).write_bytes(bytes(data))
    assert run(["check", str(store)]) == 1
    said = capsys.readouterr()
    assert "damaged store" in said.out
    assert "a.safetensors is damaged" in said.err
    assert "rows.parquet is damaged" in said.err
    with pytest.raises(StoreError, match=r"a\.safetensors is damaged: its content"):
        srmm.load_embeddings(store)


def test_numbers_that_are_none_are_found(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stranger seals what he likes."""
    path = store / "a.safetensors"
    data = bytearray(path.read_bytes())
    data[-4:] = np.float32(np.nan).tobytes()
    path.write_bytes(bytes(data))
    reseal(store)
    assert run(["check", str(store)]) == 1
    assert "NaN or infinity in item 7 of 'a'" in capsys.readouterr().err


def test_what_was_written_before_there_were_digests_says_so(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def before(manifest: dict) -> None:
        manifest["version"] = 1
        del manifest["files"]

    edit_json(store / "manifest.json", before)
    assert run(["check", str(store)]) == 0
    assert "before files had digests" in capsys.readouterr().out
    srmm.load_embeddings(store)


def test_what_is_neither_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(tmp_path)]) == 1
    assert "neither an embedding store nor a model" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "", ".", "a\\b", 7])
def test_a_manifest_names_only_files_inside_its_folder(store: Path, name: object) -> None:
    edit_json(store / "manifest.json", lambda m: m["modalities"]["a"].update(file=name))
    with pytest.raises(StoreError, match=r"manifest\.json|names the file"):
        srmm.load_embeddings(store)
    with pytest.raises(StoreError):
        srmm.load_embeddings(store, check=False)


def test_a_pipe_is_no_file(store: Path) -> None:

    (store / "a.safetensors").unlink()
    os.mkfifo(store / "a.safetensors")
    for check in (True, False):
        with pytest.raises(StoreError, match="no plain file"):
            srmm.load_embeddings(store, check=check)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["rows.csv"], "is a table of rows. Name one model, and one table behind it: srmm check"),
        (["rows.csv", "--image", "photo"], "rows. --image is for rows that are compared with a"),
        (["--image", "photo", "rows.csv"], "rows. --image is for rows that are compared with a"),
        (["rows.csv", "model", "--text", "a"], "one table behind it: srmm check model rows.csv."),
        (["model", "--level", "0.1"], "There are no rows, only model. --level is for rows that"),
        (["nowhere", "--text", "a"], "There is no model, store or table nowhere. --text is for"),
    ],
)
def test_rows_without_a_model_are_told_from_folders(
    store: Path,
    asked: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(store.parent)
    Path("rows.csv").write_text("photo,a\n1.jpg,x\n", encoding="utf-8")
    assert run(["check", *asked]) == 1
    assert said in " ".join(capsys.readouterr().err.split())
