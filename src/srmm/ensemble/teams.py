"""Members in teams, one thread each: networks as small as these leave other cores idle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from srmm.ensemble.branches import Branches
from srmm.learning.threads import threads_each
from srmm.learning.training import History

Progress = Callable[[Iterable[int]], Iterable[int]]
GoOn = Callable[[], None]
Train = Callable[[Branches, slice, Progress, GoOn], History]
"""(some of the members, which they are, what shows progress, what to call at every step)."""


class _StoppedError(Exception):
    """Another team, or whoever waits for all, has stopped."""


def train_teams(network: Branches, train: Train, progress: Progress) -> History:
    """Train the members of `network`, as many at once as PyTorch may use threads on a processor.

    A team has its share of these threads. The first, which is never smaller than another, is
    trained here and shows the progress. An error or an interrupt in one of them ends all.
    """
    teams = _teams(network)
    stopped = threading.Event()

    def go_on() -> None:
        if stopped.is_set():
            raise _StoppedError

    def run(team: slice, progress: Progress) -> History:
        some = network.part(team)
        try:
            history = train(some, team, progress, go_on)
        except BaseException:
            stopped.set()
            raise
        network.take(some, team)
        return history

    if len(teams) == 1:
        return run(teams[0], progress)
    first: Future[History] = Future()
    try:
        threads = torch.get_num_threads() // len(teams)
        with threads_each(threads), ThreadPoolExecutor(len(teams) - 1) as pool:
            others = [pool.submit(run, team, iter) for team in teams[1:]]
            try:
                first.set_result(run(teams[0], progress))
            except Exception as error:
                first.set_exception(error)
    finally:
        stopped.set()  # an interrupt while the others are waited for
    runs = [first, *others]
    failed = [wrong for wrong in (one.exception() for one in runs) if wrong is not None]
    if failed:
        raise min(failed, key=lambda wrong: isinstance(wrong, _StoppedError))
    return _as_one([one.result() for one in runs], teams)


def _teams(network: Branches) -> list[slice]:
    on_cpu = network.fc2.weight.device.type == "cpu"  # elsewhere all members are one batch
    n = min(network.members, torch.get_num_threads()) if on_cpu else 1
    parts = np.array_split(np.arange(network.members), n)
    return [slice(int(part[0]), int(part[-1]) + 1) for part in parts]


def _as_one(histories: list[History], teams: list[slice]) -> History:
    """One history of all members: their mean losses."""
    sizes = [team.stop - team.start for team in teams]
    first = histories[0]
    for k, figures in enumerate(first.epochs):
        losses = [history.epochs[k]["train_loss"] for history in histories]
        figures["train_loss"] = float(np.average(losses, weights=sizes))
    first.seconds = max(history.seconds for history in histories)
    return first
