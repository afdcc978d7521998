"""What each training instance gets from the one network that never saw it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from srmm.ensemble.branches import Branches
from srmm.ensemble.table import FeatureTable

_CHUNK = 2048


class OutOfFold:
    """Out-of-fold outputs of the instances `rows` of a table; `fold` (n,) says who never saw them.

    Block 1 runs once, here; every presence pattern is then blocks 2 and 3 of its fused stream.
    """

    @torch.inference_mode()
    def __init__(
        self, network: Branches, table: FeatureTable, rows: np.ndarray, fold: np.ndarray
    ) -> None:
        self.fold = fold
        self.members = [network.member(k) for k in range(network.members)]
        M, device = len(network.widths), network.fc2.weight.device
        self.hidden = torch.empty(len(rows), M, network.hidden_dim, device=device)
        self.lone = np.empty((len(rows), M, network.n_classes), dtype=np.float32)
        for member, mine in self._chunks(np.arange(len(rows))):
            items, present = table.batch(rows[mine])
            hidden = member.hidden(items, present[None])
            self.hidden[mine] = hidden[0]
            self.lone[mine] = _logs(member.classify(hidden))

    @torch.inference_mode()
    def logs(self, rows: np.ndarray, modalities: np.ndarray) -> np.ndarray:
        """Log-probabilities (len(rows), |P| + 1, C) of a pattern: each item alone, all fused."""
        fused = np.empty((len(rows), self.lone.shape[2]), dtype=np.float32)
        for member, mine in self._chunks(rows):
            hidden = self.hidden[rows[mine]][None, :, modalities]
            equal = torch.ones(hidden.shape[1:3], device=hidden.device)
            fused[mine] = _logs(member.classify(member.fused(hidden, equal)))
        return np.concatenate([self.lone[rows][:, modalities], fused[:, None]], axis=1)

    @torch.inference_mode()
    def logs_of(self, m: int, items: Tensor, rows: np.ndarray) -> np.ndarray:
        """Log-probabilities (len(rows), C) of other items (len(rows), width) of modality `m`."""
        out = np.empty((len(rows), self.lone.shape[2]), dtype=np.float32)
        for member, mine in self._chunks(rows):
            x = member.fc1[m](items[mine])
            there = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
            out[mine] = _logs(member.classify(torch.relu(member.norms[m](x, there))))
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
