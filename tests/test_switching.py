from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srmm.switching import STRATEGIES, one_per_instance, s1, s2, s3

masks = arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 4)))


@pytest.mark.parametrize("name", [n for n in STRATEGIES if n != "one-per-instance"])
@given(present=masks, batch_size=st.integers(2, 9), seed=st.integers(0, 99))
def test_an_epoch_visits_each_present_pair_once(
    name: str, present: np.ndarray, batch_size: int, seed: int
) -> None:
    batches = STRATEGIES[name](present, batch_size, np.random.default_rng(seed))
    visited = [tuple(pair) for batch in batches for pair in batch.tolist()]
    assert sorted(visited) == [tuple(pair) for pair in np.argwhere(present).tolist()]


@given(present=masks, batch_size=st.integers(2, 9))
def test_one_per_instance_shows_each_instance_once(present: np.ndarray, batch_size: int) -> None:
    batches = one_per_instance(present, batch_size, np.random.default_rng(0))
    pairs = np.concatenate(batches) if batches else np.empty((0, 2), dtype=int)
    assert sorted(pairs[:, 0]) == np.flatnonzero(present.any(axis=1)).tolist()
    assert present[pairs[:, 0], pairs[:, 1]].all()


def test_a_lone_last_pair_joins_the_batch_before() -> None:
    present = np.ones((9, 1), dtype=bool)
    sizes = [len(batch) for batch in s1(present, 4, np.random.default_rng(0))]
    assert sizes == [4, 5]


def test_s1_mixes_modalities_in_every_batch() -> None:
    batches = s1(np.ones((500, 2), dtype=bool), 50, np.random.default_rng(0))
    assert all(len(np.unique(batch[:, 1])) == 2 for batch in batches)


def test_s3_batches_are_unimodal_and_in_random_order() -> None:
    batches = s3(np.ones((500, 2), dtype=bool), 50, np.random.default_rng(0))
    modalities = [set(batch[:, 1].tolist()) for batch in batches]
    assert all(len(found) == 1 for found in modalities)
    order = [found.pop() for found in modalities]
    assert order not in (sorted(order), sorted(order, reverse=True))


def test_s2_is_half_and_half() -> None:
    batches = s2(np.ones((500, 2), dtype=bool), 50, np.random.default_rng(0))
    unimodal = sum(len(np.unique(batch[:, 1])) == 1 for batch in batches)
    assert len(batches) / 2 - 1 <= unimodal <= len(batches) / 2 + 1


def test_the_same_seed_gives_the_same_stream_and_epochs_differ() -> None:
    present = np.ones((40, 2), dtype=bool)
    rng, again = np.random.default_rng(3), np.random.default_rng(3)
    first, same, second = s2(present, 8, rng), s2(present, 8, again), s2(present, 8, rng)
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=False))
