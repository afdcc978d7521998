"""The cut between an encoder and what computes it: a frozen network as a function of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import nn


class Network:
    """Arrays → an array of float32, by a PyTorch module.

    An encoder prepares its items and calls its networks with named arrays; another engine may
    stand in the place of any of them (see `srmm.encoders.engines`).

    Parameters
    ----------
    module : nn.Module
        In evaluation mode, on `device`.
    forward : callable
        (module, one tensor per name) → the tensor that is the result; nothing but operations of
        PyTorch. The first axis of everything is the batch.
    device : str
    half : bool
        Whether matrix products are computed with 16 bits (PyTorch's autocast). The result is
        float32 all the same.
    """

    engine = "torch"

    def __init__(
        self,
        module: nn.Module,
        forward: Callable[..., torch.Tensor],
        *,
        device: str,
        half: bool = False,
    ) -> None:
        self.module, self.forward, self.device, self.half = module, forward, device, half

    def __call__(self, **arrays: np.ndarray) -> np.ndarray:
        """Named arrays of shape (n, …) → float32 of shape (n, …)."""
        import torch

        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        tensors = {name: tensor.to(self.device) for name, tensor in tensors.items()}
        device_type = torch.device(self.device).type
        with (
            torch.inference_mode(),
            torch.autocast(device_type, dtype=torch.float16, enabled=self.half),
        ):
            return self.forward(self.module, **tensors).float().cpu().numpy()

    def as_half(self) -> Network:
        """The same network with 16 bits."""
        return Network(self.module, self.forward, device=self.device, half=True)


def networks_of(encoder: Any) -> dict[str, Network]:
    """The attributes of an encoder that PyTorch runs."""
    attributes = getattr(encoder, "__dict__", {})
    return {name: value for name, value in attributes.items() if isinstance(value, Network)}
