"""Streams that are closed, narrow or full: a command works, or says so; never a traceback."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from srmm.cli import run
from srmm.cli.options import Talk
from srmm.cli.streams import flushed, speaks_unicode

START = "import sys; from srmm.cli import main; main()"
WITH_AND_WITHOUT = """
import sys
from srmm.cli import main
codes = []
for model in (sys.argv[2], "none"):
    try:
        main([sys.argv[1], model, *sys.argv[3:]])
    except SystemExit as end:
        codes.append(end.code)
sys.exit(100 * codes[0] + 10 * codes[1])
"""
"""Predicts with a model, then with none that is there: the exit code tells both of theirs."""
FIT = ("fit", "t.csv", "--features", "x=u,v", "--label", "y", "--method", "logreg")
BAR = ("--method", "srmm-paper", "--setting", "max_epochs=1")
"""What shows a progress bar while it trains, and is done soon."""
COMMANDS = (
    "demo", "fit", "evaluate", "predict", "serve", "distil", "encode", "compare", "reproduce",
    "encoders", "datasets", "methods",
)  # fmt: skip
LISTS = ("encoders", "datasets", "methods")


def srmm(
    *arguments: str, redirect: str = "", before: str = "", start: str = START,
    cwd: Path | None = None, **env: str,
) -> subprocess.CompletedProcess[bytes]:  # fmt: skip
    """Run a command in a shell that redirects its streams."""
    line = f'{before} exec "$0" -c "$1" "${{@:2}}" {redirect}'
    return subprocess.run(
        ["bash", "-c", line, sys.executable, start, *arguments],
        capture_output=True, check=False, cwd=cwd, env={**os.environ, **env},
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, and a model that was trained on it without any standard stream."""
    place = tmp_path_factory.mktemp("streams")
    r = random.Random(0)
    rows = [f"{i % 3 + r.gauss(0, 1)},{r.gauss(0, 1)},{'abc'[i % 3]}" for i in range(60)]
    (place / "t.csv").write_text("u,v,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    fit = [*FIT[:-2], *BAR, "-o", "m"]
    assert srmm(*fit, redirect="<&- >&- 2>&-", cwd=place).returncode == 0
    return place


@pytest.mark.slow
@pytest.mark.workflow
@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_are_as_the_null_device(folder: Path, closed: str) -> None:
    out = f"{len(closed)}.csv"
    predict = ["predict", "m", "t.csv", "-o", out]
    done = srmm(*predict, redirect=closed, start=WITH_AND_WITHOUT, cwd=folder)
    assert done.returncode == 10, done.stderr
    assert (folder / out).read_text(encoding="utf-8").count("\n") == 61


@pytest.mark.workflow
def test_narrow_streams_replace_what_they_lack() -> None:
    """One process, whose streams are set before each round as PYTHONIOENCODING would set them."""
    asked = [["--help"], *([command, "--help"] for command in COMMANDS), *([x] for x in LISTS)]
    code = (
        "import sys; from srmm.cli import run; from srmm.cli.streams import prepare_streams\n"
        "for encoding in ('cp1252', 'ascii', 'cp437'):\n"
        "    for stream in (sys.stdout, sys.stderr):\n"
        "        stream.reconfigure(encoding=encoding, errors='strict')\n"
        "    prepare_streams()\n"
        f"    codes = [run(one) for one in {asked!r}]\n"
        "    assert not any(codes), (encoding, codes)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


@pytest.mark.slow
@pytest.mark.workflow
def test_errors_on_a_narrow_stream(folder: Path) -> None:
    done = srmm("predict", "m", "žluť→.csv", "-o", "p.csv", cwd=folder, PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert done.stderr.startswith(b"error:")
    assert b"Traceback" not in done.stderr


@pytest.mark.workflow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no full device")
def test_a_result_that_cannot_be_printed_is_an_error() -> None:
    done = srmm("datasets", redirect=">/dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith(b"error:")
    assert b"There is no space left" in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.workflow
@pytest.mark.parametrize("command", ["--help", "fit --help", "datasets", "methods --json"])
def test_a_reader_who_leaves_hears_no_complaint(command: str) -> None:
    line = f'{{ sleep 0.2; "$0" -c "$1" {command}; echo $? >&2; }} | true'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, START], capture_output=True, check=False
    )
    assert done.stderr == b"141\n"  # as of a tool that SIGPIPE ends


@pytest.mark.workflow
def test_an_error_that_nobody_reads_is_one() -> None:
    line = '{ sleep 0.2; "$0" -c "$1" fit none.csv -o m; echo $? >&3; } 3>&2 2>&1 | true'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, START], capture_output=True, check=False
    )
    assert done.stderr == b"1\n"


@pytest.mark.slow
@pytest.mark.workflow
def test_a_full_disk_is_said_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert run(["encode", *FIT[1:-2], "-o", "store"]) == 0
    before = {path.name for path in folder.iterdir()}
    fit = ["fit", "store", "-o", "full", *BAR]
    done = srmm(*fit, before="ulimit -f 300;", cwd=folder)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error:")
    assert b"full" in done.stderr
    assert b"Traceback" not in done.stderr
    assert {path.name for path in folder.iterdir()} == before


@pytest.mark.slow
@pytest.mark.workflow
def test_names_as_long_as_the_file_system_takes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    csv, html, model = "ж" * 125 + ".csv", "r" * 250 + ".html", "m" * 255
    assert run(["predict", "m", "t.csv", "-o", csv]) == 0
    assert (folder / csv).is_file()
    assert run(["evaluate", "m", "--no-baselines", "-o", html]) == 0
    assert (folder / html).is_file()
    for again in ([], ["--overwrite"]):
        assert run([*FIT, "-o", model, *again]) == 0
    assert (folder / model / "config.json").is_file()


def test_json_is_escaped_where_it_would_be_spoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    monkeypatch.setattr(sys, "stdout", narrow)
    assert not speaks_unicode(narrow)
    Talk(json=True).result({"name": "žluť"}, "")
    assert flushed() is None
    assert json.loads(narrow.buffer.getvalue()) == {"name": "žluť"}  # type: ignore[attr-defined]
