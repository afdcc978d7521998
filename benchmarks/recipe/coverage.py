"""Whether the default's prediction sets hold the true class as often as promised, on test parts.

    python benchmarks/recipe/coverage.py STORES [--root DATA] [--seeds 3] [--json FILE] [CASE …]

Per case and presence pattern: how often sets of 80, 90 and 95 % held the true class, how far that
may lie from the promise by chance (one standard error, of as many test rows and of as many held-out
scores), and how many classes they had. Nothing is chosen by it.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from cases import Case, by_name, open_data, parts

import srmm
from srmm.data.modality import pattern_mask, usable_patterns
from srmm.files import write_json

PROMISED = (0.8, 0.9, 0.95)
_FEWEST = 50  # rows of a pattern


def covered(case: Case, data: srmm.Embeddings, seed: int) -> dict[str, dict[str, Any]]:
    """By pattern: `rows`, `scores` that were held out, and per promise `held` and `size`."""
    train, test = parts(case, data, seed, inner=False)
    model = srmm.SingleBranchClassifier(random_state=seed).fit(train)
    scorer, y = model.scorer(test), np.searchsorted(model.classes_, test.labels)
    found = {}
    for pattern in usable_patterns(test.modalities):
        mask = pattern_mask(pattern, test.modalities)
        rows = np.flatnonzero(test.present[:, mask].all(axis=1))
        if len(rows) < _FEWEST:
            continue
        present = np.tile(mask, (len(rows), 1))
        said = scorer(rows, present)
        code = int(mask @ (1 << np.arange(len(mask))))
        about: dict[str, Any] = {"rows": len(rows)}
        about["scores"] = len(model.calibration_.scores.get(code, ()))
        for promised in PROMISED:
            inside = model.calibration_.sets(said, present, promised)
            held = float(inside[np.arange(len(rows)), y[rows]].mean())
            about[str(promised)] = {"held": held, "size": float(inside.sum(axis=1).mean())}
        found["+".join(pattern)] = about
    return found


def line(name: str, pattern: str, runs: list[dict[str, Any]]) -> str:
    """A row of the table, of the means over seeds."""
    rows = round(np.mean([run["rows"] for run in runs]))
    scores = round(np.mean([run["scores"] for run in runs]))
    cells = [name, pattern, f"{rows:,}", f"{scores:,}"]
    for promised in PROMISED:
        held = float(np.mean([run[str(promised)]["held"] for run in runs]))
        size = float(np.mean([run[str(promised)]["size"] for run in runs]))
        variance = promised * (1 - promised) * (1 / rows + 1 / max(scores, 1))
        error = math.sqrt(variance / len(runs))
        cells.append(f"{100 * held:.1f} ± {100 * error:.1f} ({size:.1f})")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stores", type=Path)
    parser.add_argument("names", nargs="*", help="cases; all by default")
    parser.add_argument("--root", type=Path, help="where data sets lie that are downloaded")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="keeps what is done: the same command goes on")
    asked = parser.parse_intermixed_args()
    kept = {}
    if asked.json is not None and asked.json.exists():
        kept = json.loads(asked.json.read_text(encoding="utf-8"))
    wanted = by_name(asked.names)
    for seed in range(asked.seeds):
        for case in wanted:
            key = f"{case.name} {seed}"
            if key not in kept:
                kept[key] = covered(case, open_data(case.data, asked.stores, asked.root), seed)
                if asked.json is not None:
                    write_json(asked.json, kept)
                print(key, flush=True)
    promised = " | ".join(f"{100 * share:.0f} % promised" for share in PROMISED)
    print(f"| case | pattern | test rows | scores | {promised} |")
    print("| --- " * (4 + len(PROMISED)) + "|")
    for case in wanted:
        runs = [kept[f"{case.name} {seed}"] for seed in range(asked.seeds)]
        for pattern in runs[0]:
            print(line(case.name, pattern, [run[pattern] for run in runs if pattern in run]))


if __name__ == "__main__":
    main()
