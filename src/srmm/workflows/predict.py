"""The workflow of `srmm predict`: a saved model and any rows → predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from srmm.data.embeddings import Embeddings
from srmm.encoding.encode import EncodingSummary
from srmm.errors import InputError
from srmm.files import replacing_file
from srmm.learning.saving import from_pretrained, read_config
from srmm.workflows.data import embeddings_for


class Predicted(NamedTuple):
    """The table that was written, and what encoding its items found, if any were encoded.

    `incomplete` is the number of rows that lack something.
    """

    frame: pd.DataFrame
    incomplete: int
    summary: EncodingSummary | None
    notes: tuple[str, ...] = ()


def predict_workflow(
    model_folder: Path,
    source: str,
    output: Path,
    *,
    columns: Mapping[str, Any] | None = None,
    root: Path | None = None,
    options: Mapping[str, Any] | None = None,
    probabilities: bool = False,
    when_nothing_present: str | None = None,
    engine: str = "auto",
    strict: bool = False,
    progress: Any = False,
) -> Predicted:
    """Predict every row of a table or store and write Parquet or CSV.

    Columns: id, label, probability; `<modality>_present`, and what each modality alone would have
    said, `<modality>_label` and `<modality>_probability` (null where absent); on request
    `probability:<class>` for every class. A row with nothing present has the training set's class
    shares if `when_nothing_present` is "prior" (a column `nothing_present` then says which), and is
    an error otherwise.
    """
    if output.suffix not in (".csv", ".parquet", ".pq"):
        raise InputError(f"Predictions are written as .csv or .parquet, not {output.name!r}.")
    model, config = from_pretrained(model_folder), read_config(model_folder)
    if when_nothing_present is not None:
        model.when_nothing_present = when_nothing_present
    data = embeddings_for(
        config, source, columns, root, options, progress, engine=engine, strict=strict
    )
    embeddings = model.as_seen(data.embeddings)
    try:
        frame = predictions_frame(model, embeddings, probabilities=probabilities)
    except InputError as error:
        raise InputError(f"{error}{_unreadable(data.summary)}") from None
    with replacing_file(output) as temporary:
        if output.suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)
    incomplete = int((~embeddings.present.all(axis=1)).sum())
    notes = data.table.notes if data.table is not None else ()
    notes += data.summary.cut_notes if data.summary is not None else ()
    return Predicted(frame, incomplete, data.summary, notes)


def _unreadable(summary: EncodingSummary | None) -> str:
    """Why rows may have less than their table shows: a sentence, or nothing."""
    if summary is None or not summary.unreadable:
        return ""
    first = summary.unreadable[0]
    others = f" (and {len(summary.unreadable) - 1:,} more)" if len(summary.unreadable) > 1 else ""
    return f" Unreadable: {first.where}, {first.modality}: {first.reason}{others}."


def predictions_frame(
    model: Any, embeddings: Embeddings, *, probabilities: bool = False
) -> pd.DataFrame:
    """The table that `predict_workflow` writes."""
    embeddings = model.as_seen(embeddings)
    present = embeddings.present
    scorer = model.scorer(embeddings)
    fused = scorer(np.arange(len(embeddings)), present)
    columns: dict[str, Any] = {
        "id": embeddings.ids,
        "label": model.classes_[fused.argmax(axis=1)],
        "probability": fused.max(axis=1),
    }
    if not present.any(axis=1).all():
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
    return pd.DataFrame(columns)
