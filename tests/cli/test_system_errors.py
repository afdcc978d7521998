"""What the system would not do, and files of settings: a sentence, whatever happens."""

from __future__ import annotations

import errno
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import srmm
from srmm.cli import run
from srmm.cli.settings_file import read_settings
from srmm.cli.system_errors import explained
from srmm.data.embeddings import Embeddings
from srmm.errors import InputError, StoreError, damage_explained


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOSPC, r"no space left \(x\.csv\)\. No output is left half written"),
        (errno.EDQUOT, "quota is used up"),
        (errno.EFBIG, "may not be larger"),
        (errno.EROFS, r"x\.csv lies on a file system that is read-only"),
        (errno.EACCES, r"no permission for x\.csv"),
        (errno.EIO, "disk failed"),
        (errno.ENAMETOOLONG, "longer than a file system takes"),
        (errno.ENOTCONN, r"x\.csv"),
        (errno.EPIPE, "connection was closed too soon"),  # it was not the reader of standard output
    ],
)
def test_an_error_of_the_system_is_a_sentence(
    code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), "x.csv")

    monkeypatch.setattr("srmm.workflows.distil_workflow", fails)
    assert run(["distil", "m", "-o", "d"]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in error
    assert re.search(said, error)


def test_an_error_that_a_library_worded_is_found_behind_its_own() -> None:
    error = RuntimeError("could not serialize")
    error.__cause__ = ValueError("I/O error: No space left on device (os error 28)")
    assert "no space left" in (explained(error) or "")
    assert "memory" in (explained(MemoryError()) or "")
    assert explained(KeyError("x")) is None


def test_damage_is_said_and_errors_of_ours_stay() -> None:
    said = r"f cannot be read, or is damaged \(KeyError: 'x'\)\. Go\."
    with pytest.raises(StoreError, match=said), damage_explained("f", "Go."):
        {}["x"]
    said = r"f cannot be read \(No such file"
    with pytest.raises(StoreError, match=said), damage_explained("f", "Go."):
        Path("/nowhere/at/all").read_bytes()
    with pytest.raises(InputError, match=r"^mine$"), damage_explained("f", "Go."):
        raise InputError("mine")


def test_errors_are_at_the_root() -> None:
    assert issubclass(srmm.InputError, srmm.SrmmError)
    assert issubclass(srmm.StoreError, srmm.SrmmError)
    assert issubclass(srmm.MissingExtraError, srmm.SrmmError)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"fit: !!python/object/apply:os.system ['echo']", "could not determine a constructor"),
        (b"fit: {seed: 1, seed: 2}", "'seed' stands twice"),
        (b"a: &a [x,x,x]\nb: &b [*a,*a]\nc: [*b,*b]", "expected a list of texts"),
        (b"a: &a {x: 1}\n" + b"".join(
            b"%c: &%c {%s}\n" % (n + 1, n + 1, b",".join(b"x%d: *%c" % (i, n) for i in range(9)))
            for n in range(97, 103)), "more in it than settings"),
        (b"[" * 20000, "nested too deeply"),
        (b"fit: {seed: " + b"9" * 5000 + b"}", "not YAML of settings"),
        (b"fit: {output: [[m]]}", "fit: output is"),
        (b"fit: {output: !!binary aGk=}", "expected a text or a number"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"- fit", "holds no sections"),
        (b"x" * 1_000_001, "no file of settings"),
    ],
)  # fmt: skip
def test_a_file_of_settings_sets_options_alone(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(text)
    with pytest.raises(InputError, match=said):
        read_settings(path)
    assert run(["--config", str(path), "distil", "nowhere", "-o", str(tmp_path / "d")]) == 1


def test_settings_are_plain_values(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("a: &a [x, 1]\nfit:\n  text: *a\n  label: null\n  seed: 3\n  id: 2024-01-02\n")
    assert read_settings(path)["fit"] == {"text": ["x", 1], "seed": 3, "id": "2024-01-02"}
    words = "id: no, group: On, missing: [off, Yes], split: 010, label: 1:30, image: y"
    path.write_text(f"fit: {{{words}, strict: TRUE, seed: -7, test-size: 0.5}}")
    assert read_settings(path)["fit"] == {
        **{"id": "no", "group": "On", "missing": ["off", "Yes"], "split": "010", "label": "1:30"},
        **{"image": "y", "strict": True, "seed": -7, "test-size": 0.5},
    }
    path.write_text("")
    assert read_settings(path) == {}
    with pytest.raises(InputError, match="is no file"):
        read_settings(tmp_path)


@pytest.mark.workflow
@pytest.mark.slow
def test_a_full_disk_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    """Three commands, one after the other in one process, whose files may not grow."""
    random, y = np.random.default_rng(0), np.arange(90) % 3
    arrays = {name: y[:, None] + random.normal(size=(90, 40)) for name in "ab"}
    store = Embeddings.from_arrays(arrays, labels=np.array(["x", "y", "z"])[y])
    srmm.save_embeddings(store, tmp_path / "store")
    model = srmm.make_method("logreg").fit(store)
    model.save_pretrained(tmp_path / "m")
    commands = {
        "fit": ["fit", "store", "-o", "new", "--method", "srmm-paper",
                "--setting", "max_epochs=1", "-q"],
        "predict": ["predict", "m", "store", "-o", "p.xlsx", "-q"],
        "compare": ["compare", "store", "--methods", "logreg,extratrees", "--seeds", "1",
                    "-o", "c", "-q"],
    }  # fmt: skip
    program = f"""
import sys
from srmm.cli import main
for name, arguments in {commands!r}.items():
    print("###", name, file=sys.stderr, flush=True)
    try:
        main(arguments)
    except SystemExit as end:
        assert end.code == 1, (name, end.code)
"""

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True,
        preexec_fn=small_files,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    _, *said = done.stderr.split("###")
    assert [one.split()[0] for one in said] == [*commands]
    for one in said:
        assert "No output is left half written" in " ".join(one.split()), one
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "p.xlsx").exists()
    assert [path.name for path in tmp_path.rglob("*.tmp")] == []
