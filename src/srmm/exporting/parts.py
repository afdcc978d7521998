"""What the graphs of several methods are made of.

Each part computes what a NumPy function of the library does, with as many bits, so that a graph
gives the model's own probabilities.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from srmm.fusion import SMALLEST
from srmm.learning.standardize import Standardizer

Items = dict[str, Tensor]
"""{modality: (n, d_m)}"""

Answer = tuple[Tensor, Tensor | None]
"""Probabilities (n, C), and those of each modality alone (n, M, C) where they come for free."""


class Constants(nn.Module):
    """A module with constants, which are arrays of the fitted model."""

    def keep(self, **arrays: Any) -> None:
        """Make each array a buffer of that name."""
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(np.array(array)))


class Standardise(Constants):
    """`Standardizer.apply` of one modality: (n, d_m) → float32 (n, d_m)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, standardizer: Standardizer, name: str) -> None:
        super().__init__()
        self.active = standardizer.active
        mean, scale = standardizer.mean[name], standardizer.scale(name)
        self.keep(mean=np.asarray(mean, np.float64), scale=np.asarray(scale, np.float64))

    def forward(self, x: Tensor) -> Tensor:
        return ((x.double() - self.mean) / self.scale).float() if self.active else x


class StandardisedItems(nn.Module):
    """Items (n, d_m) as networks see them: standardised, and zeros where they are absent."""

    def __init__(self, standardizer: Standardizer, names: Iterable[str]) -> None:
        super().__init__()
        self.each = nn.ModuleList(Standardise(standardizer, name) for name in names)

    def forward(self, items: Items, present: Tensor) -> Items:
        return {
            name: only_shown(standardise(x), present[:, m])
            for m, (standardise, (name, x)) in enumerate(zip(self.each, items.items(), strict=True))
        }


class Fuse(nn.Module):
    """`srmm.fusion.fuse`: double (n, M, C) and present (n, M) → (n, C)."""

    def __init__(self, fusion: str) -> None:
        super().__init__()
        self.logs = fusion == "log-mean"

    def forward(self, outputs: Tensor, present: Tensor) -> Tensor:
        outputs = torch.where(present[:, :, None], outputs, 1.0)
        count = present.double().sum(dim=1, keepdim=True).clamp_min(1.0)
        share = (present.double() / count)[:, :, None]
        if not self.logs:
            return (share * outputs).sum(dim=1)
        return (share * outputs.clamp_min(SMALLEST).log()).sum(dim=1).softmax(dim=1)


def only_shown(x: Tensor, here: Tensor) -> Tensor:
    """The rows of `x` (n, …) where `here` (n,) is True, zeros elsewhere, whatever stood there."""
    return torch.where(here.view(-1, *[1] * (x.ndim - 1)), x, torch.zeros_like(x))
