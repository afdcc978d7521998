"""The content of a watch report: every comparison of new rows with training, judged together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.blocks import Cells, is_blank
from srmm.evaluation.answers import (
    ACCURACY,
    CONFIDENCE,
    COVERAGE,
    answer_tests,
    expected_accuracy_test,
    observed_accuracy_test,
    pattern_accuracies,
)
from srmm.evaluation.domain import AUC, ROWS, domain_test, moments, unlikeness
from srmm.evaluation.drift import (
    COHENS_H,
    KINDS,
    NEVER,
    POINTS,
    VARIATION,
    judge,
    pattern_tests,
    presence_tests,
)
from srmm.evaluation.sides import NewRows, Reference
from srmm.report.watch_words import finding

FORMAT = "srmm-watch"
VERSION = 1
STRANGEST = 8
"""Items shown of each modality."""

LIMITS = {
    "share_points": POINTS,
    "share_cohens_h": COHENS_H,
    "never_share": NEVER,
    "auc": AUC,
    "class_variation": VARIATION,
    "confidence_points": CONFIDENCE,
    "expected_accuracy_points": ACCURACY,
}
"""How large a difference must be to matter, beside being significant."""


def compare(
    new: NewRows,
    before: Reference,
    classes: Sequence[Any],
    moments_of: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    level: float,
    seed: int = 0,
) -> dict[str, Any]:
    """All comparisons of `new` rows with those `before`, and the alarms they give.

    Parameters
    ----------
    new, before : the two sides
    classes : the model's
    moments_of : dict of modality to (mean, standard deviation)
        Of the training items, for where these are gone.
    level : float
        How rarely a check of rows like those of training may give any alarm.

    Returns
    -------
    {"presence", "patterns", "shift", "prediction", "accuracy", "alarms", "n_tests"}: see
    docs/formats.md.
    """
    presence = presence_tests(new.present, new.n, before.present, before.n) if before.n else []
    patterns = []
    if before.patterns is not None:
        patterns = pattern_tests(new.patterns, before.patterns, new.modalities)
    shift = [_shift(name, new, before, moments_of.get(name), seed) for name in new.modalities]
    prediction: dict[str, Any] = {}
    if new.answers is not None and before.answers is not None and len(new.answers.predicted):
        prediction = answer_tests(new.answers, before.answers, list(classes), seed)
    accuracy = _accuracy(new, before, seed)
    named = [("presence", test) for test in presence]
    named += [("never" if test["never"] else "presence", test) for test in patterns]
    named += [("shift", test) for test in shift]
    named += [("prediction", test) for test in prediction.values() if test and "p" in test]
    named += [("accuracy", accuracy[part]) for part in ("expected", "observed") if accuracy[part]]
    n_tests = judge([test for _, test in named], level)
    alarms = [
        {"kind": kind, "text": finding(kind, test, new.modalities), "p_holm": test["p_holm"]}
        for kind, test in named
        if test["alarm"]
    ]
    alarms.sort(key=lambda alarm: KINDS.index(alarm["kind"]))
    return {
        "presence": presence,
        "patterns": patterns,
        "shift": shift,
        "prediction": {**prediction, "coverage": COVERAGE} if prediction else None,
        "accuracy": accuracy,
        "alarms": alarms,
        "n_tests": n_tests,
    }


def _shift(
    name: str,
    new: NewRows,
    before: Reference,
    known: tuple[np.ndarray, np.ndarray] | None,
    seed: int,
) -> dict[str, Any]:
    """One modality: are its new items other ones, and which are strangest."""
    sample = new.samples[name]
    entry: dict[str, Any] = {"modality": name, "of": new.present[name], "strangest": []}
    nothing = {"auc": None, "auc_ci": None, "p": None, "large": False}
    if sample.vectors is None:
        return {**entry, "n": 0, **nothing, "reason": "no new row has it"}
    there = before.vectors(name, ROWS, seed)
    if there is None:
        said = None if known is None else moments(sample.vectors, *known)
        reason = "the training items are gone"
        return {**entry, "n": len(sample.vectors), **nothing, "reason": reason, "moments": said}
    if not len(there):
        return {**entry, "n": len(sample.vectors), **nothing, "reason": "no training row has it"}
    far = unlikeness(sample.vectors, there, seed)
    order = np.argsort(-far, kind="stable")[:STRANGEST]
    entry["strangest"] = [
        {
            "id": sample.ids[place],
            "row": sample.rows[place],
            "times": float(far[place]),
            "raw": _as_text(sample.raw[place]),
        }
        for place in order.tolist()
    ]
    entry["strange"] = float((far > 1).mean())
    return {**entry, **domain_test(sample.vectors, there, seed)}


def _as_text(item: Any) -> str | None:
    """What a text or a path is, and the cells of a row; None of what is neither."""
    if isinstance(item, Cells):
        pairs = zip(item.columns, item.values, strict=True)
        return "; ".join(f"{column}: {cell}" for column, cell in pairs if not is_blank(cell))
    return str(item) if isinstance(item, str | Path) else None


def _accuracy(new: NewRows, before: Reference, seed: int) -> dict[str, Any]:
    """What is to be expected of the presence mix, and what the labels say, where there are any."""
    found: dict[str, Any] = {"expected": None, "observed": None, "patterns": []}
    if before.judged is None:
        return found
    if before.patterns is not None and new.n:
        every = {**before.patterns, **new.patterns}
        known = pattern_accuracies(before.judged, every)
        found["expected"] = expected_accuracy_test(new.patterns, before.patterns, known, seed)
        found["patterns"] = [
            {
                "present": [m for i, m in enumerate(new.modalities) if code >> i & 1],
                "share": new.patterns.get(code, 0) / new.n,
                "share_before": before.patterns.get(code, 0) / before.n,
                "n": known[code]["n"] if code in known else 0,
                "accuracy": known[code]["hits"] / known[code]["n"] if code in known else None,
                "hidden": bool(code in known and known[code]["hidden"]),
            }
            for code in sorted(every, key=lambda code: -new.patterns.get(code, 0))
        ]
    if new.labelled:
        found["observed"] = observed_accuracy_test(
            new.hits, new.labelled, before.hits, len(before.judged.y)
        )
    return found
