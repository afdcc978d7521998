"""What each training instance gets from the one network that never saw it."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor

from srmm.ensemble.branches import Branches
from srmm.ensemble.discriminants import Discriminants
from srmm.ensemble.table import FeatureTable
from srmm.ensemble.weights import LEAST_LOG, PatternWeights

_CHUNK = 2048
_KEPT = 100_000_000  # numbers of what enters, and of what is said (0.4 GB)

Kept = tuple[Tensor, Tensor]
"""Vectors (n, M, h) and the discriminants' log-probabilities (n, M, C)."""


class OutOfFold:
    """Out-of-fold outputs of the instances `rows` of a table; `fold` (n,) says who never saw them.

    Items enter once, here, if there are not too many; every presence pattern is then its fused
    stream, through what follows.
    """

    @torch.inference_mode()
    def __init__(
        self,
        network: Branches,
        discriminants: Discriminants,
        table: FeatureTable,
        rows: np.ndarray,
        fold: np.ndarray,
    ) -> None:
        self.fold = fold
        self.members = [network.member(k) for k in range(network.members)]
        self._discriminants = discriminants
        self._table, self._rows = table, rows
        self._names = [*network.widths]
        self._kept: Kept | None = None
        M, C = len(network.widths), network.n_classes
        if len(rows) * M * (network.hidden_dim + C) <= _KEPT:
            vectors = torch.empty((len(rows), M, network.hidden_dim), device=table.position.device)
            lines = torch.empty((len(rows), M, C), device=table.position.device)
            for k, mine in self._chunks(np.arange(len(rows))):
                vectors[mine], lines[mine] = self._entered(k, mine)
            self._kept = vectors, lines

    def _entered(self, k: int, rows: np.ndarray) -> Kept:
        """Of these rows' items what enters network `k`, and what its discriminants say of them."""
        if self._kept is not None:
            vectors, lines = self._kept
            return vectors[rows], lines[rows]
        items, present = self._table.batch(self._rows[rows])
        said = [self._line(k, m, items[name]) for m, name in enumerate(self._names)]
        return self.members[k].enter(items, present[None])[0], torch.stack(said, dim=1)

    def _line(self, k: int, m: int, items: Tensor) -> Tensor:
        """Log-probabilities (n, C) of items (n, width); zeros without a discriminant."""
        scaled = self._table.features.scaled_of(self._names[m], items)
        said = self._discriminants.logs(self._names[m], scaled, k)
        return items.new_zeros((len(items), self.members[k].n_classes)) if said is None else said

    @torch.inference_mode()
    def logs(self, rows: np.ndarray, modalities: np.ndarray) -> np.ndarray:
        """Log-probabilities (len(rows), 2·|P| + 1, C) of a pattern, as `LogOutputs` orders them."""
        return self._logs(rows, modalities, np.ones((len(rows), len(modalities)), np.float32))

    @torch.inference_mode()
    def probabilities(
        self,
        rows: np.ndarray,
        present: np.ndarray,
        weights: PatternWeights,
        trust: np.ndarray | None = None,
    ) -> np.ndarray:
        """The outputs (len(rows), C) with just the items that are `present` (len(rows), M).

        An item counts as much as it is trusted: `trust` (len(rows), M), by default 1.
        """
        share = present.astype(np.float32)
        each = weights.of(present)
        if trust is not None:
            share *= trust
            each = each * trust_of_experts(share)
        logs = self._logs(rows, np.arange(present.shape[1]), share)
        scores = np.einsum("nec,ne->nc", np.maximum(logs, LEAST_LOG), each)
        return np.asarray(softmax(scores, axis=1), dtype=np.float32)

    def _logs(self, rows: np.ndarray, modalities: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Of these modalities alone, of their discriminants, of the fused stream."""
        C, P = self.members[0].n_classes, len(modalities)
        out = np.empty((len(rows), 2 * P + 1, C), dtype=np.float32)
        for k, mine in self._chunks(rows):
            vectors, lines = self._entered(k, rows[mine])
            vectors = vectors[None, :, modalities]
            fused = self.members[k].fused(vectors, torch.from_numpy(share[mine]).to(vectors.device))
            streams = torch.cat([vectors, fused[:, :, None]], dim=2)
            logs = _log_softmax(self.members[k].classify(streams))
            out[mine, :P], out[mine, -1] = logs[:, :P], logs[:, P]
            out[mine, P:-1] = np.asarray(lines[:, modalities].cpu())
        return out

    @torch.inference_mode()
    def logs_of(self, m: int, items: Tensor, rows: np.ndarray) -> np.ndarray:
        """Log-probabilities (len(rows), 2, C) of other items (len(rows), width) of modality `m`.

        Of the network, and of the discriminant.
        """
        out = np.empty((len(rows), 2, self.members[0].n_classes), dtype=np.float32)
        for k, mine in self._chunks(rows):
            member = self.members[k]
            x = member.fc1[m](items[mine])
            there = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
            out[mine, 0] = _log_softmax(member.classify(member.norms[m](x, there)))
            out[mine, 1] = np.asarray(self._line(k, m, items[mine]).cpu())
        return out

    def _chunks(self, rows: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Positions in `rows`, each with the number of the network for them."""
        fold = self.fold[rows]
        return [
            (k, mine[start : start + _CHUNK])
            for k in range(len(self.members))
            for mine in [np.flatnonzero(fold == k)]
            for start in range(0, len(mine), _CHUNK)
        ]


def trust_of_experts(trust: np.ndarray) -> np.ndarray:
    """The trust (n, 2·M + 1) in each item's two experts and, as in its best item, in all fused."""
    return np.hstack([trust, trust, trust.max(axis=1, keepdims=True)])


def _log_softmax(logits: Tensor) -> np.ndarray:
    return np.asarray(logits[0].log_softmax(dim=-1).cpu())
