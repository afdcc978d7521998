"""A transformer over one token per modality, in the manner of ViLT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from srmm.learning.instances import InstanceNetworkClassifier
from srmm.methods.networks.token_transformer import TokenTransformer
from srmm.recipe import Recipe

TRANSFORMER_LEARNING_RATES = (0.0003, 0.001, 0.003)
"""Three candidates, as every method has; lower ones, because attention diverges sooner than
branches do (ViLT is fine-tuned at 0.0001, with 12 layers)."""


class TokenTransformerClassifier(InstanceNetworkClassifier):
    """One token per modality, a small transformer, a classifier on the class token.

    Source: W. Kim, B. Son, I. Kim, "ViLT: Vision-and-Language Transformer Without Convolution or
    Region Supervision", ICML 2021: linear projections, type embeddings, a pre-norm encoder, a
    tanh pooler. Differs from the original: a modality is one token, made of its frozen embedding,
    instead of its patches or words; nothing is pre-trained, so the encoder is small; the classifier
    is one linear layer. ViLT cannot lack a modality; here an absent item's token is a learnt
    placeholder of its modality, in training too, where training instances have holes. Loss: cross
    entropy.

    Parameters
    ----------
    width, layers, heads : int
        ViLT's are 768, 12 and 12. Here there are few tokens to mix and nothing is pre-trained,
        and every method trains several times on a CPU: 128, 2 and 4 make 0.62 M parameters for
        two embeddings of 768 and 101 classes, and train in under half the time of a width of 256.
    dropout : float or None
        After attention and in the MLPs; 0.1 is ViLT's. None: the recipe's.
    recipe, class_weight, when_nothing_present, random_state, device
        As in `SingleBranchClassifier`.
    learning_rates : sequence of float
        Candidates, of which the best on held-out instances is kept; () keeps the recipe's.
    """

    def __init__(
        self,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        *,
        dropout: float | None = 0.1,
        recipe: str | Recipe = "comparison",
        learning_rates: Sequence[float] = TRANSFORMER_LEARNING_RATES,
        class_weight: Any = None,
        when_nothing_present: str = "error",
        random_state: Any = None,
        device: str | None = None,
    ) -> None:
        self.width = width
        self.layers = layers
        self.heads = heads
        self.dropout = dropout
        self.recipe = recipe
        self.learning_rates = learning_rates
        self.class_weight = class_weight
        self.when_nothing_present = when_nothing_present
        self.random_state = random_state
        self.device = device

    def _network(self) -> nn.Module:
        return self._transformer()

    def _transformer(self, **settings: Any) -> TokenTransformer:
        return TokenTransformer(
            self.embedding_dims_,
            len(self.classes_),
            self.width,
            self.layers,
            self.heads,
            dropout=self.recipe_.dropout,
            init=self.recipe_.init,
            **settings,
        )
