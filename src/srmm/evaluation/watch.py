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
LIKE = 0.05
"""How unlike training an item is at least that is shown as strange; below it is 0.0 times."""

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
    n, now, n_before, then = _presence(new, before)
    presence = presence_tests(new.present, n, before.present, n_before) if before.n else []
    patterns = [] if then is None else pattern_tests(now, then, new.modalities)
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


def _presence(
    new: NewRows, before: Reference
) -> tuple[int, Mapping[int, int], int, Mapping[int, int] | None]:
    """Rows and their patterns, new ones and those of training, that can be set side by side.

    Training has no row with nothing. How many its table had is put back; where that is not known,
    new rows with nothing are left out, too: they would look like a pattern never trained on.
    """
    if before.nothing is None:
        now = {code: k for code, k in new.patterns.items() if code}
        return sum(now.values()), now, before.n, before.patterns
    then = before.patterns
    if then is not None and before.nothing:
        then = {**then, 0: before.nothing}
    return new.n, new.patterns, before.n + before.nothing, then


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
    order = order[far[order] >= LIKE]  # what lies beside an item of training is not strange
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
    n, now, n_before, then = _presence(new, before)
    if then is not None and n:
        every = {**then, **now}
        known = pattern_accuracies(before.judged, every)
        found["expected"] = expected_accuracy_test(now, then, known, seed)
        found["patterns"] = [
            {
                "present": [m for i, m in enumerate(new.modalities) if code >> i & 1],
                "share": now.get(code, 0) / n,
                "share_before": then.get(code, 0) / n_before,
                "n": known[code]["n"] if code in known else 0,
                "accuracy": known[code]["hits"] / known[code]["n"] if code in known else None,
                "hidden": bool(code in known and known[code]["hidden"]),
            }
            for code in sorted(every, key=lambda code: -now.get(code, 0))
        ]
    if new.labelled:
        found["observed"] = observed_accuracy_test(
            new.hits, new.labelled, before.hits, len(before.judged.y)
        )
    return found
