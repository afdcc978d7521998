"""The rows of the page's table of classes: all of them, or those of very many that tell most."""

from __future__ import annotations

from typing import Any

from srmm.report.findings import Report, find_pattern, lost_recall, modality_names

MOST = 300
"""Classes that the page shows one by one, and draws the confusion matrix of."""
_EACH = 100


def class_rows(report: Report) -> list[dict[str, Any]]:
    """The classes to show, as in the report; "cells" are {"recall", "lost"} by fewer modalities.

    Of more than 300, the 100 of lowest F1 and then the 100 with most test items, of those that have
    some; of equal ones the larger, then the earlier come first.
    """
    names = modality_names(report)
    less = [e["present"] for e in report["patterns"] if len(e["present"]) < len(names)]
    rows = []
    for entry in _chosen(report.get("classes") or []):
        recalls = entry.get("recall_by_pattern") or []
        cells = [
            {
                "recall": (find_pattern(recalls, kept) or {}).get("recall"),
                "lost": lost_recall(recalls, names, kept),
            }
            for kept in less
        ]
        rows.append({**entry, "cells": cells})
    return rows


def class_choice(report: Report) -> str | None:
    """What is to be said of the choice of `class_rows`; None where all classes are shown."""
    classes = report.get("classes") or []
    if len(classes) <= MOST:
        return None
    return (
        f"Of {len(classes):,} classes, the {_EACH} of lowest F1 and the {_EACH} with most test "
        "items are shown; the report's JSON has every one."
    )


def _chosen(classes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(classes) <= MOST:
        return classes
    tested = [entry for entry in classes if entry["n"]]
    weakest = sorted(tested, key=lambda entry: (entry["f1"], -entry["n"]))[:_EACH]
    largest = sorted(tested, key=lambda entry: -entry["n"])[:_EACH]
    return list({id(entry): entry for entry in (*weakest, *largest)}.values())
