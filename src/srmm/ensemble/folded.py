"""The networks as they predict: what needs no step of its own is folded into the step before.

Batch norm becomes part of the first FC, all members' first FCs one product. Late fusion is
softmax(Σ w_e · log p_e), and log p_e is linear in an expert's block-2 embedding but for a constant,
which a softmax does not see: so the experts' embeddings are weighed and added first, and the
last FC is one product of all members, once for an instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from srmm.ensemble.branches import Branches
from srmm.learning.surroundings import undisturbed


class Folded:
    """What `Branches` says, with fewer and larger products; equal to it but for rounding.

    **Shape**: K members, n instances, E experts, h = `hidden_dim`; the members' vectors lie side by
    side, (n, K·h).
    """

    def __init__(self, network: Branches) -> None:
        self.members, self.hidden_dim = network.members, network.hidden_dim
        self.width = self.members * self.hidden_dim
        self.first = []
        layers: Any = zip(network.fc1, network.norms, strict=True)
        for fc1, norm in layers:
            gain = torch.rsqrt(norm.var + norm.eps) * norm.gain
            weight = (fc1.weight * gain).permute(1, 0, 2).reshape(-1, self.width)
            self.first.append((weight, ((fc1.bias - norm.mean) * gain + norm.shift).flatten()))
        self.second = [*zip(network.fc2.weight, network.fc2.bias.flatten(1), strict=True)]
        share = network.scale / self.members  # of each member in the mean of their logits
        self.third = (network.fc3.weight * share).reshape(self.width, -1)
        self.bias = network.fc3.bias.mean(dim=0)  # (1, C)

    def enter(self, m: int, items: Tensor) -> Tensor:
        """FC and batch norm of block 1 of items (n, width) of modality `m`: (n, K·h)."""
        weight, bias = self.first[m]
        return torch.addmm(bias, items, weight)

    def logits(self, vectors: Sequence[Tensor], weights: Tensor) -> Tensor:
        """Σ w_e · log p_e but for a constant: (n, C) of E experts (n, K·h), by weights (n, E)."""
        n = len(weights)
        total = weights.new_zeros((n, self.members, self.hidden_dim))  # of none: all classes alike
        hidden, out = (weights.new_empty((n, self.width)) for _ in range(2))  # for all experts
        members = out.view_as(total)
        for vector, weight in zip(vectors, weights.T, strict=True):
            torch.clamp_min(vector, 0, out=hidden)  # ReLU
            for k, (second, bias) in enumerate(self.second):
                part = slice(k * self.hidden_dim, (k + 1) * self.hidden_dim)
                torch.addmm(bias, hidden[:, part], second, out=out[:, part])
            length = torch.linalg.vector_norm(members, dim=2, keepdim=True).clamp_min_(1e-12)
            total.addcmul_(members, weight[:, None, None] / length)
        return torch.addmm(
            weights.sum(dim=1, keepdim=True) * self.bias, total.view(n, -1), self.third
        )


class Entered(NamedTuple):
    """What is known of n instances before it is said which of their items count.

    Zeros stand for what is absent.
    """

    vectors: list[Tensor]
    """Of each modality (n, K·h): what enters the networks."""
    lines: list[Tensor | None]
    """Of each (n, C): the log-probabilities of its discriminant, if it has one."""
    trust: np.ndarray
    """(n, M): the trust in each item."""

    def of(self, rows: np.ndarray) -> Entered:
        """The same of some of the instances."""
        at = torch.from_numpy(rows)
        return Entered(
            [vector[at] for vector in self.vectors],
            [None if line is None else line[at] for line in self.lines],
            self.trust[rows],
        )


_FOLDED: WeakKeyDictionary[Branches, tuple[list[tuple[int, int]], Folded]] = WeakKeyDictionary()


def folded(network: Branches) -> Folded:
    """`Folded` of the network as it is now; made again only where its numbers were changed."""
    layers = (*network.fc1, *network.norms, network.fc2, network.fc3)
    tensors = [
        tensor
        for layer in layers
        for tensor in (*layer._parameters.values(), *layer._buffers.values())
        if tensor is not None
    ]
    now = [(x.data_ptr(), 0 if x.is_inference() else x._version) for x in tensors]
    before = _FOLDED.get(network)
    if before is None or before[0] != now:
        with undisturbed():
            before = _FOLDED[network] = now, Folded(network)
    return before[1]
