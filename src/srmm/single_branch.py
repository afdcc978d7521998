"""The single-branch network: every modality through the same three blocks (paper III-B, Fig. 2)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srmm.data.modality import check_modalities
from srmm.errors import InputError, did_you_mean, fraction
from srmm.learning.gradients import unit_length
from srmm.learning.layers import Dropout, lone_row_safe, start_as
from srmm.learning.precision import widened


class SingleBranch(nn.Module):
    """One small network whose weights all modalities share.

    FC → batch norm → ReLU → dropout, FC → L2 normalisation, FC → softmax. Where the modalities'
    embeddings differ in size, a learnt linear projection per modality brings them to `hidden_dim`
    first; where they are equal there is none, and the network is the paper's.

    **Shape**

    - Input: one `(n_m, embedding_dims[m])` tensor per modality `m`; any subset, any `n_m`.
    - Output: `(sum of n_m, n_classes)` logits, in the order the input names its modalities.

    Parameters
    ----------
    embedding_dims : dict of str to int
        The modalities and the length of their embeddings.
    n_classes : int
    hidden_dim : int
        Width h of the branch; the paper uses 768 for image-text and 2048 for face-voice.
    dropout : float
        Share of block 1's outputs dropped in training.
    init : "torch" or "xavier"
        PyTorch's own initialisation, or Xavier's with biases of 0.01 (the authors' earlier code).

    >>> branch = SingleBranch({"image": 768, "text": 768}, n_classes=101)
    >>> sum(parameter.numel() for parameter in branch.parameters())  # the paper's 1.26 M
    1260389
    >>> branch({"text": torch.randn(4, 768), "image": torch.randn(2, 768)}).shape
    torch.Size([6, 101])
    """

    def __init__(
        self,
        embedding_dims: Mapping[str, int],
        n_classes: int,
        hidden_dim: int = 768,
        *,
        dropout: float = 0.5,
        init: str = "torch",
    ) -> None:
        super().__init__()
        self.modalities = check_modalities(list(embedding_dims))
        self.embedding_dims = dict(embedding_dims)
        sizes = set(embedding_dims.values())
        project = len(sizes) > 1

        # In front of Fig. 2, only where embeddings differ in size (the paper's future work).
        self.projections = nn.ModuleList(
            nn.Linear(size, hidden_dim) if project else nn.Identity()
            for size in embedding_dims.values()
        )
        width = hidden_dim if project else sizes.pop()
        # Block 1 of Fig. 2: FC, batch norm, ReLU, dropout.
        self.fc1 = nn.Linear(width, hidden_dim)
        self.norm = nn.BatchNorm1d(hidden_dim)
        self.dropout = Dropout(fraction("dropout", dropout))
        # Block 2: FC, L2 normalisation.
        self.fc2 = nn.Linear(hidden_dim, hidden_dim)
        # Block 3: FC, softmax; the softmax is part of the loss in training, and of fusion in use.
        self.fc3 = nn.Linear(hidden_dim, n_classes)
        start_as(self, init)

    def forward(self, embeddings: Mapping[str, Tensor]) -> Tensor:
        # Nothing below here knows the modality of an item: that is what "single branch" means.
        return self.fc3(self.embed(embeddings))  # (n_items, n_classes): block 3

    def embed(self, embeddings: Mapping[str, Tensor]) -> Tensor:
        """Block-2 embeddings: `(n_items, hidden_dim)`, every row of unit length (Fig. 5)."""
        items = torch.cat([self._project(m, x) for m, x in embeddings.items()])
        hidden = lone_row_safe(self.norm, self.fc1(items))
        hidden = self.dropout(F.relu(hidden))  # (n_items, h): block 1
        # On the unit sphere, items of all modalities with one label come to lie together (Fig. 5).
        return unit_length(widened(self.fc2(hidden)))  # (n_items, h): block 2

    def _project(self, modality: str, x: Tensor) -> Tensor:
        size = self.embedding_dims.get(modality)
        if size is None:
            raise InputError(
                f"This network has no modality {modality!r}. "
                f"{did_you_mean(modality, self.modalities)}"
            )
        if x.ndim != 2 or x.shape[1] != size:
            raise InputError(
                f"{modality!r} must have shape (n, {size}), however: {tuple(x.shape)}."
            )
        return self.projections[self.modalities.index(modality)](x)  # (n_m, width)
