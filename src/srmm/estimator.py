"""`SingleBranchClassifier`: the method behind scikit-learn's protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from torch import Tensor
from torch.nn import functional as F

from srmm.embeddings import Embeddings
from srmm.errors import InputError, one_of
from srmm.fusion import fit_weights, fuse
from srmm.inputs import as_embeddings, is_lone_array, match_modalities
from srmm.recipe import FIELDS, Recipe, resolve_recipe
from srmm.single_branch import SingleBranch
from srmm.standardize import Standardizer
from srmm.switching import STRATEGIES
from srmm.train import fit_network, stratified_split

_CHUNK = 4096  # items per forward pass at prediction


class SingleBranchClassifier(ClassifierMixin, BaseEstimator):
    """Classify instances of several modalities, any of which may be missing (SRMM).

    One small network with shared weights learns from the embeddings of all modalities; at
    prediction every present modality goes through it alone and the outputs are fused. Nothing is
    imputed, in training or in use.

    Parameters
    ----------
    recipe : "robust", "paper" or Recipe
        Every setting below by one name; "paper" is the paper to the letter (section IV-B).
    hidden_dim, dropout, batch_norm, standardize, switching, batch_size, max_epochs, \
learning_rate, weight_decay, schedule, patience, validation_fraction, fusion : optional
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
    M. S. Saeed et al., "Modality Invariant Multimodal Learning to Handle Missing Modalities: A
    Single-Branch Approach", 2024.

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

    def __init__(
        self,
        recipe: str | Recipe = "robust",
        *,
        hidden_dim: int | None = None,
        dropout: float | None = None,
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

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, validation: Any = None
    ) -> SingleBranchClassifier:
        """Train on the instances of `X` that have a label.

        Parameters
        ----------
        X : Embeddings, dict of str to array, data frame, or array of shape (n, d)
            See `srmm.inputs.as_embeddings`. Instances with nothing present teach nothing and are
            skipped.
        y : array of shape (n_instances,), optional
            Class labels; by default those of the `Embeddings`, where None means "unknown".
        sample_weight : array of shape (n_instances,), optional
        validation : Embeddings, or (X, y), optional
            The instances for early stopping; by default a stratified share of `X`.

        Raises
        ------
        InputError
            If there are no labels, one class only, or a row is partly NaN or infinite.
        """
        recipe = resolve_recipe(self.recipe, {name: getattr(self, name) for name in FIELDS})
        one_of("when_nothing_present", self.when_nothing_present, ("error", "prior"))
        if is_lone_array(X):
            if y is None:
                raise InputError(
                    f"{type(self).__name__} requires y to be passed, but the target y is None."
                )
            X, y = validate_data(self, X, y, dtype="numeric", ensure_all_finite=False)
        embeddings, y, weight = _labelled(as_embeddings(X), y, sample_weight)
        self.classes_, y = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(
                f"There is only one class, {self.classes_[0]!r}, in the labels: a classifier can't "
                "train when only one class is present; it needs at least two."
            )
        if self.class_weight is not None:
            weight = weight * compute_sample_weight(self.class_weight, self.classes_[y])

        random = check_random_state(self.random_state)
        seed = int(random.randint(np.iinfo(np.int32).max))
        rng = np.random.default_rng(seed)
        if validation is None:
            train, held_out = stratified_split(y, recipe.validation_fraction, rng)
            held, y_held = embeddings[held_out], y[held_out]
            embeddings, y, weight = embeddings[train], y[train], weight[train]
        else:
            held, y_held = self._validation(validation, embeddings)
        self._fit(embeddings, y, weight, held, y_held, recipe, seed)
        return self

    def _fit(
        self,
        train: Embeddings,
        y: np.ndarray,
        weight: np.ndarray,
        held: Embeddings,
        y_held: np.ndarray,
        recipe: Recipe,
        seed: int,
    ) -> None:
        self.recipe_ = recipe
        self.modalities_, self.embedding_dims_ = train.modalities, train.embedding_dims
        self.class_prior_ = np.bincount(y, minlength=len(self.classes_)) / len(y)
        self.standardizer_ = Standardizer.fit(train, active=recipe.standardize)
        self.fusion_weights_ = None
        device = torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        values = {
            name: torch.from_numpy(self.standardizer_.apply(name, array)).to(device)
            for name, array in train.values.items()
        }
        position = torch.from_numpy(train.position).to(device)
        target = torch.from_numpy(y).to(device)
        weights = torch.from_numpy(weight / weight.mean()).to(device, torch.float32)
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
            outputs = self._outputs(held)
            fused = self._fuse(outputs, held.present)
            own = fused[np.arange(len(y_held)), y_held]
            return {
                "loss": float(-np.log(np.maximum(own, 1e-12)).mean()),
                "accuracy": float((fused.argmax(axis=1) == y_held).mean()),
            }

        M = len(self.modalities_)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.network_ = SingleBranch(
                self.embedding_dims_,
                len(self.classes_),
                recipe.hidden_dim,
                dropout=recipe.dropout,
                batch_norm=recipe.batch_norm,
            ).to(device)
            self.history_ = fit_network(
                self.network_,
                lambda: STRATEGIES[recipe.switching](train.present, recipe.batch_size, rng),
                loss_of,
                validate if len(y_held) else None,
                recipe,
                progress=self.progress or iter,
            )
        self.network_.eval()
        if recipe.fusion == "weighted":
            self.fusion_weights_ = fit_weights(self._outputs(held), held.present, y_held)
        self.training_ = {
            "n_train": len(train),
            "n_validation": len(held),
            "holes": dict(
                zip(self.modalities_, (1 - train.present.mean(axis=0)).tolist(), strict=True)
            ),
            "train_ids": train.ids.tolist(),
            "validation_ids": held.ids.tolist(),
        }

    @property
    def feature_std_(self) -> dict[str, np.ndarray]:
        return self.standardizer_.std

    def predict_per_modality(self, X: Any) -> np.ndarray:
        """What each modality alone says: (n_instances, n_modalities, n_classes) probabilities.

        NaN where the item is absent. Everything else is computed from this one pass.
        """
        return self._outputs(self._matched(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities, fused over the present modalities: (n_instances, n_classes).

        Raises `InputError` listing the rows with nothing present, unless
        `when_nothing_present="prior"`.
        """
        embeddings = self._matched(X)
        return self.fuse(self._outputs(embeddings), embeddings.present)

    def fuse(self, outputs: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Late fusion of `predict_per_modality` outputs under a mask (paper III-B).

        `present` (n_instances, n_modalities) may hide items that `outputs` has, which is how any
        presence pattern is evaluated without another forward pass.
        """
        check_is_fitted(self)
        nothing = np.flatnonzero(~present.any(axis=1))
        if len(nothing) and self.when_nothing_present == "error":
            listed = ", ".join(map(str, nothing[:10])) + (", …" if len(nothing) > 10 else "")
            raise InputError(
                f"{len(nothing)} of {len(present)} rows have no item at all (rows {listed}). "
                "Remove them, or set when_nothing_present='prior' to get the training set's class "
                "shares for them."
            )
        fused = self._fuse(outputs, present)
        fused[nothing] = self.class_prior_
        return fused

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each instance: (n_instances,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

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
        return self._forward(self._matched(X), lambda items: self.network_.embed(items))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy on `X`; `y` as in `fit`."""
        if y is None and isinstance(X, Embeddings):
            X, y, sample_weight = _labelled(X, y, sample_weight)
        return super().score(X, y, sample_weight)

    def _matched(self, X: Any) -> Embeddings:
        check_is_fitted(self)
        if is_lone_array(X) and hasattr(self, "n_features_in_"):
            X = validate_data(self, X, reset=False, dtype="numeric", ensure_all_finite=False)
        return match_modalities(as_embeddings(X), self.embedding_dims_)

    def _validation(self, validation: Any, train: Embeddings) -> tuple[Embeddings, np.ndarray]:
        X, y = validation if isinstance(validation, tuple) else (validation, None)
        held, y, _ = _labelled(match_modalities(as_embeddings(X), train.embedding_dims), y, None)
        unknown = sorted(set(np.unique(y)) - set(self.classes_))
        if unknown:
            raise InputError(
                f"The validation labels hold {unknown[0]!r}, which is not among the training "
                "labels. Remove those rows or add some to the training set."
            )
        return held, np.searchsorted(self.classes_, y)

    def _outputs(self, embeddings: Embeddings) -> np.ndarray:
        return self._forward(embeddings, lambda items: self.network_(items).softmax(dim=1))

    def _fuse(self, outputs: np.ndarray, present: np.ndarray) -> np.ndarray:
        return fuse(outputs, present, self.recipe_.fusion, self.fusion_weights_)

    @torch.inference_mode()
    def _forward(
        self, embeddings: Embeddings, network: Callable[[dict[str, Tensor]], Tensor]
    ) -> np.ndarray:
        """Every present item through `network` alone: (n_instances, n_modalities, out), float64."""
        device = next(self.network_.parameters()).device
        out: np.ndarray | None = None
        for m, name in enumerate(self.modalities_):
            rows, vectors = embeddings.items(name)
            for start in range(0, len(rows), _CHUNK):
                part = slice(start, start + _CHUNK)
                items = torch.from_numpy(self.standardizer_.apply(name, vectors[part]))
                result = network({name: items.to(device)}).double().cpu().numpy()
                if out is None:
                    shape = (len(embeddings), len(self.modalities_), result.shape[1])
                    out = np.full(shape, np.nan)
                out[rows[part], m] = result
        if out is None:
            out = np.full((len(embeddings), len(self.modalities_), len(self.classes_)), np.nan)
        return out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        tags.non_deterministic = False
        return tags


def _labelled(
    embeddings: Embeddings, y: Any, sample_weight: Any
) -> tuple[Embeddings, np.ndarray, np.ndarray]:
    """The instances that have a label and an item, their labels and weights."""
    if y is None:
        y = embeddings.labels
        if y is None:
            raise InputError("There are no labels: pass y, or embeddings that have labels.")
        known = np.array([label is not None and label == label for label in y.tolist()])
    else:
        y = np.asarray(y)
        if len(y) != len(embeddings):
            raise InputError(f"y has {len(y)} labels for {len(embeddings)} instances.")
        known = np.ones(len(y), dtype=bool)
    weight = _check_sample_weight(sample_weight, np.empty(len(y)), dtype=np.float64)
    kept = known & embeddings.present.any(axis=1) & (weight > 0)
    if not kept.any():
        raise InputError("No instance has both a label and at least one item.")
    labels = np.array(y[kept].tolist())
    check_classification_targets(labels)
    return embeddings[kept], labels, weight[kept]
