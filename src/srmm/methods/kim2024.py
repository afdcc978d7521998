"""Kim and Kim 2024: the embedding of an absent item is predicted from those that are there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srmm.data.modality import check_modalities
from srmm.errors import fraction
from srmm.learning.instances import Batch
from srmm.learning.layers import branch, on_present, start_as
from srmm.learning.method import MethodAbout
from srmm.learning.network import ComparisonNetworkClassifier
from srmm.recipe import not_negative, parameter, with_parameters


class JointEmbedding(nn.Module):
    """A branch and a classifier per modality, and a predictor from each modality to each other.

    The embedding of an absent item is the mean of what the present ones predict for it. The
    softmax outputs of all modalities, predicted ones included, are averaged.

    **Shape**: `items` {modality: (n, d_m)}, `present` (n, M) → log-probabilities (n, C).

    >>> network = JointEmbedding({"image": 6, "text": 4}, n_classes=3, hidden_dim=8)
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
        h = hidden_dim
        self.encoders = nn.ModuleList(branch(d, h, dropout) for d in embedding_dims.values())
        self.predictors = nn.ModuleDict(
            {
                f"{m}_to_{j}": nn.Sequential(nn.Linear(h, h), nn.ReLU(), nn.Linear(h, h))
                for m, j in permutations(range(len(self.modalities)), 2)
            }
        )
        self.classifiers = nn.ModuleList(nn.Linear(h, n_classes) for _ in self.modalities)
        start_as(self, init)

    def forward(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        return self.classify(self.fill(self.encode(items, present), present))  # (n, C)

    def embed(self, items: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """The mean of what the classifiers see: (n, h)."""
        return torch.stack(self.fill(self.encode(items, present), present)).mean(dim=0)

    def encode(self, items: Mapping[str, Tensor], present: Tensor) -> list[Tensor]:
        """An embedding (n, h) per modality, zeros where absent."""
        return [
            on_present(encoder, items[name], present[:, m])
            for m, (name, encoder) in enumerate(zip(self.modalities, self.encoders, strict=True))
        ]

    def predict(self, source: int, target: int, embedded: Tensor) -> Tensor:
        """What embeddings (n, h) of modality `source` say of those of modality `target`: (n, h)."""
        return self.predictors[f"{source}_to_{target}"](embedded)

    def fill(self, embedded: Sequence[Tensor], present: Tensor) -> list[Tensor]:
        """The embeddings with predictions where absent: (n, h) per modality."""
        filled = list(embedded)
        n_sources = present.sum(dim=1, keepdim=True).clamp(min=1)
        for m, j in permutations(range(len(filled)), 2):
            asked = present[:, m] & ~present[:, j]
            predicted = on_present(self.predictors[f"{m}_to_{j}"], embedded[m], asked)
            filled[j] = filled[j] + predicted / n_sources
        return filled

    def classify(self, filled: Sequence[Tensor]) -> Tensor:
        """Late fusion: the log of the mean of the modalities' softmax outputs, (n, C)."""
        logits = [fc(z) for fc, z in zip(self.classifiers, filled, strict=True)]
        outputs = torch.stack(logits).log_softmax(dim=2)  # (M, n, C)
        return outputs.logsumexp(dim=0) - math.log(len(outputs))


@with_parameters
class PredictedEmbeddingClassifier(ComparisonNetworkClassifier):
    """Absent embeddings predicted from present ones, then late fusion.

    Loss: cross entropy of the fused output, absent items predicted; and for each two modalities of
    an instance, in both directions, the cross entropy of the prediction in place of the item, and
    VICReg between prediction and embedding (25/25/1, the values of Bardes et al. 2022), averaged
    over the directions. Training data in which no instance has two items teaches no prediction but
    through the fused output.

    Differs from the original: the encoders are frozen, where it tunes their biases; the predictor
    is a perceptron of one hidden layer on the embedding, where it reads the encoder's tokens
    through prompts. For more than two modalities, which it does not treat, the prediction is the
    mean over the present ones. Fusion by mean softmax output, and the training of the recipe, are
    ours.
    """

    invariance: float = parameter(25.0, "Weight of VICReg's invariance term.", not_negative)
    variance: float = parameter(25.0, "Weight of VICReg's variance term.", not_negative)
    covariance: float = parameter(1.0, "Weight of VICReg's covariance term.", not_negative)

    def _network(self) -> JointEmbedding:
        return self._sized(JointEmbedding)

    def _loss(self, batch: Batch, target: Tensor) -> Tensor:
        network = self.network_
        embedded = network.encode(*batch)
        fused = network.classify(network.fill(embedded, batch.present))
        losses = F.nll_loss(fused, target, reduction="none")  # (n,)
        directions = list(permutations(range(len(embedded)), 2))
        weights = (self.invariance, self.variance, self.covariance)
        for m, j in directions:
            both = torch.nonzero(batch.present[:, m] & batch.present[:, j])[:, 0]
            predicted = network.predict(m, j, embedded[m][both])
            logits = network.classifiers[j](predicted)
            stood_in = F.cross_entropy(logits, target[both], reduction="none")
            terms = vicreg(predicted, embedded[j][both])
            joint = sum(w * term for w, term in zip(weights, terms, strict=True))
            losses = losses.index_add(0, both, stood_in / len(directions))
            losses = losses + joint / len(directions)
        return losses


def vicreg(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The invariance, variance and covariance terms of Bardes et al. 2022, equations 1 to 5.

    **Shape**: `a`, `b` (n, h) → three scalars, unweighted; zeros if n < 2, which has no variance.
    Invariance is the mean square over features too, as in the authors' code.
    """
    if len(a) < 2:
        nothing = (a.sum() + b.sum()) * 0
        return nothing, nothing, nothing
    invariance = F.mse_loss(a, b)
    variance = covariance = torch.zeros_like(invariance)
    for z in (a, b):
        centred = z - z.mean(dim=0)
        variances = centred.square().sum(dim=0) / (len(z) - 1)  # (h,)
        variance = variance + (1 - (variances + 1e-4).sqrt()).relu().mean()
        # The squares of Z'Z sum to those of ZZ', which is smaller: a batch is, than h.
        gram = centred @ centred.T / (len(z) - 1)  # (n, n)
        covariance = covariance + (gram.square().sum() - variances.square().sum()) / z.shape[1]
    return invariance, variance, covariance


ABOUT = MethodAbout(
    "kim2024",
    PredictedEmbeddingClassifier,
    "D. Kim and T. Kim, Missing Modality Prediction for Unpaired Multimodal Learning via Joint "
    "Embedding of Unimodal Models, arXiv 2407.12616, 2024",
)
