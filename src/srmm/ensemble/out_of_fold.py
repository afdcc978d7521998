"""What each training instance gets from the one network that never saw it."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor

from srmm.ensemble.branches import Branches
from srmm.ensemble.table import FeatureTable
from srmm.ensemble.weights import LEAST_LOG, PatternWeights

_CHUNK = 2048


class OutOfFold:
    """Out-of-fold outputs of the instances `rows` of a table; `fold` (n,) says who never saw them.

    Items enter once, here; every presence pattern is then its fused stream, through what follows.
    """

    @torch.inference_mode()
    def __init__(
        self, network: Branches, table: FeatureTable, rows: np.ndarray, fold: np.ndarray
    ) -> None:
        self.fold = fold
        self.members = [network.member(k) for k in range(network.members)]
        M, device = len(network.widths), network.fc2.weight.device
        self.vectors = torch.empty(len(rows), M, network.hidden_dim, device=device)
        self.lone = np.empty((len(rows), M, network.n_classes), dtype=np.float32)
        for member, mine in self._chunks(np.arange(len(rows))):
            items, present = table.batch(rows[mine])
            vectors = member.enter(items, present[None])
            self.vectors[mine] = vectors[0]
            self.lone[mine] = _logs(member.classify(vectors))

    @torch.inference_mode()
    def logs(self, rows: np.ndarray, modalities: np.ndarray) -> np.ndarray:
        """Log-probabilities (len(rows), |P| + 1, C) of a pattern: each item alone, all fused."""
        fused = np.empty((len(rows), self.lone.shape[2]), dtype=np.float32)
        for member, mine in self._chunks(rows):
            vectors = self.vectors[rows[mine]][None, :, modalities]
            equal = torch.ones(vectors.shape[1:3], device=vectors.device)
            fused[mine] = _logs(member.classify(member.fused(vectors, equal)))
        return np.concatenate([self.lone[rows][:, modalities], fused[:, None]], axis=1)

    @torch.inference_mode()
    def probabilities(
        self, rows: np.ndarray, present: np.ndarray, weights: PatternWeights
    ) -> np.ndarray:
        """The outputs (len(rows), C) with just the items that are `present` (len(rows), M)."""
        fused = np.empty((len(rows), self.lone.shape[2]), dtype=np.float32)
        for member, mine in self._chunks(rows):
            share = torch.from_numpy(present[mine]).to(self.vectors.device, torch.float32)
            fused[mine] = _logs(
                member.classify(member.fused(self.vectors[rows[mine]][None], share))
            )
        experts = np.concatenate([self.lone[rows], fused[:, None]], axis=1)
        scores = np.einsum("nec,ne->nc", np.maximum(experts, LEAST_LOG), weights.of(present))
        return np.asarray(softmax(scores, axis=1), dtype=np.float32)

    @torch.inference_mode()
    def logs_of(self, m: int, items: Tensor, rows: np.ndarray) -> np.ndarray:
        """Log-probabilities (len(rows), C) of other items (len(rows), width) of modality `m`."""
        out = np.empty((len(rows), self.lone.shape[2]), dtype=np.float32)
        for member, mine in self._chunks(rows):
            x = member.fc1[m](items[mine])
            there = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
            out[mine] = _logs(member.classify(member.norms[m](x, there)))
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


def _logs(logits: Tensor) -> np.ndarray:
    return np.asarray(logits[0].log_softmax(dim=-1).cpu())
