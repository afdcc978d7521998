"""Give finished trainings of before parameters were written once the names they have now.

    python benchmarks/rename_trainings.py RUNS/cells [--dry-run]

A training's file is named by a digest of everything that decides it, its parameters among them,
and these are spelt differently since. The file itself says what it was trained with: it is renamed
only if the classifier it would be trained with today has the same parameters, one by one.
Nothing is trained, and a file that already has its name is left alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from srmm.experiments.cells import Cell
from srmm.files import json_ready
from srmm.learning.state import kept_parameters
from srmm.recipe import recipe_parameters


def renamed(about: dict[str, Any]) -> Cell:
    """The training as it is named today: parameters of a recipe no longer stand apart."""
    cell = dict(about["cell"])
    parameters = dict(cell["parameters"])
    parameters |= parameters.pop("settings", {})
    return Cell(**{**cell, "parameters": parameters})


def differences(about: dict[str, Any], cell: Cell) -> dict[str, tuple[Any, Any]]:
    """Parameters that the file and today's classifier have, with other values: (then, now)."""
    then = about["model"].get("settings", about["model"].get("parameters", {}))
    now = json_ready(described(cell.make()))
    chosen = {"learning_rate"} if now.get("learning_rates") else set()
    return {
        name: (json_ready(then[name]), now[name])
        for name in then.keys() & now.keys() - chosen
        if json_ready(then[name]) != now[name]
    }


def described(model: Any) -> dict[str, Any]:
    """Its parameters; those of the networks inside where it is made of some."""
    own = kept_parameters(model) if hasattr(model, "max_epochs") else {}
    recipe = getattr(model, "recipe", None)
    return own or (recipe_parameters(recipe) if recipe else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cells", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    arguments = parser.parse_args()
    done, left = 0, 0
    for path in sorted(arguments.cells.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as file:
            about = json.loads(file.metadata()["about"])
        cell = renamed(about)
        changed = differences(about, cell)
        target = path.with_name(f"{cell.name}.safetensors")
        if changed or (target != path and target.exists()):
            print(f"left: {path.name} ({cell.method}): {changed or f'{target.name} is there'}")
            left += 1
        elif target != path:
            done += 1
            if not arguments.dry_run:
                path.rename(target)
    print(f"{done} renamed, {left} left as they are")


if __name__ == "__main__":
    main()
