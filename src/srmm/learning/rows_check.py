"""Whether the rows that a model keeps of its training are what `srmm fit` wrote."""

from __future__ import annotations

import pandas as pd

from srmm.data.sources.base import SPLITS


def check_rows(rows: pd.DataFrame) -> None:
    """Raise `ValueError` for a frame that cannot say what was trained on and what held out."""
    for column in ("id", "split", "digest"):
        if column not in rows:
            raise ValueError(f"it has no column {column!r}, but {', '.join(map(repr, rows))}")
    for column in ("split", "digest", "group"):
        if (
            column in rows
            and not rows[column].dropna().map(lambda cell: isinstance(cell, str)).all()
        ):
            raise ValueError(f"its column {column!r} holds other things than texts")
    unknown = set(rows["split"].dropna()).difference(SPLITS)
    if unknown:
        raise ValueError(f"it names the splits {sorted(unknown)}, expected {', '.join(SPLITS)}")
    if not rows["id"].map(lambda cell: isinstance(cell, str | int | float)).all():
        raise ValueError("its ids are no texts or numbers")
