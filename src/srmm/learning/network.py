"""`NetworkClassifier`: one PyTorch network, and the one way all of them are trained and asked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TypeVar, cast

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from torch import Tensor, nn
from torch.nn import functional as F

from srmm.data.embeddings import Embeddings
from srmm.learning.base import EmbeddingClassifier
from srmm.learning.chance import own_chance
from srmm.learning.checked import average_instances, check_scaled, history_from
from srmm.learning.devices import check_progress, usable_device
from srmm.learning.held_out import held_out_figures
from srmm.learning.instances import Batch, Instances
from srmm.learning.labelled import Labelled
from srmm.learning.precision import PRECISIONS
from srmm.learning.room import check_room
from srmm.learning.standardize import Standardizer, large_number
from srmm.learning.state import Arrays, part
from srmm.learning.surroundings import check_dtype, undisturbed
from srmm.learning.training import DivergedError, History, fit_network
from srmm.learning.weights import network_of
from srmm.recipe import NetworkParameters, all_positive, parameter, with_parameters, within
from srmm.switching import cut

N = TypeVar("N", bound=nn.Module)

LEARNING_RATES = (0.001, 0.003, 0.01)
"""The budget of every comparison method: three trainings, the best on held-out instances kept."""


@with_parameters
class NetworkModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, EmbeddingClassifier):
    """Base of the classifiers that are a PyTorch network: where it lives, and how it is kept.

    Attributes
    ----------
    network_ : nn.Module
    history_ : History
        Loss and held-out figures per epoch, and the epoch kept.
    """

    device: str | None = parameter(
        None, 'Where to train and predict, "cpu" or "cuda"; by default the GPU if there is one.'
    )
    precision: str = parameter(
        "float32",
        'Of products in training: "float32", or "bfloat16", which takes less time on processors '
        "that multiply it themselves, and more on others.",
        within(PRECISIONS),
    )
    progress: Callable[[Iterable[int]], Iterable[int]] | None = parameter(
        None, "Wraps the range of epochs, e.g. `tqdm.tqdm`.", check_progress
    )

    @property
    def n_parameters_(self) -> int | None:
        """How many numbers the network has."""
        return sum(parameter.numel() for parameter in self.network_.parameters())

    @property
    def _n_features_out(self) -> int:
        model: Any = type(self)  # whose own transform is asked: `set_output` makes it ask for this
        return int(inspect.unwrap(model.transform)(self, average_instances(self)).shape[1])

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """(JSON-ready values, arrays): all that `set_state` needs to predict the same bits."""
        state, arrays = super().get_state()
        weights = self.network_.state_dict().items()
        arrays |= {f"network.{key}": tensor.cpu().numpy() for key, tensor in weights}
        return state | {"history": asdict(self.history_)}, arrays

    def set_state(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        """Become the fitted classifier that `get_state` described."""
        super().set_state(state, arrays)
        self.history_ = history_from(state["history"])
        weights = part("network", arrays)
        self.network_: Any = network_of(self._network, weights, ours=is_ours(self))
        self.network_.to(self._device())

    def _network(self) -> nn.Module:
        """The network for `embedding_dims_`, `classes_` and the parameters, not yet trained."""
        raise NotImplementedError

    def _device(self) -> torch.device:
        return usable_device(self.device)


@with_parameters
class NetworkClassifier(NetworkParameters, NetworkModel):
    """Base of the classifiers that train one network on standardised or raw embeddings.

    A subclass implements `_network`. What it may replace: `_epoch` and `_batch_loss` if it learns
    from something else than whole instances, `_loss` if from more than the cross entropy, `_start`
    for what is fitted before the first step, and `_fit` if it learns in several stages.

    Attributes
    ----------
    network_ : nn.Module
    standardizer_ : Standardizer
    history_ : History
        Loss and held-out figures per epoch, and the epoch kept.
    """

    _generator = cast("torch.Generator | None", None)  # what a loss draws from, while it trains

    def set_state(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        """Become the fitted classifier that `get_state` described."""
        super().set_state(state, arrays)
        check_scaled(self)

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        self._scale(train)
        self._fit_best(self._network, (), train, held, seed)

    def _scale(self, train: Labelled) -> None:
        self.standardizer_ = Standardizer.fit(train.embeddings, active=self.standardize)

    def _fit_best(
        self,
        make: Callable[[], nn.Module],
        learning_rates: Sequence[float],
        train: Labelled,
        held: Labelled,
        seed: int,
    ) -> None:
        """Train a network at each learning rate; keep the best on the held-out instances.

        Without candidates there is one training, at the parameter's.
        """
        device = self._device()
        check_dtype()
        check_room(self, device, ours=is_ours(self))
        data = Instances(train.embeddings, self.standardizer_, device)
        target = torch.from_numpy(train.y).to(device)
        weight = torch.from_numpy(train.weight).to(device, torch.float32)
        best: tuple[tuple[float, float], nn.Module, History, float] | None = None
        diverged: DivergedError | None = None
        for rate in learning_rates or (self.learning_rate,):
            with own_chance(make, seed, device, ours=is_ours(self)) as (network, generator):
                self.network_ = network
                self._generator = generator
                rng = np.random.default_rng([seed, 1])
                try:
                    history = self._train(data, target, weight, held, rate, rng)
                except DivergedError as error:
                    diverged = error
                    continue
                finally:
                    self._generator = None
            reached = held_out_score(history)
            if best is None or reached > best[0]:
                best = reached, self.network_, history, rate
        if best is None:
            assert diverged is not None  # at every rate
            raise DivergedError(f"{diverged}{large_number(train.embeddings, where='(id {id})')}")
        _, self.network_, self.history_, rate = best
        if learning_rates:
            self.chosen_["learning_rate"] = rate
        self.network_.eval()

    def _train(
        self,
        data: Instances,
        target: Tensor,
        weight: Tensor,
        held: Labelled,
        learning_rate: float,
        rng: np.random.Generator,
    ) -> History:
        """Train `network_` in place."""
        self._start(data, rng)
        return fit_network(
            self.network_,
            lambda: self._epoch(data.present, rng),
            lambda batch: self._batch_loss(data, batch, target, weight),
            (lambda: self._validate(held)) if len(held.y) else None,
            learning_rate=learning_rate,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            max_epochs=self.max_epochs,
            patience=self.patience,
            precision=self.precision,
            progress=self.progress or iter,
        )

    def _start(self, data: Instances, rng: np.random.Generator) -> None:
        """What is done once before the first step."""

    def _epoch(self, present: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """The batches of one epoch: here rows of whole instances, in random order."""
        return cut(rng.permutation(len(present)), self.batch_size)

    def _batch_loss(
        self, data: Instances, batch: np.ndarray, target: Tensor, weight: Tensor
    ) -> Tensor:
        """The weighted mean loss of a batch of `_epoch`."""
        losses = self._loss(data.batch(batch), target[batch])  # (n,)
        return (losses * weight[batch]).mean()

    def _loss(self, batch: Batch, target: Tensor) -> Tensor:
        """The loss of each instance: (n,)."""
        return F.cross_entropy(self.network_(*batch), target, reduction="none")

    def _sized(self, network: Callable[..., N], **settings: Any) -> N:
        """A network over these modalities and classes, made as the parameters say."""
        return network(
            self.embedding_dims_,
            len(self.classes_),
            self.hidden_dim,
            dropout=self.dropout,
            init=self.init,
            **settings,
        )

    def _validate(self, held: Labelled) -> dict[str, float]:
        """Figures on the held-out instances, as they are and each of their items alone."""
        return held_out_figures(self._scorer(held.embeddings), held)

    def _calibrate_held(self, held: Labelled) -> None:
        if len(held.y):
            self._calibrate_on(held.embeddings, held.y)

    def _probabilities(self, embeddings: Embeddings) -> np.ndarray:
        return self._forward(embeddings, lambda batch: self.network_(*batch).softmax(dim=1))

    def transform(self, X: Any) -> np.ndarray:
        """What the classifier's last layer sees of each instance: (n_instances, width).

        NaN if nothing is present.
        """
        embeddings = self._matched(X)
        something = embeddings.present.any(axis=1)
        inner = self._forward(embeddings[something], lambda batch: self.network_.embed(*batch))
        out = np.full((len(embeddings), inner.shape[1]), np.nan)
        out[something] = inner
        return out

    @undisturbed()
    def _forward(self, embeddings: Embeddings, function: Callable[[Batch], Tensor]) -> np.ndarray:
        """`function` of all instances, chunk by chunk: float64 (n_instances, …)."""
        device = next(self.network_.parameters()).device
        chunks = Instances(embeddings, self.standardizer_, device).chunks()
        with evaluating(self.network_):
            outputs = [function(batch).double().cpu().numpy() for batch in chunks]
        return np.concatenate(outputs)

    def _standardizes(self) -> bool:
        return self.standardize

    def _validation_fraction(self) -> float:
        return self.validation_fraction


@with_parameters
class ComparisonNetworkClassifier(NetworkClassifier):
    """Base of the networks SRMM is compared with: whole instances with holes to class scores.

    Its network's forward takes `(items, present)` as in `Batch` and returns log-probabilities or
    logits (n, C); its `embed`, with the same arguments, what the last layer sees.

    The learning rate is chosen by the score on the held-out instances: accuracy as they are and
    with each of their items alone, in equal parts; the same for all methods. Test data is never
    seen.
    """

    learning_rates: Sequence[float] = parameter(
        LEARNING_RATES,
        "Candidates, of which the best on held-out instances is kept; () keeps `learning_rate`.",
        all_positive,
    )

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        self._scale(train)
        self._fit_best(self._network, self.learning_rates, train, held, seed)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """In this block the network predicts; afterwards it trains again, if it did."""
    training = network.training
    if training:
        network.eval()
    try:
        yield
    finally:
        if training:
            network.train()


def is_ours(model: Any) -> bool:
    """Whether the class is of this package, whose methods draw from `_generator` alone."""
    return type(model).__module__.startswith("srmm.")


def held_out_score(history: History) -> tuple[float, float]:
    """(score, −loss) of the kept epoch on the held-out instances; zeros if there are none."""
    kept = history.epochs[history.best_epoch - 1]
    return kept.get("validation_score", 0.0), -kept.get("validation_loss", 0.0)
