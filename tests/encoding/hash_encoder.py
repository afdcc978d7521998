"""A fast, exact stand-in for a network: the embedding of an item is a function of its content."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


class HashEncoder:
    """Keeps the protocol of `srmm.encoders.Encoder`; `seen` lists what was encoded."""

    embedding_dim: int | None = 8
    batch_size = 4

    def __init__(self, kind: str, *, spec: str = "hash", weights: str = "w", **preprocessing: Any):
        self.kind = kind
        self.settings = {"spec": spec, "weights": weights, "preprocessing": preprocessing}
        self.seen: list[Any] = []

    def prepare(self, item: Any) -> Any:
        return item if self.kind == "text" else item.tobytes()

    def encode(self, prepared: Any) -> np.ndarray:
        self.seen += prepared
        return np.stack([self.embed(item) for item in prepared])

    @staticmethod
    def embed(item: str | bytes) -> np.ndarray:
        data = item.encode() if isinstance(item, str) else item
        seed = int.from_bytes(hashlib.sha256(data).digest()[:8], "little")
        return np.random.default_rng(seed).normal(size=8).astype(np.float32)
