"""What the products of a training are computed in: float32, or bfloat16 by wish."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

PRECISIONS = ("float32", "bfloat16")


def products_in(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """In this block matrix products are computed in `precision`; weights stay float32."""
    lower = precision == "bfloat16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=lower)


def outside_products(device: torch.device) -> AbstractContextManager[None]:
    """In this block all is computed as precisely as it comes in: statistics, means."""
    if not torch.is_autocast_enabled(device.type):
        return nullcontext()  # leaves no trace in an exported graph
    return torch.autocast(device.type, enabled=False)


def widened(x: Tensor) -> Tensor:
    """A product in float32 at least, for what follows it.

    >>> widened(torch.ones(2, dtype=torch.bfloat16))
    tensor([1., 1.])
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))
