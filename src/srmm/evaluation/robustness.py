"""Scores by presence pattern, and everything else from them (paper IV-D, IV-E, V-A).

A model's outputs are computed once per test item. Every presence pattern is then a cheap
combination, and the accuracy at any missing rate follows exactly from two patterns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.modality import Pattern, pattern_mask
from srmm.evaluation.corrupt import draw_noise, with_noise
from srmm.evaluation.metrics import metric_names, point_scores, scores_with_intervals
from srmm.evaluation.missing import draw_missing, expected_accuracy, relative_drop
from srmm.evaluation.outputs import Remembered, remembering
from srmm.evaluation.paired import paired_difference
from srmm.evaluation.said import Said, in_short
from srmm.evaluation.shares import weighted_interval
from srmm.learning.base import Scorer
from srmm.learning.probabilities import rows_at_once
from srmm.learning.standardize import mean_and_std

MISSING_RATES = tuple(rate / 10 for rate in range(11))
SIGMAS = (0.0, 0.1, 0.5, 1.0)
"""The noise of the paper's Table IX."""

_DRAWS = 20  # of masks, for metrics whose curve is no mixture of two patterns
_NOISE_DRAWS = 3
_NOISY = 25_000_000  # probabilities of a pass with noise, of which there are 18


def pattern_scores(
    scorer: Scorer, test: Embeddings, y: np.ndarray, patterns: Sequence[Pattern], seed: int
) -> list[dict[str, Any]]:
    """Metrics with intervals for each pattern, over the test instances that have all of it.

    Returns
    -------
    list of {"present", "n", "accuracy", "accuracy_ci", "macro_f1", …}; patterns that no test
    instance has are left out. Where instances have holes these are of different instances, so each
    pattern is also compared with everything on the "n_same" instances that have everything:
    "accuracy_same" (with the pattern), "complete_same" (with everything), "difference" and its
    interval (paired), and "relative_drop". All None if no instance has everything.
    """
    scored: list[dict[str, Any]] = []
    scorer = remembering(scorer, len(test), y)
    whole = np.flatnonzero(test.present.all(axis=1))
    complete = _right(scorer, whole, test.present[whole], y)
    for pattern in patterns:
        mask = pattern_mask(pattern, test.modalities)
        rows = np.flatnonzero(test.present[:, mask].all(axis=1))
        if not len(rows):
            continue
        found = scorer.said(rows, mask)
        entry = {
            "present": list(pattern),
            **scores_with_intervals(y[rows], found, seed=seed),
        }
        hidden = _right(scorer, whole, np.tile(mask, (len(whole), 1)), y)
        scored.append(entry | _on_the_same(hidden, complete, seed))
        if mask.all() and len(whole):
            scored[-1]["difference_ci"] = [0.0, 0.0]  # everything beside itself
    return scored


def _on_the_same(hidden: np.ndarray, complete: np.ndarray, seed: int) -> dict[str, Any]:
    """With a pattern and with everything: who is right of the instances that have everything."""
    if not len(complete):
        keys = ("accuracy_same", "complete_same", "difference", "difference_ci", "relative_drop")
        return {"n_same": 0, **dict.fromkeys(keys)}
    less, all_of_it = float(hidden.mean()), float(complete.mean())
    return {
        "n_same": len(complete),
        "accuracy_same": less,
        "complete_same": all_of_it,
        **paired_difference(hidden, complete, seed),
        "relative_drop": relative_drop(all_of_it, less),
    }


def missing_rate_curve(
    scorer: Scorer,
    test: Embeddings,
    y: np.ndarray,
    modality: str,
    *,
    missing_rates: Sequence[float] = MISSING_RATES,
    seed: int = 0,
    among: Sequence[str] | None = None,
) -> dict[str, Any] | None:
    """Metrics while one modality goes missing at random among the test instances (Fig. 4).

    Accuracy is the exact expectation over masks, with an interval over instances.
    Macro-F1 and AUROC do not mix so: masks are drawn, the scores pooled, and the mean and
    standard deviation over draws given. The instances are those that have the modality and at
    least one other; None if there are none. Only modalities `among` these are looked at, if given.
    """
    m = test.modalities.index(modality)
    there = test.present & np.isin(test.modalities, among or test.modalities)
    others = np.delete(there, m, axis=1).any(axis=1)
    rows = np.flatnonzero(there[:, m] & others)
    if not len(rows):
        return None
    rates, scorer = np.asarray(missing_rates, dtype=float), remembering(scorer, len(test), y)
    present = there[rows]
    hidden = present & (np.arange(present.shape[1]) != m)
    with_it, without, y = scorer.said(rows, present), scorer.said(rows, hidden), y[rows]
    correct_with, correct_without = (said.predicted == y for said in (with_it, without))
    accuracy = expected_accuracy(correct_with, correct_without, rates)
    curve: dict[str, Any] = {
        "n": len(rows),
        "missing_rate": rates.tolist(),
        "available": (1 - rates).round(6).tolist(),
        "accuracy": accuracy.tolist(),
        "accuracy_ci": [
            weighted_interval(correct_with, correct_without, (1 - rate, rate))
            for rate in rates.tolist()
        ],
        "relative_drop": [relative_drop(float(accuracy[0]), float(a)) for a in accuracy],
    }
    return curve | _sampled_metrics(with_it, without, y, present, m, rates, seed)


