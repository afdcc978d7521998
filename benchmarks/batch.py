"""Prediction of many rows: rate, memory, a kill on the way, and whether several processes agree.

    python benchmarks/batch.py FOLDER [--rows 10000000] [--workers 2] [--json FILE]
    python benchmarks/batch.py FOLDER --tiny

Makes a table of two modalities of numbers (28 columns; a tenth and a fifth of the rows lack one)
and a distilled model in FOLDER, and predicts: a tenth of the rows in one process, and with Daft,
for the ratio and the bits; then all of them with Daft, killed when two fifths are done, and run
again.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from machine import described, processes, table, write

from srmm.workflows.rows import PART_ROWS

SIZES = {"motion": 12, "sound": 16}
LACKING = {"motion": 0.2, "sound": 0.1}
CLASSES = "abcdef"


def write_table(path: Path, rows: int, *, labels: bool) -> None:
    """Rows around a mean per class, some without one modality, a few without any."""
    if path.exists() and pq.read_metadata(path).num_rows == rows:
        return
    rng = np.random.default_rng(rows)
    means = np.random.default_rng(0).normal(size=(len(CLASSES), sum(SIZES.values())))
    writer = None
    for start in range(0, rows, 100_000):
        n = min(100_000, rows - start)
        label = rng.integers(len(CLASSES), size=n)
        values = (means[label] + 2 * rng.normal(size=(n, means.shape[1]))).astype(np.float32)
        columns: dict[str, Any] = {"row": np.arange(start, start + n)}
        place = 0
        for name, size in SIZES.items():
            gone = rng.random(n) < LACKING[name]
            for k in range(size):
                columns[f"{name}_{k}"] = pa.array(values[:, place + k], mask=gone)
            place += size
        if labels:
            columns["kind"] = np.array(list(CLASSES))[label]
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def make_model(folder: Path, rows: int, *settings: str) -> Path:
    small = folder / "small"
    if not small.exists():
        write_table(folder / "train.parquet", rows, labels=True)
        columns = [f"--features={name}={name}_*" for name in SIZES]
        fit = ["fit", "train.parquet", *columns, "--label", "kind", "--id", "row", *settings]
        srmm(folder, *fit, "-o", "model")
        srmm(folder, "distil", "model", "-o", "small")
    return small


def srmm(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-c", COMMAND, *arguments], cwd=folder, check=True)


COMMAND = "import sys; from srmm.cli import run; sys.exit(run(sys.argv[1:]))"


def predicted(folder: Path, table: str, output: str, *options: str, until: int = 0) -> dict:
    """Run `srmm predict`; kill it, and what it started, when `until` parts are kept."""
    command = [sys.executable, "-c", COMMAND, "predict", "small", table, "-o", output]
    command += ["--when-nothing", "prior", *options]
    started, peak = time.perf_counter(), {"this": 0, "workers": 0}
    kept = folder / f"{output}.partial"
    before = len(list(kept.glob("[0-9]*.json")))
    with (folder / "said.txt").open("w") as said:
        job = subprocess.Popen(
            command, cwd=folder, stdout=said, stderr=said, start_new_session=True
        )
        parts = before
        while job.poll() is None:
            time.sleep(0.2)
            parts = max(parts, len(list(kept.glob("[0-9]*.json"))))
            resident = of_tree(job.pid)
            peak["this"] = max(peak["this"], resident[0])
            peak["workers"] = max([peak["workers"], *resident[1:]])
            if until and parts >= until:
                os.killpg(job.pid, signal.SIGKILL)
                job.wait()
    if job.returncode and not until:
        raise SystemExit((folder / "said.txt").read_text())
    return {
        "seconds": time.perf_counter() - started,
        "parts_before": before,
        "parts": parts,
        "peak_mb": {who: round(size / 2**20) for who, size in peak.items()},
    }


def of_tree(pid: int) -> list[int]:
    """Resident bytes of a process and of those it started."""
    try:
        return [one.memory_info().rss for one in processes(pid)]
    except psutil.Error:  # ended meanwhile
        return [0]


def same(folder: Path, one: str, other: str) -> bool:
    """Whether two outputs hold the same rows, bit by bit."""
    return pq.read_table(folder / one).equals(pq.read_table(folder / other))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    folder: Path = asked.folder
    rows, few = (200_000, 20_000) if asked.tiny else (asked.rows, asked.rows // 10)
    folder.mkdir(parents=True, exist_ok=True)
    tiny = ["--setting", "max_epochs=2", "--setting", "hidden_dim=8"] if asked.tiny else []
    make_model(folder, 300 if asked.tiny else 3_000, *tiny)
    write_table(folder / f"{few}.parquet", few, labels=False)
    write_table(folder / f"{rows}.parquet", rows, labels=False)
    daft = ["--engine", "daft", "--workers", str(asked.workers)]
    begun = described()
    lines = [
        line("one process", few, predicted(folder, f"{few}.parquet", "one")),
        line(
            f"{asked.workers} workers", few, predicted(folder, f"{few}.parquet", "several", *daft)
        ),
    ]
    until = max(1, rows * 2 // 5 // PART_ROWS)
    killed = predicted(folder, f"{rows}.parquet", "all", *daft, until=until)
    lines.append(line(f"{asked.workers} workers, killed", killed["parts"] * PART_ROWS, killed))
    gone_on = predicted(folder, f"{rows}.parquet", "all", *daft)
    left = rows - killed["parts"] * PART_ROWS
    lines.append(line("the same command again", left, gone_on))
    written = sum(pq.read_metadata(path).num_rows for path in (folder / "all").iterdir())
    whole = {
        "rows": f"{written:,}",
        "rows/s, the kill included": round(rows / (killed["seconds"] + gone_on["seconds"])),
        "one process and several say the same bits": same(folder, "one", "several"),
    }
    title = "`srmm predict`, with starting, and a first look at all rows"
    tables = [table(title, lines), table("All of it", [whole])]
    content = {"machine": begun, "command": "benchmarks/batch.py FOLDER", "tables": tables}
    write(content, asked.json)


def line(what: str, rows: int, found: dict[str, Any]) -> dict[str, Any]:
    """A line of the table: what a run took."""
    return {
        "what": what,
        "rows": f"{rows:,}",
        "seconds": round(found["seconds"]),
        "rows/s": round(rows / found["seconds"]),
        "peak, MB": found["peak_mb"]["this"],
        "peak of a worker, MB": found["peak_mb"]["workers"],
    }


if __name__ == "__main__":
    main()
