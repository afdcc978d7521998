"""Lee et al. 2023: prompts that tell a frozen transformer which modalities are missing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from srmm.errors import fraction
from srmm.learning.instances import Batch
from srmm.learning.labelled import Labelled, rows_of
from srmm.learning.method import MethodAbout
from srmm.methods.networks.missing_prompts import PLACES, PromptedTransformer, check_prompt
from srmm.methods.networks.token_transformer import TokenTransformer
from srmm.methods.two_branch import drop_items
from srmm.methods.vilt import TokenTransformerClassifier
from srmm.recipe import all_positive, parameter, with_parameters, within

_COMPLETE_PER_CLASS = 5


PUBLISHED_RATE = 0.01
"""At which the original's prompts learn."""


@with_parameters
class MissingPromptClassifier(TokenTransformerClassifier):
    """A frozen token transformer steered by a learnt prompt per presence pattern.

    Stage 1 trains the transformer of `TokenTransformerClassifier` on the complete training
    instances; its placeholders then are constant dummies, as the original's empty text and blank
    image. If some class has fewer than five complete instances (or fewer than all of its instances,
    where it has no five), it trains on all, and the placeholders learn. The learning rate and epoch
    are chosen by the accuracy on held-out instances of the same kind, as they are.

    Stage 2 freezes it and trains the prompts, the pooler and the classifier on all training
    instances, from each of which items are dropped at random, so that every pattern is shown
    whatever is missing in the data. Chosen by the score all methods are chosen by. An instance of a
    pattern that no training instance showed takes the most similar prompt that one did (see
    `PromptedTransformer`). Loss, both stages: cross entropy.

    Differs from the original: the frozen transformer is trained on the user's data, where the
    original's is a pre-trained ViLT; one token per modality; the classifier is one linear layer,
    and goes on from stage 1; prompts start as ViT's tokens do, where the code starts each pattern's
    with ones in a place of its own. There are len(learning_rates) trainings of stage 1 and
    len(prompt_learning_rates) of stage 2, 4 by default.
    """

    place: str = parameter(
        "input",
        'Prompts are prepended to the tokens ("input"), or split over the keys and values '
        '("attention").',
        within(PLACES),
    )
    prompt_length: int = parameter(16, "Tokens of a prompt; 16, as published.")
    prompt_layers: int = parameter(
        1, "Layers with prompts, from the first. As published, half of them: here 1 of 2."
    )
    drop_rate: float = parameter(
        0.5,
        "Probability that an item is dropped at each step of stage 2; an instance that would lose "
        "everything keeps all. The original has 70 % of the instances lack one of two items; 0.5 "
        "comes nearest to it: half of the pairs lack one.",
        fraction,
    )
    prompt_learning_rates: Sequence[float] = parameter(
        (0.01,),
        "Candidates for stage 2: the published rate, which leaves nothing to choose; () keeps "
        "`learning_rate`.",
        all_positive,
    )

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        self._scale(train)
        check_prompt(self.place, self.prompt_length, self.prompt_layers, self.layers)
        stage1 = _complete(train), _complete(held)
        if not _enough(stage1[0], train):
            stage1 = train, held
        self._fit_best(self._transformer, self.learning_rates, *stage1, seed)
        frozen = self.network_
        self._fit_best(
            lambda: self._prompted(copy.deepcopy(frozen)),
            self.prompt_learning_rates,
            train,
            held,
            seed,
        )

    def _network(self) -> nn.Module:
        return self._prompted(self._transformer())

    def _prompted(self, transformer: Any) -> PromptedTransformer:
        return PromptedTransformer(
            transformer,
            self.place,
            prompt_length=self.prompt_length,
            prompt_layers=self.prompt_layers,
        )

    def _loss(self, batch: Batch, target: Tensor) -> Tensor:
        if isinstance(self.network_, TokenTransformer):  # stage 1
            return super()._loss(batch, target)
        return super()._loss(
            batch.masked(drop_items(batch.present, self.drop_rate, self._generator)), target
        )

    def _validate(self, held: Labelled) -> dict[str, float]:
        figures = super()._validate(held)
        if isinstance(self.network_, TokenTransformer):  # stage 1
            figures["score"] = figures["accuracy"]
        return figures


def _complete(instances: Labelled) -> Labelled:
    return rows_of(np.asarray(instances.embeddings.present.all(axis=1)), *instances)


def _enough(complete: Labelled, train: Labelled) -> bool:
    """Whether every class of `train` has its complete instances, or at least a few of them."""
    n_classes = int(train.y.max()) + 1
    of_class = np.bincount(train.y, minlength=n_classes)
    return bool(
        (
            np.bincount(complete.y, minlength=n_classes)
            >= np.minimum(of_class, _COMPLETE_PER_CLASS)
        ).all()
    )


_SOURCE = (
    "Y.-L. Lee, Y.-H. Tsai, W.-C. Chiu, C.-Y. Lee, Multimodal Prompting with Missing Modalities "
    "for Visual Recognition, CVPR 2023 (missing-aware prompts), and its published code"
)

ABOUT = tuple(
    MethodAbout(f"lee2023-{place}", MissingPromptClassifier, _SOURCE, {"place": place})
    for place in PLACES
)
