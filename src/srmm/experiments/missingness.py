"""Mechanisms of missingness at test time that are not pure chance."""

from __future__ import annotations

import numpy as np

from srmm.errors import one_of
from srmm.experiments.cells import Outcome

MECHANISMS = ("at random", "by class", "by confidence")
RATES = (0.3, 0.5, 0.7)
_DRAWS = 20


def missingness_scores(outcome: Outcome, m: int, mechanism: str, rate: float, seed: int) -> float:
    """Accuracy when a share `rate` of modality `m` is missing by that mechanism: mean over draws.

    In each draw exactly `round(rate · n_present)` items vanish, each drawn with a probability
    proportional to its weight: 1 for all; the rank of its class (a random order of the classes,
    from the seed); or one minus the confidence of the model in its prediction from that item alone.
    """
    one_of("mechanism", mechanism, MECHANISMS)
    order = np.random.default_rng([seed, 1]).permutation(outcome.outputs.shape[2])
    rng = np.random.default_rng([seed, MECHANISMS.index(mechanism), round(1000 * rate)])
    present = outcome.present
    rows = np.flatnonzero(present[:, m])
    weight = np.ones(len(rows))
    if mechanism == "by class":
        weight = order[outcome.y[rows]] / max(1, len(order) - 1)
    elif mechanism == "by confidence":
        alone = outcome.under(np.arange(present.shape[1]) == m)
        weight = 1 - alone[rows].max(axis=1).astype(float)
    # Drawing without replacement with such weights is taking the largest of u^(1/w).
    weight = np.maximum(weight, 1e-6)
    right = outcome.under(np.ones_like(present)).argmax(axis=1) == outcome.y
    without = np.arange(present.shape[1]) != m
    right_without = outcome.under(without).argmax(axis=1) == outcome.y
    accuracies = []
    for _ in range(_DRAWS):
        keys = np.log(rng.random(len(rows))) / weight
        gone = rows[np.argsort(-keys)[: round(rate * len(rows))]]
        correct = right.copy()
        correct[gone] = right_without[gone]
        accuracies.append(correct.mean())
    return float(np.mean(accuracies))