def missing_rate_curves(
    scorer: Scorer,
    test: Embeddings,
    y: np.ndarray,
    seed: int,
    *,
    among: Sequence[str] | None = None,
) -> dict[str, Any]:
    """`missing_rate_curve` of every modality that has one; of those `among` these, if given."""
    scorer = remembering(scorer, len(test), y)
    curves = {
        name: missing_rate_curve(scorer, test, y, name, seed=seed, among=among)
        for name in among or test.modalities
    }
    return {name: curve for name, curve in curves.items() if curve}


def corruption_scores(
    model: Any,
    test: Embeddings,
    y: np.ndarray,
    *,
    train: Embeddings | None = None,
    sigmas: Sequence[float] = SIGMAS,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Metrics with N(0, σ²) noise on every present embedding (Table IX).

    "absolute": σ as in the paper. "relative": σ times each feature's standard deviation in the
    training set, where the model knows it (`feature_std_`) or `train` tells. Mean and standard
    deviation over draws, whose noise is the same at every σ but for its size.

    Where rows times classes are more than 25 million, so many rows are drawn as are not: "n" says
    how many, "of" how many there are. All figures, without noise too, are then of these rows.
    """
    rows = _noisy_rows(len(test), len(model.classes_), seed)
    counted = {"n": len(rows), "of": len(test)}
    test, y = (test, y) if len(rows) == len(test) else (test[rows], y[rows])
    scales: dict[str, Any] = {"absolute": None}
    if hasattr(model, "feature_std_"):
        scales["relative"] = model.feature_std_
    elif train is not None:
        scales["relative"] = {name: mean_and_std(train, name)[1] for name in train.modalities}
    loud = [sigma for sigma in sigmas if sigma]
    draws: dict[tuple[str, float], list[Any]] = {(s, x): [] for s in scales for x in sigmas}
    clean = point_scores(y, _answers(model, test)) if len(loud) < len(sigmas) else {}
    for draw in range(_NOISE_DRAWS if loud else 0):
        noise = draw_noise(test, np.random.default_rng([seed, draw]))
        for scale, feature_std in scales.items():
            for sigma in loud:
                found = _answers(model, test, noise, sigma, feature_std)
                draws[scale, sigma].append(point_scores(y, found))
    table = []
    for scale in scales:
        first = None
        for sigma in sigmas:
            entry: dict[str, Any] = {"scale": scale, "sigma": float(sigma), **counted}
            entry |= _mean_and_sd(draws[scale, sigma] or [clean])
            first = entry["accuracy"] if first is None else first
            table.append(entry | {"relative_drop": relative_drop(first, entry["accuracy"])})
    return table


def _noisy_rows(n: int, n_classes: int, seed: int) -> np.ndarray:
    most = max(1, _NOISY // n_classes)
    return np.sort(np.random.default_rng([seed, 8]).permutation(n)[:most])


def _answers(
    model: Any,
    test: Embeddings,
    noise: Embeddings | None = None,
    sigma: float = 0.0,
    feature_std: Any = None,
) -> Said:
    """What the model says of all rows, in noise if there is any; so many at once as memory likes.

    A row with nothing is left to the model, which names it by its number among all rows.
    """
    step = rows_at_once(len(model.classes_))
    step = step if test.present.any(axis=1).all() else len(test)
    found: Said | None = None
    for start in range(0, len(test), step):
        rows = slice(start, start + step)
        some = test[rows]
        if noise is not None:
            some = with_noise(some, noise[rows], sigma, feature_std=feature_std)
        part = in_short(model.predict_proba(some))
        found = part.empty(len(test)) if found is None else found
        found.put(np.arange(len(test))[rows], part)
    assert found is not None
    return found


def _right(scorer: Remembered, rows: np.ndarray, present: np.ndarray, y: np.ndarray) -> np.ndarray:
    if not len(rows):
        return np.zeros(0, dtype=bool)
    return np.asarray(scorer.said(rows, present).predicted == y[rows])


def _sampled_metrics(
    with_it: Said,
    without: Said,
    y: np.ndarray,
    present: np.ndarray,
    m: int,
    rates: np.ndarray,
    seed: int,
) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    names = [name for name in metric_names(with_it.n_classes) if name != "accuracy"]
    table: dict[str, list[Any]] = {key: [] for name in names for key in (name, f"{name}_sd")}
    for rate in rates:
        draws = []
        for _ in range(_DRAWS if 0 < rate < 1 else 1):  # the ends are one mask each
            left = draw_missing(present, m, float(rate), rng)[:, m]
            draws.append(point_scores(y, with_it.where(left, without)))
        summary = _mean_and_sd(draws)
        for key, column in table.items():
            column.append(summary[key])
    return table


def _mean_and_sd(draws: list[dict[str, float | None]]) -> dict[str, float | None]:
    summary: dict[str, float | None] = {}
    for name in draws[0]:
        values = [draw[name] for draw in draws]
        defined = np.array([value for value in values if value is not None])
        summary[name] = float(defined.mean()) if len(defined) else None
        summary[f"{name}_sd"] = float(defined.std(ddof=1)) if len(defined) > 1 else 0.0
    return summary
