"""Several methods on a user's own data: ranking, differences and whether they are significant."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from srmm.errors import InputError
from srmm.experiments.cells import Cell, Outcome, read_outcome, run_cells
from srmm.experiments.data import ExperimentData, split_for
from srmm.experiments.runner import Progress, git_revision
from srmm.experiments.significance import holm, paired_bootstrap
from srmm.modality import pattern_mask, presence_patterns

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
    as they are. Both are compared for each pair of methods by a paired bootstrap over instances.

    Returns
    -------
    dict, JSON-ready: "methods" (best first) with their figures per pattern, "pairs" with
    differences, intervals, p and Holm-adjusted p.
    """
    if len(set(methods)) < 2:
        raise InputError("A comparison needs at least two methods, e.g. --methods srmm,router.")
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, got {seeds}.")
    methods = list(dict.fromkeys(methods))
    wanted = {(m, s): Cell(data.key, m, s) for s in range(seeds) for m in methods}
    run_cells(wanted.values(), data, cells, jobs=jobs, progress=progress)
    outcomes = {key: read_outcome(cells, cell) for key, cell in wanted.items()}
    rows = [split_for(data, seed).test for seed in range(seeds)]
    tested, where = np.unique(np.concatenate(rows), return_inverse=True)
    count = np.bincount(where).astype(float)

    modalities = data.embeddings.modalities
    patterns = presence_patterns(modalities)
    entries, merit, as_is = [], {}, {}
    for method in methods:
        of = [outcomes[method, seed] for seed in range(seeds)]
        merit[method] = np.bincount(where, np.concatenate([_merit(o, modalities) for o in of]))
        as_is[method] = np.bincount(where, np.concatenate([_right(o, None) for o in of]))
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
    pairs = []
    for better, other in combinations([entry["method"] for entry in entries], 2):
        pair: dict[str, Any] = {"better": better, "other": other}
        for name, scores in {"score": merit, "as_is": as_is}.items():
            mean, bounds, p = paired_bootstrap(scores[better] - scores[other], count)
            pair[name] = {"difference": mean, "interval": bounds, "p": p}
        pairs.append(pair)
    for name in ("score", "as_is"):
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
            "own_split": data.embeddings.split is not None,
        },
        "seeds": seeds,
        "methods": entries,
        "pairs": pairs,
        "revision": git_revision(),
        "versions": outcomes[methods[0], 0].about["model"]["versions"],
    }


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
