"""Signals that end a command: a sentence, an exit code, and nothing half written."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.workflow

CODE = """
import os, sys, time
from pathlib import Path
from srmm import cli
from srmm.files import replacing_file

def write(*signs: int) -> None:
    with replacing_file(Path("out.txt")) as temporary:
        temporary.write_text("half")
        try:
            for sign in signs[:1]:
                os.kill(os.getpid(), sign)
            time.sleep(30)
        finally:
            for sign in signs[1:]:
                os.kill(os.getpid(), sign)

cli.app.command(write, name="write")
cli.main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("signs", "code", "said"),
    [([signal.SIGINT], 130, "Interrupted. What is finished is kept"),
     ([signal.SIGTERM], 143, "Ended by SIGTERM. What is finished is kept"),
     ([signal.SIGTERM] * 3, 143, "Ended by SIGTERM."),
     ([signal.SIGHUP], 129, "Ended by SIGHUP.")],
)  # fmt: skip
def test_a_command_that_is_ended_tidies_up(
    tmp_path: Path, signs: list[signal.Signals], code: int, said: str
) -> None:
    command = [sys.executable, "-c", CODE, "write", *(str(int(sign)) for sign in signs)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    ignoring = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{CODE}"
    ignoring = ignoring.replace("time.sleep(30)", "print('done')")
    command = [sys.executable, "-c", ignoring, "write", str(int(signal.SIGHUP))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_what_daft_still_does_crashes_no_end(tmp_path: Path) -> None:
    busy = "import atexit, os, sys; sys.modules['daft'] = sys; atexit.register(os.abort)"
    command = [sys.executable, "-c", f"{busy}\n{CODE}", "write", str(int(signal.SIGINT))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 130, done.stderr
    assert "Interrupted." in done.stderr
    assert list(tmp_path.iterdir()) == []
