"""`SingleBranchClassifier`: the method behind scikit-learn's protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from torch import Tensor
from torch.nn import functional as F

from srmm.data.embeddings import Embeddings
from srmm.fusion import fit_weights, fuse
from srmm.learning.base import Labelled
from srmm.learning.late_fusion import LateFusionClassifier
from srmm.learning.network import NetworkClassifier
from srmm.learning.standardize import Standardizer
from srmm.learning.training import fit_network
from srmm.recipe import Recipe
from srmm.single_branch import SingleBranch
from srmm.switching import STRATEGIES

_CHUNK = 4096  # items per forward pass at prediction


class SingleBranchClassifier(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, LateFusionClassifier, NetworkClassifier
):
    """Classify instances of several modalities, any of which may be missing (SRMM).

    One small network with shared weights learns from the embeddings of all modalities; at
    prediction every present modality goes through it alone and the outputs are fused. Nothing is
    imputed, in training or in use.

    Parameters
    ----------
    recipe : "robust", "paper" or Recipe
        Every setting below by one name; "paper" is the paper to the letter (section IV-B).
    hidden_dim, dropout, input_dropout, share_first_layer, init, batch_norm, standardize, \
switching, batch_size, max_epochs, learning_rate, weight_decay, schedule, patience, \
validation_fraction, fusion : optional
        Fields of `srmm.Recipe`; None keeps the recipe's value.
    class_weight : None, "balanced" or dict of label to float
    when_nothing_present : "error" or "prior"
        What to do with an instance that has no item at all: raise an error that lists the rows,
        or return the class shares of the training set.
    random_state : int, RandomState or None
        The same integer gives the same weights, bit for bit, on the same machine.
    device : str, optional
        Where to train and predict, "cpu" or "cuda"; by default the GPU if there is one.
    progress : callable, optional
        Wraps the range of epochs, e.g. `tqdm.tqdm`.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    modalities_ : tuple of str
    embedding_dims_ : dict of str to int
    network_ : SingleBranch
    recipe_ : Recipe
        The resolved recipe.
    history_ : History
        Loss and held-out accuracy per epoch, and the epoch kept.
    fusion_weights_ : array of shape (2 ** n_modalities, n_modalities) or None
    class_prior_ : array of shape (n_classes,)
    feature_std_ : dict of str to array of shape (d_m,)
        Of the training set; scales relative noise in evaluation.
    training_ : dict
        What it was trained on: instances, held-out instances, missing rate per modality.

    See Also
    --------
    srmm.evaluate : accuracy for every presence pattern, missing-rate curves, baselines.
    srmm.from_pretrained : load a saved model.

    References
    ----------
    Source: M. S. Saeed et al., "Modality Invariant Multimodal Learning to Handle Missing
    Modalities: A Single-Branch Approach", 2024.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=200)
    >>> X = {"image": rng.normal(size=(200, 8)) + y[:, None], "text": rng.normal(size=(200, 4))}
    >>> X["text"][:50] = np.nan  # these instances have no text
    >>> model = SingleBranchClassifier(max_epochs=5, random_state=0).fit(X, y)
    >>> model.predict({"image": X["image"][:3]}).shape  # texts of nobody: legal input
    (3,)
    """

    network_: SingleBranch

    def __init__(
        self,
        recipe: str | Recipe = "robust",
        *,
        hidden_dim: int | None = None,
        dropout: float | None = None,
        input_dropout: float | None = None,
        share_first_layer: bool | None = None,
        init: str | None = None,
        batch_norm: str | None = None,
        standardize: bool | None = None,
        switching: str | None = None,
        batch_size: int | None = None,
        max_epochs: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        schedule: str | None = None,
        patience: int | None = None,
        validation_fraction: float | None = None,
        fusion: str | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        when_nothing_present: str = "error",
        random_state: int | np.random.RandomState | None = None,
        device: str | None = None,
        progress: Callable[[Iterable[int]], Iterable[int]] | None = None,
    ) -> None:
        self.recipe = recipe
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.share_first_layer = share_first_layer
        self.init = init
        self.batch_norm = batch_norm
        self.standardize = standardize
        self.switching = switching
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.fusion = fusion
        self.class_weight = class_weight
        self.when_nothing_present = when_nothing_present
        self.random_state = random_state
        self.device = device
        self.progress = progress

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        recipe = self.recipe_ = self._resolved()
        train = train._replace(embeddings=train.embeddings.compact())
        self.standardizer_ = Standardizer.fit(train.embeddings, active=recipe.standardize)
        self.fusion_weights_ = None
        device = self._device()
        values = {
            name: torch.from_numpy(self.standardizer_.apply(name, array)).to(device)
            for name, array in train.embeddings.values.items()
        }
        position = torch.from_numpy(train.embeddings.position).to(device)
        target = torch.from_numpy(train.y).to(device)
        weights = torch.from_numpy(train.weight).to(device, torch.float32)
        rng = np.random.default_rng([seed, 1])

        def loss_of(pairs: np.ndarray) -> Tensor:
            rows = [torch.from_numpy(pairs[pairs[:, 1] == m, 0]).to(device) for m in range(M)]
            items = {
                name: values[name][position[rows[m], m]]
                for m, name in enumerate(self.modalities_)
                if len(rows[m])
            }
            stacked = torch.cat(rows)  # the order in which the branch stacks its items
            losses = F.cross_entropy(self.network_(items), target[stacked], reduction="none")
            return (losses * weights[stacked]).mean()  # eq. 3

        def validate() -> dict[str, float]:
            outputs, present = self._outputs(held.embeddings), held.embeddings.present
            fused = self._fuse(outputs, present)
            own = fused[np.arange(len(held.y)), held.y]
            rows, modality = np.nonzero(present)
            right = fused.argmax(axis=1) == held.y
            right_alone = outputs[rows, modality].argmax(axis=1) == held.y[rows]
            accuracy = float(np.average(right, weights=held.weight))
            alone = float(np.average(right_alone, weights=held.weight[rows]))
            return {
                "loss": float(np.average(-np.log(np.maximum(own, 1e-12)), weights=held.weight)),
                "accuracy": accuracy,
                "accuracy_alone": alone,
                # An epoch is as good as its fused outputs and its items alone: both get used.
                "score": (accuracy + alone) / 2,
            }

        M = len(self.modalities_)
        switch = STRATEGIES[recipe.switching]
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.network_ = self._network().to(device)
            self.history_ = fit_network(
                self.network_,
                lambda: switch(train.embeddings.present, recipe.batch_size, rng),
                loss_of,
                validate if len(held.y) else None,
                recipe,
                progress=self.progress or iter,
            )
        self.network_.eval()
        if recipe.fusion == "weighted":
            self.fusion_weights_ = fit_weights(
                self._outputs(held.embeddings), held.embeddings.present, held.y, held.weight
            )

    @property
    def _n_features_out(self) -> int:
        return self.recipe_.hidden_dim

    def transform(self, X: Any) -> np.ndarray:
        """Block-2 embeddings: (n_instances, hidden_dim), unit length (paper Fig. 5).

        An instance gets the mean of its present modalities' embeddings, brought back to unit
        length; NaN if nothing is present.
        """
        embeddings = self._matched(X)
        single = self.transform_per_modality(embeddings)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.nansum(single, axis=1) / embeddings.present.sum(axis=1, keepdims=True)
            return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def transform_per_modality(self, X: Any) -> np.ndarray:
        """Block-2 embeddings, item by item: (n_instances, n_modalities, hidden_dim)."""
        embed = self.network_.embed
        return self._forward(self._matched(X), embed, self.recipe_.hidden_dim)

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """(JSON-ready settings, arrays): all that `set_state` needs to predict the same bits."""
        state, arrays = super().get_state()
        if self.fusion_weights_ is not None:
            arrays["fusion_weights"] = self.fusion_weights_
        return state, arrays

    def set_state(self, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Become the fitted classifier that `get_state` described."""
        super().set_state(state, arrays)
        self.fusion_weights_ = arrays.get("fusion_weights")

    def _network(self) -> SingleBranch:
        return SingleBranch(
            self.embedding_dims_,
            len(self.classes_),
            self.recipe_.hidden_dim,
            dropout=self.recipe_.dropout,
            input_dropout=self.recipe_.input_dropout,
            share_first_layer=self.recipe_.share_first_layer,
            init=self.recipe_.init,
            batch_norm=self.recipe_.batch_norm,
        )

    def _outputs(self, embeddings: Embeddings) -> np.ndarray:
        return self._forward(
            embeddings, lambda items: self.network_(items).softmax(dim=1), len(self.classes_)
        )

    def _fuse(self, outputs: np.ndarray, present: np.ndarray) -> np.ndarray:
        return fuse(outputs, present, self.recipe_.fusion, self.fusion_weights_)

    @torch.inference_mode()
    def _forward(
        self, embeddings: Embeddings, network: Callable[[dict[str, Tensor]], Tensor], width: int
    ) -> np.ndarray:
        """Every present item through `network` alone: (n_instances, n_modalities, width)."""
        device = next(self.network_.parameters()).device
        out = np.full((len(embeddings), len(self.modalities_), width), np.nan)
        for m, name in enumerate(self.modalities_):
            rows, vectors = embeddings.items(name)
            for start in range(0, len(rows), _CHUNK):
                part = slice(start, start + _CHUNK)
                items = torch.from_numpy(self.standardizer_.apply(name, vectors[part]))
                out[rows[part], m] = network({name: items.to(device)}).double().cpu().numpy()
        return out
