"""Several single branches as one batched module, with a stream for what is there together."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srmm.ensemble.draws import Generators, of_each
from srmm.learning.gradients import EPS, normed, unit_length
from srmm.learning.precision import outside_products, widened

_SURE = 0.9  # the probability that a unit-length embedding must be able to give its class


class Branches(nn.Module):
    """K single-branch networks of one shape, trained and asked at once.

    Each is the paper's branch (Fig. 2): FC → batch norm → ReLU → dropout, FC → L2 normalisation,
    FC → softmax. The first FC and batch norm are each modality's own, since embeddings differ in
    length; all that follows is shared by all modalities, and by the *fused stream*: the mean of
    several items' vectors, which goes the same way. Every subset of items so has an output, and as
    the mean is taken before the ReLU, one item can change what another means.

    Between block 2 and 3 stands the scale of NormFace (Wang et al., 2017), s = ln((C−1)·p/(1−p)):
    without it, unit-length embeddings could not be sure among many classes.

    **Shape**: K members, n instances, M modalities, h = `hidden_dim`. Items are (K, n, width) where
    every member sees instances of its own, or (n, width) where all see the same ones.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        n_classes: int,
        *,
        members: int,
        hidden_dim: int,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.widths, self.n_classes = dict(widths), n_classes
        self.members, self.hidden_dim = members, hidden_dim
        self.input_dropout, self.dropout = input_dropout, dropout
        self.fc1 = nn.ModuleList(Linears(members, width, hidden_dim) for width in widths.values())
        self.norms = nn.ModuleList(MaskedBatchNorm(members, hidden_dim) for _ in widths)
        self.fc2 = Linears(members, hidden_dim, hidden_dim)
        self.fc3 = Linears(members, hidden_dim, n_classes)
        self.scale = math.log(max(n_classes - 1, 1) * _SURE / (1 - _SURE))

    def start(self, rng: np.random.Generator) -> None:
        """Draw the weights as PyTorch does for a linear layer, from a generator of our own."""
        for layer in (*self.fc1, self.fc2, self.fc3):
            bound = 1 / math.sqrt(layer.weight.shape[1])
            for weights in (layer.weight, layer.bias):
                drawn = rng.uniform(-bound, bound, size=tuple(weights.shape)).astype(np.float32)
                weights.data.copy_(torch.from_numpy(drawn))

    def enter(
        self, items: Mapping[str, Tensor], present: Tensor, rngs: Generators | None = None
    ) -> Tensor:
        """FC and batch norm of block 1: items {modality: (K, n, width)} → vectors (K, n, M, h).

        Where `present` (K, n, M) is False there is no item, and what comes out means nothing.
        """
        out = []
        for m, name in enumerate(self.widths):
            x = self.fc1[m](self._drop(items[name], self.input_dropout, rngs))
            out.append(self.norms[m](x, present[..., m]))
        return torch.stack(out, dim=2)

    def fused(self, vectors: Tensor, share: Tensor) -> Tensor:
        """The fused stream: the vectors (K, n, M, h) of `enter` as one (K, n, h), by their `share`.

        `share` (n, M) or (K, n, M) is at least 0; an item whose share is 0 takes no part.
        """
        total = share.sum(dim=-1, keepdim=True).clamp_min(1e-6)
        with outside_products(vectors.device):
            return torch.matmul((share / total)[..., None, :], vectors)[..., 0, :]

    def embed(self, vectors: Tensor, rngs: Generators | None = None) -> Tensor:
        """To the end of block 2: (K, …, h) → (K, …, h), every row of unit length."""
        hidden = self._drop(F.relu(vectors), self.dropout, rngs)  # the end of block 1
        return unit_length(self.fc2(hidden.flatten(1, -2))).view(vectors.shape)

    def classify(self, vectors: Tensor, rngs: Generators | None = None) -> Tensor:
        """To the end of block 3: vectors (K, …, h) of `enter` or `fused` → logits (K, …, C)."""
        logits = self.fc3(self.scale * self.embed(vectors, rngs).flatten(1, -2))
        return logits.view(*vectors.shape[:-1], self.n_classes)

    def like(self, members: int) -> Branches:
        """So many networks of this shape, which have not started."""
        return Branches(
            self.widths,
            self.n_classes,
            members=members,
            hidden_dim=self.hidden_dim,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
        )

    def part(self, members: slice) -> Branches:
        """Some of the networks, by themselves: a copy."""
        state = {name: x[members] for name, x in self.state_dict().items()}
        some = self.like(len(state["fc2.weight"]))
        some.load_state_dict(state)
        return some.to(self.fc2.weight.device)

    def take(self, some: Branches, members: slice) -> None:
        """Become what those of the networks have become that were a `part`."""
        learnt = some.state_dict()
        for name, x in self.state_dict().items():
            x[members] = learnt[name]

    def member(self, k: int) -> Branches:
        """Network `k` by itself, as it predicts."""
        return self.part(slice(k, k + 1)).eval()

    def _drop(self, x: Tensor, share: float, rngs: Generators | None) -> Tensor:
        """Dropout of (K, …), to 1/256; none without generators, from which nobody else draws."""
        cut = min(round(256 * share), 255)
        if rngs is None or not cut:
            return x
        # The bytes of `rng.bytes`, without its three copies; NumPy compares them faster, too.
        n = x[0].numel()
        words = of_each(rngs, lambda rng: rng.integers(2**32, size=-(-n // 4), dtype=np.uint32))
        drawn = words.astype("<u4", copy=False).view(np.uint8)[:, :n]
        factor = (drawn >= cut).astype(np.float32)
        factor *= 256 / (256 - cut)
        return x * torch.from_numpy(factor).to(x.device).view(x.shape)


class Linears(nn.Module):
    """K linear layers side by side: (K, n, d) or (n, d) → (K, n, h)."""

    def __init__(self, members: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, n_in, n_out))
        self.bias = nn.Parameter(torch.zeros(members, 1, n_out))

    def forward(self, x: Tensor) -> Tensor:
        x = x.expand(len(self.weight), *x.shape[-2:])
        return widened(torch.baddbmm(self.bias, x, self.weight))


class MaskedBatchNorm(nn.Module):
    """K batch norms side by side, whose statistics are those of the items that are there.

    A member with fewer than two items in a batch goes by its running statistics.
    """

    mean: Tensor
    var: Tensor
    eps = EPS

    def __init__(self, members: int, width: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(members, 1, width))
        self.shift = nn.Parameter(torch.zeros(members, 1, width))
        self.register_buffer("mean", torch.zeros(members, 1, width))
        self.register_buffer("var", torch.ones(members, 1, width))
        self.momentum = momentum

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        if not self.training:
            return (x - self.mean) * (torch.rsqrt(self.var + self.eps) * self.gain) + self.shift
        with torch.no_grad(), outside_products(x.device):
            count = present.sum(dim=1)[:, None, None]  # (K, 1, 1)
            enough = count > 1
            share = enough * present[..., None] / count.clamp_min(1)  # (K, n, 1)
            mean = torch.where(enough, share.mT @ x, self.mean)
            var = torch.where(enough, share.mT @ (x - mean).square(), self.var)
            unbiased = torch.where(enough, count / (count - 1).clamp_min(1), 1.0)
            self.mean.lerp_(mean, self.momentum)
            self.var.lerp_(var * unbiased, self.momentum)
        return normed(x, mean, var, share, self.gain, self.shift)
