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
    return with_noise(embeddings, draw_noise(embeddings, rng), sigma, feature_std=feature_std)


def draw_noise(embeddings: Embeddings, rng: np.random.Generator) -> Embeddings:
    """N(0, 1) in the place of every number: what `with_noise` scales, and may scale often."""
    values, position = {}, np.full_like(embeddings.position, ABSENT)
    for m, name in enumerate(embeddings.modalities):
        rows = np.flatnonzero(embeddings.present[:, m])
        shape = len(rows), embeddings.embedding_dims[name]
        values[name] = rng.standard_normal(shape, dtype=np.float32)
        position[rows, m] = np.arange(len(rows))
    return Embeddings(values, position)


def with_noise(
    embeddings: Embeddings,
    noise: Embeddings,
    sigma: float,
    *,
    feature_std: Mapping[str, np.ndarray] | None = None,
) -> Embeddings:
    """`add_noise` with the `noise` of `draw_noise` of these instances."""
    values, position = {}, np.full_like(embeddings.position, ABSENT)
    for m, name in enumerate(embeddings.modalities):
        rows, vectors = embeddings.items(name)
        scale = sigma if feature_std is None else sigma * feature_std[name]
        noisy = noise.items(name)[1] * np.asarray(scale, dtype=np.float32)
        noisy += vectors
        values[name] = noisy
        position[rows, m] = np.arange(len(rows))
    return Embeddings(values, position, labels=embeddings.labels, ids=embeddings.ids)
