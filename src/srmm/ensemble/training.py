"""What the networks learn from: every item alone, and what is there together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from srmm.ensemble.branches import Branches
from srmm.ensemble.draws import Generators, of_each
from srmm.ensemble.table import FeatureTable
from srmm.ensemble.teams import GoOn, Progress, train_teams
from srmm.learning.training import History, fit_network

_EPOCHS, _STEPS = 30, 1_200  # at the least; no instance is held out to stop earlier
_STEPS_OF_SHORT = 2_400  # where embeddings have few numbers, whose steps are cheap and cut finely
_MOST_EPOCHS = 200  # of very small data, whatever the steps
STEP, _LARGEST_STEP = 64, 256  # instances; fewer than that are repeated to make a step
_STEPS_OF_LARGER = 3_000  # of 30 epochs, that larger steps must leave


def train_branches(
    network: Branches,
    rows_of: Sequence[np.ndarray],
    losses_of: Callable[[Branches, np.ndarray, Generators], Tensor],
    rngs: Generators,
    *,
    batch_size: int | None,
    learning_rate: float,
    max_epochs: int | None,
    precision: str,
    short: bool,
    progress: Progress = iter,
) -> History:
    """Train all members, each on its `rows_of`, and leave them ready to predict.

    `losses_of` takes some of the members, the rows (K, batch_size) of these and their generators,
    and returns their losses (K,). Without `max_epochs` there are 30, and as many more as make
    1,200 steps, or 2,400 where all embeddings are `short`, up to 200. Without `batch_size` it is
    `usual_step`, and where that is larger than 64 the learning rate grows by the root of how much
    larger. A step is never larger than what there is to learn from, or 64. On several cores members
    train in threads; they learn the same.
    """
    most = max(map(len, rows_of))
    if batch_size is None:
        batch_size = usual_step(most)
        learning_rate *= math.sqrt(batch_size / STEP)
    batch_size = min(batch_size, max(most, STEP))
    n_steps = -(-most // batch_size)
    least = _STEPS_OF_SHORT if short else _STEPS
    epochs = max_epochs or max(_EPOCHS, min(_MOST_EPOCHS, -(-least // n_steps)))

    def train(some: Branches, team: slice, progress: Progress, go_on: GoOn) -> History:
        def losses_of_batch(rows: np.ndarray) -> Tensor:
            go_on()
            return losses_of(some, rows, rngs[team])

        return fit_network(
            some,
            lambda: draw_batches(rows_of[team], n_steps, batch_size, rngs[team]),
            losses_of_batch,
            None,
            learning_rate=learning_rate,
            weight_decay=0.0,
            schedule="one-cycle",
            max_epochs=epochs,
            patience=epochs,
            precision=precision,
            progress=progress,
        )

    history = train_teams(network, train, progress)
    history.step = batch_size
    network.eval()
    return history


def usual_step(n_rows: int) -> int:
    """Instances per step of so many rows: 64; of many up to 256, which learns as well in less time.

    >>> [usual_step(n) for n in (50, 9_600, 16_000, 100_000)]
    [64, 64, 128, 256]
    """
    size = STEP
    while size < _LARGEST_STEP and _EPOCHS * math.ceil(n_rows / (2 * size)) >= _STEPS_OF_LARGER:
        size *= 2
    return size


class AllButOne(Sequence[np.ndarray]):
    """The rows of each member, all but its fold, found when they are asked for."""

    def __init__(self, folds: np.ndarray, members: int) -> None:
        self.folds, self.members = folds, members

    def __len__(self) -> int:
        return self.members

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return [self[one] for one in range(self.members)[k]]
        if not 0 <= k < self.members:
            raise IndexError(k)
        return np.flatnonzero(self.folds != k).astype(np.int32)


def draw_batches(
    rows_of: Sequence[np.ndarray], n_steps: int, batch_size: int, rngs: Generators
) -> Batches:
    """The batches of one epoch: rows (K, batch_size), each member's in an order of its own.

    Members with fewer rows than fill the steps begin anew, so that all make as many.
    """
    order = np.empty((len(rows_of), n_steps * batch_size), dtype=np.int32)  # of many rows, half
    for k, (rows, rng) in enumerate(zip(rows_of, rngs, strict=True)):
        order[k] = np.resize(rng.permutation(rows), n_steps * batch_size)
    return Batches(order, batch_size)


class Batches(Sequence[np.ndarray]):
    """The rows (K, n_steps · batch_size) of an epoch, cut as they are asked for."""

    def __init__(self, order: np.ndarray, batch_size: int) -> None:
        self.order, self.batch_size = order, batch_size

    def __len__(self) -> int:
        return self.order.shape[1] // self.batch_size

    def __getitem__(self, step: Any) -> Any:
        if not 0 <= step < len(self):
            raise IndexError(step)
        start = step * self.batch_size
        return self.order[:, start : start + self.batch_size].astype(np.int64)


def draw_parts(present: Tensor, rngs: Generators) -> Tensor:
    """What the fused stream sees of each instance: a mask within `present` (K, n, M).

    Half of the time all that is there, else a random subset of two items or more.
    """
    n, M = present.shape[1:]
    drawn = of_each(rngs, lambda rng: rng.random((n, M + 1), dtype=np.float32))
    coins = torch.from_numpy(drawn).to(present.device)
    coins, whole = coins[..., :M], coins[..., M:] < 0.5
    # The two that are drawn first always stay, each of the others by the toss of a coin.
    order = coins.masked_fill(~present, 2.0)
    second = order.kthvalue(min(2, M), dim=-1, keepdim=True).values
    return present & (whole | (order <= second) | (coins < 0.5))


def batch_losses(
    network: Branches,
    table: FeatureTable,
    rows: np.ndarray,
    target: Tensor,
    weight: Tensor,
    rngs: Generators,
) -> Tensor:
    """Of each member (K,) the cross entropy of items alone plus that of the fused stream.

    Means over its `rows` (K, n). The modality switch (paper III-A) so has one more stream; all go
    through the same blocks.
    """
    items, present = table.batch(rows, rngs)  # present: (K, n, M)
    streams = network.enter(items, present, rngs)  # (K, n, M, h)
    counts = present
    if present.shape[-1] > 1:
        seen = draw_parts(present, rngs)
        streams = torch.cat([streams, network.fused(streams, seen)[:, :, None]], dim=2)
        several = seen.sum(dim=-1, keepdim=True) > 1  # one item together is that item alone
        counts = torch.cat([present, several], dim=-1)
    losses = _cross_entropy(network.classify(streams, rngs), target[rows])  # (K, n, M or M + 1)
    losses = losses * counts * weight[rows][..., None]
    M = present.shape[-1]
    alone, fused = (
        losses[..., part].sum(dim=(1, 2)) / counts[..., part].sum(dim=(1, 2)).clamp_min(1)
        for part in (slice(0, M), slice(M, None))
    )
    return alone + fused


def _cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """(K, n, E) of logits (K, n, E, C) and classes (K, n)."""
    labels = y[..., None].expand(logits.shape[:-1])
    losses = F.cross_entropy(logits.flatten(0, 2), labels.flatten(), reduction="none")
    return losses.view(labels.shape)
