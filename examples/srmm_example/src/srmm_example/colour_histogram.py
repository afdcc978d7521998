"""Colour histogram: which colours a picture has, wherever they are. No network, no weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from srmm.encoders.base import EncoderAbout

LEVELS = 4
"""Per channel: red, green and blue of 4 levels each are 64 colours."""


class ColourHistogram:
    """The share of a picture's pixels that each of 64 colours has; an embedding sums to 1."""

    kind = "image"
    embedding_dim = LEVELS**3
    batch_size = 64

    def __init__(self) -> None:
        # Stored beside the embeddings: everything that decides what they mean.
        self.settings: dict[str, Any] = {"spec": "colour-histogram", "levels": LEVELS}

    def prepare(self, item: Image.Image) -> np.ndarray:
        """An RGB picture of any size → the number of each pixel's colour, int of shape (pixels,).

        Called in several threads while `encode` runs in one.
        """
        levels = np.asarray(item).reshape(-1, 3).astype(int) * LEVELS // 256  # (pixels, 3)
        return levels @ [LEVELS**2, LEVELS, 1]

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n prepared pictures → float32 of shape (n, 64)."""
        counts = [np.bincount(colours, minlength=self.embedding_dim) for colours in prepared]
        shares = [count / count.sum() for count in counts]
        return np.stack(shares).astype(np.float32)


ABOUT = EncoderAbout(
    name="colour-histogram",
    good_for="colours",
    embedding_dim="64",
    description="share of each of 64 colours in a picture",
    preprocessing="4 levels per channel",
    source="package srmm-example",
    licence="Apache-2.0",
    needs_network="no",
    classes={"image": ColourHistogram},
)
