"""How time grows with rows, classes and modalities: an exponent for each, of each stage.

    python benchmarks/growth.py [--tiny] [--json FILE] [--clock process]

Each stage is timed at a few sizes of one quantity, the others as they are; the exponent is the
slope of a line through the logarithms. 1: twice as much takes twice as long. Below 1: part of the
time is the same whatever the size, so the slope between the two largest sizes stands beside it.
Training is the default's, for three epochs. FILE is written after every size, and what it holds
is not measured again; with another clock, processor, number of cores or threads it is refused.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import CLOCKS, command, described, table, timed, use_clock, write

import srmm

USUAL = {"rows": 4_000, "classes": 10, "modalities": 2}
GROWING: dict[str, tuple[tuple[int, ...], dict[str, int]]] = {
    "modalities": ((1, 2, 4, 8, 16), USUAL),
    "classes": ((2, 10, 100, 1_000, 10_000), {**USUAL, "rows": 20_000}),
    "rows": ((1_000, 10_000, 100_000, 1_000_000), USUAL),
}
"""What grows, to which sizes, and what all else is meanwhile."""
TINY = {"rows": ((100, 200), {"rows": 100, "classes": 2, "modalities": 2})}
DECIDING = ("clock", "processor", "cores", "threads")
"""What must be the same where a file is gone on with: else its seconds are not comparable."""
WIDTH = 256
"""Numbers of an embedding."""


def stages(rows: int, classes: int, modalities: int) -> dict[str, float]:
    """Seconds of each stage at this size."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(rows) % classes)
    X = {}
    for m in range(modalities):
        centres = rng.standard_normal((classes, WIDTH), dtype=np.float32)
        X[f"m{m}"] = 0.3 * centres[y] + rng.standard_normal((rows, WIDTH), dtype=np.float32)
    model = srmm.SingleBranchClassifier(max_epochs=3, random_state=0)
    few = {name: x[: rows // 2] for name, x in X.items()}
    work: dict[str, Callable[[], Any]] = {
        "train": lambda: model.fit(X, y),
        "predict": lambda: model.predict_proba(X),
        "evaluate": lambda: srmm.evaluate(model, few, y[: rows // 2], projection=False),
        "encode": lambda: encoded(rows, modalities, rng),
    }
    return {name: timed(stage) for name, stage in work.items()}


def measured(what: str, value: int, others: dict[str, int], file: Path | None) -> dict[str, float]:
    """Seconds of each stage, from the file if it has them, else measured and added to it."""
    runs = kept_runs(file)
    name = f"{what} {value}"
    if name not in runs:
        runs[name] = stages(**{**others, what: value})
        write({"machine": described(), "runs": runs}, file)
    return runs[name]


def kept_runs(file: Path | None) -> dict[str, dict[str, float]]:
    """The seconds that the file has, by size; the script ends if they were measured otherwise."""
    if file is None or not file.exists():
        return {}
    kept, now = json.loads(file.read_text(encoding="utf-8")), described()
    before = kept.get("machine", {})
    other = [name for name in DECIDING if before.get(name) != now[name]]
    if kept.get("runs") and other:
        was = ", ".join(f"{name} {before.get(name, 'unknown')}" for name in other)
        this = ", ".join(f"{name} {now[name]}" for name in other)
        sys.exit(
            f"{file} was measured with {was}, and now it is {this}: the two cannot be compared. "
            "Name another file, or delete this one to measure everything again."
        )
    return kept.get("runs", {})


def encoded(rows: int, modalities: int, rng: np.random.Generator) -> None:
    """Columns of numbers and words from a file to a store: what encoding costs besides networks."""
    frame = pd.DataFrame({"label": np.arange(rows) % 2, "split": "train"})
    features = []
    for m in range(modalities):
        frame[f"n{m}"] = rng.random(rows)
        frame[f"w{m}"] = rng.choice(["red", "green", "blue"], size=rows)
        features.append(f"m{m}=n{m},w{m}")
    with tempfile.TemporaryDirectory() as folder:
        frame.to_csv(Path(folder) / "rows.csv", index=False)
        read = srmm.read_table(
            Path(folder) / "rows.csv", features=features, label="label", split="split"
        )
        srmm.encode(read, output=Path(folder) / "store")


def exponent(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """The slope of log(seconds) over log(size)."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="seconds, to see that it runs")
    parser.add_argument("--json", type=Path, help="write what was measured here")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    given = parser.parse_args()
    use_clock(given.clock)
    kept_runs(given.json)  # which may be refused, before anything is measured
    stages(rows=100, classes=2, modalities=2)  # what is imported and made once
    tables = []
    for what, (values, others) in (TINY if given.tiny else GROWING).items():
        runs = [measured(what, value, others, given.json) for value in values]
        rest = ", ".join(f"{others[name]:,} {name}" for name in others if name != what)
        title = f"Growth with {what}: {rest}, {WIDTH} numbers a modality; seconds"
        tables.append(table(title, growth(what, values, runs)))
    content = {"machine": described(), "command": command(), "tables": tables}
    write({**content, "runs": kept_runs(given.json)}, given.json)


def growth(
    what: str, values: tuple[int, ...], runs: list[dict[str, float]]
) -> list[dict[str, Any]]:
    """A row for each stage: seconds at each size, the exponent, the exponent at the end."""
    rows = []
    for stage in runs[0]:
        if stage == "encode" and what == "classes":
            continue  # it knows none
        seconds = [run[stage] for run in runs]
        rows.append({
            "stage": stage, **{f"{value:,}": s for value, s in zip(values, seconds, strict=True)},
            "exponent": exponent(values, seconds),
            "between the last two": exponent(values[-2:], seconds[-2:]),
        })  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
