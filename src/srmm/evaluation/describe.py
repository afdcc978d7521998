"""The parts of a report besides its scores: data, model, classes, mistakes; JSON-ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from srmm.data.embeddings import Embeddings
from srmm.data.modality import pattern_mask
from srmm.encoders import available_encoders
from srmm.evaluation.outputs import remembering
from srmm.evaluation.said import Said
from srmm.evaluation.shapley import MOST, shapley_shares
from srmm.learning.base import Scorer

_MISTAKES = 24
_RIGHT = 6
_DRAWN_CLASSES = 1_000  # a million numbers; of more, nearly all are zeros


def describe_confusion(y: np.ndarray, predicted: np.ndarray, classes: list[Any]) -> dict[str, Any]:
    """The confusion matrix: rows are true classes, columns predicted ones.

    Of more than 1,000 classes, "cells": [row, column, count] of those with an instance.
    """
    if len(classes) > _DRAWN_CLASSES:
        known = y >= 0
        cells, counts = np.unique(
            np.column_stack([y[known], predicted[known]]), axis=0, return_counts=True
        )
        return {"labels": classes, "cells": np.column_stack([cells, counts]).tolist()}
    matrix = confusion_matrix(y, predicted, labels=range(len(classes)))
    return {"labels": classes, "matrix": matrix.tolist()}


def describe_classes(
    scorer: Scorer,
    test: Embeddings,
    y: np.ndarray,
    as_it_is: Said,
    classes: list[Any],
    patterns: Sequence[tuple[str, ...]],
) -> list[dict[str, Any]]:
    """Precision, recall and F1 of every class, and its recall under every presence pattern.

    Where items have holes, a pattern's recall is of other items than that of everything: "lost" is
    what the pattern loses of recall on the class's "n_same" items that have everything. A class
    that no item is of has no recall and no F1, one that is never predicted no precision: None.
    """
    every, C = range(len(classes)), len(classes)
    precision, recall, f1, support = precision_recall_fscore_support(
        y, as_it_is.predicted, labels=every, zero_division=0
    )
    claimed = np.bincount(as_it_is.predicted, minlength=C)
    scorer = remembering(scorer, len(test), y)
    by_pattern: list[list[dict[str, Any]]] = [[] for _ in classes]
    whole = np.asarray(test.present.all(axis=1))
    complete = np.zeros(len(test), dtype=bool)
    if whole.any():
        found = scorer.said(np.flatnonzero(whole), test.present[whole])
        complete[whole] = found.predicted == y[whole]
    for pattern in patterns:
        mask = pattern_mask(pattern, test.modalities)
        rows = np.flatnonzero(test.present[:, mask].all(axis=1))
        if not len(rows):
            continue
        found = scorer.said(rows, mask)
        own, right, same = y[rows], found.predicted == y[rows], whole[rows]
        n, hits, n_same, kept, usual = (
            np.bincount(own[some & (own >= 0)], minlength=C).tolist()
            for some in (True, right, same, right & same, complete[rows] & same)
        )
        for c in np.flatnonzero(n).tolist():
            lost = usual[c] / n_same[c] - kept[c] / n_same[c] if n_same[c] else None
            entry = {"present": list(pattern), "n": n[c], "recall": hits[c] / n[c]}
            by_pattern[c].append(entry | {"n_same": n_same[c], "lost": lost})
    return [
        {
            "label": classes[c],
            "n": support[c],
            "precision": precision[c] if claimed[c] else None,
            "recall": recall[c] if support[c] else None,
            "f1": f1[c] if support[c] else None,
            "recall_by_pattern": by_pattern[c],
        }
        for c in every
    ]


def mistaken_rows(as_it_is: Said, y: np.ndarray) -> np.ndarray:
    """The rows of the most confident wrong predictions, the most confident first."""
    wrong = np.flatnonzero(as_it_is.predicted != y)
    return wrong[np.argsort(-as_it_is.confidence[wrong], kind="stable")][:_MISTAKES]


def right_rows(as_it_is: Said, y: np.ndarray, seed: int) -> np.ndarray:
    """A few rows that were predicted right, drawn at random."""
    right = np.flatnonzero(as_it_is.predicted == y)
    return np.sort(np.random.default_rng([seed, 7]).permutation(right)[:_RIGHT])


def describe_items(
    scorer: Scorer,
    test: Embeddings,
    rows: np.ndarray,
    labels: np.ndarray,
    as_it_is: Said,
    classes: list[Any],
    prior: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """What was said of these rows, and what each modality alone said.

    With the class shares of training as `prior`, "shares" says how much each modality has to do
    with the probability (Shapley), and "prior" what it would be if nothing were known.
    """
    predicted, confidence = as_it_is.predicted, as_it_is.confidence
    remembered = remembering(scorer, len(test), np.full(len(test), -1))
    shared = None
    if prior is not None and len(rows) and len(test.modalities) <= MOST:
        shared = shapley_shares(scorer, rows, np.asarray(test.present)[rows], prior)
    items = []
    for i, row in enumerate(rows.tolist()):
        there = [name for m, name in enumerate(test.modalities) if test.present[row, m]]
        alone = {}
        for name in there:
            said = remembered.said(np.array([row]), pattern_mask([name], test.modalities))
            alone[name] = {"label": classes[said.predicted[0]], "probability": said.confidence[0]}
        why = {}
        if shared is not None:
            parts = dict(zip(test.modalities, shared.shares[i].tolist(), strict=True))
            why = {"shares": {n: parts[n] for n in there}, "prior": shared.prior[i]}
        items.append(
            {
                "id": test.ids[row],
                "label": labels[row],
                "predicted": classes[predicted[row]],
                "probability": confidence[row],
                "present": there,
                "alone": alone,
                "raw": {name: column[row] for name, column in test.raw.items() if name in there},
                **why,
            }
        )
    return items


def describe_data(
    name: str, model: Any, test: Embeddings, y: np.ndarray, classes: list[Any]
) -> dict[str, Any]:
    """Counts of instances, items and holes, and which encoder made the embeddings."""
    training = model.training_
    counts = {"train": training["n_train"], "validation": training["n_validation"]}
    modalities = {
        modality: {
            "embedding_dim": size,
            "encoder": _described_encoder(test.encoders.get(modality)),
            "present": {
                "train": round((1 - training["holes"][modality]) * training["n_train"]),
                "test": test.present[:, m].sum(),
            },
        }
        for m, (modality, size) in enumerate(test.embedding_dims.items())
    }
    presence = pd.DataFrame(test.present, columns=list(test.modalities)).value_counts()
    return {
        "name": name,
        "n_instances": sum(counts.values()) + len(test),
        "classes": classes,
        "splits": {**counts, "test": len(test)},
        "n_unknown_labels": (y < 0).sum(),
        "modalities": modalities,
        "test_presence": [
            {"present": [m for m, on in zip(test.modalities, row, strict=True) if on], "n": n}
            for row, n in zip(presence.index, presence, strict=True)
        ],
    }


def _described_encoder(encoder: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The encoder's settings with "about": what its file says of it and of its limits."""
    if not encoder:
        return None
    spec = str(encoder.get("spec") or "")
    for name, about in available_encoders().items():
        same = name.partition(":")[0] == spec.partition(":")[0] and ":" in name
        if spec and (name == spec or same):
            said = {"description": about.description, "preprocessing": about.preprocessing}
            return {**encoder, "about": said}
    return dict(encoder)


def describe_training(model: Any) -> dict[str, Any]:
    """What the model was trained on, and its learning curve if it has one."""
    history = getattr(model, "history_", None)
    known = ("n_train", "n_validation", "holes", "seconds", "held_out_learnt")
    described = {key: model.training_[key] for key in known if key in model.training_}
    if history is not None:
        described = {
            "seconds": history.seconds,  # unless the time of all that was tried is known
            **described,
            "epochs": len(history.epochs),
            "step": history.step,
            # Where nothing is held out, the last epoch is kept and none is best.
            "best_epoch": history.best_epoch if described.get("n_validation") else None,
            "history": history.epochs,
        }
    if getattr(model, "out_of_fold_", None):
        described["out_of_fold"] = model.out_of_fold_
    return described
