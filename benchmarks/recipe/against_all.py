"""The default beside the other methods, on test parts: docs/results/default.md.

    python benchmarks/recipe/against_all.py STORES RUNS [--root DATA] [--seeds 5] [CASE …]
    python benchmarks/recipe/against_all.py STORES RUNS --table

Every training is kept as a JSON file in RUNS, so that a stopped run goes on where it was. STORES
holds what `srmm encode` made of openmoji, av_digits, face_voice40, openclipart and fashion.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from cases import CASES, by_name, open_data, parts
from measure import measured

from srmm.files import replacing_file
from srmm.methods import make_method

METHODS: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "SRMM (default)": ("srmm", None, {}),
    "SRMM (paper, standardised)": ("srmm-paper", None, {"standardize": True}),
    "logreg": ("logreg", None, {}),
    "logreg-concat": ("logreg-concat", None, {}),
    "extratrees": ("extratrees", None, {}),
    "tbn-mid (paper)": ("tbn-mid", "paper", {"learning_rates": ()}),
    "tbn-early": ("tbn-early", None, {}),
}
DEFAULT = "SRMM (default)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stores", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("names", nargs="*", help="cases; all by default")
    parser.add_argument("--root", type=Path, help="where data sets lie that are downloaded")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--table", action="store_true", help="print what is there, train nothing")
    arguments = parser.parse_args()
    if arguments.table:
        print_tables(arguments.runs)
        return
    for seed in range(arguments.seeds):
        for case in by_name(arguments.names):
            data = open_data(case.data, arguments.stores, arguments.root)
            for label in arguments.methods:
                path = arguments.runs / f"{case.name}, {label}, {seed}.json"
                if path.exists():
                    continue
                name, recipe, settings = METHODS[label]
                model = make_method(name, recipe, settings, random_state=seed)
                train, test = parts(case, data, seed, inner=False)
                found = {"n_train": len(train), **measured(model, train, test)}
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing_file(path) as temporary:
                    temporary.write_text(json.dumps(found, indent=1))
                print(path.stem, f"{found['seconds']:.0f} s", flush=True)


def print_tables(runs: Path) -> None:
    """Per case and pattern the default, the best other, and the difference; then means and ranks.

    Only seeds that every method has are looked at. The standard error is that of the difference
    between the default and that other method over seeds.
    """
    means: dict[str, list[float]] = {label: [] for label in METHODS}
    ranks: dict[str, list[float]] = {label: [] for label in METHODS}
    print("| data | seeds | pattern | default | best other | | difference | ECE | log loss |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for case in CASES:
        found = {label: _found(runs, case.name, label) for label in METHODS}
        seeds = sorted(set.intersection(*(set(one) for one in found.values())))
        if not seeds:
            continue
        patterns = found[DEFAULT][seeds[0]]["patterns"]
        for pattern in patterns:
            table = {
                label: np.array([of[s]["patterns"][pattern]["accuracy"] for s in seeds])
                for label, of in found.items()
            }
            average = {label: float(values.mean()) for label, values in table.items()}
            others = {label: value for label, value in average.items() if label != DEFAULT}
            best = max(others, key=others.__getitem__)
            gap = table[DEFAULT] - table[best]
            error = gap.std(ddof=1) / np.sqrt(len(seeds)) if len(seeds) > 1 else float("nan")
            own = [found[DEFAULT][s]["patterns"][pattern] for s in seeds]
            ece, loss = (np.mean([one[key] for one in own]) for key in ("ece", "log_loss"))
            print(
                f"| {case.name} | {len(seeds)} | {pattern} | {average[DEFAULT]:.1f} | "
                f"{average[best]:.1f} | {best} | {gap.mean():+.1f} ± {error:.1f} | {ece:.1f} | "
                f"{loss:.2f} |"
            )
            for label, value in average.items():
                means[label].append(value)
                ranks[label].append(1 + sum(v > value for v in average.values()))
    print("\n| method | mean rank | mean accuracy |\n| --- | --- | --- |")
    for label in sorted(METHODS, key=lambda one: np.mean(ranks[one])):
        print(f"| {label} | {np.mean(ranks[label]):.1f} | {np.mean(means[label]):.1f} |")


def _found(runs: Path, case: str, label: str) -> dict[int, Any]:
    start = f"{case}, {label}, "
    return {
        int(path.stem.removeprefix(start)): json.loads(path.read_text())
        for path in runs.glob("*.json")
        if path.stem.startswith(start) and path.stem.removeprefix(start).isdigit()
    }


if __name__ == "__main__":
    main()
