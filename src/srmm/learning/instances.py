"""Embeddings as tensors on a device, from which batches are gathered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from srmm.data.embeddings import Embeddings
from srmm.learning.standardize import Standardizer

_CHUNK = 4096  # instances per forward pass at prediction


class Batch(NamedTuple):
    """Instances as tensors.

    **Shape**: `items` {modality: (n, d_m)}, with zeros where an item is absent; `present` (n, M)
    boolean, columns in the order of `items`.
    """

    items: dict[str, Tensor]
    present: Tensor

    def masked(self, mask: Tensor) -> Batch:
        """The batch without the items that `mask` (n, M) or (M,) hides."""
        present = self.present & mask
        items = {name: x * present[:, m, None] for m, (name, x) in enumerate(self.items.items())}
        return Batch(items, present)


class Instances:
    """All instances of a training or a prediction, standardised, on one device."""

    def __init__(
        self, embeddings: Embeddings, standardizer: Standardizer, device: torch.device
    ) -> None:
        embeddings = embeddings.compact()
        self.values = {
            name: torch.from_numpy(standardizer.apply(name, array)).to(device)
            for name, array in embeddings.values.items()
        }
        self.present = np.asarray(embeddings.present)
        self.position = torch.from_numpy(np.asarray(embeddings.position)).to(device)

    def batch(self, rows: np.ndarray | slice) -> Batch:
        """Whole instances."""
        position = self.position[rows]
        items = {}
        for m, (name, values) in enumerate(self.values.items()):
            here = torch.nonzero(position[:, m] >= 0)[:, 0]
            x = values.new_zeros((len(position), values.shape[1]))
            x[here] = values[position[here, m]]
            items[name] = x
        return Batch(items, position >= 0)

    def items(self, pairs: np.ndarray) -> tuple[dict[str, Tensor], Tensor]:
        """The items of `pairs` (n, 2) of instance and modality, as they come out of the switch.

        **Shape**: {modality: (n_m, d_m)}, and the instances (n,) they are of, stacked alike.
        """
        items, rows = {}, []
        for m, (name, values) in enumerate(self.values.items()):
            mine = torch.from_numpy(pairs[pairs[:, 1] == m, 0]).to(self.position.device)
            if len(mine):
                items[name] = values.index_select(0, self.position[mine, m])
            rows.append(mine)
        return items, torch.cat(rows)

    def chunks(self) -> Iterator[Batch]:
        """All instances in order, in batches of a size good for prediction; at least one."""
        for start in range(0, max(1, len(self.position)), _CHUNK):
            yield self.batch(slice(start, start + _CHUNK))
