"""How much an item looks like those of training: what looks unlike them counts less.

Noise, a broken sensor, a speaker nobody heard: a network would be as sure as ever. So the principal
axes of a modality's training items are kept, and an item is asked how far it lies along them, and
how much of it they do not explain. Both are compared with held-out training items, as in conformal
prediction; numbers are clipped at three standard deviations, so that one odd feature weighs
little. What strangeness costs is then learnt: noise is added to training items, and the trust in
a modality falls as its out-of-fold outputs get worse. A network that noise cannot harm keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from srmm.data.embeddings import Embeddings
from srmm.ensemble.features import Features

_N_AXES = 64
CLIP = 3.0
"""Standard deviations along an axis, or off them, beyond which all is equally far."""
FAR = 5.0
"""Standard deviations of a number, before the axes are asked."""
_QUANTILE = 0.95
_FEWEST = 20  # items to fit, and as many to compare with; of fewer, every item is familiar
_SIGMAS = np.array([0.0, 0.5, 1.0, 2.0])  # of the noise that trust is learnt from
STEEPEST = 4.0
_MOST = 10_000  # items that the axes are found from
_CHUNK = 512  # items at once: what fits a processor's cache
_SMALLEST = 1e-6


@dataclass(frozen=True)
class Familiar:
    """Where a modality's training items lie, and how far out one in twenty of them is."""

    axes: np.ndarray
    """(d, k), orthonormal: the principal axes."""
    spread: np.ndarray
    """(k,): standard deviation along each."""
    rest: np.ndarray
    """(d,): standard deviation of what the axes do not explain of each feature."""
    limits: np.ndarray
    """(2,): distances along the axes, and off them, that one in twenty held-out items passes."""

    @classmethod
    def fit(cls, x: np.ndarray, held_out: np.ndarray) -> Familiar | None:
        """From standardised items (n, d) and held-out ones; None where there are too few."""
        n, d = x.shape
        if min(n, len(held_out)) < _FEWEST:
            return None
        x = np.clip(x, -CLIP, CLIP)
        k = min(_N_AXES, d, n // 4)
        if d <= n:
            variance, axes = eigh(x.T @ x / n, subset_by_index=(d - k, d - 1))
        else:  # the same axes, from the smaller of the two products
            variance, scores = eigh(x @ x.T / n, subset_by_index=(n - k, n - 1))
            axes = x.T @ scores / np.sqrt(np.maximum(variance, _SMALLEST) * n)
        axes = np.ascontiguousarray(axes, dtype=np.float32)
        spread = np.sqrt(np.maximum(variance, _SMALLEST)).astype(np.float32)
        rest = ((x - (x @ axes) @ axes.T).std(axis=0) + 0.02).astype(np.float32)
        fitted = cls(axes, spread, rest, np.ones(2, dtype=np.float32))
        limits = np.quantile(fitted._distances(held_out), _QUANTILE, axis=0)
        return cls(axes, spread, rest, np.maximum(limits, 1e-3).astype(np.float32))

    def strangeness(self, x: np.ndarray) -> np.ndarray:
        """(n,) of standardised items (n, d): how many limits away, at least 1."""
        return np.maximum(1.0, (self._distances(x) / self.limits).max(axis=1))

    def _distances(self, x: np.ndarray) -> np.ndarray:
        """(n, 2), along the axes and off them: means of squares in standard deviations."""
        out = np.empty((len(x), 2), dtype=np.float32)
        # By PyTorch, as all that predicts: threads of NumPy's products would stand in the way.
        axes, spread, rest = map(torch.from_numpy, (self.axes, self.spread, self.rest))
        for start in range(0, len(x), _CHUNK):
            some = torch.from_numpy(x[start : start + _CHUNK]).float().clamp(-FAR, FAR)
            along = some @ axes
            some.addmm_(along, axes.T, alpha=-1)
            for i, part in enumerate((along.div_(spread), some.div_(rest))):
                out[start : start + _CHUNK, i] = part.square_().clamp_(max=CLIP**2).sum(dim=1)
        return out / np.array([len(self.spread), len(self.rest)], dtype=np.float32)


@dataclass(frozen=True)
class Trust:
    """Trust in items, from 1 towards 0: strangeness to the power of minus `steepness`."""

    familiar: dict[str, Familiar]
    """Of the modalities that had enough items to tell."""
    steepness: dict[str, float]

    @classmethod
    def fit_familiar(cls, train: Embeddings, features: Features, held_out: np.ndarray) -> Trust:
        """Where the items lie; `held_out` (n,) says which instances are compared with the rest."""
        familiar = {}
        for name in train.modalities:
            rows, _ = train.places(name)
            out = held_out[rows]
            chosen = (train[_some(rows[part])] for part in (~out, out))
            found = Familiar.fit(*(features.scaled(name, some.items(name)[1]) for some in chosen))
            if found is not None:
                familiar[name] = found
        return cls(familiar, dict.fromkeys(familiar, 0.0))

    def learn(
        self,
        name: str,
        vectors: np.ndarray,
        y: np.ndarray,
        counts: np.ndarray,
        features: Features,
        scores_of: Callable[[np.ndarray], np.ndarray],
        rng: np.random.Generator,
    ) -> None:
        """Set the steepness of a modality from its items (n, d_m), of classes `y`, and noise.

        An item counts `counts` times. `scores_of` gives the out-of-fold scores (n, C) of noisy
        ones, weighed as the modality's experts are where it is alone.
        """
        if name not in self.familiar or len(vectors) < _FEWEST:
            return
        sigma = _SIGMAS[rng.integers(len(_SIGMAS), size=(len(vectors), 1))]
        scale = sigma * features.standardizer.std[name]
        noisy = (vectors + scale * rng.standard_normal(vectors.shape)).astype(np.float32)
        strange = np.log(self.familiar[name].strangeness(features.scaled(name, noisy)))
        scores = scores_of(noisy).astype(np.float64)
        rows = np.arange(len(y))

        def loss(steepness: float) -> float:
            trusted = np.exp(-steepness * strange)[:, None] * scores
            return float(counts @ (logsumexp(trusted, axis=1) - trusted[rows, y]))

        self.steepness[name] = float(
            minimize_scalar(loss, bounds=(0, STEEPEST), method="bounded").x
        )

    def of(self, embeddings: Embeddings, features: Features) -> np.ndarray:
        """(n, M): each item's trust; 1 where nothing is known, or nothing there."""
        trust = np.ones(embeddings.present.shape, dtype=np.float32)
        for m, name in enumerate(embeddings.modalities):
            for rows, vectors in embeddings.blocks(name):
                trust[rows, m] = self.of_scaled(name, features.scaled(name, vectors))
        return trust

    def of_scaled(self, name: str, scaled: np.ndarray) -> np.ndarray | float:
        """(n,): the trust in items of a modality, given as `Features.scaled` (n, d_m)."""
        if not self.steepness.get(name) or not len(scaled):
            return 1.0
        return self.familiar[name].strangeness(scaled) ** -self.steepness[name]


def _some(rows: np.ndarray) -> np.ndarray:
    """At most `_MOST` of them, evenly spaced."""
    return rows[:: max(1, -(-len(rows) // _MOST))]
