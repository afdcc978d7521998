"""What training draws: from a generator of its own, which no other thread draws from; its seed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from srmm.errors import InputError, shown
from srmm.learning.layers import Dropout

_DRAWS = {
    torch.rand,
    torch.randn,
    torch.Tensor.uniform_,
    torch.Tensor.normal_,
    nn.init.kaiming_uniform_,
    nn.init.uniform_,
    nn.init.normal_,
}
"""What PyTorch's layers, and ours, draw their first weights with."""

_one_at_a_time = threading.Lock()


class DrawnFrom(TorchFunctionMode):
    """In this block, and in this thread, first weights are drawn from `generator`.

    Layers ask PyTorch's one generator otherwise, which all threads of a process share.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = generator

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWS and kwargs.get("generator") is None:
            kwargs = {**kwargs, "generator": self.generator}
        return func(*args, **kwargs)


def check_seed(name: str, seed: Any) -> None:
    """Raise `InputError` unless scikit-learn can take it for `random_state`."""
    if seed is None or seed is np.random or isinstance(seed, np.random.RandomState):
        return
    if isinstance(seed, Integral) and 0 <= int(seed) < 2**32:
        return
    hint = ""
    if isinstance(seed, np.random.Generator):
        hint = " Of a Generator take a number: int(generator.integers(2**32))."
    raise InputError(
        f"{name} must be None, a whole number from 0 to 2**32 − 1 or a numpy RandomState, got "
        f"{shown(seed)} of type {type(seed).__name__}.{hint}"
    )


@contextmanager
def own_chance(
    make: Callable[[], nn.Module], seed: int, device: torch.device, *, ours: bool
) -> Iterator[tuple[nn.Module, torch.Generator | None]]:
    """A new network on `device`, and the generator to train it by: the same draws for a seed.

    Of `ours` it is known that all they draw comes from that generator, whatever other threads do.
    Networks of other packages may ask PyTorch's one generator (None here): it is seeded for them
    and put back afterwards, and they wait for one another.
    """
    if not ours:
        with (
            _one_at_a_time,
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        ):
            torch.manual_seed(seed)
            yield make().to(device), None
        return
    generator = torch.Generator().manual_seed(seed)
    with DrawnFrom(generator):
        network = make()
    network.to(device)
    if device.type != "cpu":
        generator = torch.Generator(device).manual_seed(seed)
    layers = [layer for layer in network.modules() if isinstance(layer, Dropout)]
    for layer in layers:
        layer.generator = generator
    try:
        yield network, generator
    finally:
        for layer in layers:
            layer.generator = None
