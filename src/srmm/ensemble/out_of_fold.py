"""What each training instance gets from the one network that never saw it."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor

from srmm.ensemble.branches import Branches
from srmm.ensemble.table import FeatureTable
from srmm.ensemble.weights import LEAST_LOG, PatternWeights

_CHUNK = 2048
_KEPT = 100_000_000  # numbers of what enters (0.4 GB)


class OutOfFold:
    """Out-of-fold outputs of the instances `rows` of a table; `fold` (n,) says who never saw them.

    Items enter once, here, if there are not too many; every presence pattern is then its fused
    stream, through what follows.
    """

    @torch.inference_mode()
    def __init__(
        self, network: Branches, table: FeatureTable, rows: np.ndarray, fold: np.ndarray
    ) -> None:
        self.fold = fold
        self.members = [network.member(k) for k in range(network.members)]
        self._table, self._rows = table, rows
        self._kept: Tensor | None = None
        shape = len(rows), len(network.widths), network.hidden_dim
        if math.prod(shape) <= _KEPT:
            kept = torch.empty(shape, device=network.fc2.weight.device)
            for member, mine in self._chunks(np.arange(len(rows))):
                kept[mine] = self._entered(member, mine)
            self._kept = kept

    def _entered(self, member: Branches, rows: np.ndarray) -> Tensor:
        """What enters a network of these rows' items: (len(rows), M, h)."""
        if self._kept is not None:
            return self._kept[rows]
        items, present = self._table.batch(self._rows[rows])
        return member.enter(items, present[None])[0]

    @torch.inference_mode()
    def logs(self, rows: np.ndarray, modalities: np.ndarray) -> np.ndarray:
        """Log-probabilities (len(rows), |P| + 1, C) of a pattern: each item alone, all fused."""
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
            each = each * np.hstack([share, share.max(axis=1, keepdims=True)])
        logs = self._logs(rows, np.arange(present.shape[1]), share)
        scores = np.einsum("nec,ne->nc", np.maximum(logs, LEAST_LOG), each)
        return np.asarray(softmax(scores, axis=1), dtype=np.float32)

    def _logs(self, rows: np.ndarray, modalities: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Of each of these modalities alone, then of the fused stream: (n, |P| + 1, C)."""
        C = self.members[0].n_classes
        out = np.empty((len(rows), len(modalities) + 1, C), dtype=np.float32)
        for member, mine in self._chunks(rows):
            vectors = self._entered(member, rows[mine])[None, :, modalities]
            fused = member.fused(vectors, torch.from_numpy(share[mine]).to(vectors.device))
            streams = torch.cat([vectors, fused[:, :, None]], dim=2)
            out[mine] = _log_softmax(member.classify(streams))
        return out

    @torch.inference_mode()
    def logs_of(self, m: int, items: Tensor, rows: np.ndarray) -> np.ndarray:
        """Log-probabilities (len(rows), C) of other items (len(rows), width) of modality `m`."""
        out = np.empty((len(rows), self.members[0].n_classes), dtype=np.float32)
        for member, mine in self._chunks(rows):
            x = member.fc1[m](items[mine])
            there = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
            out[mine] = _log_softmax(member.classify(member.norms[m](x, there)))
        return out

    def _chunks(self, rows: np.ndarray) -> list[tuple[Branches, np.ndarray]]:
        """Positions in `rows`, each with the network for them."""
        fold = self.fold[rows]
        return [
            (member, mine[start : start + _CHUNK])
            for k, member in enumerate(self.members)
            for mine in [np.flatnonzero(fold == k)]
            for start in range(0, len(mine), _CHUNK)
        ]


def _log_softmax(logits: Tensor) -> np.ndarray:
    return np.asarray(logits[0].log_softmax(dim=-1).cpu())
