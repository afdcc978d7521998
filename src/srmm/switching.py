"""Modality switching: the order in which embeddings enter the single branch (paper III-B, V-C).

The unit of the stream is a *pair* (instance, modality) whose item is present. An absent item is not
in the stream, and training with missing modalities needs no other mechanism: there is no loss to
mask, no token to learn, nothing to impute. Since a pair carries the label of its instance and goes
through the branch alone, the network learns from every modality what it can do without the others.

Every strategy returns one epoch: a list of batches, each an int array of shape (batch, 2) with
columns instance and modality. Which modalities share a batch matters because batch norm takes its
statistics from one: over all modalities in a mixed batch, over one in a unimodal one (Table XI).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Batches = list[np.ndarray]
Strategy = Callable[[np.ndarray, int, np.random.Generator], Batches]


def s1(present: np.ndarray, batch_size: int, rng: np.random.Generator) -> Batches:
    """S-1: all present pairs in one random order, so that every batch mixes modalities.

    The best of the paper's three (V-C, Table XI), and its recipe.

    `present` is boolean of shape (n_instances, n_modalities).
    """
    return cut(rng.permutation(_pairs(present)), batch_size)


def s2(present: np.ndarray, batch_size: int, rng: np.random.Generator) -> Batches:
    """S-2: half of the pairs in mixed batches as in S-1, half in unimodal ones as in S-3."""
    # "Half of the batches" is drawn as half of the pairs: every pair is seen once per epoch.
    mixed = _draw_half(present, rng)
    batches = s1(mixed, batch_size, rng) + s3(present & ~mixed, batch_size, rng)
    return _shuffled(batches, rng)


def s3(present: np.ndarray, batch_size: int, rng: np.random.Generator) -> Batches:
    """S-3: every batch holds one modality only; the batches come in random order."""
    batches: Batches = []
    for m in range(present.shape[1]):
        pairs = _pairs(present)
        batches += cut(rng.permutation(pairs[pairs[:, 1] == m]), batch_size)
    return _shuffled(batches, rng)


def one_per_instance(present: np.ndarray, batch_size: int, rng: np.random.Generator) -> Batches:
    """The other reading of S-1: each instance shows one random present modality per epoch."""
    # One draw per pair, absent ones below all: the argmax is uniform over what is present.
    scores = np.where(present, rng.random(present.shape), -1.0)
    chosen = np.zeros_like(present)
    rows = np.flatnonzero(present.any(axis=1))
    chosen[rows, scores[rows].argmax(axis=1)] = True
    return s1(chosen, batch_size, rng)


STRATEGIES: dict[str, Strategy] = {
    "s1": s1,
    "s2": s2,
    "s3": s3,
    "one-per-instance": one_per_instance,
}


def cut(pairs: np.ndarray, batch_size: int) -> Batches:
    """Batches of `batch_size`; a lone last pair joins the batch before it: batch norm needs two."""
    batches = [pairs[i : i + batch_size] for i in range(0, len(pairs), batch_size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        lone = batches.pop()
        batches[-1] = np.concatenate([batches[-1], lone])
    return batches


def _pairs(present: np.ndarray) -> np.ndarray:
    """The present pairs (n, 2), as integers of half the usual size: there may be very many."""
    rows, modalities = np.nonzero(present)
    pairs = np.empty((len(rows), 2), dtype=np.int32)
    pairs[:, 0], pairs[:, 1] = rows, modalities
    return pairs


def _draw_half(present: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Boolean (n, M): a random half of the present pairs."""
    pairs = rng.permutation(_pairs(present))
    half = np.zeros_like(present)
    half[tuple(pairs[: len(pairs) // 2].T)] = True
    return half


def _shuffled(batches: Batches, rng: np.random.Generator) -> Batches:
    return [batches[i] for i in rng.permutation(len(batches))]
