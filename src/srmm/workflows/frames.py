"""Predictions as a table: one row per instance, what it is and what each modality alone says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from srmm.data.embeddings import Embeddings


def predictions_frame(
    model: Any, embeddings: Embeddings, *, probabilities: bool = False
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
    # What is asked of each row besides (shares of the modalities, prediction sets) comes here:
    # `scorer`, `present` and `fused` are all it takes.
    return pd.DataFrame(columns)
