"""What the first layers see: standardised numbers; of short embeddings also their place among bins.

A small network is slow to bend a single number; trees cut it for free. Piecewise-linear codes
(Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning, 2022) give the
network the same cuts: bins between quantiles of training, each filled from 0 to 1; eight for a
number, up to 32 where an embedding has few numbers, whose cuts so can be finer, and none where it
has many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from srmm.data.embeddings import Embeddings, together
from srmm.learning.standardize import Standardizer

_FEWEST_BINS, _MOST_BINS = 8, 32
_CODES = 256
"""Numbers that bins may make of an embedding while each of its own has more than the fewest."""
LONGEST = 40
"""Numbers; what is longer is smooth already, or so correlated that cuts of single numbers harm."""
NOISY = 0.2
"""Share of a training batch's items that carry noise."""
LOUDEST = 1.5
"""Standard deviations of the noise that `Features.noisy` adds, at the most."""
FARTHEST = 50.0
"""Standard deviations; what lies farther out counts as that far."""
_CHUNK = 4096  # items whose codes are made at once
_MOST = 1_000_000  # items, evenly spaced, that quantiles are taken of
_AT_ONCE = 4_000_000  # numbers that are sorted at once

T = TypeVar("T", bound=Any)  # an array or a tensor


@dataclass(frozen=True)
class Features:
    """The step from embeddings to a network's input, fitted on training items."""

    standardizer: Standardizer
    edges: dict[str, np.ndarray]
    """Per modality of at most `LONGEST` numbers, the bins' edges (d_m, bins + 1)."""

    @classmethod
    def fit(cls, embeddings: Embeddings) -> Features:
        """Statistics over the items that are there; quantiles, of a million of them at the most."""
        edges = {}
        for name, size in embeddings.embedding_dims.items():
            _, places = embeddings.places(name)
            if size <= LONGEST and len(places):
                places = places[:: -(-len(places) // _MOST)]
                edges[name] = _edges(embeddings.values[name], places)
        return cls(Standardizer.fit(embeddings, active=True), edges)

    @property
    def all_short(self) -> bool:
        """Whether every modality's numbers are seen in bins, too."""
        return self.edges.keys() == self.standardizer.mean.keys()

    def width(self, name: str, size: int) -> int:
        """How many numbers `apply` makes of an embedding of that length."""
        return size * self.edges[name].shape[1] if name in self.edges else size

    def apply(self, name: str, vectors: np.ndarray) -> np.ndarray:
        """(n, d_m) → (n, width) float32, all finite."""
        if name not in self.edges:
            return self.scaled(name, vectors)
        made = np.empty((len(vectors), self.width(name, vectors.shape[1])), dtype=np.float32)
        for start in range(0, len(vectors), _CHUNK):
            some = slice(start, start + _CHUNK)
            made[some, : vectors.shape[1]] = self.scaled(name, vectors[some])
            made[some, vectors.shape[1] :] = self._codes(name, vectors[some])
        return made

    def noisy(self, name: str, made: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What `apply` would make (n, width) of the same items in noise, each in its own."""
        size = self.standardizer.mean[name].shape[-1]
        loud = rng.uniform(0, LOUDEST, size=(len(made), 1))
        noise = rng.standard_normal((len(made), size), dtype=np.float32)
        std, mean = self.standardizer.std[name], self.standardizer.mean[name]
        if name not in self.edges:  # to the embedding's own scale and back: it stays as it is
            noise *= loud.astype(np.float32)
            noise += made
            noise *= (std / self.standardizer.scale(name)).astype(np.float32)
            return np.clip(noise, -FARTHEST, FARTHEST, out=noise)
        scaled = made[:, :size] + loud * noise
        vectors = scaled * std + mean
        with np.errstate(over="ignore"):  # as in `scaled`
            vectors = vectors.astype(np.float32)
        return self.apply(name, vectors)

    def scaled(self, name: str, vectors: np.ndarray) -> np.ndarray:
        """(n, d_m) float32 in standard deviations from the mean of training."""
        with np.errstate(over="ignore"):  # what is too large for float32 is cut here anyway
            scaled = self.standardizer.apply(name, vectors)
        return scaled.clip(-FARTHEST, FARTHEST, out=scaled)

    def scaled_of(self, name: str, made: T) -> T:
        """The part (n, d_m) of what `apply` made (n, width) that `scaled` is."""
        return made[:, : self.standardizer.mean[name].shape[-1]]

    def _codes(self, name: str, vectors: np.ndarray) -> np.ndarray:
        """(n, d_m · bins): how far each bin of each number is filled."""
        low, high = self.edges[name][:, :-1], self.edges[name][:, 1:]
        wide = high > low
        x = vectors[:, :, None].astype(np.float64)
        filled = (x - low) / np.where(wide, high - low, 1.0)
        return np.where(wide, np.clip(filled, 0, 1), x >= high).reshape(len(vectors), -1)


def _edges(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The bins' edges (d, bins + 1) of the vectors at these places, some features at a time."""
    bins = min(_MOST_BINS, max(_FEWEST_BINS, _CODES // values.shape[1]))
    quantiles, step = np.linspace(0, 1, bins + 1), max(1, _AT_ONCE // len(places))
    rows = together(places)
    parts = [
        np.quantile(values[rows, start : start + step].astype(np.float64), quantiles, axis=0)
        for start in range(0, values.shape[1], step)
    ]
    return np.concatenate(parts, axis=1).T
