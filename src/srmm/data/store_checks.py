"""Whether what a store says of itself can be so: a damaged or a hostile one is told in time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from srmm.data.modality import ABSENT


def check_manifest(manifest: Mapping[str, Any]) -> None:
    """Raise `ValueError` for a manifest of another shape than `save_embeddings` writes."""
    if not is_count(manifest.get("n_instances")):
        raise ValueError(f"n_instances is {manifest.get('n_instances')!r}, expected a whole number")
    modalities = manifest.get("modalities")
    if not isinstance(modalities, dict) or not modalities:
        raise ValueError("its modalities are no mapping of names to what is known of them")
    for name, about in modalities.items():
        if not isinstance(about, dict):
            raise ValueError(f"of {name!r} it says {about!r}, expected a mapping")
        file = about.get("file")
        if not isinstance(file, str) or PurePath(file).name != file or "\0" in file:
            raise ValueError(f"the file of {name!r} is {file!r}, expected a name without a folder")
        for size in ("n_items", "embedding_dim"):
            if not is_count(about.get(size)):
                raise ValueError(f"{size} of {name!r} is {about.get(size)!r}")
        if not isinstance(about.get("encoder"), dict | None):
            raise ValueError(f"the encoder of {name!r} is {about['encoder']!r}, expected a mapping")


def check_modality(values: np.ndarray, position: np.ndarray) -> None:
    """Raise `ValueError` unless each position is that of a row of the values, or `ABSENT`."""
    if values.dtype.kind != "f" or position.dtype.kind != "i":
        raise ValueError(f"its vectors are {values.dtype}, their positions {position.dtype}")
    if len(position) and not (position.min() >= ABSENT and position.max() < len(values)):
        raise ValueError(f"positions lie outside of its {len(values):,} vectors")


def is_count(value: Any) -> bool:
    """Whether a JSON value is a whole number of things, and no more than there can be."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**48
