"""TabICL on concatenated features: a tabular foundation model, which learns in context."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA

from srmm.data.checks import array, text, whole
from srmm.data.embeddings import Embeddings
from srmm.encoders.hub import load_pretrained
from srmm.errors import InputError, MissingExtraError, StoreError
from srmm.learning.base import EmbeddingClassifier
from srmm.learning.checked import check_scaled
from srmm.learning.labelled import Labelled
from srmm.learning.method import MethodAbout
from srmm.learning.probabilities import align_classes
from srmm.learning.standardize import Standardizer
from srmm.learning.state import Arrays
from srmm.recipe import at_least, parameter, with_parameters

_HUB = "jingang/TabICL"
_REAL = "real numbers"
_NAME_ONE = "model_path=FILE (--setting model_path=FILE)"


def _text_or_none(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise InputError(f"{name} must be the path of a file as text, or None; got {value!r}.")


@with_parameters
class ConcatenatedTabICL(EmbeddingClassifier):
    """TabICL, a tabular foundation model, on all modalities side by side, absent ones as NaN.

    TabICL is a transformer that was trained on made-up tables. It reads the training rows with
    their labels beside the rows to predict, in one pass: nothing is fitted, chosen or held out.
    Where something is absent it puts the mean of the training rows, so it cannot tell an absent
    modality from an average one. What is ours: embeddings are standardised, and one that is wider
    than `n_components` is reduced to its principal components, both fitted on the training items.

    Its weights are no part of a saved model, which keeps `model_path`, the training rows as TabICL
    sees them, and a digest of the weights: others are refused where the model is loaded.

    Attributes
    ----------
    rows_ : array of shape (n_instances, n_columns), float32
        The training rows, NaN where a modality is absent.
    y_ : array of shape (n_instances,)
        Their class indices.
    axes_ : dict of str to (array of shape (d_m,), array of shape (k_m, d_m))
        Per modality, the centre and the principal components.
    """

    n_components: int = parameter(
        60,
        "Principal components that a modality is reduced to. The tables TabICL was trained on had "
        "2 to 100 columns.",
        at_least(1),
    )
    n_estimators: int = parameter(
        8,
        "Views of the table, with its columns and classes in other orders, that are averaged.",
        at_least(1),
    )
    model_path: str | None = parameter(
        None,
        "A checkpoint of TabICL's weights on disk; None: those from the Hugging Face hub.",
        _text_or_none,
    )
    device: str | None = parameter(
        None, 'Where to predict, "cpu" or "cuda"; by default the GPU if there is one.'
    )

    may_hold_nan = ("rows",)
    is_asked_when_loaded = False  # one answer takes seconds

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """(JSON-ready values, arrays): all that `set_state` needs, but for TabICL's weights."""
        state, arrays = super().get_state()
        state |= {"seed": self.seed_, "checkpoint": self.checkpoint_}
        for name, (centre, components) in self.axes_.items():
            arrays |= {f"centre.{name}": centre, f"components.{name}": components}
        return state, arrays | {"rows": self.rows_, "y": self.y_}

    def set_state(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        """Become the fitted classifier that `get_state` described.

        Raises `StoreError` if TabICL, or the weights the model was fitted with, cannot be had.
        """
        super().set_state(state, arrays)
        self.axes_ = {
            name: _axes_of(name, size, arrays) for name, size in self.embedding_dims_.items()
        }
        width = sum(len(components) for _, components in self.axes_.values())
        self.rows_ = array("rows", arrays["rows"], (None, width), "float32")
        if np.isinf(self.rows_).any():
            raise InputError("rows holds infinite numbers, expected finite ones, or NaN.")
        self.y_ = array(
            "y",
            arrays["y"],
            (len(self.rows_),),
            "whole numbers",
            low=0,
            high=len(self.classes_) - 1,
        )
        self.seed_ = whole("state.seed", state["seed"], 0, 2**32 - 1)
        check_scaled(self)
        try:
            self._read_context(text("state.checkpoint", state["checkpoint"]))
        except (MissingExtraError, InputError) as error:  # the model is not damaged
            raise StoreError(str(error)) from None

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        if len(held.y):
            train = train.joined(held)
            self.training_["held_out_learnt"] = True
        if not np.allclose(train.weight, train.weight[0]):
            raise InputError(
                "TabICL cannot follow weights: in its context every instance counts as much as any "
                "other. Leave sample_weight and class_weight out, or choose another method."
            )
        self.standardizer_ = Standardizer.fit(train.embeddings, active=self._standardizes())
        self.axes_ = {}
        for name in self.modalities_:
            _, vectors = train.embeddings.items(name)
            x = self.standardizer_.apply(name, vectors)
            self.axes_[name] = _principal_axes(x, self.n_components, seed)
        self.rows_, self.y_, self.seed_ = self._as_rows(train.embeddings), train.y, seed
        self._read_context()

    def _read_context(self, expected: str | None = None) -> None:
        """Make `classifier_`, a TabICL that has the training rows; raises if it cannot be had.

        `expected` is the digest of the checkpoint; nothing is made from another.
        """
        try:
            from tabicl import TabICLClassifier
        except ImportError:
            raise MissingExtraError("tabicl", "tabicl", "The method 'tabicl'") from None
        model = TabICLClassifier(
            n_estimators=self.n_estimators,
            allow_auto_download=False,
            device=self.device or ("cuda" if torch.cuda.is_available() else "cpu"),
            random_state=self.seed_,
        )
        path = _checkpoint(self.model_path, model.checkpoint_version)
        with path.open("rb") as file:
            self.checkpoint_ = hashlib.file_digest(file, "sha256").hexdigest()
        if expected not in (None, self.checkpoint_):
            raise StoreError(
                f"{path} is not the checkpoint of TabICL that this model was fitted with (SHA-256 "
                f"{self.checkpoint_}, expected {expected}). Put that one there, or fit again."
            )
        self.classifier_ = model.set_params(model_path=str(path)).fit(self.rows_, self.y_)
        # It takes the order of its views from a set of names, which Python hashes otherwise in
        # every process; their sum would differ in its last bits.
        views = model.ensemble_generator_
        for by_norm in (views.ensemble_configs_, views.feature_shuffles_, views.class_shuffles_):
            for norm in sorted(by_norm):
                by_norm.move_to_end(norm)

    def _probabilities(self, embeddings: Embeddings) -> np.ndarray:
        known = self.classifier_.predict_proba(self._as_rows(embeddings))
        return align_classes(known, self.classifier_.classes_, np.arange(len(self.classes_)))

    def _as_rows(self, embeddings: Embeddings) -> np.ndarray:
        """(n, sum of the modalities' columns) float32, NaN where absent."""
        blocks = []
        for name, (centre, components) in self.axes_.items():
            rows, vectors = embeddings.items(name)
            block = np.full((len(embeddings), len(components)), np.nan, dtype=np.float32)
            block[rows] = (self.standardizer_.apply(name, vectors) - centre) @ components.T
            blocks.append(block)
        return np.hstack(blocks)


def _axes_of(name: str, size: int, arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """The centre (size,) and the components (k, size) that a saved model keeps of a modality."""
    components = array(f"components.{name}", arrays[f"components.{name}"], (None, size), _REAL)
    return array(f"centre.{name}", arrays[f"centre.{name}"], (size,), _REAL), components


def _principal_axes(x: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The centre (d,) and `most` components (k, d) of vectors (n, d); the plain axes of few."""
    n, size = x.shape
    kept = min(most, size, max(1, n - 1))
    if kept == size or n < 2:
        return np.zeros(size, dtype=x.dtype), np.eye(kept, size, dtype=x.dtype)
    reducer = PCA(kept, svd_solver="covariance_eigh", random_state=seed).fit(x)
    return reducer.mean_, reducer.components_


def _checkpoint(model_path: str | None, version: str) -> Path:
    """The file with TabICL's weights; raises `InputError` that says how to get one."""
    if model_path is None:
        path = _from_the_hub(version)
    else:
        path = Path(model_path).expanduser()
        if not path.is_file():
            raise InputError(
                f"There is no checkpoint of TabICL at {model_path}. Put one there (a saved model "
                f"looks where it was in fit), or fit with {_NAME_ONE}. Without model_path the "
                f"weights come from the Hugging Face hub: {version} of {_HUB}."
            )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        classifies = "state_dict" in content and content["config"].get("max_classes") != 0
    except Exception:  # whatever another file makes torch raise
        classifies = False
    if not classifies:
        raise InputError(
            f"{path} is no checkpoint of TabICL for classification. Name one, such as {version} of "
            f"{_HUB}, with {_NAME_ONE}."
        )
    return path


def _from_the_hub(version: str) -> Path:
    from huggingface_hub import hf_hub_download

    def download(local_files_only: bool) -> str:
        return hf_hub_download(_HUB, version, local_files_only=local_files_only)

    try:
        return Path(load_pretrained(_HUB, download))
    except InputError as error:
        raise InputError(f"{error} Of such a folder, name {version} with {_NAME_ONE}.") from None


ABOUT = MethodAbout(
    "tabicl",
    ConcatenatedTabICL,
    "J. Qu et al., TabICL: A Tabular Foundation Model for In-Context Learning on Large Data, "
    "ICML 2025",
)
