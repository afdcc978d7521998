"""The two-branch network (TBN, also FOP) that the paper compares SRMM with, and its usual cure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srmm.errors import fraction
from srmm.learning.instances import LEARNING_RATES, Batch, InstanceNetworkClassifier
from srmm.methods.networks.two_branch import TwoBranch, orthogonal_projection_loss
from srmm.recipe import Recipe


class TwoBranchClassifier(InstanceNetworkClassifier):
    """One branch per modality, fused early, in the middle or late (paper Fig. 1; TBN).

    Source: M. S. Saeed et al., "Fusion and Orthogonal Projection for Improved Face-Voice
    Association" (FOP), ICASSP 2022, as the paper's baseline has it: SRMM's layers, but a branch per
    modality. Loss: cross entropy, plus `opl` times the orthogonal projection loss of the fused
    embedding. What the sources leave open is ours: how an absent item is handled (`absent`), that
    late fusion is trained through the mean of its outputs, and the training of the recipe.

    Parameters
    ----------
    fusion_point : "early", "mid" or "late"
    absent : "skip" or "zeros"
        An absent item's branch is left out, or fed zeros as the published code does.
    opl : float
        Weight of the orthogonal projection loss; FOP uses 1.
    recipe, class_weight, when_nothing_present, random_state, device
        As in `SingleBranchClassifier`. "paper" is how the paper trains SRMM, and so TBN.
    learning_rates : sequence of float
        Candidates, of which the best on held-out instances is kept; () keeps the recipe's.
    """

    def __init__(
        self,
        fusion_point: str = "early",
        *,
        absent: str = "skip",
        opl: float = 0.0,
        recipe: str | Recipe = "comparison",
        learning_rates: Sequence[float] = LEARNING_RATES,
        class_weight: Any = None,
        when_nothing_present: str = "error",
        random_state: Any = None,
        device: str | None = None,
    ) -> None:
        self.fusion_point = fusion_point
        self.absent = absent
        self.opl = opl
        self.recipe = recipe
        self.learning_rates = learning_rates
        self.class_weight = class_weight
        self.when_nothing_present = when_nothing_present
        self.random_state = random_state
        self.device = device

    def _network(self) -> nn.Module:
        return TwoBranch(
            self.embedding_dims_,
            len(self.classes_),
            self.recipe_.hidden_dim,
            fusion=self.fusion_point,
            absent=self.absent,
            dropout=self.recipe_.dropout,
            init=self.recipe_.init,
        )

    def _loss(self, batch: Batch, target: Tensor) -> Tensor:
        if not self.opl:
            return super()._loss(batch, target)
        losses = F.cross_entropy(self.network_(*batch), target, reduction="none")
        return losses + self.opl * orthogonal_projection_loss(self.network_.embed(*batch), target)


class ModalityDropoutClassifier(InstanceNetworkClassifier):
    """The two-branch network trained with whole modalities dropped: the field's usual cure.

    Source: N. Neverova et al., "ModDrop: Adaptive Multi-modal Gesture Recognition", 2016. Early
    fusion, an absent or dropped item's branch left out. Each item of a training instance is
    dropped with probability `drop_rate`, anew at each step; an instance that would lose everything
    keeps all. Differs from the original in the encoders, which are frozen here.

    Parameters
    ----------
    drop_rate : float in [0, 1)
        The original gives none for whole embeddings; 0.5 shows a pair complete half of the time.
    recipe, learning_rates, class_weight, when_nothing_present, random_state, device
        As in `TwoBranchClassifier`.
    """

    def __init__(
        self,
        drop_rate: float = 0.5,
        *,
        recipe: str | Recipe = "comparison",
        learning_rates: Sequence[float] = LEARNING_RATES,
        class_weight: Any = None,
        when_nothing_present: str = "error",
        random_state: Any = None,
        device: str | None = None,
    ) -> None:
        self.drop_rate = drop_rate
        self.recipe = recipe
        self.learning_rates = learning_rates
        self.class_weight = class_weight
        self.when_nothing_present = when_nothing_present
        self.random_state = random_state
        self.device = device

    def _network(self) -> nn.Module:
        fraction("drop_rate", self.drop_rate)
        return TwoBranch(
            self.embedding_dims_,
            len(self.classes_),
            self.recipe_.hidden_dim,
            dropout=self.recipe_.dropout,
            init=self.recipe_.init,
        )

    def _loss(self, batch: Batch, target: Tensor) -> Tensor:
        return super()._loss(batch.masked(drop_items(batch.present, self.drop_rate)), target)


def drop_items(present: Tensor, drop_rate: float) -> Tensor:
    """A mask (n, M) that hides each item with that probability, but never all of an instance."""
    kept = torch.rand(present.shape, device=present.device) >= drop_rate
    return kept | ~(kept & present).any(dim=1, keepdim=True)
