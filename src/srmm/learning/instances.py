"""Training a network that sees whole instances: the comparison methods' common loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srmm.data.embeddings import Embeddings
from srmm.learning.base import Labelled
from srmm.learning.held_out import held_out_figures
from srmm.learning.network import NetworkClassifier
from srmm.learning.standardize import Standardizer
from srmm.learning.training import DivergedError, History, fit_network
from srmm.recipe import Recipe
from srmm.switching import cut

LEARNING_RATES = (0.001, 0.003, 0.01)
"""The budget of every comparison method: three trainings, the best on held-out instances kept."""

_CHUNK = 4096  # instances per forward pass at prediction


class Batch(NamedTuple):
    """Instances as tensors.

    **Shape**: `items` {modality: (n, d_m)}, with zeros where an item is absent; `present` (n, M)
    boolean, columns in the order of `items`.
    """

    items: dict[str, Tensor]
    present: Tensor

    def masked(self, mask: Tensor) -> Batch:
        """The batch without the items that `mask` (n, M) or (M,) hides."""
        present = self.present & mask
        items = {name: x * present[:, m, None] for m, (name, x) in enumerate(self.items.items())}
        return Batch(items, present)


class Instances:
    """Embeddings on a device, from which batches of whole instances are gathered."""

    def __init__(
        self, embeddings: Embeddings, standardizer: Standardizer, device: torch.device
    ) -> None:
        embeddings = embeddings.compact()
        self.values = {
            name: torch.from_numpy(standardizer.apply(name, array)).to(device)
            for name, array in embeddings.values.items()
        }
        self.position = torch.from_numpy(np.asarray(embeddings.position)).to(device)

    def batch(self, rows: np.ndarray | slice) -> Batch:
        position = self.position[rows]
        items = {}
        for m, (name, values) in enumerate(self.values.items()):
            here = torch.nonzero(position[:, m] >= 0)[:, 0]
            x = values.new_zeros((len(position), values.shape[1]))
            x[here] = values[position[here, m]]
            items[name] = x
        return Batch(items, position >= 0)

    def chunks(self) -> Iterator[Batch]:
        for start in range(0, len(self.position), _CHUNK):
            yield self.batch(slice(start, start + _CHUNK))


class InstanceNetworkClassifier(NetworkClassifier):
    """Base of the comparison methods: a network from instances with holes to class scores.

    A subclass implements `_network`, whose forward takes `(items, present)` as in `Batch` and
    returns log-probabilities or logits (n, C); it may replace `_loss`, or `_train` if it learns in
    several stages.

    The learning rate is chosen among `learning_rates` by the score on the held-out instances:
    accuracy as they are and with each of their items alone, in equal parts; the same for all
    methods. An empty `learning_rates` keeps the recipe's. Test data is never seen.
    """

    learning_rates: Sequence[float]
    network_: Any  # an nn.Module that also has `embed`, with forward's arguments

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        self._scale(train)
        self._fit_best(self._network, self.learning_rates, train, held, seed)

    def _scale(self, train: Labelled) -> None:
        self.recipe_ = self._resolved()
        self.standardizer_ = Standardizer.fit(train.embeddings, active=self.recipe_.standardize)

    def _fit_best(
        self,
        make: Callable[[], nn.Module],
        learning_rates: Sequence[float],
        train: Labelled,
        held: Labelled,
        seed: int,
    ) -> None:
        """Train a network at each learning rate; keep the best on the held-out instances."""
        recipe, device = self.recipe_, self._device()
        data = Instances(train.embeddings, self.standardizer_, device)
        target = torch.from_numpy(train.y).to(device)
        weight = torch.from_numpy(train.weight).to(device, torch.float32)
        best: tuple[tuple[float, float], nn.Module, History, Recipe] | None = None
        diverged: DivergedError | None = None
        for rate in learning_rates or (recipe.learning_rate,):
            candidate = replace(recipe, learning_rate=rate)
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                torch.manual_seed(seed)
                self.network_ = make().to(device)
                rng = np.random.default_rng([seed, 1])
                try:
                    history = self._train(data, target, weight, held, candidate, rng)
                except DivergedError as error:
                    diverged = error
                    continue
            reached = held_out_score(history)
            if best is None or reached > best[0]:
                best = reached, self.network_, history, candidate
        if best is None:
            assert diverged is not None
            raise diverged  # at every rate
        _, self.network_, self.history_, self.recipe_ = best
        self.network_.eval()

    def _train(
        self,
        data: Instances,
        target: Tensor,
        weight: Tensor,
        held: Labelled,
        recipe: Recipe,
        rng: np.random.Generator,
    ) -> History:
        """Train `network_` in place."""

        def loss_of(rows: np.ndarray) -> Tensor:
            losses = self._loss(data.batch(rows), target[rows])  # (n,)
            return (losses * weight[rows]).mean()

        return fit_network(
            self.network_,
            lambda: cut(rng.permutation(len(target)), recipe.batch_size),
            loss_of,
            (lambda: self._validate(held)) if len(held.y) else None,
            recipe,
        )

    def _loss(self, batch: Batch, target: Tensor) -> Tensor:
        """The loss of each instance: (n,)."""
        return F.cross_entropy(self.network_(*batch), target, reduction="none")

    def _validate(self, held: Labelled) -> dict[str, float]:
        """Held-out figures as SRMM's: instances as they are, and each of their items alone."""
        return held_out_figures(self._probabilities, held)

    def _probabilities(self, embeddings: Embeddings) -> np.ndarray:
        return self._forward(embeddings, lambda b: self.network_(*b).softmax(dim=1))

    def transform(self, X: Any) -> np.ndarray:
        """What the classifier's last layer sees of each instance: (n_instances, width)."""
        embeddings = self._matched(X)
        something = self._something(embeddings.present)
        inner = self._forward(embeddings[something], lambda b: self.network_.embed(*b))
        out = np.full((len(embeddings), inner.shape[1]), np.nan)
        out[something] = inner
        return out

    @torch.inference_mode()
    def _forward(self, embeddings: Embeddings, function: Any) -> np.ndarray:
        device = next(self.network_.parameters()).device
        training = self.network_.training
        self.network_.eval()
        chunks = Instances(embeddings, self.standardizer_, device).chunks()
        outputs = [function(batch).double().cpu().numpy() for batch in chunks]
        self.network_.train(training)
        return np.concatenate(outputs)


def held_out_score(history: History) -> tuple[float, float]:
    """(score, −loss) of the kept epoch on the held-out instances; zeros if there are none."""
    kept = history.epochs[history.best_epoch - 1]
    return kept.get("validation_score", 0.0), -kept.get("validation_loss", 0.0)
