"""Members train in teams, one thread each, and learn the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from srmm import SingleBranchClassifier
from srmm.ensemble.branches import Branches
from srmm.ensemble.teams import train_teams
from srmm.learning.training import DivergedError, History
from tests.golden.make_predictions import problem


@pytest.fixture
def three_threads(torch_threads: Callable[[int], None]) -> None:
    torch_threads(3)


def network(members: int = 5) -> Branches:
    made = Branches({"a": 3}, 2, members=members, hidden_dim=4)
    made.start(np.random.default_rng(0))
    return made


def history(*losses: float) -> History:
    return History([{"epoch": k + 1, "train_loss": x} for k, x in enumerate(losses)], len(losses))


@pytest.mark.parametrize("threads", [2, 5])
def test_how_many_threads_there_are_changes_nothing(
    threads: int, torch_threads: Callable[[int], None]
) -> None:
    X, y, weight = problem()

    def fitted(n: int) -> SingleBranchClassifier:
        torch_threads(n)
        return SingleBranchClassifier(
            max_epochs=6, hidden_dim=24, random_state=3, when_nothing_present="prior"
        ).fit(X, y, weight)

    alone, many = fitted(1), fitted(threads)
    # Sums in another order, and no draw is another: that would move them by hundredths.
    np.testing.assert_allclose(many.predict_proba(X), alone.predict_proba(X), atol=2e-3)
    losses = [[one["train_loss"] for one in model.history_.epochs] for model in (alone, many)]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert many.history_.best_epoch == 6


@pytest.mark.usefixtures("three_threads")
def test_every_member_is_trained_once_and_none_waits_for_another() -> None:
    whole = network()
    all_here = threading.Barrier(3, timeout=60)
    seen: list[tuple[slice, int]] = []

    def train(some: Branches, team: slice, progress: Any, go_on: Any) -> History:
        all_here.wait()  # no thread passes before each is here
        go_on()
        seen.append((team, torch.get_num_threads()))
        some.fc2.weight.data.fill_(team.start)
        return history(1.0, float(team.start))

    told = train_teams(whole, train, iter)
    assert sorted(seen, key=lambda one: one[0].start) == [
        (slice(0, 2), 1), (slice(2, 4), 1), (slice(4, 5), 1),
    ]  # fmt: skip
    assert whole.fc2.weight[:, 0, 0].tolist() == [0, 0, 2, 2, 4]
    assert [one["train_loss"] for one in told.epochs] == [1.0, pytest.approx((2 * 2 + 4) / 5)]


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize(
    ("at", "error"),  # an interrupt reaches the main thread, which trains the first team
    [(0, DivergedError), (2, DivergedError), (4, DivergedError), (0, KeyboardInterrupt)],
)
def test_an_error_in_one_team_ends_all(at: int, error: type[BaseException]) -> None:
    before = threading.active_count()

    def train(some: Branches, team: slice, progress: Any, go_on: Any) -> History:
        if team.start == at:
            raise error("it was this one")
        for _ in range(6_000):
            go_on()
            threading.Event().wait(0.01)
        raise AssertionError("it went on for a minute")

    with pytest.raises(error, match="it was this one"):
        train_teams(network(), train, iter)
    assert threading.active_count() == before


@pytest.mark.usefixtures("three_threads")
def test_one_member_is_trained_here() -> None:
    def train(some: Branches, team: slice, progress: Any, go_on: Any) -> History:
        assert threading.current_thread() is threading.main_thread()
        assert torch.get_num_threads() == 3
        return history(1.0)

    train_teams(network(members=1), train, iter)
