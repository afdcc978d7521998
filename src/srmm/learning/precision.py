"""What the products of a training are computed in: float32, or bfloat16 where that pays."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

PRECISIONS = ("auto", "float32", "bfloat16")


def training_precision(precision: str, device: torch.device) -> str:
    """What `precision`, one of `PRECISIONS`, comes to on this device: never "auto".

    "auto" is bfloat16 on a processor that multiplies it itself: there it takes less time and
    learns as well (docs/performance.md). Others compute it slower than float32, and on a GPU
    neither was measured.
    """
    if precision != "auto":
        return precision
    return "bfloat16" if device.type == "cpu" and _multiplies_bfloat16() else "float32"


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


def _multiplies_bfloat16() -> bool:
    if not hasattr(torch.cpu, "get_capabilities"):  # an older PyTorch, which does not tell
        return False
    can = torch.cpu.get_capabilities()
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))
