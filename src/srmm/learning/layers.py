"""Small pieces that networks share."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from srmm.errors import one_of
from srmm.recipe import INITS


class Dropout(nn.Module):
    """Dropout whose draws come from `generator` while a training sets one.

    PyTorch's own draws from a generator that all threads of a process share.

    **Shape**: any, and the same out.

    >>> Dropout(0.5).eval()(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """

    generator: torch.Generator | None = None

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.share:
            return x
        kept = 1 - self.share
        return x * _tossed(x, kept, self.generator).div_(kept or 1)


def _tossed(x: Tensor, chance: float, generator: torch.Generator | None) -> Tensor:
    """1 with this `chance`, else 0, as many as `x` has numbers: what `bernoulli_` draws.

    On a CPU `bernoulli_` compares 53 random bits with the chance, one number at a time. All at once
    it takes a third of the time, and the draws are the same.
    """
    if x.device.type != "cpu":
        return torch.empty_like(x).bernoulli_(chance, generator=generator)
    bits = torch.empty_like(x, dtype=torch.int64).random_(-(2**63), None, generator=generator)
    drawn = bits.numpy()
    drawn &= 2**53 - 1
    return torch.from_numpy((drawn < math.ceil(chance * 2**53)).astype(np.float32)).to(x.dtype)


def start_as(network: nn.Module, init: str) -> None:
    """Initialise all linear layers: "xavier" (uniform, biases 0.01) or PyTorch's own way."""
    if one_of("init", init, INITS) == "xavier":
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.constant_(layer.bias, 0.01)


def on_present(module: nn.Module, x: Tensor, here: Tensor) -> Tensor:
    """`module` over the rows of `x` (n, d) where `here` (n,) is True; zeros elsewhere.

    So batch norm never sees an absent item.
    """
    if torch.compiler.is_compiling() and not module.training:  # exported: no shape hangs on values
        shown = torch.where(here[:, None], x, 0.0)
        return torch.where(here[:, None], module(shown), 0.0)
    rows = torch.nonzero(here)[:, 0]
    y = lone_row_safe(module, x[rows])
    return y.new_zeros((len(x), y.shape[1])).index_copy(0, rows, y)


def lone_row_safe(module: nn.Module, x: Tensor) -> Tensor:
    """`module(x)`, in which fewer than two rows pass batch norm by its running statistics."""
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm1d) and m.training]
    norms = norms if len(x) < 2 else []
    for norm in norms:
        norm.eval()
    y = module(x)
    for norm in norms:
        norm.train()
    return y


def branch(embedding_dim: int, hidden_dim: int, dropout: float) -> nn.Sequential:
    """FC-BN-ReLU-dropout, FC: (n, embedding_dim) → (n, hidden_dim), the paper's blocks 1 and 2."""
    return nn.Sequential(
        nn.Linear(embedding_dim, hidden_dim),
        nn.BatchNorm1d(hidden_dim),
        nn.ReLU(),
        Dropout(dropout),
        nn.Linear(hidden_dim, hidden_dim),
    )
