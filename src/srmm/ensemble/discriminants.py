"""A linear discriminant of each modality, beside the networks.

Where the classes of a modality are clouds of one shape, or rows are few for its numbers, nothing
beats a straight line, and a network that can bend everything learns noise instead. So each fold
has Fisher's discriminant of each modality, too: the class means, and one covariance of all
classes, shrunk as Ledoit and Wolf (2004) say, with the variance that the networks' noise in
training has. It is found at once, without steps. What it is worth beside the network is learnt
from out-of-fold outputs; where that is nothing it is silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.linalg import solve
from scipy.sparse import coo_array
from sklearn.covariance import ledoit_wolf
from torch import Tensor

from srmm.data.embeddings import Embeddings
from srmm.ensemble.features import LOUDEST, NOISY, Features
from srmm.ensemble.weights import LEAST_LOG

FARTHEST_SEEN = 5.0
"""Standard deviations; a straight line goes on for ever, and what lies beyond is not believed."""
_LONGEST, _MOST_NUMBERS = 2_048, 1_000_000
"""d_m, and d_m · C, of a discriminant: a larger one would take as long as the networks."""
_MOST_ITEMS, _MOST_IN_MEMORY = 20_000, 20_000_000
"""Items, evenly spaced, that one is found from, and how many numbers these have at the most."""
_NOISE = NOISY * LOUDEST**2 / 3
"""Variance that the networks' noise in training (uniform up to the loudest) adds to a feature."""


@dataclass(frozen=True)
class Discriminants:
    """K linear discriminants of each modality, each of which leaves out a fold."""

    weight: dict[str, np.ndarray]
    """(K, d_m, C), of the modalities that have one."""
    bias: dict[str, np.ndarray]
    """(K, C)."""

    @classmethod
    def fit(
        cls,
        train: Embeddings,
        y: np.ndarray,
        counts: np.ndarray,
        folds: np.ndarray,
        features: Features,
        *,
        members: int,
        n_classes: int,
    ) -> Discriminants:
        """From instances of classes `y` (n,), which count `counts` times, without each fold."""
        weight, bias = {}, {}
        for name, size in train.embedding_dims.items():
            if size > _LONGEST or size * n_classes > _MOST_NUMBERS:
                continue
            rows, _ = train.places(name)
            most = min(_MOST_ITEMS, max(1_000, _MOST_IN_MEMORY // size))
            rows = rows[:: max(1, -(-len(rows) // most))]
            scaled = features.scaled(name, train[rows].items(name)[1])
            x = scaled.clip(-FARTHEST_SEEN, FARTHEST_SEEN)
            found = []
            for k in range(members):
                fit = folds[rows] != k
                one = _discriminant(x[fit], y[rows[fit]], counts[rows[fit]], n_classes)
                found += [one] if one else []
            if len(found) == members:
                weight[name], bias[name] = (
                    np.stack(part).astype(np.float32) for part in zip(*found, strict=True)
                )
        return cls(weight, bias)

    def logs(self, name: str, scaled: Tensor, member: int) -> Tensor | None:
        """The log-probabilities (n, C) that one gives standardised items (n, d_m).

        None where there is none. As far out as one likes a line is surer still: there is a floor.
        """
        if name not in self.weight:
            return None
        weight, bias = (torch.from_numpy(of[name][member]) for of in (self.weight, self.bias))
        return _said(scaled, weight, bias)

    def mean_logs(self, name: str, scaled: Tensor) -> Tensor | None:
        """As `logs`, of the mean of all."""
        return _said(scaled, *self._means[name]) if name in self.weight else None

    @cached_property
    def _means(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Of each modality the mean over members, as all of a prediction's rows are asked of it."""
        return {
            name: (_mean(weight), _mean(self.bias[name])) for name, weight in self.weight.items()
        }


def _mean(of_all: np.ndarray) -> Tensor:
    return torch.from_numpy(of_all.mean(axis=0))


def _said(scaled: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    seen = scaled.clamp(-FARTHEST_SEEN, FARTHEST_SEEN)
    logits = torch.addmm(bias.to(scaled.device), seen, weight.to(scaled.device))
    return logits.log_softmax(dim=1).clamp_min_(LEAST_LOG)


def _discriminant(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Weights (d, C) and biases (C,) of items (n, d); None where no class has two that differ.

    A class that nobody has counts as half an instance at the centre.
    """
    mass = np.bincount(y, counts, minlength=n_classes)
    of_class = coo_array((counts, (y, np.arange(len(y)))), shape=(n_classes, len(y)))
    means = (of_class @ x) / np.maximum(mass, 1e-12)[:, None]  # (C, d)
    rest = (x - means[y]) * np.sqrt(counts)[:, None]
    if not np.square(rest).sum() > 0:
        return None
    covariance, _ = ledoit_wolf(rest.astype(x.dtype, copy=False), assume_centered=True)
    covariance = covariance.astype(np.float64)
    covariance.flat[:: len(covariance) + 1] += _NOISE
    weight = solve(covariance, means.T, assume_a="pos")
    prior = np.maximum(mass, 0.5) / max(mass.sum(), 1.0)
    return weight, np.log(prior) - 0.5 * (weight * means.T).sum(axis=0)
