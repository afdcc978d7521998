"""Accuracy on the data sets that come in packages: the table of the README.

    python benchmarks/small_sets.py [--store FOLDER] [--seeds 3] [openmoji] [htad]

75/25 stratified splits, one per seed; every model is trained on the same 75 % (a tenth of which it
holds out itself) and tested, once, on the rest. Prints a Markdown table: mean ± standard deviation
over seeds of the accuracy in %, with everything and with each modality alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import srmm
from srmm.data.split import stratified_split

METHODS = {
    "openmoji": {
        "SRMM, recipe `paper`": ("srmm-paper", {}),
        "SRMM, recipe `paper`, standardised": ("srmm-paper", {"standardize": True}),
        "SRMM, recipe `robust`": ("srmm", {}),
        "each modality alone / router": ("router", {}),
        "logistic regression, concatenated": ("logreg-concat", {}),
    },
    "htad": {
        "SRMM, recipe `paper`, h = 256, standardised": (
            "srmm-paper",
            {"hidden_dim": 256, "standardize": True},
        ),
        "SRMM, recipe `paper`, h = 256, raw features": ("srmm-paper", {"hidden_dim": 256}),
        "SRMM, recipe `robust`": ("srmm", {}),
        "each modality alone / router": ("router", {}),
        "logistic regression, concatenated": ("logreg-concat", {}),
    },
}


def load(name: str, store: Path | None) -> srmm.Embeddings:
    data = srmm.load_dataset(name)
    if isinstance(data, srmm.Embeddings):
        return data
    return srmm.encode(data, output=store and store / name, progress=True).embeddings


def accuracies(model: object, test: srmm.Embeddings) -> list[float]:
    """Accuracy in % with everything, then with each modality alone."""
    every = np.ones(len(test.modalities), dtype=bool)
    masks = [every, *np.eye(len(every), dtype=bool)]
    return [100 * model.score(test.mask(mask)) for mask in masks]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=list(METHODS))
    parser.add_argument("--store", type=Path, help="keep embeddings here")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.names:
        embeddings = load(name, arguments.store)
        codes = np.unique(embeddings.labels.astype(str), return_inverse=True)[1]
        columns = ["everything", *(f"{modality} only" for modality in embeddings.modalities)]
        print(f"\n| {name} | {' | '.join(columns)} |\n|{' --- |' * (1 + len(columns))}")
        for label, (method, parameters) in METHODS[name].items():
            results = []
            for seed in range(arguments.seeds):
                train, test = stratified_split(codes, 0.25, np.random.default_rng(seed))
                model = srmm.make_method(method, random_state=seed, **parameters)
                results.append(accuracies(model.fit(embeddings[train]), embeddings[test]))
            cells = [
                f"{m:.1f} ± {s:.1f}"
                for m, s in zip(np.mean(results, 0), np.std(results, 0, ddof=1), strict=True)
            ]
            print(f"| {label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
