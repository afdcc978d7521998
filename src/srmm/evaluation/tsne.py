"""The t-SNE map of block-2 embeddings, complete and with each modality missing (paper Fig. 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.manifold import TSNE

from srmm.data.embeddings import Embeddings
from srmm.data.modality import pattern_mask

_POINTS = 1800  # over all panels: t-SNE of more takes minutes and shows no more


def project(model: Any, test: Embeddings, labels: np.ndarray, seed: int) -> dict[str, Any] | None:
    """One joint map of the same instances, once complete and once without each modality.

    The panels share the map, so a point that moves is an instance whose embedding moved. None for
    a model without embeddings, or too few complete instances.

    Returns
    -------
    {"method": "t-SNE", "panels": [{"present", "x", "y", "label"}, …]}
    """
    if not hasattr(model, "transform"):
        return None
    names = test.modalities
    views = [names] + [tuple(n for n in names if n != gone) for gone in names if len(names) > 1]
    rows = np.flatnonzero(test.present.all(axis=1))
    if len(rows) < 10:
        return None
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(rows)[: _POINTS // len(views)])
    chosen = test[rows]
    vectors = [model.transform(chosen.mask(pattern_mask(view, names))) for view in views]
    stacked = np.concatenate(vectors)
    perplexity = min(30.0, (len(stacked) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", metric="cosine", random_state=seed)
    points = np.split(tsne.fit_transform(stacked).round(3), len(views))
    return {
        "method": "t-SNE",
        "panels": [
            {"present": list(view), "x": xy[:, 0], "y": xy[:, 1], "label": labels[rows]}
            for view, xy in zip(views, points, strict=True)
        ],
    }
