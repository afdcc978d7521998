"""How many threads work on one operation while a network is trained."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads_each(n: int) -> Iterator[None]:
    """At most `n` of PyTorch's threads on one operation, for a while.

    Of this thread, and of those that begin meanwhile.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(min(n, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def training_threads() -> Iterator[None]:
    """One where threads sleep between operations, as the `srmm` command has them; else all.

    A step of a small network has many short operations, for each of which sleepers have to be
    woken: two train it no sooner than one, and up to twice as slowly (docs/performance.md).
    """
    asleep = os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive"
    with threads_each(1 if asleep else torch.get_num_threads()):
        yield
