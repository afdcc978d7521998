"""A transformer over one token per modality, in the manner of ViLT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from srmm.errors import fraction
from srmm.learning.method import MethodAbout
from srmm.learning.network import ComparisonNetworkClassifier
from srmm.methods.networks.token_transformer import TokenTransformer
from srmm.recipe import all_positive, parameter, with_parameters


@with_parameters
class TokenTransformerClassifier(ComparisonNetworkClassifier):
    """One token per modality, a small transformer, a classifier on the class token.

    Linear projections, type embeddings, a pre-norm encoder, a tanh pooler. Differs from the
    original: a modality is one token, made of its frozen embedding, instead of its patches or
    words; nothing is pre-trained, so the encoder is small; the classifier is one linear layer. ViLT
    cannot lack a modality; here an absent item's token is a learnt placeholder of its modality, in
    training too, where training instances have holes. Loss: cross entropy.
    """

    width: int = parameter(
        128,
        "Of the transformer. ViLT has 768, and 12 layers and heads. Here there are few tokens to "
        "mix, nothing is pre-trained, and every method trains several times on a CPU: 128, 2 and 4 "
        "make 0.62 M parameters for two embeddings of 768 and 101 classes, and train in under half "
        "the time of a width of 256.",
    )
    layers: int = parameter(2, "Of the transformer.")
    heads: int = parameter(4, "Of each layer; they share the width.")
    dropout: float = parameter(0.1, "After attention and in the MLPs; 0.1 is ViLT's.", fraction)
    learning_rates: Sequence[float] = parameter(
        (0.0003, 0.001, 0.003),
        "Three candidates, as every method has, of which the best on held-out instances is kept; "
        "lower ones, because attention diverges sooner than branches do (ViLT is fine-tuned at "
        "0.0001, with 12 layers). () keeps `learning_rate`.",
        all_positive,
    )

    def _network(self) -> nn.Module:
        return self._transformer()

    def _transformer(self, **settings: Any) -> TokenTransformer:
        return TokenTransformer(
            self.embedding_dims_,
            len(self.classes_),
            self.width,
            self.layers,
            self.heads,
            dropout=self.dropout,
            init=self.init,
            **settings,
        )


ABOUT = MethodAbout(
    "vilt-tokens",
    TokenTransformerClassifier,
    "W. Kim, B. Son, I. Kim, ViLT: Vision-and-Language Transformer Without Convolution or Region "
    "Supervision, ICML 2021",
)
