"""Modalities that a model was trained without: they are left out of later data, too.

No training row had them, or the method is one of other modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from srmm.data.embeddings import Embeddings
from srmm.workflows.reading import left_out_note


def without_left_out(config: Mapping[str, Any], data: Any) -> tuple[Any, list[str]]:
    """The data (a `Table` or `Embeddings`) without what training left out, and a note on each."""
    gone = [m for m in data.modalities if m in config["inputs"] and m not in config["modalities"]]
    kept = [m for m in data.modalities if m not in gone]
    if not gone:
        return data, []
    if isinstance(data, Embeddings):
        return data.select(kept), [left_out_note(m) for m in gone]
    items = {m: data.items[m] for m in kept}
    return replace(data, items=items, kinds={m: data.kinds[m] for m in kept}), [
        left_out_note(m) for m in gone
    ]
