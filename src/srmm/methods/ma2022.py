"""Ma et al. 2022: attention masks for what is missing, and a searched fusion layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srmm.data.checks import number, whole
from srmm.learning.instances import Batch
from srmm.learning.labelled import Labelled
from srmm.learning.method import MethodAbout
from srmm.learning.network import held_out_score
from srmm.learning.state import Arrays
from srmm.methods.vilt import TokenTransformerClassifier
from srmm.recipe import with_parameters


@with_parameters
class FusionSearchClassifier(TokenTransformerClassifier):
    """A token transformer trained under several attention masks, its fusion layer searched.

    Multi-task training with masks, and the search for the optimal fusion layer. Every instance is
    shown complete and with each of its modalities alone; an absent or masked item's token is hidden
    from attention, in training and prediction. Loss: the sum of the cross entropies of these views.
    An instance with holes is shown with all that it has; one with a single item is shown once. All
    views share one class token and one classifier.

    Differs from the original: the transformer is that of `TokenTransformerClassifier`, with one
    token per modality, not a pre-trained ViLT; with more than two modalities the views are still
    all and each alone; and the fusion layer is searched not by a differentiable policy but by
    training every candidate, which is exact and, with few layers, cheap. Before the fusion layer
    the tokens of different modalities cannot see each other, nor the class token, which itself sees
    all.

    Candidates are 0 (everything fused, ViLT's own) to `layers` − 1 (only the class token fuses;
    `layers` would be the same network, as nothing reads the other tokens after the last layer). The
    learning rate is chosen among its candidates at fusion layer 0, then the layer at that rate, by
    the score on held-out instances: len(learning_rates) + `layers` − 1 trainings, by default 4.
    Without held-out instances there is nothing to choose by, and the layer is 0.

    Attributes
    ----------
    fusion_layer_ : int
        The layer chosen.
    fusion_scores_ : dict of int to float
        The held-out score of each candidate.
    """

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        self.fusion_layer_ = 0
        super()._fit(train, held, seed)
        best = self._reached()
        self.fusion_scores_ = {0: best[0][0]}
        # One modality has nothing to fuse.
        layers = range(1, self.layers) if len(self.modalities_) > 1 and len(held.y) else ()
        for layer in layers:
            self.fusion_layer_ = layer
            self._fit_best(self._network, (self.learning_rate,), train, held, seed)
            reached = self._reached()
            self.fusion_scores_[layer] = reached[0][0]
            best = max(best, reached, key=lambda of: of[0])
        _, self.fusion_layer_, self.network_, self.history_ = best

    def _reached(self) -> tuple[tuple[float, float], int, nn.Module, Any]:
        return held_out_score(self.history_), self.fusion_layer_, self.network_, self.history_

    def _network(self) -> nn.Module:
        return self._transformer(absent="hidden", fusion_layer=self.fusion_layer_)

    def _loss(self, batch: Batch, target: Tensor) -> Tensor:
        present, rows = views(batch.present)
        items = {name: x[rows] for name, x in batch.items.items()}
        losses = F.cross_entropy(self.network_(items, present), target[rows], reduction="none")
        return losses.new_zeros(len(target)).index_add(0, rows, losses)  # (n,)

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        state, arrays = super().get_state()
        state["fusion_layer"] = self.fusion_layer_
        state["fusion_scores"] = list(self.fusion_scores_.values())  # JSON has no integer keys
        return state, arrays

    def set_state(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        self.fusion_layer_ = whole("state.fusion_layer", state["fusion_layer"])
        self.fusion_scores_ = dict(enumerate(state["fusion_scores"]))
        super().set_state(state, arrays)
        whole("state.fusion_layer", self.fusion_layer_, 0, self.layers - 1)
        for score in self.fusion_scores_.values():
            number("state.fusion_scores", score)


def views(present: Tensor) -> tuple[Tensor, Tensor]:
    """The masks each instance is shown under: with all its items, and with each of them alone.

    **Shape**: `present` (n, M) → `masks` (v, M), and the row of the instance of each, (v,).

    >>> views(torch.tensor([[True, True], [False, True]]))[0].int().tolist()
    [[1, 1], [0, 1], [1, 0], [0, 1]]
    """
    n, M = present.shape
    alone = present & torch.eye(M, dtype=torch.bool, device=present.device)[:, None]  # (M, n, M)
    masks = torch.cat([present, alone.flatten(0, 1)])
    several = present.sum(dim=1) > 1
    kept = torch.cat([torch.ones_like(several), (present & several[:, None]).T.flatten()])
    rows = torch.arange(n, device=present.device).repeat(1 + M)
    return masks[kept], rows[kept]


ABOUT = MethodAbout(
    "ma2022",
    FusionSearchClassifier,
    "M. Ma, J. Ren, L. Zhao, D. Testuggine, X. Peng, Are Multimodal Transformers Robust to Missing "
    "Modality?, CVPR 2022",
)
