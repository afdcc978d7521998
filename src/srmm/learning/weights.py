"""A network made from the weights that a file holds, and nothing before they are known to fit it.

Its parameters say how large it is, and they may say a million: so the network is first built
without memory, and compared with the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from srmm.errors import InputError, first_few

_CALLS, _CALLS_PER_TENSOR = 1000, 60
"""What building a network asks of PyTorch; its layers ask some ten times for each tensor."""

_NAMED = 3


class _Sparing(TorchFunctionMode):
    """Ends the building of a network of many more tensors than there are weights for."""

    def __init__(self, tensors: int) -> None:
        super().__init__()
        self.tensors, self.left = tensors, _CALLS + _CALLS_PER_TENSOR * tensors

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.left -= 1
        if self.left < 0:
            raise InputError(
                f"its parameters describe a network of more layers than its {self.tensors:,} "
                "tensors of weights fill."
            )
        return func(*args, **(kwargs or {}))


def network_of(
    make: Callable[[], nn.Module], arrays: Mapping[str, np.ndarray], *, ours: bool = True
) -> nn.Module:
    """The network that `make` builds, with these arrays as its weights, in evaluation mode.

    Parameters
    ----------
    make : callable
    arrays : dict of str to array
        Every tensor of the network's state dict.
    ours : bool
        Whether `make` is known to build it without looking at numbers, as it should.

    Raises
    ------
    InputError
        Naming a tensor that is lacking, left over, or of another shape or dtype.
    """
    with _Sparing(len(arrays)):
        try:
            with torch.device("meta"):
                network = make()
        except (RuntimeError, NotImplementedError):
            if ours:
                raise
            network = make()
    wanted = (network.float() if ours else network).state_dict()  # whatever PyTorch's default is
    # A single number is saved as an array of one.
    single = {name for name in wanted.keys() & arrays.keys() if not wanted[name].ndim}
    arrays = {k: v.reshape(()) if k in single and v.size == 1 else v for k, v in arrays.items()}
    _check_fit(wanted, arrays)
    # Memory of PyTorch's own: how numbers lie in it may change the last bit of a sum.
    weights = {name: torch.from_numpy(np.array(found)).clone() for name, found in arrays.items()}
    network.load_state_dict(weights, assign=True)
    return network.eval()


def _check_fit(wanted: Mapping[str, Tensor], arrays: Mapping[str, np.ndarray]) -> None:
    lacking, more = sorted(wanted.keys() - arrays.keys()), sorted(arrays.keys() - wanted.keys())
    if lacking or more:
        lack, have = first_few(lacking, _NAMED), first_few(more, _NAMED)
        what = f"lack {lack}" if lacking else f"have {have} besides"
        raise InputError(f"the weights are not those of the network: they {what}.")
    for name, tensor in wanted.items():
        shape, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
        found = arrays[name]
        if found.shape != shape or str(found.dtype) != dtype:
            raise InputError(
                f"network.{name} is of shape {found.shape} and {found.dtype}, where the network "
                f"that its parameters describe has {shape} and {dtype}."
            )
