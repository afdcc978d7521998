"""`PaperClassifier`: the paper's method, to the letter, behind scikit-learn's protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from srmm.data.embeddings import Embeddings, taken, together
from srmm.fusion import fuse
from srmm.learning.instances import Instances
from srmm.learning.late_fusion import LateFusionClassifier
from srmm.learning.method import MethodAbout
from srmm.learning.network import NetworkClassifier, evaluating
from srmm.learning.precision import widened
from srmm.learning.surroundings import undisturbed
from srmm.recipe import BranchParameters, with_parameters
from srmm.single_branch import SingleBranch
from srmm.switching import STRATEGIES

SOURCE = (
    "M. S. Saeed et al., Modality Invariant Multimodal Learning to Handle Missing Modalities: "
    "A Single-Branch Approach, 2024"
)
_ROWS = 1024  # instances whose items pass at once: what comes out stays in the cache
_AT_ONCE = 4_000_000  # numbers that come out of one pass


@with_parameters
class PaperClassifier(BranchParameters, LateFusionClassifier, NetworkClassifier):
    """The paper's SRMM, to the letter: one branch for all modalities, any of which may be missing.

    One small network with shared weights learns from the embeddings of all modalities; at
    prediction every present modality goes through it alone and the outputs are fused. Nothing is
    imputed, in training or in use.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    modalities_ : tuple of str
    embedding_dims_ : dict of str to int
    network_ : SingleBranch
    history_ : History
        Loss and held-out accuracy per epoch, and the epoch kept.
    class_prior_ : array of shape (n_classes,)
    feature_std_ : dict of str to array of shape (d_m,)
        Of the training set; scales relative noise in evaluation.
    training_ : dict
        What it was trained on: instances, held-out instances, missing rate per modality.

    See Also
    --------
    srmm.SingleBranchClassifier : the default here, which adds to it.
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
    >>> model = PaperClassifier(max_epochs=5, random_state=0).fit(X, y)
    >>> model.predict({"image": X["image"][:3]}).shape  # texts of nobody: legal input
    (3,)
    """

    def _network(self) -> SingleBranch:
        return self._sized(SingleBranch)

    def _epoch(self, present: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        # The modality switch: pairs (instance, modality), in the order of its strategy (V-C).
        return STRATEGIES[self.switching](present, self.batch_size, rng)

    def _batch_loss(
        self, data: Instances, pairs: np.ndarray, target: Tensor, weight: Tensor
    ) -> Tensor:
        # Every item of the batch goes through the branch alone, and each has its instance's label.
        items, rows = data.items(pairs)
        losses = F.cross_entropy(widened(self.network_(items)), target[rows], reduction="none")
        return (losses * weight[rows]).mean()  # eq. 3

    def _outputs(self, embeddings: Embeddings) -> np.ndarray:
        return self._alone(
            embeddings, lambda items: self.network_(items).softmax(dim=1), len(self.classes_)
        )

    def _fuse(self, outputs: np.ndarray, present: np.ndarray) -> np.ndarray:
        return fuse(outputs, present, self.fusion)

    def _alone(
        self, embeddings: Embeddings, network: Callable[[dict[str, Tensor]], Tensor], width: int
    ) -> np.ndarray:
        """Every present item through `network` alone: float32 (n_instances, n_modalities, width).

        NaN where there is none. The items of all modalities go in together, one below the other.
        """
        device = self.network_.fc3.weight.device
        n, M = embeddings.shape
        out = np.full((n, M, width), np.nan, dtype=np.float32)
        step = max(1, min(_ROWS, _AT_ONCE // (M * width)))
        with evaluating(self.network_), undisturbed():
            for block, some in embeddings.in_blocks(step):
                items, rows = {}, {}
                for m, name in enumerate(some.modalities):
                    here, places = some.places(name)
                    if len(here):
                        # Not `items`, whose vectors are read-only: they would be copied for torch.
                        vectors = taken(some.values[name], together(places))
                        scaled = self.standardizer_.apply(name, vectors)
                        items[name], rows[m] = torch.from_numpy(scaled).to(device), here
                if items:
                    made = network(items).cpu().numpy()
                    for m, here in rows.items():
                        out[block][here, m], made = made[: len(here)], made[len(here) :]
        return out

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
        matched = self._matched(X)
        return self._alone(matched, self.network_.embed, self.network_.fc3.in_features).astype(
            np.float64
        )


ABOUT = MethodAbout("srmm-paper", PaperClassifier, SOURCE)
