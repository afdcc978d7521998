"""Features as tensors on a device, from which the members gather their batches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from srmm.data.embeddings import Embeddings
from srmm.ensemble.features import Features


class FeatureTable:
    """All instances of a training or a prediction, as the first layers see them.

    **Shape**: `values` {modality: (n_m + 1, width)}, whose last row is zeros and stands for what is
    absent; `position` (n, M), −1 where an item is absent.
    """

    def __init__(self, embeddings: Embeddings, features: Features, device: torch.device) -> None:
        embeddings = embeddings.compact()
        self.values = {}
        for name, vectors in embeddings.values.items():
            made = torch.from_numpy(features.apply(name, vectors))
            nothing = made.new_zeros((1, made.shape[1]))
            self.values[name] = torch.cat([made, nothing]).to(device)
        self.position = torch.from_numpy(np.asarray(embeddings.position)).to(device)

    def __len__(self) -> int:
        return len(self.position)

    def batch(self, rows: np.ndarray | slice) -> tuple[dict[str, Tensor], Tensor]:
        """Items {modality: (…, width)} of these rows, and which of them are there (…, M)."""
        at = rows if isinstance(rows, slice) else torch.from_numpy(rows).to(self.position.device)
        position = self.position[at]
        items = {name: made[position[..., m]] for m, (name, made) in enumerate(self.values.items())}
        return items, position >= 0
