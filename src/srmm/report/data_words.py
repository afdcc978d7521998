"""What was done to the data, in sentences: encoders, what was left out, what stands on both sides.

Nothing here is a dict in Python's clothes: a reader who has never seen a program reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from srmm.report.findings import Report
from srmm.report.words import count, many, percent, shorten

_FLATTERED = 0.01
"""Of accuracy: what near-duplicates may add before the first screen says so."""


def encoder_lines(encoder: Mapping[str, Any] | None) -> list[str]:
    """What an encoder is and where its limits are, its name first; empty for given embeddings."""
    if not encoder:
        return []
    lines = [shorten(encoder.get("spec") or encoder.get("name") or _columns(encoder), 80)]
    lines += [shorten(text, 160) for text in (encoder.get("about") or {}).values() if text]
    cut = encoder.get("cut")
    if cut:
        lines.append(_cut(cut))
    return lines


def left_out_lines(report: Report) -> list[str]:
    """What was left out or taken for granted on the way from the table to these figures."""
    notes = report["data"].get("notes") or []
    return [*(shorten(note, 400) for note in notes), *counted_apart_lines(report)]


def counted_apart_lines(report: Report) -> list[str]:
    """How many test items no figure is of, and how many are wrong whatever the model says."""
    data, lines = report["data"], []
    for why, n in (data.get("left_out") or {}).items():
        if n:
            lines.append(f"{count(n)} test item{'s' if n > 1 else ''} {why} {_were(n)} left out.")
    unknown = data.get("n_unknown_labels")
    if unknown:
        lines.append(
            f"{count(unknown)} test item{'s' if unknown > 1 else ''} of a class that training "
            f"lacks {_were(unknown)} kept, and count as wrong."
        )
    return lines


def duplicate_lines(report: Report) -> list[str]:
    """How many test items are nearly training items, and what they do to the figures."""
    found = report["data"].get("near_duplicates")
    if not found:
        return []
    reasons = [f"{m}, {e['reason']}" for m, e in found["modalities"].items() if "reason" in e]
    if reasons and len(reasons) == len(found["modalities"]):
        unlooked = "Whether test items are nearly items of training was not looked at"
        return [f"{unlooked}: {'; '.join(reasons)}."]
    looked = many(found["n"], "test row")
    if found["n"] < found["of"]:
        looked += f" (drawn from {count(found['of'])})"
    parts = []
    for name, entry in found["modalities"].items():
        if "reason" in entry:
            parts.append(f"{name}: not looked at, {entry['reason']}")
        else:
            parts.append(f"{name}: {count(entry['near'])} of {count(entry['n'])}")
    lines = [
        f"Of {looked}, {count(found['rows']['near'])} "
        f"{'has' if found['rows']['near'] == 1 else 'have'} an item that is nearly one of training "
        f"(cosine above {found['cosine']:g} between embeddings, the training mean taken off): "
        f"{'; '.join(parts)}."
    ]
    rows = found["rows"]
    if rows["near"] and rows["accuracy_others"] is not None:
        lines.append(
            f"The model is right on {percent(rows['accuracy_near'])} % of these and on "
            f"{percent(rows['accuracy_others'])} % of the others: the second figure is what to "
            "expect of items that resemble nothing in training. Where rows belong together, "
            "name the column that says so (--group) and split again."
        )
    return lines


def duplicate_warning(report: Report) -> str | None:
    """A sentence for the first screen where test items that are in training flatter the figure."""
    found = report["data"].get("near_duplicates")
    if not found or found["rows"]["accuracy_others"] is None:
        return None
    near, gap = found["rows"]["near"], 0.0
    if near:
        gap = found["rows"]["accuracy_near"] - found["rows"]["accuracy_others"]
    if near * gap < _FLATTERED * found["n"]:
        return None
    return (
        f"{percent(near / found['n'])} % of the test rows have an item that is nearly one of "
        f"training. On the others the model is right on "
        f"{percent(found['rows']['accuracy_others'])} %: expect that of new items (see Data)."
    )


def _were(n: int) -> str:
    return "were" if n > 1 else "was"


def _cut(cut: Mapping[str, Any]) -> str:
    """What the encoder read only a part of: 37 of 900 items were cut at 256 tokens."""
    what = cut.get("taken") or f"were cut at {cut['limit']}"
    return f"{count(cut['items'])} of {count(cut['of'])} items {what}"


def _columns(encoder: Mapping[str, Any]) -> str:
    return f"columns {', '.join(encoder['columns'])}" if encoder.get("columns") else "unnamed"
