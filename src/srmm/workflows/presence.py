"""Whether the rows to predict have their modalities as often as those of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from srmm.encoding.summary import EncodingSummary

LEAST_ROWS = 10
"""With fewer, a share says nothing."""
LEAST_DIFFERENCE = 0.02
"""Of many rows, a smaller difference is beyond chance and of no importance."""
LEVEL = 0.001
"""How rarely chance alone may cause a note, over all modalities of a table."""


def training_shares(training: Mapping[str, Any]) -> dict[str, float]:
    """Per modality, the share of the model's training rows that had it."""
    return {name: 1 - missing for name, missing in (training.get("holes") or {}).items()}


def presence_notes(summary: EncodingSummary, training: Mapping[str, Any]) -> list[str]:
    """A sentence on each modality that is there more or less often than chance explains.

    Fisher's exact test of two proportions, at 0.001 over all modalities (Bonferroni), from 10 rows
    on, where the shares are 2 points apart or more.
    """
    shares, n_train = training_shares(training), int(training.get("n_train") or 0)
    if summary.rows < LEAST_ROWS or not n_train:
        return []
    notes = []
    for name, before in shares.items():
        present = summary.modalities[name].present if name in summary.modalities else 0
        now = present / summary.rows
        if abs(now - before) < LEAST_DIFFERENCE:
            continue
        there = round(before * n_train)
        counts = [[present, summary.rows - present], [there, n_train - there]]
        if _chance(counts) < LEVEL / len(shares):
            notes.append(
                f"{name} is present in {100 * now:.0f} % of these rows, in training in "
                f"{100 * before:.0f} %: more than chance explains. Check its column and files; "
                "figures measured in training do not hold of such rows as they stand."
            )
    return notes


def _chance(counts: list[list[int]]) -> float:
    """How probable a difference as large is by chance alone."""
    from scipy.stats import fisher_exact

    return float(fisher_exact(counts).pvalue)
