"""Tests of `examples/`: the scripts run, and a package of one's own adds to srmm."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def python(*arguments: str, folder: Path, path: Path | None = None) -> str:
    """What Python prints, run in a folder, with another one to import from."""
    search = [str(path)] if path else []
    search += filter(None, [os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(search), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


pytestmark = pytest.mark.workflow  # pip and the scripts are processes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "files"),
    [("01_table.py", ["shop", "report.html"]), ("02_arrays.py", ["model"])],
)
def test_scripts_run(
    script: str,
    files: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    brief_training: None,
):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    said = capsys.readouterr().out
    assert "Accuracy" in said
    assert all((tmp_path / name).exists() for name in files)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the example package is installed to."""
    pytest.importorskip("hatchling")
    target = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target"]
    install = ["-m", "pip", "install", *options, str(target), str(EXAMPLES / "srmm_example")]
    python(*install, folder=target)
    return target


def srmm_says(*arguments: str, installed: Path, folder: Path) -> str:
    code = "import sys; from srmm.cli import run; sys.exit(run(sys.argv[1:]))"
    return python("-W", "error::UserWarning", "-c", code, *arguments, folder=folder, path=installed)


@pytest.mark.parametrize(
    ("command", "name"), [("encoders", "colour-histogram"), ("datasets", "plain_tiles")]
)
def test_a_package_adds_to_the_lists(command: str, name: str, installed: Path, tmp_path: Path):
    assert name in json.loads(srmm_says(command, "--json", installed=installed, folder=tmp_path))


def test_its_encoder_encodes_its_data_set(installed: Path, tmp_path: Path):
    code = (
        "import srmm, numpy as np\n"
        "table = srmm.load_dataset('plain_tiles')\n"
        "done = srmm.encode(table, {'image': 'colour-histogram'}).embeddings\n"
        "assert done.embedding_dims == {'image': 64, 'size': 2}, done.embedding_dims\n"
        "assert (done.present == table.present).all() and not done.present.all()\n"
        "assert done.present.any(axis=1).all()\n"
        "rows, vectors = done.items('image')\n"
        "assert np.allclose(vectors.sum(axis=1), 1)\n"
        "assert done.encoders['image']['spec'] == 'colour-histogram'\n"
    )
    python("-c", code, folder=tmp_path, path=installed)
