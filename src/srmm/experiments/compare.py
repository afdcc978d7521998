"""Several methods on a user's own data: ranking, differences and whether they are significant."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.modality import pattern_mask, presence_patterns
from srmm.errors import InputError, did_you_mean
from srmm.evaluation.paired import holm
from srmm.experiments.cells import Cell, Outcome, Progress, read_outcome, run_cells
from srmm.experiments.data import ExperimentData, has_own_split, split_for
from srmm.experiments.plan import check_seeds
from srmm.experiments.runner import git_revision
from srmm.experiments.significance import bootstrap_means, difference
from srmm.methods import find_method, make_method

FORMAT = "srmm-comparison"
DEFAULT_METHODS = (
    "srmm", "srmm-paper", "router", "logreg", "logreg-concat", "tbn-early", "modality-dropout",
)  # fmt: skip


def compare(
    data: ExperimentData,
    cells: Path,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    seeds: int = 5,
    jobs: int = 1,
    progress: Progress = lambda done, of, what: None,
) -> dict[str, Any]:
    """Train every method on every seed's split and compare them on the test instances.

    The figure of merit is accuracy averaged over all presence patterns that test instances can
    show, each instance under every pattern that leaves it something; and accuracy on the instances
    as they are. Both are compared for each pair of methods by a paired bootstrap over instances and
    seeds.

    Returns
    -------
    dict, JSON-ready: "methods" (best first) with their figures per pattern, "pairs" with
    differences, intervals, p and Holm-adjusted p.
    """
    check_comparison(methods, seeds)
    methods = list(dict.fromkeys(methods))
    wanted = {(m, s): Cell(data.key, m, s) for s in range(seeds) for m in methods}
    run_cells(wanted.values(), data, cells, jobs=jobs, progress=progress)
    outcomes = {key: read_outcome(cells, cell) for key, cell in wanted.items()}
    tested, numbers = np.unique(
        np.concatenate([split_for(data, seed).test for seed in range(seeds)]), return_inverse=True
    )
    sizes = [len(outcomes[methods[0], seed].y) for seed in range(seeds)]
    rows = np.split(numbers, np.cumsum(sizes)[:-1])

    modalities = data.embeddings.modalities
    patterns = presence_patterns(modalities)
    entries = []
    for method in methods:
        of = [outcomes[method, seed] for seed in range(seeds)]
        entries.append(
            {
                "method": method,
                "score": [float(_merit(o, modalities).mean()) for o in of],
                "as_is": [float(_right(o, None).mean()) for o in of],
                "patterns": [
                    {"present": list(p), "accuracy": [_pattern(o, p, modalities) for o in of]}
                    for p in patterns
                ],
                "n_parameters": of[0].about["model"]["n_parameters"],
                "fit_seconds": [o.about["seconds"]["fit"] for o in of],
            }
        )
    entries.sort(key=lambda entry: -np.mean(entry["score"]))
    order = [entry["method"] for entry in entries]
    pairs: list[dict[str, Any]] = [
        {"better": better, "other": other} for better, other in combinations(order, 2)
    ]
    kinds = {
        "score": lambda outcome: _merit(outcome, modalities),
        "as_is": lambda outcome: _right(outcome, None),
    }
    for name, of_instances in kinds.items():
        scores = [
            np.column_stack([of_instances(outcomes[method, seed]) for method in order])
            for seed in range(seeds)
        ]
        means = bootstrap_means(scores, rows)
        by_seed = np.stack([of_seed.mean(axis=0) for of_seed in scores])
        whole = np.concatenate(scores).mean(axis=0)
        for pair in pairs:
            a, b = order.index(pair["better"]), order.index(pair["other"])
            bounds, p = difference(means, by_seed, a, b)
            pair[name] = {"difference": whole[a] - whole[b], "interval": bounds, "p": p}
        adjusted = holm([pair[name]["p"] for pair in pairs])
        for pair, p in zip(pairs, adjusted, strict=True):
            pair[name]["p_holm"] = p
    return {
        "format": FORMAT,
        "version": 1,
        "data": {
            "name": data.name,
            "key": data.key,
            "instances": len(data.y),
            "tested": len(tested),
            "classes": len(data.classes),
            "modalities": data.embeddings.embedding_dims,
            "present": {
                m: int(n)
                for m, n in zip(modalities, data.embeddings.present.sum(axis=0), strict=True)
            },
            "own_split": has_own_split(data),
        },
        "seeds": seeds,
        "methods": entries,
        "pairs": pairs,
        "revision": git_revision(),
        "versions": outcomes[methods[0], 0].about["model"]["versions"],
    }


def check_comparison(methods: Sequence[str], seeds: int) -> None:
    """Raise `InputError` unless there are methods to compare, all of them known, and a seed."""
    if len(set(methods)) < 2:
        raise InputError(
            f"A comparison needs at least two methods, got {', '.join(methods) or 'none'}: name "
            "others, too, e.g. --methods srmm,router."
        )
    for method in methods:
        make_method(method)
    check_seeds(seeds)


def check_modalities(methods: Sequence[str], modalities: Sequence[str]) -> None:
    """Raise `InputError` for a method of a modality that the data has not."""
    for method in methods:
        modality = find_method(method)[1].get("modality")
        if modality is not None and modality not in modalities:
            raise InputError(
                f"The method {method!r} is of a modality that the data has not. "
                f"{did_you_mean(modality, modalities)}"
            )


def _right(outcome: Outcome, mask: np.ndarray | None) -> np.ndarray:
    """1.0 where the prediction is right, of all test instances."""
    mask = np.ones(outcome.present.shape[1], dtype=bool) if mask is None else mask
    return (outcome.under(mask).argmax(axis=1) == outcome.y).astype(float)


def _merit(outcome: Outcome, modalities: tuple[str, ...]) -> np.ndarray:
    """Per instance the mean of being right over the patterns that its own items allow."""
    right, possible = np.zeros(len(outcome.y)), np.zeros(len(outcome.y))
    for pattern in presence_patterns(modalities):
        mask = pattern_mask(pattern, modalities)
        there = np.asarray(outcome.present[:, mask].all(axis=1))
        right += there * _right(outcome, mask)
        possible += there
    return right / possible


def _pattern(outcome: Outcome, pattern: tuple[str, ...], modalities: tuple[str, ...]) -> Any:
    """Accuracy over the test instances that have all of the pattern; None if there are none."""
    mask = pattern_mask(pattern, modalities)
    there = np.asarray(outcome.present[:, mask].all(axis=1))
    return float(_right(outcome, mask)[there].mean()) if there.any() else None
