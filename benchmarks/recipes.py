"""What each parameter of the recipe `robust` is worth: the table of docs/recipes.md.

    python benchmarks/recipes.py [--store FOLDER] [--seeds 3] [openmoji] [htad]

Everything happens inside the 75 % that `small_sets.py` trains on with seed 0: per seed it is split
again 75/25. The test rows of its other seeds lie mostly inside that part, so this is no clean
selection for an average over seeds; docs/recipes.md says so.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from small_sets import accuracies, load

import srmm
from srmm.data.split import stratified_split
from srmm.recipe import PAPER

SCHEDULE = ("schedule", "learning_rate", "max_epochs")  # they belong together
FIELDS = [
    ("standardize",), ("switching",), ("batch_norm",), ("fusion",), ("input_dropout",),
    ("share_first_layer",), ("init",), SCHEDULE,
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=["openmoji", "htad"])
    parser.add_argument("--store", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    variants: dict[str, dict[str, object]] = {"`robust`": {}}
    for fields in FIELDS:
        changes = {field: PAPER[field] for field in fields}
        said = ", ".join(f"{field}={value}" for field, value in changes.items())
        variants[f"with the paper's {said}"] = changes
    for name in arguments.names:
        embeddings = load(name, arguments.store)
        codes = np.unique(embeddings.labels.astype(str), return_inverse=True)[1]
        inner, _ = stratified_split(codes, 0.25, np.random.default_rng(0))
        embeddings, codes = embeddings[inner], codes[inner]
        columns = ["everything", *(f"{modality} only" for modality in embeddings.modalities)]
        print(f"\n| {name} | {' | '.join(columns)} |\n|{' --- |' * (1 + len(columns))}")
        for label, changes in variants.items():
            results = []
            for seed in range(arguments.seeds):
                train, test = stratified_split(codes, 0.25, np.random.default_rng(100 + seed))
                model = srmm.SingleBranchClassifier(random_state=seed, **changes)
                results.append(accuracies(model.fit(embeddings[train]), embeddings[test]))
            print(
                f"| {label} | {' | '.join(f'{m:.1f}' for m in np.mean(results, 0))} |", flush=True
            )


if __name__ == "__main__":
    main()
