"""What is known of a model's training when new rows come: its store, or what its config keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.labels import known_labels, places_among
from srmm.encoders import learns_from_items
from srmm.encoding.fitting import COLUMNS
from srmm.ensemble.own_rows import out_of_fold_scorer
from srmm.errors import SrmmError
from srmm.evaluation.answers import Judged, answers_of
from srmm.evaluation.sides import Reference
from srmm.fusion import codes_of
from srmm.learning.saving import Saved
from srmm.workflows.data import own_embeddings, split_column
from srmm.workflows.left_out import without_left_out
from srmm.workflows.splits import trained_on

FEWEST = 30
"""Held-out rows; with fewer, those of training are judged by networks that never saw them."""

_MOST = 20_000  # of these; more tell no more


def reference_of(folder: Path, saved: Saved) -> Reference:
    """What the model at `folder` was trained on and what it said of rows it did not learn from.

    The model must answer rows without any item by the prior.
    """
    model, config = saved.model, saved.config
    origin = config.get("origin") or {}
    try:
        own = own_embeddings(folder, origin, saved.rows)
        reason = (
            f"the embeddings it was trained on are gone ({origin.get('store') or 'none named'})"
        )
    except (SrmmError, OSError) as error:
        own, reason = None, str(error)
    if own is None or saved.rows is None:
        found = _from_config(model)
        found.reasons.append(
            f"Only presence can be compared, of rows that have something: {reason}. Put the store "
            "back where it was to compare items, answers and accuracy."
        )
        return found
    own, _ = without_left_out(config, own)
    split = split_column(own, saved.rows)
    seen = model.as_seen(own)
    in_split = np.array([isinstance(part, str) for part in split], dtype=bool)
    # Rows that were held out taught the model nothing, what they have or lack neither.
    present = np.asarray(trained_on(seen, split).present)
    found = Reference(
        modalities=seen.modalities,
        n=len(present),
        present=_presence(present, seen.modalities),
        patterns=codes_of(present),
        source="store",
        nothing=_with_nothing(seen, in_split, len(present)),
        items=_comparable(seen, split),
    )
    _judge(found, model, own, seen, split)
    return found


def _from_config(model: Any) -> Reference:
    """As much as the model's own folder says."""
    training: Mapping[str, Any] = model.training_
    names, holes = tuple(model.modalities_), training.get("holes") or {}
    n = int(training.get("n_train") or 0) if set(names) <= set(holes) else 0
    kept = training.get("patterns")
    return Reference(
        modalities=names,
        n=n,
        present={name: round((1 - holes.get(name, 0)) * n) for name in names},
        patterns={int(code): k for code, k in kept.items()} if n and kept else None,
        source="model",
    )


def _with_nothing(seen: Embeddings, in_split: np.ndarray, n: int) -> int:
    """Labelled rows without any item, which no split has, as many as go with `n` of its rows."""
    labelled = known_labels(seen.labels) if seen.labels is not None else in_split
    nothing = int((labelled & ~seen.present.any(axis=1) & ~in_split).sum())
    return round(nothing * n / max(1, int(in_split.sum())))


def _presence(present: np.ndarray, modalities: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(modalities, present.sum(axis=0).tolist(), strict=True))


def _comparable(seen: Embeddings, split: np.ndarray) -> Embeddings:
    """The rows of training; those held out where their items alone are as any new one's: an encoder
    that learnt from training texts gives other vectors for these."""
    specs = [
        str((about or {}).get("spec") or "").partition(":")[0] for about in seen.encoders.values()
    ]
    held = (split == "test") | (split == "validation")
    learnt = any(learns_from_items(spec) and spec != COLUMNS for spec in specs)
    return seen[held] if learnt and held.any() else trained_on(seen, split)


def _judge(
    found: Reference, model: Any, own: Embeddings, seen: Embeddings, split: np.ndarray
) -> None:
    """Set what the model says of rows that it did not learn from."""
    told = _held_out(model, own, seen, split)
    if told is None:
        found.reasons.append(
            "Answers and accuracy cannot be compared: no labelled row was held out of training."
        )
        return
    found.judged, found.judged_by = told
    scorer, present, y, _ = found.judged
    found.answers = answers_of(scorer, present, getattr(model, "calibration_", None))
    found.hits = int((found.answers.predicted == y).sum())


def _held_out(
    model: Any, own: Embeddings, seen: Embeddings, split: np.ndarray
) -> tuple[Judged, str] | None:
    """The test rows; where these are few, training rows out of fold, or the validation rows."""
    labels = seen.labels if seen.labels is not None else np.full(len(seen), None, dtype=object)
    usable = known_labels(labels) & np.asarray(seen.present.any(axis=1))
    by, rows = "test rows", np.flatnonzero((split == "test") & usable)
    if len(rows) < FEWEST:
        own_word = out_of_fold_scorer(model, trained_on(own, split))
        if not isinstance(own_word, str):
            judged = Judged(own_word, own_word.present, own_word.y, model.class_prior_)
            return judged, "training rows, out of fold"
        held = np.flatnonzero((split == "validation") & usable)
        if len(held) > len(rows):
            by, rows = "validation rows", held
    if not len(rows):
        return None
    rows = np.sort(np.random.default_rng(17).permutation(rows)[:_MOST])
    part = seen[rows]
    y = places_among(labels[rows], model.classes_.tolist())
    return Judged(model.scorer(part), np.asarray(part.present), y, model.class_prior_), by
