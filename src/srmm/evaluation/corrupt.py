"""Corrupted modalities: Gaussian noise on embeddings at test time (paper IV-E, Table IX)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.modality import ABSENT


def add_noise(
    embeddings: Embeddings,
    sigma: float,
    rng: np.random.Generator,
    *,
    feature_std: Mapping[str, np.ndarray] | None = None,
) -> Embeddings:
    """The same instances with N(0, σ²) added to every present embedding of every modality.

    Parameters
    ----------
    sigma : float
        Standard deviation, absolute; or a multiple of `feature_std` where that is given, which
        makes noise comparable between encoders.
    feature_std : dict of str to array of shape (d_m,), optional
        Each feature's standard deviation over the training set.
    """
    values, position = {}, np.full_like(embeddings.position, ABSENT)
    for m, name in enumerate(embeddings.modalities):
        rows, vectors = embeddings.items(name)
        scale = sigma if feature_std is None else sigma * feature_std[name]
        noise = rng.standard_normal(vectors.shape, dtype=np.float32)
        values[name] = vectors + noise * np.asarray(scale, dtype=np.float32)
        position[rows, m] = np.arange(len(rows))
    return Embeddings(values, position, labels=embeddings.labels, ids=embeddings.ids)
