"""What each part of the default is worth, with all the others in place: a table of docs/recipes.md.

    python benchmarks/recipe/study.py STORES [--root DATA] [--seeds 2] [CASE …]

Everything happens on the inner splits of `cases.py`: no test row is looked at. A part is taken out
by putting something in its place from outside; the product has no switch for it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from cases import by_name, open_data, parts
from measure import measured

import srmm
from srmm.ensemble import classifier, discriminants, features, table, training, weights
from srmm.ensemble.branches import Branches
from srmm.ensemble.discriminants import Discriminants
from srmm.ensemble.out_of_fold import OutOfFold
from srmm.ensemble.trust import Trust
from srmm.ensemble.weights import PatternWeights

Patches = Callable[[], list[Any]]


def _no_fused_stream() -> list[Any]:
    logs, prior = OutOfFold.logs, weights.prior

    def without(self: OutOfFold, rows: np.ndarray, modalities: np.ndarray) -> np.ndarray:
        found = logs(self, rows, modalities)
        found[:, -1] = 0.0  # says nothing, so its weight stays where it starts
        return found

    return [
        patch.object(training, "draw_parts", lambda present, rngs: torch.zeros_like(present)),
        patch.object(OutOfFold, "logs", without),
        patch.object(weights, "prior", lambda m, alone, share=0.0: prior(m, alone, 0.0)),
    ]


def _equal_weights() -> list[Any]:
    def fit(outputs: Any, y: Any, counts: Any, present: np.ndarray, items: Any) -> PatternWeights:
        M = present.shape[1]
        return PatternWeights(1 << np.arange(M), np.eye(M, 2 * M + 1), fused_share=1 / 2)

    return [patch.object(PatternWeights, "fit", staticmethod(fit))]


def _no_discriminants() -> list[Any]:
    return [patch.object(Discriminants, "fit", lambda *a, **k: Discriminants({}, {}))]


def _no_scale() -> list[Any]:
    made = Branches.__init__

    def unscaled(self: Branches, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        self.scale = 1.0

    return [patch.object(Branches, "__init__", unscaled)]


VARIANTS: dict[str, tuple[Patches, dict[str, Any]]] = {
    "the default": (list, {}),
    "without the fused stream": (_no_fused_stream, {}),
    "without piecewise-linear codes": (lambda: [patch.object(features, "LONGEST", 0)], {}),
    "equal weights instead of learnt ones": (_equal_weights, {}),
    "without the scale before the softmax": (_no_scale, {}),
    "without discriminants": (_no_discriminants, {}),
    "without noise in training": (
        lambda: [patch.object(table, "NOISY", 0.0), patch.object(discriminants, "_NOISE", 1e-3)],
        {},
    ),
    "without trust": (lambda: [patch.object(Trust, "learn", lambda *a, **k: None)], {}),
    "folds that part equal items": (
        lambda: [patch.object(classifier, "linked", lambda data, y, k: np.arange(len(data)))],
        {},
    ),
    "8 bins, however few the numbers": (lambda: [patch.object(features, "_MOST_BINS", 8)], {}),
    "half the steps": (
        lambda: [
            patch.object(training, "_STEPS", 600),
            patch.object(training, "_STEPS_OF_SHORT", 1_200),
        ],
        {},
    ),
    "512 wide": (list, {"hidden_dim": 512}),
    "8 folds": (list, {"n_folds": 8}),
}


@contextmanager
def _changed(patches: Patches) -> Iterator[None]:
    with ExitStack() as stack:
        for one in patches():
            stack.enter_context(one)
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stores", type=Path)
    parser.add_argument("names", nargs="*", help="cases; all by default")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS))
    arguments = parser.parse_args()
    print("| data | variant | mean over patterns | everything | log loss | ECE | noise | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for case in by_name(arguments.names):
        data = open_data(case.data, arguments.stores, arguments.root)
        for label in arguments.variants:
            patches, parameters = VARIANTS[label]
            found = []
            for seed in range(arguments.seeds):
                train, held = parts(case, data, seed, inner=True)
                with _changed(patches):
                    model = srmm.SingleBranchClassifier(random_state=seed, **parameters)
                    found.append(measured(model, train, held))
            patterns = [list(one["patterns"].values()) for one in found]
            mean = {
                key: np.mean([[p[key] for p in of] for of in patterns])
                for key in ("accuracy", "log_loss", "ece")
            }
            whole = np.mean([of[0]["accuracy"] for of in patterns])
            noise = np.mean([list(one["noise"].values()) for one in found])
            seconds = np.mean([one["seconds"] for one in found])
            print(
                f"| {case.name} | {label} | {mean['accuracy']:.1f} | {whole:.1f} | "
                f"{mean['log_loss']:.3f} | {mean['ece']:.1f} | {noise:.1f} | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
