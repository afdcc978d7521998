"""Figures from a cell's outputs: exact expectations, single draws, calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from srmm.evaluation.metrics import point_scores
from srmm.evaluation.reliability import calibration_error
from srmm.experiments.cells import Outcome
from srmm.experiments.data import draw_mask
from srmm.experiments.spec import Setting

_DRAWS = 20  # of masks, for metrics that do not mix

_BINS = 15


def score(
    outcome: Outcome, setting: Setting, modalities: tuple[str, ...], metric: str, seed: int
) -> float | None:
    """The metric in that test setting, in [0, 1].

    Accuracy is the exact expectation over all masks with those missing rates; macro-F1 and AUROC
    are the mean over draws of the pooled outputs. With noise, what the cell measured.
    """
    if setting.sigma:
        found = [e for e in outcome.about["noise"]
                 if e["scale"] == "absolute" and e["sigma"] == setting.sigma]  # fmt: skip
        return found[0].get(metric) if found else None
    if metric == "accuracy":
        terms = [
            share * float((outcome.under(mask).argmax(axis=1) == outcome.y).mean())
            for share, mask in subsets(setting.test, modalities)
        ]
        return float(np.sum(terms))
    random = any(0 < rate < 1 for rate in setting.test.values())
    draws = [
        single_draw(outcome, setting, modalities, metric, [seed, draw])
        for draw in range(_DRAWS if random else 1)
    ]
    known = [value for value in draws if value is not None]
    return float(np.mean(known)) if known else None


def single_draw(
    outcome: Outcome,
    setting: Setting,
    modalities: tuple[str, ...],
    metric: str,
    seed: int | list[int],
) -> float | None:
    """The metric under one seeded draw of masks by exact count, as the paper measures it."""
    number = seed if isinstance(seed, int) else seed[0] * 1000 + seed[1]
    mask = draw_mask(outcome.present, modalities, setting.test, "test", number)
    return point_scores(outcome.y, outcome.under(mask)).get(metric)


def subsets(
    rates: Mapping[str, float], modalities: tuple[str, ...]
) -> Iterator[tuple[float, np.ndarray]]:
    """(probability, mask (M,)) of every set of modalities that rates may leave; sums to 1.

    Independent rates per modality, as masks are drawn.
    """
    names = [name for name, rate in rates.items() if rate > 0]
    for gone in product((False, True), repeat=len(names)):
        share = 1.0
        mask = np.ones(len(modalities), dtype=bool)
        for name, is_gone in zip(names, gone, strict=True):
            share *= rates[name] if is_gone else 1 - rates[name]
            mask[modalities.index(name)] = not is_gone
        if share > 0:
            yield share, mask


def calibration(probabilities: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Expected calibration error and Brier score.

    "ece": mean |accuracy − confidence| over 15 equal-width bins of the highest probability,
    weighted by their instances. "brier": mean squared distance to the one-hot class, in [0, 2].
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y
    target = np.zeros_like(probabilities)
    target[np.arange(len(y)), y] = 1
    brier = float(((probabilities - target) ** 2).sum(axis=1).mean())
    return {"ece": calibration_error(confidence, right, _BINS), "brier": brier}
