"""The networks as they predict: what needs no step of its own is folded into the step before.

Batch norm becomes part of the first FC, all members' first FCs one product. Late fusion is
softmax(Σ w_e · log p_e), and log p_e is linear in an expert's block-2 embedding but for a constant,
which a softmax does not see: so the experts' embeddings are weighed and added first, and the
last FC is one product of all members, once for an instance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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

    def embed(self, vector: Tensor, hidden: Tensor, out: Tensor) -> Embedded:
        """ReLU of block 1 and FC of block 2 of what enters (n, K·h), in memory of that size."""
        torch.clamp_min(vector, 0, out=hidden)  # ReLU
        for k, (second, bias) in enumerate(self.second):
            part = slice(k * self.hidden_dim, (k + 1) * self.hidden_dim)
            torch.addmm(bias, hidden[:, part], second, out=out[:, part])
        members = out.view(-1, self.members, self.hidden_dim)
        length = torch.linalg.vector_norm(members, dim=2, keepdim=True).clamp_min_(1e-12)
        return Embedded(members, length)

    def logits(self, experts: Iterable[Embedded], weights: Tensor) -> Tensor:
        """Σ w_e · log p_e but for a constant: (n, C) of E experts, by weights (n, E)."""
        n = len(weights)
        total = weights.new_zeros((n, self.members, self.hidden_dim))  # of none: all classes alike
        for (members, length), weight in zip(experts, weights.T, strict=True):
            total.addcmul_(members, weight[:, None, None] / length)
        return torch.addmm(
            weights.sum(dim=1, keepdim=True) * self.bias, total.view(n, -1), self.third
        )


class Embedded(NamedTuple):
    """Block-2 embeddings (n, K, h), and the lengths (n, K, 1) that they are to be divided by."""

    members: Tensor
    length: Tensor


class Entered:
    """What is known of n instances before it is said which of their items count.

    Zeros stand for what is absent.

    Parameters
    ----------
    network : Folded
    vectors : list of Tensor
        Of each modality (n, K·h): what enters the networks.
    lines : list of Tensor or None
        Of each (n, C): the log-probabilities of its discriminant, if it has one.
    trust : array of shape (n, M)
        The trust in each item.
    step : int, optional
        Keep what the networks make of each item alone, for more than one pass, and make it of as
        many at once.
    """

    def __init__(
        self,
        network: Folded,
        vectors: list[Tensor],
        lines: list[Tensor | None],
        trust: np.ndarray,
        step: int | None = None,
    ) -> None:
        self.network, self.vectors, self.lines, self.trust = network, vectors, lines, trust
        self._step = step
        self._kept: dict[int, Embedded] = {}

    def scores(
        self, weights: np.ndarray, share: np.ndarray, rows: np.ndarray | None = None
    ) -> Tensor:
        """Σ w_e · log p_e but for a constant: (n, C) of these instances, by default all.

        `weights` (n, 2M + 1) are those of each modality, of each discriminant and of the fused
        stream, `share` (n, M) what each modality is of that.
        """
        at = None if rows is None else torch.from_numpy(np.ascontiguousarray(rows))
        M, heard = len(self.vectors), (weights != 0).any(axis=0)
        of_each = torch.from_numpy(weights.astype(np.float32)).to(self.vectors[0].device)
        of_networks = [m for m in (*range(M), 2 * M) if heard[m]]
        experts = self._experts(of_networks, share, at)
        scores = self.network.logits(experts, of_each[:, of_networks])
        for m, line in enumerate(self.lines):
            if line is not None and heard[M + m]:
                scores.addcmul_(line if at is None else line[at], of_each[:, M + m, None])
        return scores

    def _experts(
        self, which: Sequence[int], share: np.ndarray, at: Tensor | None
    ) -> Iterator[Embedded]:
        """What the networks make of these streams; each is good until the next is asked for."""
        room: list[Tensor] = []
        for m in which:
            if m < len(self.vectors) and self._step is not None:
                yield self._alone(m, at)
                continue
            vector = self._vector(m, at) if m < len(self.vectors) else self._fused(share, at)
            room = room or [torch.empty_like(vector), torch.empty_like(vector)]
            yield self.network.embed(vector, *room)

    def _vector(self, m: int, at: Tensor | None) -> Tensor:
        return self.vectors[m] if at is None else self.vectors[m][at]

    def _fused(self, share: np.ndarray, at: Tensor | None) -> Tensor:
        """What enters the networks as the fused stream: (n, K·h)."""
        parts = torch.from_numpy(share).to(self.vectors[0].device)
        fused = self._vector(0, at) * parts[:, :1]
        for m in range(1, len(self.vectors)):
            fused.addcmul_(self._vector(m, at), parts[:, m : m + 1])
        return fused

    def _alone(self, m: int, at: Tensor | None) -> Embedded:
        if m not in self._kept:
            vector, out = self.vectors[m], torch.empty_like(self.vectors[m])
            hidden = torch.empty_like(vector[: self._step])
            parts = zip(vector.split(self._step), out.split(self._step), strict=True)
            each = [self.network.embed(v, hidden[: len(v)], o).length for v, o in parts]
            self._kept[m] = Embedded(out.view(len(out), self.network.members, -1), torch.cat(each))
        members, length = self._kept[m]
        return Embedded(members[at], length[at]) if at is not None else self._kept[m]


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
