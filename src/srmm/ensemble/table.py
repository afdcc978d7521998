"""Features as tensors on a device, from which the members gather their batches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from srmm.data.embeddings import Embeddings
from srmm.ensemble.features import Features


class FeatureTable:
    """All instances of a training or a prediction, as the first layers see them.

    **Shape**: `values` {modality: (n_m + 1, width)}, whose last row is zeros and stands for what is
    absent; `position` (n, M), −1 where an item is absent.
    """

    _NOISY = 0.2  # share of a training batch's items

    def __init__(self, embeddings: Embeddings, features: Features, device: torch.device) -> None:
        embeddings = embeddings.compact()
        self.features = features
        self.values = {}
        for name, vectors in embeddings.values.items():
            made = torch.from_numpy(features.apply(name, vectors))
            nothing = made.new_zeros((1, made.shape[1]))
            self.values[name] = torch.cat([made, nothing]).to(device)
        self.position = torch.from_numpy(np.asarray(embeddings.position)).to(device)

    def __len__(self) -> int:
        return len(self.position)

    def batch(
        self, rows: np.ndarray | slice, rng: np.random.Generator | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Items {modality: (…, width)} of these rows, and which of them are there (…, M).

        With a generator one item in five has noise in it, from which training learns not to lean
        on single numbers.
        """
        at = rows if isinstance(rows, slice) else torch.from_numpy(rows).to(self.position.device)
        position = self.position[at]
        items = {  # rows by `embedding`, in a fraction of the time of indexing; −1 is the last one
            name: F.embedding(position[..., m] % len(made), made)
            for m, (name, made) in enumerate(self.values.items())
        }
        if rng is not None:
            items = {name: self._noisy(name, x, rng) for name, x in items.items()}
        return items, position >= 0

    def _noisy(self, name: str, x: Tensor, rng: np.random.Generator) -> Tensor:
        some = torch.from_numpy(np.flatnonzero(rng.random(x.shape[:-1]) < self._NOISY)).to(x.device)
        flat = x.view(-1, x.shape[-1])
        noisy = self.features.noisy(name, flat.index_select(0, some).cpu().numpy(), rng)
        flat.index_copy_(0, some, torch.from_numpy(noisy).to(x.device))
        return x
