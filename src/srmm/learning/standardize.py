"""Bringing features to one scale with the training set's statistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from srmm.data.embeddings import Embeddings


@dataclass(frozen=True)
class Standardizer:
    """Per-feature mean and standard deviation of the training set, one array (d_m,) per modality.

    The statistics are always kept, since evaluation scales its noise by them; `apply` changes
    anything only if `active`.
    """

    mean: dict[str, np.ndarray]
    std: dict[str, np.ndarray]
    active: bool

    @classmethod
    def fit(cls, embeddings: Embeddings, *, active: bool) -> Standardizer:
        """Statistics over the present items; a feature that never varies keeps its scale."""
        mean, std = {}, {}
        for name in embeddings.modalities:
            _, vectors = embeddings.items(name)
            present = len(vectors) > 0
            size = vectors.shape[1]
            mean[name] = vectors.mean(axis=0, dtype=np.float64) if present else np.zeros(size)
            std[name] = vectors.std(axis=0, dtype=np.float64) if present else np.zeros(size)
        return cls(mean, std, active)

    def apply(self, modality: str, vectors: np.ndarray) -> np.ndarray:
        """The vectors (n, d_m) as float32, standardised if this is active."""
        vectors = np.asarray(vectors, dtype=np.float32)
        if not self.active:
            # A memory-mapped store is read-only, which torch warns of.
            return vectors if vectors.flags.writeable else vectors.copy()
        scale = np.where(self.std[modality] > 0, self.std[modality], 1.0)
        return ((vectors - self.mean[modality]) / scale).astype(np.float32)
