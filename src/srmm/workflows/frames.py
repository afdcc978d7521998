"""Predictions as a table: one row per instance, what it is and what each modality alone says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from srmm.data.embeddings import Embeddings
from srmm.evaluation.sets import ranked_sets
from srmm.evaluation.shapley import shapley_shares
from srmm.learning.base import Scorer


def predictions_frame(
    model: Any,
    embeddings: Embeddings,
    *,
    probabilities: bool = False,
    coverage: float | None = None,
    explain: bool = False,
) -> pd.DataFrame:
    """The table that `predict_workflow` writes, of the instances of some embeddings."""
    embeddings = model.as_seen(embeddings)
    present = embeddings.present
    scorer = model.scorer(embeddings)
    fused = scorer(np.arange(len(embeddings)), present)
    columns: dict[str, Any] = {
        "id": embeddings.ids,
        "label": model.classes_[fused.argmax(axis=1)],
        "probability": fused.max(axis=1),
    }
    if model.when_nothing_present == "prior":
        columns["nothing_present"] = ~present.any(axis=1)  # the training set's class shares
    for m, name in enumerate(model.modalities_):
        columns[f"{name}_present"] = present[:, m]
        rows = np.flatnonzero(present[:, m])
        label = np.full(len(embeddings), None, dtype=object)
        probability = np.full(len(embeddings), np.nan)
        if len(rows):
            alone = scorer(rows, np.tile(np.arange(present.shape[1]) == m, (len(rows), 1)))
            label[rows] = model.classes_[alone.argmax(axis=1)]
            probability[rows] = alone.max(axis=1)
        columns[f"{name}_label"] = label
        columns[f"{name}_probability"] = probability
    if probabilities:
        for c, label in enumerate(model.classes_):
            columns[f"probability:{label}"] = fused[:, c]
    if coverage is not None:
        inside = model.check_coverage(coverage).sets(fused, present, coverage)
        columns["set"] = ranked_sets(model.classes_, inside, fused)
        columns["set_size"] = inside.sum(axis=1)
    frame = pd.DataFrame(columns)
    return pd.concat([frame, _shares(model, scorer, present)], axis=1) if explain else frame


def _shares(model: Any, scorer: Scorer, present: np.ndarray) -> pd.DataFrame:
    """The Shapley share of each modality in the probability of what is predicted.

    With `prior_share`, what is said of a row of which nothing is known, they add up to it.
    """
    rows = np.flatnonzero(present.any(axis=1))
    found = shapley_shares(scorer, rows, present[rows], model.class_prior_)
    named = {f"{name}_share": found.shares[:, m] for m, name in enumerate(model.modalities_)}
    shares = pd.DataFrame({"prior_share": found.prior, **named}, index=rows)
    return shares.reindex(range(len(present)))
