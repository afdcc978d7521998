"""The two-branch network (TBN, also FOP) that the paper compares SRMM with, and its usual cure."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srmm.errors import fraction
from srmm.learning.instances import Batch
from srmm.learning.method import MethodAbout
from srmm.learning.network import ComparisonNetworkClassifier
from srmm.methods.networks.two_branch import (
    ABSENCES,
    FUSION_POINTS,
    TwoBranch,
    orthogonal_projection_loss,
)
from srmm.recipe import not_negative, parameter, with_parameters, within


@with_parameters
class TwoBranchClassifier(ComparisonNetworkClassifier):
    """One branch per modality, fused early, in the middle or late (paper Fig. 1; TBN).

    SRMM's layers, as the paper's baseline has it, but a branch per modality. Loss: cross entropy,
    plus `opl` times the orthogonal projection loss of the fused embedding. What the sources leave
    open is ours: how an absent item is handled (`absent`), that late fusion is trained through the
    mean of its outputs, and the training of the recipe.
    """

    fusion_point: str = parameter(
        "early", '"early", "mid" or "late": where the branches meet.', within(FUSION_POINTS)
    )
    absent: str = parameter(
        "skip",
        'An absent item\'s branch is left out ("skip"), or fed zeros as the published code does '
        '("zeros").',
        within(ABSENCES),
    )
    opl: float = parameter(
        0.0, "Weight of the orthogonal projection loss; FOP uses 1.", not_negative
    )

    def _network(self) -> nn.Module:
        return self._sized(TwoBranch, fusion=self.fusion_point, absent=self.absent)

    def _loss(self, batch: Batch, target: Tensor) -> Tensor:
        if not self.opl:
            return super()._loss(batch, target)
        losses = F.cross_entropy(self.network_(*batch), target, reduction="none")
        return losses + self.opl * orthogonal_projection_loss(self.network_.embed(*batch), target)


@with_parameters
class ModalityDropoutClassifier(ComparisonNetworkClassifier):
    """The two-branch network trained with whole modalities dropped: the field's usual cure.

    Early fusion, an absent or dropped item's branch left out. Each item of a training instance is
    dropped with probability `drop_rate`, anew at each step; an instance that would lose everything
    keeps all. Differs from the original in the encoders, which are frozen here.
    """

    drop_rate: float = parameter(
        0.5,
        "Probability that an item is dropped at a step. The original gives none for whole "
        "embeddings; 0.5 shows a pair complete half of the time.",
        fraction,
    )

    def _network(self) -> nn.Module:
        return self._sized(TwoBranch)

    def _loss(self, batch: Batch, target: Tensor) -> Tensor:
        return super()._loss(
            batch.masked(drop_items(batch.present, self.drop_rate, self._generator)), target
        )


def drop_items(
    present: Tensor, drop_rate: float, generator: torch.Generator | None = None
) -> Tensor:
    """A mask (n, M) that hides each item with that probability, but never all of an instance."""
    drawn = torch.rand(present.shape, device=present.device, generator=generator)
    kept = drawn >= drop_rate
    return kept | ~(kept & present).any(dim=1, keepdim=True)


_FOP = (
    "M. S. Saeed et al., Fusion and Orthogonal Projection for Improved Face-Voice Association "
    "(FOP), ICASSP 2022"
)
_NAMED: dict[str, dict[str, Any]] = {
    "tbn-early": {"fusion_point": "early"},
    "tbn-mid": {"fusion_point": "mid"},
    "tbn-late": {"fusion_point": "late"},
    "tbn-early-zeros": {"fusion_point": "early", "absent": "zeros"},
    "tbn-mid-zeros": {"fusion_point": "mid", "absent": "zeros"},
    "tbn-late-zeros": {"fusion_point": "late", "absent": "zeros"},
    "tbn-early-opl": {"fusion_point": "early", "opl": 1.0},
}

ABOUT = (
    *(MethodAbout(name, TwoBranchClassifier, _FOP, set_) for name, set_ in _NAMED.items()),
    MethodAbout(
        "modality-dropout",
        ModalityDropoutClassifier,
        "N. Neverova et al., ModDrop: Adaptive Multi-modal Gesture Recognition, 2016",
    ),
)
