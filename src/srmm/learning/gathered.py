"""Items as a network sees them: made once where they are few, else whenever a batch asks for them.

A store may be larger than memory. Its vectors stay where they are, and what a batch needs of them
is gathered, standardised and let go; each item is made by itself, so both ways give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from srmm.data.embeddings import Embeddings, taken, together
from srmm.learning.random_reads import RandomReads, random_reads
from srmm.learning.room import free_memory

MADE_ONCE = 1 << 28
"""Bytes of all items, as a network sees them, up to which they are made once (on a GPU: half of
the memory that is free). Making them per batch takes some hundredths of a step's time."""


class Items(Protocol):
    """The items of one modality, each at a place from 0 on."""

    width: int

    def rows(self, places: np.ndarray) -> Tensor:
        """Those at `places` (n,), all of them there: (n, width)."""

    def padded(self, places: Tensor) -> Tensor:
        """Those at `places` (…,) on the device, and zeros where it is −1: (…, width)."""


class Made:
    """Items that lie on the device as a network sees them."""

    def __init__(self, made: Tensor, *, zeros: bool) -> None:
        self.width = made.shape[1]
        # With a row of zeros at the end, at which −1 points, `embedding` takes a fraction of the
        # time of indexing.
        self.made = torch.cat([made, made.new_zeros((1, self.width))]) if zeros else made

    def rows(self, places: np.ndarray) -> Tensor:
        """As `Items`; all of them without the time of an index."""
        some = together(places)
        if isinstance(some, slice):
            return self.made[some]
        return self.made.index_select(0, torch.from_numpy(places).to(self.made.device))

    def padded(self, places: Tensor) -> Tensor:
        """As `Items`, of those made with `zeros`."""
        return F.embedding(places % len(self.made), self.made)


class Kept:
    """Items that stay where they are, in a store or in memory, until they are asked for."""

    def __init__(
        self,
        vectors: np.ndarray,
        make: Callable[[np.ndarray], np.ndarray],
        width: int,
        device: torch.device,
        reads: RandomReads | None = None,
    ) -> None:
        self.vectors, self.make = np.asarray(vectors), make
        self.width, self.device, self.reads = width, device, reads

    def rows(self, places: np.ndarray) -> Tensor:
        """As `Items`."""
        some = together(places)
        if self.reads:
            self.reads.expect(some)
        made = self.make(taken(self.vectors, some))
        return torch.from_numpy(made).to(self.device)

    def padded(self, places: Tensor) -> Tensor:
        """As `Items`."""
        flat = places.flatten().cpu().numpy()
        there = np.flatnonzero(flat >= 0)
        if len(there) == len(flat):
            return self.rows(flat).view(*places.shape, self.width)
        out = torch.zeros((len(flat), self.width), device=self.device)
        out[torch.from_numpy(there).to(self.device)] = self.rows(flat[there])
        return out.view(*places.shape, self.width)


def gathered(
    embeddings: Embeddings,
    make: Callable[[str, np.ndarray], np.ndarray],
    widths: Mapping[str, int],
    device: torch.device,
    *,
    zeros: bool = False,
) -> tuple[dict[str, Items], np.ndarray]:
    """(items, position): those of each modality, and at which of their places each instance's are.

    Parameters
    ----------
    make : callable (modality, vectors (n, d_m)) → what a network sees of them (n, width), float32
    widths : dict of str to int
    zeros : bool
        Whether `Items.padded` will be asked.
    """
    if 4 * len(embeddings) * sum(widths.values()) > _room(device):
        reads = random_reads(embeddings.values, free_memory(torch.device("cpu")))
        kept: dict[str, Items] = {
            name: Kept(vectors, _of(make, name), widths[name], device, reads.get(name))
            for name, vectors in embeddings.values.items()
        }
        return kept, np.asarray(embeddings.position)
    embeddings = embeddings.compact()
    made: dict[str, Items] = {
        name: Made(torch.from_numpy(make(name, vectors)).to(device), zeros=zeros)
        for name, vectors in embeddings.values.items()
    }
    return made, np.asarray(embeddings.position)


def _of(
    make: Callable[[str, np.ndarray], np.ndarray], name: str
) -> Callable[[np.ndarray], np.ndarray]:
    return lambda vectors: make(name, vectors)


def _room(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) // 2
    return MADE_ONCE
