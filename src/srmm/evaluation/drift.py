"""New rows against those of training: shares, their differences, and what is worth an alarm.

An alarm needs both: a difference that chance does not explain (p below the level after Holm's
correction over all tests of a check), and one that is large enough to matter. A million rows make
any difference significant, and twenty can differ a lot by chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import fisher_exact

from srmm.evaluation.paired import holm
from srmm.evaluation.shares import wilson

KINDS = ("presence", "never", "shift", "prediction", "accuracy")
"""What an alarm can be of."""

POINTS = 0.05
"""How far two shares must lie apart."""
COHENS_H = 0.2
"""Or how far on the scale of their arcsines, which asks for less near 0 and 1: 99 to 95 %."""
NEVER = 0.01
"""The share of the new rows that a pattern no training row had must make up."""
VARIATION = 0.1
"""The share of rows that would have to change their class for the class shares to agree."""

_PATTERNS = 12  # tested one by one; the rarer ones are one more
_DRAWS = 9_999  # of counts, where no exact test is at hand


def share_difference(k: int, n: int, k_before: int, n_before: int) -> dict[str, Any]:
    """Two shares, their difference (new minus before) with a 95 % interval, and Fisher's exact p.

    Intervals are Wilson's, and Newcombe's (1998) for the difference.

    Returns
    -------
    {"n", "share", "share_ci", "n_before", "share_before", "share_before_ci", "difference",
    "difference_ci", "p", "large"}; None where one side has no rows.

    >>> found = share_difference(40, 100, 90, 100)
    >>> round(found["difference"], 2), [round(end, 2) for end in found["difference_ci"]]
    (-0.5, [-0.6, -0.38])
    """
    share, ends = wilson(k, n)
    before, ends_before = wilson(k_before, n_before)
    found: dict[str, Any] = {
        "n": n,
        "share": share,
        "share_ci": ends,
        "n_before": n_before,
        "share_before": before,
        "share_before_ci": ends_before,
    }
    if share is None or before is None or ends is None or ends_before is None:
        return found | {"difference": None, "difference_ci": None, "p": None, "large": False}
    gap = share - before
    down = np.hypot(share - ends[0], ends_before[1] - before)
    up = np.hypot(ends[1] - share, before - ends_before[0])
    return found | {
        "difference": gap,
        "difference_ci": [float(gap - down), float(gap + up)],
        "p": float(fisher_exact([[k, n - k], [k_before, n_before - k_before]]).pvalue),
        "large": is_large(share, before),
    }


def is_large(share: float, before: float) -> bool:
    """Whether two shares differ by 5 points or more, or by a Cohen's h of 0.2.

    >>> is_large(0.45, 0.5), is_large(0.48, 0.5), is_large(0.95, 0.99), is_large(0.0, 0.02)
    (True, False, True, True)
    """
    h = 2 * abs(np.arcsin(np.sqrt(share)) - np.arcsin(np.sqrt(before)))
    return bool(round(abs(share - before), 9) >= POINTS or h >= COHENS_H)


def presence_tests(
    present: Mapping[str, int], n: int, before: Mapping[str, int], n_before: int
) -> list[dict[str, Any]]:
    """Per modality, how many rows have it: of `n` new ones, and of `n_before` of training."""
    return [
        {"modality": name, **share_difference(present[name], n, before[name], n_before)}
        for name in present
    ]


def pattern_tests(
    counts: Mapping[int, int], before: Mapping[int, int], modalities: Sequence[str]
) -> list[dict[str, Any]]:
    """Per presence pattern (a code whose bits are the modalities), its share now and in training.

    The most frequent patterns of all rows together are tested each, the others as one. "never":
    no training row had the pattern; it is large enough from a hundredth of the new rows on.
    """
    n, n_before = sum(counts.values()), sum(before.values())
    # Chosen by the sum of both sides, so that the choice says nothing of their difference.
    together = {code: counts.get(code, 0) + before.get(code, 0) for code in {**counts, **before}}
    order = sorted(together, key=lambda code: (-together[code], -code))
    groups = [[code] for code in order[:_PATTERNS]]
    groups += [order[_PATTERNS:]] if order[_PATTERNS:] else []
    tests = []
    for codes in groups:
        now, then = (sum(side.get(code, 0) for code in codes) for side in (counts, before))
        found = share_difference(now, n, then, n_before)
        never = bool(n_before and now and not then)
        if never:
            found["large"] = found["share"] >= NEVER
        one = [m for i, m in enumerate(modalities) if codes[0] >> i & 1]
        present = one if len(codes) == 1 else None
        entry = {"present": present, "patterns": len(codes), "count": now, "count_before": then}
        tests.append({**entry, "never": never, **found})
    return tests


def count_test(
    counts: np.ndarray, before: np.ndarray, scores: np.ndarray | None = None, seed: int = 0
) -> float | None:
    """p of two rows of counts (K,) being draws from the same shares; None if one has no rows.

    The p-value is the share of draws with the same sums that differ as much: by chi-squared, or,
    with `scores` (K,), by their mean score. Right for rare kinds and few rows, too.
    """
    counts, before = np.asarray(counts, dtype=np.int64), np.asarray(before, dtype=np.int64)
    total, n = counts + before, int(counts.sum())
    if not n or not before.sum():
        return None
    there = total > 0
    total, counts = total[there], counts[there]
    expected = total * (n / total.sum())

    def distance(drawn: np.ndarray) -> np.ndarray:
        gap = drawn - expected
        if scores is None:
            return np.asarray((gap**2 / expected).sum(axis=-1))
        return np.abs(gap @ np.asarray(scores, dtype=float)[there])

    rng = np.random.default_rng([seed, 11])
    observed, as_much = float(distance(counts)), 0
    left = _DRAWS
    while left:  # a thousand classes need not be held for all draws at once
        some = min(left, 1_000)
        drawn = rng.multivariate_hypergeometric(total, n, size=some, method="marginals")
        as_much += int((distance(drawn) >= observed - 1e-9).sum())
        left -= some
    return (as_much + 1) / (_DRAWS + 1)


def judge(tests: Iterable[dict[str, Any]], level: float) -> int:
    """Set "p_holm" and "alarm" of each test, in place, over all that have a p; how many have one.

    "alarm": p_holm is below the level, and "large" says that the difference matters.
    """
    tests = list(tests)
    known = [test for test in tests if test.get("p") is not None]
    adjusted = dict(zip(map(id, known), holm([test["p"] for test in known]), strict=True))
    for test in tests:
        test["p_holm"] = adjusted.get(id(test))
        test["alarm"] = bool(test["p_holm"] is not None and test["p_holm"] < level)
        test["alarm"] &= bool(test.get("large"))
    return len(known)
