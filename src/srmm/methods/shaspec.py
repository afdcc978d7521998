"""ShaSpec: features that all modalities share, and features of each modality's own."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srmm.data.modality import check_modalities
from srmm.errors import fraction
from srmm.learning.instances import Batch
from srmm.learning.layers import branch, on_present, start_as
from srmm.learning.method import MethodAbout
from srmm.learning.network import ComparisonNetworkClassifier
from srmm.methods.two_branch import drop_items
from srmm.recipe import not_negative, parameter, with_parameters


class SharedSpecific(nn.Module):
    """One encoder that all modalities share, one of each modality's own, and their fusion.

    A present item's feature is its shared feature plus a linear map of both (residual fusion). An
    absent item's is the mean of the present items' shared features. The features of all modalities
    side by side go to one classifier. A domain classifier tells specific features apart.

    **Shape**: `items` {modality: (n, d_m)}, `present` (n, M) → logits (n, C).

    >>> network = SharedSpecific({"image": 6, "text": 4}, n_classes=3, hidden_dim=8)
    >>> items = {"image": torch.randn(5, 6), "text": torch.randn(5, 4)}
    >>> network(items, torch.tensor([[True, False]]).expand(5, 2)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        embedding_dims: Mapping[str, int],
        n_classes: int,
        hidden_dim: int = 768,
        *,
        dropout: float = 0.5,
        init: str = "torch",
    ) -> None:
        super().__init__()
        self.modalities = check_modalities(list(embedding_dims))
        fraction("dropout", dropout)
        M, h = len(self.modalities), hidden_dim
        self.projections = nn.ModuleList(nn.Linear(d, h) for d in embedding_dims.values())
        self.shared = branch(h, h, dropout)
        self.specific = nn.ModuleList(branch(d, h, dropout) for d in embedding_dims.values())
        self.residual = nn.Linear(2 * h, h)
        self.domain = nn.Linear(h, M)
        self.classifier = nn.Linear(M * h, n_classes)
        start_as(self, init)

    def forward(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        return self.classifier(self.embed(items, present))  # (n, C)

    def embed(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """What the classifier sees: (n, M h)."""
        return self.fuse(*self.encode(items, present), present)

    def encode(self, items: Mapping[str, Tensor], present: Tensor) -> tuple[Tensor, Tensor]:
        """Shared and specific features (n, M, h) each, zeros where absent."""
        projected = self._each(self.projections, items, present)
        shared = on_present(self.shared, projected.flatten(0, 1), present.flatten())
        return shared.view_as(projected), self._each(self.specific, items, present)

    def fuse(self, shared: Tensor, specific: Tensor, present: Tensor) -> Tensor:
        """The features (n, M, h) of the items that count as `present` (n, M): (n, M h)."""
        here = present[:, :, None]
        mean = (shared * here).sum(dim=1, keepdim=True) / here.sum(dim=1, keepdim=True).clamp(min=1)
        fused = shared + self.residual(torch.cat([shared, specific], dim=2))
        return torch.where(here, fused, mean).flatten(1)

    def _each(self, modules: nn.ModuleList, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        outputs = [
            on_present(module, items[name], present[:, m])
            for m, (name, module) in enumerate(zip(self.modalities, modules, strict=True))
        ]
        return torch.stack(outputs, dim=1)


@with_parameters
class ShaSpecClassifier(ComparisonNetworkClassifier):
    """Shared features stand in for absent items; specific ones add what only one modality knows.

    Loss: cross entropy, plus `alignment` times the L1 distance of the shared features of each two
    items of an instance (of the paper's choices the code's), plus `domain` times the cross entropy
    of telling from a specific feature which modality it is of. 0.1 and 0.02 are the code's. As in
    its second stage of training, random modalities are hidden from fusion; here in the only stage.

    Differs from the original: the encoders are frozen, and shared and specific encoders are
    perceptrons of one hidden layer on their embeddings, with a linear map per modality in front of
    the shared one, since embeddings differ in size. Distances are summed over all pairs of
    modalities, where the code takes neighbouring ones. The training of the recipe is ours.
    """

    alignment: float = parameter(0.1, "Weight of the distance of shared features.", not_negative)
    domain: float = parameter(
        0.02, "Weight of telling modalities apart by specific features.", not_negative
    )
    drop_rate: float = parameter(
        0.5,
        "How often an item is hidden in training, as in `ModalityDropoutClassifier`. At 0.5 two "
        "modalities are hidden as often as in the published code, which keeps a random number.",
        fraction,
    )

    def _network(self) -> SharedSpecific:
        return self._sized(SharedSpecific)

    def _loss(self, batch: Batch, target: Tensor) -> Tensor:
        network, present = self.network_, batch.present
        shared, specific = network.encode(*batch)
        shown = present & drop_items(present, self.drop_rate, self._generator)
        logits = network.classifier(network.fuse(shared, specific, shown))
        losses = F.cross_entropy(logits, target, reduction="none")
        which = torch.nonzero(present)[:, 1]
        told = F.cross_entropy(network.domain(specific[present]), which)
        return losses + self.alignment * alignment_loss(shared, present) + self.domain * told


def alignment_loss(shared: Tensor, present: Tensor) -> Tensor:
    """Mean absolute difference of two modalities' features, summed over the pairs of modalities.

    **Shape**: `shared` (n, M, h), `present` (n, M) → a scalar. The mean is over the instances that
    have both and the h features; a pair that no instance has adds 0.
    """
    total = shared.new_zeros(())
    for m, j in combinations(range(present.shape[1]), 2):
        both = present[:, m] & present[:, j]
        distances = (shared[:, m] - shared[:, j]).abs().mean(dim=1)  # (n,)
        total = total + (distances * both).sum() / both.sum().clamp(min=1)
    return total


ABOUT = MethodAbout(
    "shaspec",
    ShaSpecClassifier,
    "H. Wang et al., Multi-Modal Learning with Missing Modality via Shared-Specific Feature "
    "Modelling, CVPR 2023, and its published code",
)
