"""SMIL-style imputation: an absent embedding is a mixture of its modality's centroids."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import permutations

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch.nn import functional as F

from srmm.data.modality import check_modalities
from srmm.errors import fraction
from srmm.learning.instances import Batch, Instances
from srmm.learning.layers import Dropout, lone_row_safe, on_present, start_as
from srmm.learning.method import MethodAbout
from srmm.learning.network import ComparisonNetworkClassifier
from srmm.methods.two_branch import drop_items
from srmm.recipe import at_least, not_negative, parameter, with_parameters


class CentroidMixture(nn.Module):
    """Absent embeddings as mixtures of priors, then FC-BN-ReLU-dropout-FC on all side by side.

    The mixture's weights are the softplus of a linear function of the present embeddings (for
    several, the mean of theirs), brought to sum 1.

    **Shape**: `items` {modality: (n, d_m)}, `present` (n, M) → logits (n, C).

    Attributes
    ----------
    priors_0, priors_1, … : buffers of shape (n_priors, d_m)
        The centroids of each modality; zeros until `set_priors`.

    >>> network = CentroidMixture({"image": 6, "text": 4}, n_classes=3, hidden_dim=8)
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
        n_priors: int = 10,
        dropout: float = 0.5,
        init: str = "torch",
    ) -> None:
        super().__init__()
        self.modalities = check_modalities(list(embedding_dims))
        fraction("dropout", dropout)
        dims = list(embedding_dims.values())
        for m, d in enumerate(dims):
            self.register_buffer(f"priors_{m}", torch.zeros(n_priors, d))
        self.weigh = nn.ModuleDict(
            {
                f"{m}_to_{j}": nn.Linear(dims[m], n_priors)
                for m, j in permutations(range(len(dims)), 2)
            }
        )
        self.block1 = nn.Sequential(
            nn.Linear(sum(dims), hidden_dim),
            nn.BatchNorm1d(hidden_dim),
            nn.ReLU(),
            Dropout(dropout),
        )
        self.classifier = nn.Linear(hidden_dim, n_classes)
        start_as(self, init)

    def forward(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        return self.classifier(self.embed(items, present))  # (n, C)

    def embed(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """What the classifier sees: (n, h)."""
        return lone_row_safe(self.block1, self.reconstruct(items, present))

    def reconstruct(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """The embeddings of all modalities side by side, mixtures where absent: (n, sum of d_m)."""
        blocks = []
        for j, name in enumerate(self.modalities):
            mixture = self.mixture_weights(j, items, present) @ self.priors(j)  # (n, d_j)
            blocks.append(torch.where(present[:, j, None], items[name], mixture))
        return torch.cat(blocks, dim=1)

    def mixture_weights(self, target: int, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """How much of each prior of modality `target` the other present items ask for: (n, K)."""
        scores = self.priors(target).new_zeros(len(present), len(self.priors(target)))
        for m, name in enumerate(self.modalities):
            if m != target:
                scores = scores + on_present(
                    self.weigh[f"{m}_to_{target}"], items[name], present[:, m]
                )
        n_sources = present.sum(dim=1, keepdim=True) - present[:, target, None].long()
        weights = F.softplus(scores / n_sources.clamp(min=1))
        return weights / weights.sum(dim=1, keepdim=True)

    def priors(self, modality: int) -> Tensor:
        return self.get_buffer(f"priors_{modality}")

    def set_priors(self, modality: int, centroids: Tensor) -> None:
        self.priors(modality).copy_(centroids)


@with_parameters
class CentroidMixtureClassifier(ComparisonNetworkClassifier):
    """Absent embeddings reconstructed from k-means centroids (SMIL-style), then early fusion.

    Priors: `n_priors` centroids of the training embeddings of each modality. Loss: cross entropy of
    the instances as they are, absent items reconstructed; and of those with several items once more
    with some hidden, plus `feature_alignment` times the mean squared distance of the embeddings
    side by side, and as much for the hidden layer, between hidden and not. 10 centroids and 0.01
    are the code's.

    Differs from the original: **no meta-learning** (the two losses are added, where SMIL takes an
    inner step on the first and judges it by the second), no learnt noise on the features, frozen
    encoders, and any modality may be absent, for which each weighs the priors of each other. Which
    items are hidden (each with probability 0.5, never all of an instance) and the training of the
    recipe are ours.
    """

    n_priors: int = parameter(10, "Centroids per modality.", at_least(1))
    feature_alignment: float = parameter(
        0.01, "Weight of the distance between features with and without hidden items.", not_negative
    )

    def _network(self) -> CentroidMixture:
        return self._sized(CentroidMixture, n_priors=self.n_priors)

    def _start(self, data: Instances, rng: np.random.Generator) -> None:
        for m in range(data.present.shape[1]):
            seed = int(rng.integers(np.iinfo(np.int32).max))
            found = centroids(data.some(m), self.n_priors, seed)
            self.network_.set_priors(m, torch.from_numpy(found))

    def _loss(self, batch: Batch, target: Tensor) -> Tensor:
        network = self.network_
        shown = batch.present & drop_items(batch.present, 0.5, self._generator)
        rows = torch.nonzero((shown != batch.present).any(dim=1))[:, 0]
        fewer = {name: x[rows] for name, x in batch.items.items()}
        features = torch.cat([network.reconstruct(*batch), network.reconstruct(fewer, shown[rows])])
        # In one pass, so that batch norm sees what it will see in prediction.
        hidden = lone_row_safe(network.block1, features)
        n = len(target)
        losses = F.cross_entropy(network.classifier(hidden[:n]), target, reduction="none")
        again = F.cross_entropy(network.classifier(hidden[n:]), target[rows], reduction="none")
        for all_of_it in (features, hidden):
            apart = (all_of_it[:n][rows] - all_of_it[n:]).square().mean(dim=1)
            again = again + self.feature_alignment * apart
        return losses.index_add(0, rows, again)


def centroids(vectors: np.ndarray, n: int, seed: int) -> np.ndarray:
    """K-means centroids (n, d) of `vectors`; some are repeated where there are fewer vectors."""
    kmeans = KMeans(min(n, len(vectors)), n_init=1, random_state=seed)
    with warnings.catch_warnings():
        # Equal vectors give equal centroids, which do no harm in a mixture.
        warnings.simplefilter("ignore", ConvergenceWarning)
        centres = kmeans.fit(vectors).cluster_centers_
    return np.resize(centres, (n, vectors.shape[1])).astype(np.float32)


ABOUT = MethodAbout(
    "smil",
    CentroidMixtureClassifier,
    "M. Ma et al., SMIL: Multimodal Learning with Severely Missing Modality, AAAI 2021, and its "
    "published code",
)
