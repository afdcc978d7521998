"""Embeddings as tensors on a device, from which batches are gathered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from srmm.data.embeddings import Embeddings, together
from srmm.learning.standardize import Standardizer

_CHUNK = 4096  # instances per forward pass at prediction
_LONE_CHUNK = 1024  # instances whose items pass alone: what comes out stays in the cache
_AT_ONCE = 4_000_000  # numbers that come out of one


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
        self._places = np.asarray(embeddings.position)
        self.position = torch.from_numpy(self._places).to(device)

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

    def alone(self, width: int) -> Iterator[tuple[dict[str, Tensor], list[np.ndarray]]]:
        """The items that are there, {modality: (n_m, d_m)}, and the instances (n_m,) they are of.

        Chunk by chunk in the order of instances; `width` numbers are to come out of each.
        """
        n, M = self._places.shape
        step = max(1, min(_LONE_CHUNK, _AT_ONCE // (M * width)))
        for start in range(0, n, step):
            places = self._places[start : start + step]
            rows = [np.flatnonzero(places[:, m] >= 0) for m in range(M)]
            items = {
                name: _taken(values, places[rows[m], m])
                for m, (name, values) in enumerate(self.values.items())
                if len(rows[m])
            }
            if items:
                yield items, [start + here for here in rows]

    def chunks(self) -> Iterator[Batch]:
        """All instances in order, in batches of a size good for prediction; at least one."""
        for start in range(0, max(1, len(self.position)), _CHUNK):
            yield self.batch(slice(start, start + _CHUNK))


def _taken(values: Tensor, places: np.ndarray) -> Tensor:
    """The rows at these places; all of them without the time of an index."""
    some = together(places)
    return values if isinstance(some, slice) and len(places) == len(values) else values[some]
