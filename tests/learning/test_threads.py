"""How many threads train a network, and that they are given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from srmm import PaperClassifier
from srmm.learning.threads import threads_each, training_threads
from srmm.learning.training import DivergedError


@pytest.fixture(autouse=True)
def two_threads(torch_threads: Callable[[int], None]) -> None:
    torch_threads(2)


@pytest.mark.parametrize(("policy", "threads"), [("PASSIVE", 1), ("active", 2), ("", 2)])
def test_threads_that_sleep_are_not_woken(
    policy: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    with training_threads():
        assert torch.get_num_threads() == threads


def test_there_are_never_more_than_before() -> None:
    with threads_each(8):
        assert torch.get_num_threads() == 2


def test_a_training_that_fails_gives_them_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    seen = []

    def epochs(planned: range) -> Iterator[int]:
        for epoch in planned:
            seen.append(torch.get_num_threads())
            yield epoch

    rng = np.random.default_rng(0)
    model = PaperClassifier(max_epochs=3, hidden_dim=8, learning_rate=1e30, progress=epochs)
    with pytest.raises(DivergedError):
        model.fit({"a": rng.normal(size=(60, 3)), "b": rng.normal(size=(60, 4))}, [0, 1, 2] * 20)
    assert set(seen) == {1}
