"""Whether a modality's absence says something: rows without it against rows that had it hidden."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import chi2_contingency

from srmm.data.embeddings import Embeddings
from srmm.evaluation.drift import count_test
from srmm.evaluation.outputs import Remembered, remembering
from srmm.evaluation.paired import holm
from srmm.fusion import pattern_codes
from srmm.learning.base import Scorer

_DRAWS = 4000
_FEWEST = 20  # rows on either side: of fewer nothing can be said


def absence_scores(
    scorer: Scorer, test: Embeddings, y: np.ndarray, seed: int = 0
) -> list[dict[str, Any]]:
    """Per modality that some test rows lack: are they like the others with that modality hidden?

    Both kinds of rows are then left with the same modalities: accuracies are compared within each
    pattern of what is left, weighted as the rows that really lack it are. If holes fell at random,
    which rows have them would be a shuffle: the p-value is the share of shuffles within these
    patterns that differ as much (a permutation test), with Holm's correction over modalities.

    Returns
    -------
    list of {"modality", "n_absent", "n_hidden", "accuracy_absent", "accuracy_hidden",
    "difference", "p", "p_holm", "classes_p", "cramers_v"}; the last two say whether the classes of
    rows with and without it differ (draws of counts, with Holm's correction, too), and how much (0
    to 1, beyond chance).
    """
    rng = np.random.default_rng(seed)
    scorer = remembering(scorer, len(test), y)
    found = []
    for m, name in enumerate(test.modalities):
        entry = _of_modality(scorer, np.asarray(test.present), y, m, rng)
        if entry is not None:
            found.append({"modality": name, **entry})
    for entry, p in zip(found, holm([entry["p"] for entry in found]), strict=True):
        entry["p_holm"] = p
    known = [entry for entry in found if entry["classes_p"] is not None]
    for entry, p in zip(known, holm([entry["classes_p"] for entry in known]), strict=True):
        entry["classes_p"] = p
    return found


def _of_modality(
    scorer: Remembered, present: np.ndarray, y: np.ndarray, m: int, rng: np.random.Generator
) -> dict[str, Any] | None:
    left = present & (np.arange(present.shape[1]) != m)
    codes, lacks = pattern_codes(left), ~present[:, m]
    # What is left must be seen on both sides, and be something.
    both = np.intersect1d(codes[lacks], codes[~lacks])
    rows = np.flatnonzero(np.isin(codes, both[both > 0]))
    codes, lacks = codes[rows], lacks[rows]
    if min(lacks.sum(), (~lacks).sum()) < _FEWEST:
        return None
    right = scorer.said(rows, left[rows]).predicted == y[rows]
    n_absent = int(lacks.sum())
    hidden, shuffled = 0.0, np.zeros(_DRAWS)
    for code in np.unique(codes):
        mine = codes == code
        n, k = int(mine.sum()), int((mine & lacks).sum())
        hits = int(right[mine].sum())
        hidden += k * right[mine & ~lacks].mean()
        drawn = rng.hypergeometric(hits, n - hits, k, size=_DRAWS)
        shuffled += drawn - k * (hits - drawn) / (n - k)
    absent = float(right[lacks].mean())
    difference = absent - hidden / n_absent
    as_much = np.abs(shuffled / n_absent) >= abs(difference) - 1e-9
    return {
        "n_absent": n_absent,
        "n_hidden": int((~lacks).sum()),
        "accuracy_absent": absent,
        "accuracy_hidden": hidden / n_absent,
        "difference": difference,
        "p": float((as_much.sum() + 1) / (_DRAWS + 1)),
        **_classes_differ(lacks, y[rows]),
    }


def _classes_differ(lacks: np.ndarray, y: np.ndarray) -> dict[str, float | None]:
    """Whether rows with and without a modality have the same classes: p, and Cramér's V."""
    table = np.array([np.bincount(y[side & (y >= 0)], minlength=y.max() + 1)
                      for side in (lacks, ~lacks)])  # fmt: skip
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return {"classes_p": None, "cramers_v": None}
    n, n_classes = int(table.sum()), table.shape[1]
    squared = chi2_contingency(table, correction=False).statistic / n
    # What chance alone makes is taken off (Bergsma 2013): of many classes it is most of it.
    squared = max(0.0, squared - (n_classes - 1) / (n - 1)) / (1 - 1 / (n - 1))
    return {"classes_p": count_test(*table), "cramers_v": min(1.0, float(np.sqrt(squared)))}
