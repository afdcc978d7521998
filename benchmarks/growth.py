"""How time grows with rows, classes and modalities: an exponent for each, of each stage.

    python benchmarks/growth.py [--tiny] [--json FILE] [--clock process]

Each stage is timed at a few sizes of one quantity, the others as they are; the exponent is the
slope of a line through the logarithms. 1: twice as much takes twice as long. Below 1: part of the
time is the same whatever the size. Training is the default's, for three epochs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import CLOCKS, command, described, table, timed, use_clock, write

import srmm

SIZES = {"rows": (2_000, 4_000, 8_000, 16_000), "classes": (10, 20, 40, 80),
         "modalities": (1, 2, 3, 4)}  # fmt: skip
TINY = {"rows": (100, 200)}
USUAL = {"rows": 4_000, "classes": 10, "modalities": 2}
TINY_USUAL = {"rows": 100, "classes": 2, "modalities": 2}
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


def exponent(sizes: list[float], seconds: list[float]) -> float:
    """The slope of log(seconds) over log(size)."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="seconds, to see that it runs")
    parser.add_argument("--json", type=Path, help="write what was measured here")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    given = parser.parse_args()
    use_clock(given.clock)
    usual, sizes = (TINY_USUAL, TINY) if given.tiny else (USUAL, SIZES)
    stages(**TINY_USUAL)  # what is imported and made once
    rows = []
    for what, values in sizes.items():
        seconds = [stages(**{**usual, what: value}) for value in values]
        for stage in seconds[0]:
            if stage == "encode" and what == "classes":
                continue  # it knows none
            some = [one[stage] for one in seconds]
            shown = ", ".join(f"{s:.2f}" for s in some)
            rows.append({
                "stage": stage, "grows with": what,
                "sizes": ", ".join(f"{value:,}" for value in values), "seconds": shown,
                "exponent": round(exponent(list(values), some), 2),
            })  # fmt: skip
    title = f"Growth; else {usual['rows']:,} rows, {usual['classes']} classes, " \
        f"{usual['modalities']} modalities of {WIDTH} numbers"  # fmt: skip
    tables = [table(title, rows)]
    write({"machine": described(), "command": command(), "tables": tables}, given.json)


if __name__ == "__main__":
    main()
