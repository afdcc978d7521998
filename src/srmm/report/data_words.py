"""The data in sentences: encoders, what was left out, what stands on both sides, who has holes.

Nothing here is a dict in Python's clothes: a reader who has never seen a program reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from srmm.report.advice import SIGNIFICANT
from srmm.report.findings import Report
from srmm.report.words import count, is_number, many, p_text, percent, points, shorten

_FLATTERED = 0.01
"""Of accuracy: what near-duplicates may add before the first screen says so."""


def encoder_lines(encoder: Mapping[str, Any] | None) -> list[str]:
    """What an encoder is and where its limits are, its name first; empty for given embeddings."""
    if not encoder:
        return []
    lines = [shorten(encoder.get("spec") or encoder.get("name") or _columns(encoder), 80)]
    lines += [shorten(text, 160) for text in (encoder.get("about") or {}).values() if _says(text)]
    cut = encoder.get("cut")
    if cut:
        lines.append(_cut(cut))
    return lines


def left_out_lines(report: Report) -> list[str]:
    """What was left out or taken for granted on the way from the table to these figures."""
    return [*note_lines(report), *counted_apart_lines(report)]


def note_lines(content: Mapping[str, Any]) -> list[str]:
    """The notes on the data of a report or a comparison, each no longer than a page bears."""
    return [shorten(note, 400) for note in content["data"].get("notes") or []]


def counted_apart_lines(report: Report) -> list[str]:
    """How many test items no figure is of, and how many are wrong whatever the model says."""
    data, lines = report["data"], []
    for why, n in (data.get("left_out") or {}).items():
        if n:
            lines.append(f"{many(n, 'test item')} {why} {_were(n)} left out.")
    unknown = data.get("n_unknown_labels")
    if unknown:
        lines.append(
            f"{many(unknown, 'test item')} of a class that training "
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


def absence_remarks(report: Report) -> list[str]:
    """Where rows that lack a modality differ from those that had it hidden: a sentence each."""
    remarks = []
    for entry in report.get("absence") or []:
        name = entry["modality"]
        said = (
            f"Items without {name} ({entry['n_absent']:,}) are answered right on "
            f"{percent(entry['accuracy_absent'])} %; those that have it, once it is hidden from "
            f"the model ({entry['n_hidden']:,}), on {percent(entry['accuracy_hidden'])} % "
            f"({points(entry['difference'])} points, {p_text(entry['p_holm'])}): "
        )
        if entry["p_holm"] < SIGNIFICANT:
            harder = "easier" if entry["difference"] > 0 else "harder"
            said += f"its absence is not at random, items without it are {harder}."
        else:
            said += "no more than chance."
        if is_number(entry["classes_p"]) and entry["classes_p"] < SIGNIFICANT:
            v = f"Cramér's V {entry['cramers_v']:.2f}, {p_text(entry['classes_p'])}"
            said += f" They are of other classes, too ({v})."
        remarks.append(said)
    return remarks


def noisy_items(report: Report) -> str:
    """Which test items noise was put on: all, or how many of them."""
    first: Mapping[str, Any] = next(iter(report.get("corruption") or []), {})
    n, of = first.get("n"), first.get("of")
    if not n or not of or n == of:
        return "all test items"
    return (
        f"{n:,} test items, drawn at random from {of:,}: with so many rows and classes all of them "
        "would take very long. The figures without noise (σ = 0) are of these items, too"
    )


def _says(text: Any) -> bool:
    """Whether a line on an encoder says something: of vectors as they are, "none" is prepared."""
    return bool(text) and text != "none"


def _were(n: int) -> str:
    return "were" if n > 1 else "was"


def _cut(cut: Mapping[str, Any]) -> str:
    """What the encoder read only a part of: 37 of 900 items were cut at 256 tokens."""
    if cut.get("taken"):
        return f"{count(cut['items'])} of {count(cut['of'])} items {cut['taken']}"
    of = f"{count(cut['items'])} of {many(cut['of'], 'item')}"
    return f"{of} {_were(cut['items'])} cut at {cut['limit']}"


def _columns(encoder: Mapping[str, Any]) -> str:
    return f"columns {', '.join(encoder['columns'])}" if encoder.get("columns") else "unnamed"
