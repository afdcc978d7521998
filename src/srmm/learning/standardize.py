"""Bringing features to one scale with the training set's statistics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.errors import InputError, shown

_EPS = float(np.finfo(np.float32).eps)
_TINY = float(np.sqrt(np.finfo(np.float32).tiny))  # 1e-19: a square of less is none in float32
_LARGE = 1e6
_AT_ONCE = 256  # vectors
FARTHEST = 1e18
"""Standard deviations; beyond, the squares that a network takes are too large for float32."""


@dataclass(frozen=True)
class Standardizer:
    """Per-feature mean and standard deviation of the training set, one array (d_m,) per modality.

    The statistics are always kept, since evaluation scales its noise by them; `apply` changes
    anything only if `active`.
    """

    mean: dict[str, np.ndarray]
    std: dict[str, np.ndarray]
    active: bool

    @classmethod
    def fit(cls, embeddings: Embeddings, *, active: bool) -> Standardizer:
        """Statistics over the present items."""
        mean, std = {}, {}
        for name in embeddings.modalities:
            mean[name], std[name] = mean_and_std(embeddings, name)
        return cls(mean, std, active)

    def apply(self, modality: str, vectors: np.ndarray) -> np.ndarray:
        """The vectors (n, d_m) as float32, standardised if this is active."""
        vectors = np.asarray(vectors, dtype=np.float32)
        if not self.active:
            # A memory-mapped store is read-only, which torch warns of.
            return vectors if vectors.flags.writeable else vectors.copy()
        made = np.empty_like(vectors, order="C")
        mean, scale = self.mean[modality], self._scales[modality]
        for start in range(0, len(vectors), _AT_ONCE):  # in double precision, within the cache
            some = vectors[start : start + _AT_ONCE] - mean
            some /= scale
            made[start : start + _AT_ONCE] = some
        return made

    @cached_property
    def _scales(self) -> dict[str, np.ndarray]:
        return {name: self.scale(name) for name in self.std}

    @cached_property
    def _near(self) -> dict[str, float]:
        """Per modality: no number up to this size is too far from those of training."""
        return {
            name: float((FARTHEST * scale - np.abs(self.mean[name])).min(initial=np.inf))
            for name, scale in self._scales.items()
        }

    def scale(self, modality: str) -> np.ndarray:
        """What features (d_m,) are divided by: 1 where one varies by rounding only, or not at all.

        The mean of equal numbers is not always that number, to the last bit; and networks leave
        numbers such as 1e-33 where they mean 0, which must not be blown up to what tells classes
        apart.
        """
        std, mean = self.std[modality], self.mean[modality]
        return np.where(std > np.maximum(_EPS * np.abs(mean), _TINY), std, 1.0)

    def check_range(self, embeddings: Embeddings) -> None:
        """Raise `InputError` naming row and modality of a number too far from those of training."""
        for name in embeddings.modalities if self.active else ():
            for rows, vectors in embeddings.blocks(name):
                self._check_block(name, rows, vectors, embeddings.ids)

    def _check_block(
        self, name: str, rows: np.ndarray, vectors: np.ndarray, ids: np.ndarray
    ) -> None:
        # As Python numbers: how far is far may be infinite in single precision.
        if max(-float(vectors.min(initial=0)), float(vectors.max(initial=0))) < (
            0.99 * self._near[name]
        ):
            return
        ends = np.stack([vectors.min(axis=0), vectors.max(axis=0)]).astype(np.float64)
        far = np.abs(ends - self.mean[name]) / self._scales[name]
        if far.max(initial=0) <= FARTHEST:
            return
        side, feature = np.unravel_index(far.argmax(), far.shape)
        row = int(np.argmax(vectors[:, feature] == ends[side, feature]))
        raise InputError(
            f"Number {feature} of modality {name!r} is {ends[side, feature]:.3g} in row "
            f"{rows[row]} (id {shown(ids[rows[row]])}), {far[side, feature]:.1g} "
            f"standard deviations from those of training (mean {self.mean[name][feature]:.3g}, "
            f"standard deviation {self.std[name][feature]:.3g}): too far to compute with. "
            "Leave this number out of the modality, or repair the row."
        )


def standardizer_of(model: Any) -> Standardizer | None:
    """What a fitted classifier brings features to one scale by; None if it keeps nothing of it."""
    own = getattr(model, "standardizer_", None)
    return own or getattr(getattr(model, "features_", None), "standardizer", None)


def mean_and_std(embeddings: Embeddings, modality: str) -> tuple[np.ndarray, np.ndarray]:
    """Of each feature (d_m,) over the items that are there, in double precision; zeros of none."""
    n = int(embeddings.present[:, embeddings.modalities.index(modality)].sum())
    size = embeddings.embedding_dims[modality]
    if not n:
        return np.zeros(size), np.zeros(size)
    blocks = (vectors.astype(np.float64) for _, vectors in embeddings.blocks(modality))
    mean = _summed(blocks) / n
    off = (vectors - mean for _, vectors in embeddings.blocks(modality))
    return mean, np.sqrt(_summed(np.square(x, out=x) for x in off) / n)


def _summed(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """The sum (d,) of the rows of all blocks, added one after the other as in one array."""
    total: np.ndarray | None = None
    for block in blocks:
        if total is not None:
            block[0] += total
        total = np.add.reduce(block, axis=0)
    assert total is not None
    return total


def large_number(embeddings: Embeddings, where: str = "in row {row} (id {id})") -> str:
    """A sentence on the largest number, if it is one that a network may fail over; or none."""
    worst: tuple[float, str, int] = (_LARGE, "", 0)
    for name in embeddings.modalities:
        for rows, vectors in embeddings.blocks(name):
            sizes = np.abs(vectors).max(axis=1, initial=0)
            worst = max(worst, (float(sizes.max()), name, int(rows[sizes.argmax()])))
    size, name, row = worst
    there = where.format(row=row, id=shown(embeddings.ids[row])) if name else ""
    return f" Modality {name!r} holds {size:.3g} {there}." if name else ""
