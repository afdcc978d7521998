"""How often a model is right with what is present, as far as fitting it shows: out of fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.modality import pattern_mask, usable_patterns
from srmm.ensemble.own_rows import out_of_fold_scorer
from srmm.evaluation.shares import wilson

OUT_OF_FOLD = "training rows, out of fold"
TEST = "test rows"

_MOST = 5_000  # rows; more tell no more


def expected_out_of_fold(model: Any, train: Embeddings) -> dict[str, Any] | None:
    """Accuracy by presence pattern, of the rows that taught the model, in the order of training.

    Each row is judged by the networks that never saw it, though what weighs these has; a pattern
    is measured on the rows that have all of it. None for a method without outputs out of fold.
    """
    scorer = out_of_fold_scorer(model, train)
    if isinstance(scorer, str):
        return None
    some = np.sort(np.random.default_rng(0).permutation(scorer.judged)[:_MOST])
    patterns = []
    for pattern in usable_patterns(model.modalities_):
        mask = pattern_mask(pattern, model.modalities_)
        rows = some[scorer.present[some][:, mask].all(axis=1)]
        if len(rows):
            guessed = scorer(rows, np.tile(mask, (len(rows), 1))).argmax(axis=1)
            share, ends = wilson(int((guessed == scorer.y[rows]).sum()), len(rows))
            about = {"present": list(pattern), "n": len(rows)}
            patterns.append({**about, "accuracy": share, "accuracy_ci": ends})
    return {"of": OUT_OF_FOLD, "patterns": patterns}


def expected_accuracy(
    report: Mapping[str, Any] | None, config: Mapping[str, Any], modalities: Sequence[str]
) -> dict[str, Any] | None:
    """Accuracy by presence pattern: that of a report's test rows, or else that of fitting.

    Its `rows` say which of the two. Of a model from elsewhere what is no figure is left out.
    """
    own = (config.get("origin") or {}).get("expected")
    said = report or (own if isinstance(own, Mapping) else None)
    if said is None:
        return None
    entries = said.get("patterns")
    patterns = [
        {
            "present": list(entry["present"]),
            "n": entry.get("n") if isinstance(entry.get("n"), int) else None,
            "accuracy": float(entry["accuracy"]),
            "interval": _interval(entry.get("accuracy_ci")),
        }
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, Mapping) and _is_of(entry, modalities)
    ]
    name = (report.get("data") or {}).get("name") if report else None
    return {"of": name, "rows": TEST if report else OUT_OF_FOLD, "patterns": patterns}


def _is_of(entry: Mapping[str, Any], modalities: Sequence[str]) -> bool:
    present, accuracy = entry.get("present"), entry.get("accuracy")
    known = isinstance(present, list) and all(name in modalities for name in present)
    return known and isinstance(accuracy, int | float) and 0 <= accuracy <= 1


def _interval(ends: Any) -> list[float] | None:
    if not isinstance(ends, list) or len(ends) != 2:
        return None
    return [float(end) for end in ends] if all(isinstance(e, int | float) for e in ends) else None
