"""What a model says of new rows beside what it said of rows it was not trained on.

And how often it should be right on them: the accuracy of every presence pattern, measured on
held-out rows, weighted with how often the pattern stands among the new rows. Where absence is at
random this is exact; no label is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import mannwhitneyu

from srmm.evaluation.drift import POINTS, VARIATION, count_test, share_difference
from srmm.fusion import pattern_codes
from srmm.learning.base import Scorer

COVERAGE = 0.9
CONFIDENCE = 0.05
"""How far the mean confidences must lie apart."""
ACCURACY = 0.02
"""How much the expected accuracy must fall."""

_FEWEST = 30  # held-out rows that are just so, for a pattern to be judged by these
_DRAWS = 4_000
_NORMAL = 1.96


class Answers(NamedTuple):
    """What a model says of some rows, each of which has an item."""

    predicted: np.ndarray
    """Class indices (n,)."""
    confidence: np.ndarray
    """Probability of the predicted class (n,)."""
    entropy: np.ndarray
    """Of the probabilities, over its largest value: 0 is sure, 1 knows nothing (n,)."""
    set_size: np.ndarray | None
    """Classes that cannot be ruled out at 90 % (n,); None of a model without a calibration."""
    agree: np.ndarray
    """Whether all that a row has says the same class alone: 0 or 1 (n,), NaN with one item."""


def answers_of(scorer: Scorer, present: np.ndarray, calibration: Any = None) -> Answers:
    """The answers for the rows (n, M) of a scorer that have an item, in their order."""
    rows = np.flatnonzero(present.any(axis=1))
    present = present[rows]
    fused = scorer(rows, present) if len(rows) else np.zeros((0, 2))
    entropy = -np.sum(fused * np.log(np.maximum(fused, 1e-12)), axis=1)
    sizes = None
    if calibration is not None:
        inside = calibration.sets(fused, present, COVERAGE) if len(rows) else np.zeros((0, 2))
        sizes = inside.sum(axis=1).astype(np.int32)
    alone = np.full(present.shape, -1)
    several = present.sum(axis=1) > 1
    for m in range(present.shape[1]):
        mine = np.flatnonzero(present[:, m] & several)
        if len(mine):
            mask = np.tile(np.arange(present.shape[1]) == m, (len(mine), 1))
            alone[mine, m] = scorer(rows[mine], mask).argmax(axis=1)
    first = np.take_along_axis(alone, present.argmax(axis=1)[:, None], axis=1)
    same = ((alone == first) | ~present).all(axis=1)
    return Answers(
        fused.argmax(axis=1),
        fused.max(axis=1, initial=0.0),
        entropy / np.log(max(fused.shape[1], 2)),
        sizes,
        np.where(several, same, np.nan),
    )


def joined_answers(parts: list[Answers]) -> Answers:
    """The answers of all parts, one after the other."""
    columns: list[Any] = []
    for column in zip(*parts, strict=True):
        columns.append(None if column[0] is None else np.concatenate(column))
    return Answers(*columns)


def answer_tests(
    new: Answers, before: Answers, classes: list[Any], seed: int = 0
) -> dict[str, Any]:
    """New answers beside those on held-out rows.

    Returns
    -------
    dict with "classes" (tested as one: "variation" is the share of rows that would have to change
    their class; "shares" has each class), "confidence", and "agreement", all with "p" and "large";
    "entropy" and "set_size" (None without a calibration), which follow from the others, untested.
    """
    counts, counts_before = (
        np.bincount(side.predicted, minlength=len(classes)) for side in (new, before)
    )
    n, n_before = len(new.predicted), len(before.predicted)
    gaps = np.abs(counts / max(n, 1) - counts_before / max(n_before, 1))
    variation = float(gaps.sum() / 2) if n and n_before else None
    shares = [
        {
            "label": classes[c],
            "count": int(counts[c]),
            **share_difference(int(counts[c]), n, int(counts_before[c]), n_before),
        }
        for c in range(len(classes))
    ]
    for share in shares:  # tested together
        del share["p"], share["large"]
    confidence = mean_difference(new.confidence, before.confidence)
    agree, agree_before = (side.agree[~np.isnan(side.agree)] for side in (new, before))
    found: dict[str, Any] = {
        "classes": {
            "n": n,
            "n_before": n_before,
            "variation": variation,
            "p": count_test(counts, counts_before, seed=seed),
            "large": variation is not None and variation >= VARIATION,
            "shares": shares,
        },
        "confidence": {
            **confidence,
            "p": _ranks_differ(new.confidence, before.confidence),
            "large": abs(confidence["difference"] or 0.0) >= CONFIDENCE,
        },
        "agreement": share_difference(
            int(agree.sum()), len(agree), int(agree_before.sum()), len(agree_before)
        ),
        "entropy": mean_difference(new.entropy, before.entropy),
    }
    sized = new.set_size is not None and before.set_size is not None
    return found | {"set_size": mean_difference(new.set_size, before.set_size) if sized else None}


def mean_difference(new: Any, before: Any) -> dict[str, Any]:
    """Two means, each and their difference with a 95 % interval (normal); None without rows."""
    means, errors = [], []
    for side in (new, before):
        means.append(float(side.mean()) if len(side) else None)
        errors.append(float(side.std(ddof=1) / np.sqrt(len(side))) if len(side) > 1 else None)
    entry: dict[str, Any] = {"n": len(new), "n_before": len(before)}
    for name, mean, error in zip(("mean", "mean_before"), means, errors, strict=True):
        entry[name] = mean
        entry[f"{name}_ci"] = _around(mean, error)
    a, b = means
    known = [error for error in errors if error is not None]
    both = float(np.sqrt(sum(error**2 for error in known))) if len(known) == 2 else None
    entry["difference"] = None if a is None or b is None else a - b
    entry["difference_ci"] = _around(entry["difference"], both)
    return entry


class Judged(NamedTuple):
    """Held-out rows: how to score them, what they have, and the indices of their classes."""

    scorer: Scorer
    present: np.ndarray
    y: np.ndarray
    prior: np.ndarray
    """Class shares of training: what a row with nothing is given."""


def pattern_accuracies(
    judged: Judged, counts: Mapping[int, int]
) -> dict[int, dict[str, int | bool]]:
    """Per pattern (code) of `counts`, held-out rows and how many of these are right.

    Rows that are just so, or, where these are fewer than 30, all that have the pattern, with the
    rest "hidden". A pattern that no held-out row has is left out.
    """
    codes = pattern_codes(judged.present)
    found: dict[int, dict[str, int | bool]] = {}
    for code in counts:
        mask = (code >> np.arange(judged.present.shape[1]) & 1).astype(bool)
        rows = np.flatnonzero(codes == code)
        hidden = len(rows) < _FEWEST
        if hidden:
            rows = np.flatnonzero(judged.present[:, mask].all(axis=1) & (codes > 0))
        if not len(rows):
            continue
        guessed: Any = int(judged.prior.argmax())
        if code:
            guessed = judged.scorer(rows, np.tile(mask, (len(rows), 1))).argmax(axis=1)
        hits = int((guessed == judged.y[rows]).sum())
        found[code] = {"n": len(rows), "hits": hits, "hidden": hidden}
    return found


def expected_accuracy_test(
    counts: Mapping[int, int],
    before: Mapping[int, int],
    accuracies: Mapping[int, Mapping[str, Any]],
    seed: int = 0,
) -> dict[str, Any]:
    """The accuracy to be expected of rows with these patterns, beside that of the training mix.

    The interval of each, and of their difference, is of draws of the held-out rows that are right
    and of the patterns of both; p is of the patterns being draws from the same mix. Patterns
    without a figure are left out of both sums; "without" is their share of the new rows.

    Returns
    -------
    {"expected", "expected_ci", "before", "before_ci", "difference", "difference_ci", "p", "large",
    "without", "patterns"}; None where nothing is known.
    """
    known = sorted(set(counts) | set(before))
    known = [code for code in known if code in accuracies]
    n, n_before = sum(counts.values()), sum(before.values())
    now = np.array([counts.get(code, 0) for code in known])
    then = np.array([before.get(code, 0) for code in known])
    entry: dict[str, Any] = {"without": 1 - now.sum() / n if n else None}
    keys = ("expected", "expected_ci", "before", "before_ci", "difference", "difference_ci", "p")
    if not now.sum() or not then.sum():
        return entry | dict.fromkeys(keys) | {"large": False}
    hits = np.array([accuracies[code]["hits"] for code in known], dtype=float)
    rows = np.array([accuracies[code]["n"] for code in known], dtype=float)
    accuracy = hits / rows
    expected, usual = float(now @ accuracy / now.sum()), float(then @ accuracy / then.sum())
    rng = np.random.default_rng([seed, 14])
    drawn = rng.beta(hits + 0.5, rows - hits + 0.5, size=(_DRAWS, len(known)))
    mixes = [rng.multinomial(k.sum(), k / k.sum(), size=_DRAWS) / k.sum() for k in (now, then)]
    sums = [(mix * drawn).sum(axis=1) for mix in mixes]
    ends = [
        _around_it(figure, _middle(draws))
        for figure, draws in (
            (expected, sums[0]),
            (usual, sums[1]),
            (expected - usual, sums[0] - sums[1]),
        )
    ]
    return entry | {
        "expected": expected,
        "expected_ci": ends[0],
        "before": usual,
        "before_ci": ends[1],
        "difference": expected - usual,
        "difference_ci": ends[2],
        "p": count_test(now, then, accuracy, seed) if n_before else None,
        "large": usual - expected >= ACCURACY,
    }


def observed_accuracy_test(hits: int, n: int, hits_before: int, n_before: int) -> dict[str, Any]:
    """How often the model is right on new rows with labels, beside held-out ones; as a test."""
    found = share_difference(hits, n, hits_before, n_before)
    found["large"] = (found["difference"] or 0.0) <= -POINTS
    return found


def _ranks_differ(new: np.ndarray, before: np.ndarray) -> float | None:
    """Mann and Whitney's p that neither side tends to be higher; None without rows."""
    if not len(new) or not len(before):
        return None
    p = float(mannwhitneyu(new, before).pvalue)
    return p if np.isfinite(p) else 1.0  # all are equal


def _around(mean: float | None, error: float | None) -> list[float] | None:
    if mean is None or error is None:
        return None
    return [mean - _NORMAL * error, mean + _NORMAL * error]


def _around_it(figure: float, ends: list[float]) -> list[float]:
    """The interval, as far as the figure itself: where all rows are right, draws lie below 1."""
    return [min(figure, ends[0]), max(figure, ends[1])]


def _middle(draws: np.ndarray) -> list[float]:
    return [float(end) for end in np.percentile(draws, [2.5, 97.5])]
