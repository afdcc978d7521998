"""Embeddings as tensors on a device, from which batches are gathered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from srmm.data.embeddings import Embeddings
from srmm.learning.gathered import gathered
from srmm.learning.standardize import Standardizer

_CHUNK = 4096  # instances per forward pass at prediction
_MOST = 50_000_000  # numbers of `Instances.some` (0.2 GB)


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
    """All instances of a training or a prediction, standardised, for one device."""

    def __init__(
        self, embeddings: Embeddings, standardizer: Standardizer, device: torch.device
    ) -> None:
        self.device = device
        self.present = np.asarray(embeddings.present)
        self._items, self._places = gathered(
            embeddings, standardizer.apply, embeddings.embedding_dims, device
        )

    def batch(self, rows: np.ndarray | slice) -> Batch:
        """Whole instances."""
        places = self._places[rows]
        items = {}
        for m, (name, of_all) in enumerate(self._items.items()):
            here = np.flatnonzero(places[:, m] >= 0)
            found = of_all.rows(places[here, m])
            items[name] = found
            if len(here) < len(places):
                x = found.new_zeros((len(places), of_all.width))
                items[name] = x.index_copy_(0, torch.from_numpy(here).to(self.device), found)
        return Batch(items, torch.from_numpy(places >= 0).to(self.device))

    def items(self, pairs: np.ndarray) -> tuple[dict[str, Tensor], Tensor]:
        """The items of `pairs` (n, 2) of instance and modality, as they come out of the switch.

        **Shape**: {modality: (n_m, d_m)}, and the instances (n,) they are of, stacked alike.
        """
        items, rows = {}, []
        for m, (name, of_all) in enumerate(self._items.items()):
            mine = pairs[pairs[:, 1] == m, 0]
            if len(mine):
                items[name] = of_all.rows(self._places[mine, m])
            rows.append(mine)
        return items, torch.from_numpy(np.concatenate(rows)).to(self.device, torch.int64)

    def some(self, m: int) -> np.ndarray:
        """Distinct items (n, d_m) of modality `m`, evenly spaced where all would be very many."""
        places = self._places[:, m]
        places = np.unique(places[places >= 0])
        of_all = list(self._items.values())[m]
        step = -(-len(places) * of_all.width // _MOST)
        return of_all.rows(places[:: max(1, step)]).cpu().numpy()

    def chunks(self) -> Iterator[Batch]:
        """All instances in order, in batches of a size good for prediction; at least one."""
        for start in range(0, max(1, len(self._places)), _CHUNK):
            yield self.batch(slice(start, start + _CHUNK))
