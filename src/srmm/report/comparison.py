"""The page of `srmm compare`: ranking, figures per presence pattern, and who differs from whom."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from srmm.errors import several
from srmm.report.advice import SIGNIFICANT
from srmm.report.data_words import note_lines
from srmm.report.html import environment, style_sheet, write_page
from srmm.report.words import mean_sd, pattern_text, points, signed_interval


def write_comparison(content: Mapping[str, Any], path: Path) -> Path:
    """Write the comparison as one HTML file that needs no network, atomically."""
    first, modalities = content["methods"][0], list(content["data"]["modalities"])
    template = environment().get_template("comparison.html.j2")
    html = template.render(
        content=content,
        style=style_sheet(),
        rows=ranking(content),
        patterns=[pattern_text(p["present"], modalities) for p in first["patterns"]],
        matrix=difference_matrix(content),
        sentence=headline(content),
        lines=data_lines(content),
    )
    return write_page(html, path)


def ranking(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line per method, best first; "tied": not significantly worse than the first."""
    worse = {
        pair["other"]
        for pair in content["pairs"]
        if pair["better"] == content["methods"][0]["method"]
        and pair["score"]["p_holm"] < SIGNIFICANT
    }
    rows = []
    for rank, entry in enumerate(content["methods"], start=1):
        rows.append(
            {
                "rank": rank,
                "method": entry["method"],
                "tied": rank > 1 and entry["method"] not in worse,
                "score": mean_sd(entry["score"]),
                "as_is": mean_sd(entry["as_is"]),
                "share": float(np.mean(entry["score"])),
                "patterns": [mean_sd(pattern["accuracy"]) for pattern in entry["patterns"]],
                "parameters": entry["n_parameters"],
                "seconds": float(np.median(entry["fit_seconds"])),
            }
        )
    return rows


def difference_matrix(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Row by row: the method's score minus the column's in points, and whether that is real."""
    names = [entry["method"] for entry in content["methods"]]
    pairs = {(pair["better"], pair["other"]): pair["score"] for pair in content["pairs"]}
    lines = []
    for row in names:
        cells: list[dict[str, Any] | None] = []
        for column in names:
            found = pairs.get((row, column)) or pairs.get((column, row))
            if found is None:
                cells.append(None)
                continue
            sign = 1 if (row, column) in pairs else -1
            cells.append(
                {
                    "points": points(sign * found["difference"]),
                    "interval": signed_interval(sorted(sign * end for end in found["interval"])),
                    "p": found["p_holm"],
                    "real": found["p_holm"] < SIGNIFICANT,
                }
            )
        lines.append({"method": row, "cells": cells})
    return lines


def data_lines(content: Mapping[str, Any]) -> list[str]:
    """What was left out or taken for granted on the way from the table to these figures."""
    left_out = content["data"].get("left_out")
    lines = note_lines(content)
    if left_out:
        are = several(left_out, "row is", "rows are")
        lines.append(f"{are} left out, without a label or without an item.")
    return lines


def headline(content: Mapping[str, Any]) -> str:
    """What the comparison found, in one sentence."""
    rows = ranking(content)
    first = rows[0]["method"]
    tied = [row["method"] for row in rows[1:] if row["tied"]]
    if not tied:
        once = ", in one training of each" if content["seeds"] == 1 else ""
        return f"{first} is better than every other method here{once}."
    if len(tied) == len(rows) - 1:
        return f"{first} comes first, but no method is significantly worse on this data."
    return f"{first} comes first; {', '.join(tied)} cannot be told from it on this data."
