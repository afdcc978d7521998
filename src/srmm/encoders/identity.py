"""The encoder of items that are vectors already: features, or embeddings made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from srmm.data.blocks import Cells, numbers_of
from srmm.data.broken import UnreadableItem
from srmm.encoders.base import EncoderAbout
from srmm.errors import InputError


class IdentityEncoder:
    """Takes vectors as they are."""

    kind = "features"
    embedding_dim = None
    batch_size = 1024
    at_once = np.ndarray
    """Such items are encoded as they are, see `srmm.encoding.at_once`."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {"spec": "identity"}

    def prepare(self, item: np.ndarray | Cells) -> np.ndarray:
        """The vector itself, float32 of shape (d,); cells that are all numbers are one, too."""
        if isinstance(item, Cells):
            try:
                return numbers_of(item)
            except ValueError as error:
                raise UnreadableItem(
                    f"is no vector: {error}. The encoder 'columns' reads such rows"
                ) from None
        return np.asarray(item, dtype=np.float32)

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n vectors of shape (d,) → float32 of shape (n, d)."""
        lengths = sorted({len(vector) for vector in prepared})
        if len(lengths) > 1:
            raise InputError(f"The vectors of one modality must have one length, got {lengths}.")
        return np.stack(prepared)


ABOUT = EncoderAbout(
    name="identity",
    good_for="numbers that need no encoder",
    embedding_dim="the vector's",
    description="vectors as they are",
    preprocessing="none",
    source="srmm",
    licence="Apache-2.0",
    needs_network="no",
    classes={"features": IdentityEncoder},
    default=("features",),
)
