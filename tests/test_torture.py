"""A small part of `make torture` in every run of the tests: see tests/torture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.workflow
@pytest.mark.slow
def test_a_part_of_the_torture() -> None:
    """In a process of its own, which has used no second thread: it forks."""
    command = [sys.executable, "-m", "tests.torture", "60", "200", "17", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "nothing was lost or changed in silence" in done.stdout
