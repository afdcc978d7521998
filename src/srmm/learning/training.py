"""The training loop: batches in, best epoch on held-out instances out."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from srmm.errors import SrmmError
from srmm.learning.optimizer import Adam
from srmm.learning.precision import outside_products, products_in
from srmm.learning.threads import training_threads

logger = logging.getLogger("srmm")


class DivergedError(SrmmError):
    """The loss became infinite or NaN."""


@dataclass
class History:
    """What happened in training: one entry per epoch, and which epoch was kept."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    """1-based; the epoch whose weights were kept."""
    seconds: float = 0.0
    step: int | None = None
    """Instances per step, where the method itself chose how many."""


@training_threads()
def fit_network(
    network: nn.Module,
    epoch_batches: Callable[[], Sequence[Any]],
    loss_of: Callable[[Any], Tensor],
    validate: Callable[[], dict[str, float]] | None,
    *,
    learning_rate: float,
    weight_decay: float,
    schedule: str,
    max_epochs: int,
    patience: int,
    precision: str = "float32",
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> History:
    """Train `network` in place with Adam and leave it with the weights of its best epoch.

    Parameters
    ----------
    epoch_batches : callable returning the batches of one epoch, drawn anew at each call
    loss_of : callable from a batch to a scalar loss, or to those (K,) of K networks in one, each of
        which then goes down its own
    validate : callable returning held-out figures, among them "score" (the higher the better) and
        "loss", which decides between equal scores; None: no instance is held out, and the last
        epoch is kept. Test data never gets here.
    learning_rate, weight_decay, schedule, max_epochs, patience
        As in `srmm.recipe.NetworkParameters`.
    precision : "float32", or "bfloat16" for the products of the steps; weights are float32
    progress : wraps the range of epochs, e.g. `tqdm.tqdm`
    """
    start = time.perf_counter()
    history = History()
    batches: Sequence[Any] = epoch_batches()
    optimizer = Adam(network.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True)
    device = next(network.parameters()).device
    scheduler = None
    if schedule == "one-cycle":
        # Switching may cut epochs into slightly different numbers of batches; a few more steps
        # than planned simply stay at the schedule's end.
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, learning_rate, total_steps=max_epochs * len(batches)
        )
    best, best_state, waited = (-math.inf, -math.inf), None, 0
    for epoch in progress(range(1, max_epochs + 1)):
        network.train()
        losses: list[Tensor] = []
        for batch in batches:
            with products_in(precision, device):
                loss = loss_of(batch)
            optimizer.zero_grad(set_to_none=True)
            with outside_products(device):  # whatever the caller has set
                loss.sum().backward()
            optimizer.step()
            if scheduler is not None and scheduler.last_epoch < scheduler.total_steps - 1:
                scheduler.step()
            losses.append(loss.detach())
        batch = batches = ()  # of many rows they take room, and so do the next
        batches = epoch_batches()
        network.eval()
        figures = {"epoch": epoch, "train_loss": float(torch.stack(losses).mean())}
        if not math.isfinite(figures["train_loss"]):
            raise DivergedError(
                f"Training diverged: the loss of epoch {epoch} is {figures['train_loss']}. "
                f"Lower learning_rate (now {learning_rate:g}), or bring features to one scale "
                "(standardize=True, where the method has it)."
            )
        if validate is not None:
            figures |= {f"validation_{name}": value for name, value in validate().items()}
        history.epochs.append(figures)
        logger.debug("epoch %(epoch)d: train loss %(train_loss).4f", figures)
        reached = (figures.get("validation_score", epoch), -figures.get("validation_loss", 0.0))
        if reached > best:
            best, waited, history.best_epoch = reached, 0, epoch
            best_state = copy.deepcopy(network.state_dict())
        else:
            waited += 1
            if waited >= patience:
                break
    if best_state is not None:
        network.load_state_dict(best_state)
    history.seconds = time.perf_counter() - start
    return history
