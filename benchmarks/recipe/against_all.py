"""The default beside the other methods, on test parts: docs/results/default.md.

    python benchmarks/recipe/against_all.py STORES RUNS [--root DATA] [--seeds 5] [CASE …]
    python benchmarks/recipe/against_all.py STORES RUNS --write

Every training is kept as a JSON file in RUNS, so that a stopped run goes on where it was. --write
packs them into runs.json beside this file, too, which knows what is done wherever the project is
checked out: more seeds are added to it. A method that has changed is measured with --anew. STORES
holds what `srmm encode` made of openmoji, av_digits, face_voice40, openclipart and fashion, with
`--encoder audio=resemblyzer` for the two with sound.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from cases import by_name, open_data, parts
from measure import measured
from page import Runs, write_page

from srmm.files import replacing_file
from srmm.methods import make_method

KEPT = Path(__file__).with_name("runs.json")

METHODS: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "SRMM (default)": ("srmm", None, {}),
    "SRMM (paper, standardised)": ("srmm-paper", None, {"standardize": True}),
    "logreg": ("logreg", None, {}),
    "logreg-concat": ("logreg-concat", None, {}),
    "extratrees": ("extratrees", None, {}),
    "tbn-mid (paper)": ("tbn-mid", "paper", {"learning_rates": ()}),
    "tbn-early": ("tbn-early", None, {}),
    "router": ("router", None, {}),
    "modality-dropout": ("modality-dropout", None, {}),
    "hist-gradient-boosting": ("hist-gradient-boosting", None, {}),
}


def kept() -> Runs:
    """The trainings that the project has the figures of."""
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}


def made_in(runs: Path) -> Runs:
    """Those in a folder, with as many digits as mean something."""
    return {
        path.stem: json.loads(
            path.read_text(encoding="utf-8"), parse_float=lambda text: float(f"{float(text):.6g}")
        )
        for path in runs.glob("*.json")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stores", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("names", nargs="*", help="cases; all by default")
    parser.add_argument("--root", type=Path, help="where data sets lie that are downloaded")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--anew", action="store_true", help="also what runs.json has")
    parser.add_argument("--write", action="store_true", help="write the page, train nothing")
    arguments = parser.parse_intermixed_args()
    if arguments.write:
        found = kept() | made_in(arguments.runs)
        lines = [f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)]
        with replacing_file(KEPT) as temporary:
            temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        write_page(found, list(METHODS))
        return
    done = {} if arguments.anew else kept()
    for seed in range(arguments.seeds):
        for case in by_name(arguments.names):
            data = open_data(case.data, arguments.stores, arguments.root)
            for label in arguments.methods:
                path = arguments.runs / f"{case.name}, {label}, {seed}.json"
                if path.exists() or path.stem in done:
                    continue
                name, recipe, settings = METHODS[label]
                model = make_method(name, recipe, settings, random_state=seed)
                train, test = parts(case, data, seed, inner=False)
                found = {"n_train": len(train), **measured(model, train, test)}
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing_file(path) as temporary:
                    temporary.write_text(json.dumps(found, indent=1))
                print(path.stem, f"{found['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
