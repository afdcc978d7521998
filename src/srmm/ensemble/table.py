"""Features as tensors on a device, from which the members gather their batches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from srmm.data.embeddings import Embeddings
from srmm.ensemble.draws import Generators
from srmm.ensemble.features import NOISY, Features
from srmm.learning.gathered import gathered


class FeatureTable:
    """All instances of a training or a prediction, as the first layers see them.

    **Shape**: `position` (n, M), −1 where an item is absent, else its place among `items`.
    """

    def __init__(self, embeddings: Embeddings, features: Features, device: torch.device) -> None:
        self.features = features
        widths = {name: features.width(name, d) for name, d in embeddings.embedding_dims.items()}
        self.items, position = gathered(embeddings, features.apply, widths, device, zeros=True)
        self.position = torch.from_numpy(position).to(device)

    def __len__(self) -> int:
        return len(self.position)

    def batch(
        self, rows: np.ndarray | slice, rngs: Generators | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Items {modality: (…, width)} of these rows, and which of them are there (…, M).

        Zeros stand for what is absent. With a generator for each member's rows (K, n) one item in
        five has noise in it, from which training learns not to lean on single numbers.
        """
        at = rows if isinstance(rows, slice) else torch.from_numpy(rows).to(self.position.device)
        position = self.position[at]
        items = {
            name: of_all.padded(position[..., m])
            for m, (name, of_all) in enumerate(self.items.items())
        }
        if rngs is not None:
            for name, x in items.items():
                for of_member, rng in zip(x, rngs, strict=True):
                    self._add_noise(name, of_member, rng)
        return items, position >= 0

    def _add_noise(self, name: str, x: Tensor, rng: np.random.Generator) -> None:
        some = torch.from_numpy(np.flatnonzero(rng.random(len(x)) < NOISY)).to(x.device)
        noisy = self.features.noisy(name, x.index_select(0, some).cpu().numpy(), rng)
        x.index_copy_(0, some, torch.from_numpy(noisy).to(x.device))
