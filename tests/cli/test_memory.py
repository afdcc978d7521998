"""Large arrays go back to the system when a command has let them go; garbage is found later."""

from __future__ import annotations

import subprocess
import sys

import pytest

LETS_GO = """
import sys
from pathlib import Path

import numpy as np

from srmm.cli.memory import give_back_large_arrays

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if sys.argv[1] == "asked":
    give_back_large_arrays()
warm = np.ones(2_000_000)
del warm  # glibc now keeps arrays of that size
before = resident()
large = [np.ones(1_900_000) for _ in range(4)]
above = [bytes(1000) for _ in range(1000)]
del large
print(resident() - before)
"""


@pytest.mark.workflow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has glibc, and tells what is held")
def test_large_arrays_are_not_kept() -> None:
    held = {
        how: int(
            subprocess.run(
                [sys.executable, "-c", LETS_GO, how],
                capture_output=True, encoding="utf-8", check=True,
            ).stdout
        )
        for how in ("asked", "not asked")
    }  # fmt: skip
    assert held["asked"] < 8e6
    assert held["not asked"] > 40e6, "glibc does it by itself now: cli/memory.py can go"


AGAIN = """
import resource
import sys

import numpy as np

from srmm.cli.memory import give_back_large_arrays

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

give_back_large_arrays()
for turn in range(40):
    if turn == 1:
        before = faults()
    three = [np.ones(500_000) for _ in range(3)]
    del three
print(faults() - before)
"""


@pytest.mark.workflow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has glibc, and tells what is held")
def test_the_memory_of_usual_arrays_is_kept_for_the_next() -> None:
    found = subprocess.run(
        [sys.executable, "-c", AGAIN], capture_output=True, encoding="utf-8", check=True
    )
    assert int(found.stdout) < 10_000  # three times 1,000 pages a turn else


STARTS = """
import gc
from srmm.cli.memory import look_for_garbage_later

usual, looks = gc.get_threshold(), []
gc.callbacks.append(lambda phase, info: looks.append(phase))
look_for_garbage_later()
import srmm.workflows

assert not looks, "importing makes more than that by now"
while not looks:
    looks_like_garbage = [[] for _ in range(1000)]
    looks_like_garbage.append(looks_like_garbage)
assert gc.get_threshold() == usual
assert len(gc.callbacks) == 1
"""


@pytest.mark.workflow
def test_nothing_is_looked_through_while_the_libraries_are_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTS], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
