"""The two-branch network: one branch per modality, fused early, in the middle or late (Fig. 1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srmm.data.modality import check_modalities
from srmm.errors import fraction, one_of
from srmm.learning.layers import Dropout, on_present, start_as

FUSION_POINTS = ("early", "mid", "late")
ABSENCES = ("skip", "zeros")


class TwoBranch(nn.Module):
    """A branch per modality (FC-BN-ReLU-dropout, FC-L2) and a point where they are fused.

    Early: a learnt weighted sum of the unit-length branch outputs goes to one classifier (FOP).
    Mid: the sum is taken after block 1, and block 2 is shared. Late: each branch has its own
    classifier, and their softmax outputs are averaged.

    **Shape**: `items` {modality: (n, d_m)}, `present` (n, M) → log-probabilities or logits (n, C).

    Parameters
    ----------
    embedding_dims : dict of str to int, any number of modalities
    fusion : "early", "mid" or "late"
    absent : "skip" or "zeros"
        "skip": the branch of an absent item is left out of the sum or mean. "zeros": it is fed a
        vector of zeros, as the published code does.

    >>> network = TwoBranch({"image": 768, "text": 768}, n_classes=101)
    >>> sum(p.numel() for p in network.parameters())  # the paper's 2.44 M, and the two weights
    2443111
    >>> items = {"image": torch.randn(4, 768), "text": torch.randn(4, 768)}
    >>> network(items, torch.ones(4, 2, dtype=torch.bool)).shape
    torch.Size([4, 101])
    """

    def __init__(
        self,
        embedding_dims: Mapping[str, int],
        n_classes: int,
        hidden_dim: int = 768,
        *,
        fusion: str = "early",
        absent: str = "skip",
        dropout: float = 0.5,
        init: str = "torch",
    ) -> None:
        super().__init__()
        self.modalities = check_modalities(list(embedding_dims))
        self.fusion = one_of("fusion", fusion, FUSION_POINTS)
        self.absent = one_of("absent", absent, ABSENCES)
        fraction("dropout", dropout)
        M, h = len(self.modalities), hidden_dim
        self.block1 = nn.ModuleList(
            nn.Sequential(nn.Linear(d, h), nn.BatchNorm1d(h), nn.ReLU(), Dropout(dropout))
            for d in embedding_dims.values()
        )
        self.fc2 = nn.ModuleList(nn.Linear(h, h) for _ in range(1 if fusion == "mid" else M))
        self.fc3 = nn.ModuleList(
            nn.Linear(h, n_classes) for _ in range(M if fusion == "late" else 1)
        )
        self.weights = nn.Parameter(torch.ones(M), requires_grad=fusion != "late")
        start_as(self, init)

    def forward(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        if self.fusion != "late":
            return self.fc3[0](self.embed(items, present))  # (n, C)
        branches = self._block2(self._block1(items, present))
        logits = [fc3(x) for fc3, x in zip(self.fc3, branches, strict=True)]
        outputs = torch.stack(logits, dim=1).log_softmax(dim=2)  # (n, M, C)
        counted = self._counted(present)
        outputs = outputs.masked_fill(~counted[:, :, None], -torch.inf)
        return outputs.logsumexp(dim=1) - counted.sum(dim=1, keepdim=True).log()  # log of the mean

    def embed(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """What the classifier sees: (n, h); for late fusion the mean of the branches."""
        hidden = self._block1(items, present)
        if self.fusion == "mid":
            return F.normalize(self.fc2[0](self._sum(hidden, present)), dim=1)
        return self._sum(self._block2(hidden), present)

    def _block1(self, items: Mapping[str, Tensor], present: Tensor) -> list[Tensor]:
        counted = self._counted(present)
        return [
            on_present(self.block1[m], items[name], counted[:, m])
            for m, name in enumerate(self.modalities)
        ]

    def _block2(self, hidden: list[Tensor]) -> list[Tensor]:
        return [F.normalize(fc2(x), dim=1) for fc2, x in zip(self.fc2, hidden, strict=True)]

    def _sum(self, hidden: list[Tensor], present: Tensor) -> Tensor:
        weights = self.weights * self._counted(present)  # (n, M)
        return torch.einsum("nm,nmh->nh", weights, torch.stack(hidden, dim=1))

    def _counted(self, present: Tensor) -> Tensor:
        return present if self.absent == "skip" else torch.ones_like(present)


def orthogonal_projection_loss(features: Tensor, target: Tensor) -> Tensor:
    """1 − mean cosine within classes + |mean cosine between classes| (Ranasinghe et al. 2021).

    **Shape**: `features` (n, h), `target` (n,) → a scalar. FOP adds it to the cross entropy.
    """
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T  # (n, n)
    same = target[:, None] == target
    apart = ~same
    same = same & ~torch.eye(len(target), dtype=torch.bool, device=target.device)
    within = (cosine * same).sum() / same.sum().clamp(min=1)
    between = (cosine * apart).sum() / apart.sum().clamp(min=1)
    return 1 - within + between.abs()
