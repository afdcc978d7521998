"""Whether the numbers to predict from lie where those of training lay.

A column in another unit, or in the place of another, is read without an error, and predicted from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.errors import first_few

MOST_NUMBERS = 256
"""Of longer vectors no single number means much."""
FEWEST_LEARNT = 20
"""Rows of training; the range of fewer says little of others."""
LEAST_ROWS = 10
"""Rows to predict; of fewer, most may lie outside by chance."""
SHARE = 0.5
"""More than this share of the rows outside a range is more than chance, and than a few outliers."""
_NAMED = 3
_OF_DATES = (
    ": days",
    *(f": {part} {wave}" for part in ("year", "week", "day") for wave in ("sin", "cos")),
)
"""Those to come always lie behind those of training, and often in another season."""

Outside = dict[str, tuple[int, dict[str, int]]]
"""Modality → (rows that have it, number → rows in which that lies outside)."""


def learnt_ranges(
    embeddings: Embeddings, inputs: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, list[Any]]]:
    """Modality → `names` of its numbers, the `low`est and the `high`est of each in training rows.

    Of modalities of features alone, whose numbers somebody has measured.
    """
    found = {}
    for name in embeddings.modalities:
        size = embeddings.values[name].shape[1]
        kind = inputs.get(name, {}).get("kind")
        rows, _ = embeddings.places(name)
        if kind != "features" or size > MOST_NUMBERS or len(rows) < FEWEST_LEARNT:
            continue
        low, high = np.full(size, np.inf), np.full(size, -np.inf)
        for _, vectors in embeddings.blocks(name):
            low = np.minimum(low, vectors.min(axis=0))
            high = np.maximum(high, vectors.max(axis=0))
        names = _names(embeddings.encoders.get(name) or {}, inputs[name].get("column"), size)
        found[name] = {"names": names, "low": low.tolist(), "high": high.tolist()}
    return found


def outside(embeddings: Embeddings, learnt: Mapping[str, Mapping[str, Any]]) -> Outside:
    """How many rows lie outside the ranges, of each number of which any does."""
    found: Outside = {}
    for name in embeddings.modalities:
        ranges = learnt.get(name)
        if ranges is None or len(ranges["low"]) != embeddings.values[name].shape[1]:
            continue
        vectors = embeddings.items(name)[1]
        out = ((vectors < ranges["low"]) | (vectors > ranges["high"])).sum(axis=0)
        places = np.flatnonzero(out).tolist()
        found[name] = (len(vectors), {str(place): int(out[place]) for place in places})
    return found


def joined_outside(parts: Iterable[Outside]) -> Outside:
    """The counts of several parts, added up."""
    rows: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = {}
    for part in parts:
        for name, (n, out) in part.items():
            rows[name] += n
            counts.setdefault(name, Counter()).update(out)
    return {name: (rows[name], dict(out)) for name, out in counts.items()}


def range_notes(found: Outside, learnt: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence on each modality with a number that lies outside in most rows."""
    notes = []
    for name, (n, out) in found.items():
        ranges = learnt.get(name)
        if ranges is None or n < LEAST_ROWS:
            continue
        most = [
            (ranges["names"][int(place)], rows, int(place))
            for place, rows in sorted(out.items(), key=lambda one: int(one[0]))
            if rows > SHARE * n and not str(ranges["names"][int(place)]).endswith(_OF_DATES)
        ]
        if not most:
            continue
        told = (
            f"{number!r} in {rows:,} (in training {ranges['low'][place]:.6g} to "
            f"{ranges['high'][place]:.6g})"
            for number, rows, place in most
        )
        notes.append(
            f"{name}: most of {n:,} rows have numbers outside all that was learnt from: "
            f"{first_few(told, _NAMED)}. Another unit, or a column in the place of another, looks "
            "like this; nothing was learnt of such rows."
        )
    return notes


def _names(about: Mapping[str, Any], column: str | None, size: int) -> list[str]:
    """What the numbers of a vector are called; after their places where that is not known."""
    known = about.get("features") or about.get("columns")
    names = list(map(str, known)) if known else [part.strip() for part in (column or "").split(",")]
    return names if len(names) == size and all(names) else [f"number {i}" for i in range(size)]
