"""Each member draws from a generator of its own: it learns the same, whoever trains beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Generators = Sequence[np.random.Generator]


def of_each(rngs: Generators, draw: Callable[[np.random.Generator], np.ndarray]) -> np.ndarray:
    """What each of K generators gives, one below the other: (K, …).

    >>> of_each([np.random.default_rng(0), np.random.default_rng(0)], lambda rng: rng.random(1))
    array([[0.63696169],
           [0.63696169]])
    """
    return np.stack([draw(rng) for rng in rngs])
