"""Several trainings at a time end when whoever wanted them ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from srmm.data.embeddings import Embeddings
from srmm.data.store import save_embeddings

MANY = 1000  # trainings, of which a few are done when the end comes


@pytest.mark.workflow
@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 143), ("SIGKILL", -9)])
def test_workers_end_with_the_command(number: str, code: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    arrays = {name: rng.normal(size=(40, 2)) + y[:, None] for name in "ab"}
    store = save_embeddings(Embeddings.from_arrays(arrays, labels=y), tmp_path / "store")
    cells = tmp_path / "c" / "cells"
    compare = ["compare", str(store), "--methods", "logreg,logreg-concat", "-q", "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "srmm", *compare, "--seeds", f"{MANY // 2}", "-o", f"{cells.parent}"]
    )
    deadline = time.monotonic() + 120
    while len(list(cells.glob("*.safetensors"))) < 3:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    process.send_signal(signal.Signals[number])
    assert process.wait(60) == code
    _, left = psutil.wait_procs(workers, timeout=60)
    for worker in left:
        worker.kill()
    assert not left
    assert len(list(cells.glob("*.safetensors"))) < MANY
