"""Whether a network and its training have room in memory, known before any of it is made."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from srmm.errors import InputError

_TIMES = 4  # a weight, its gradient, and Adam's two averages of it
_MAKES = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}
_TENSORS = 1000  # counted to the end of a network, once it is known to be too large
_MOST = 2**63 - 1  # bytes, of which PyTorch itself cannot say more
_GROUPS = Path("/sys/fs/cgroup")


class _TooLargeError(Exception):
    """The network need not be built to its end."""


class _Counted(TorchFunctionMode):
    """How many bytes the tensors take that are made in this block; ended soon above `most`."""

    def __init__(self, most: float) -> None:
        super().__init__()
        self.most, self.n_bytes, self.n_tensors, self.ended = most, 0, 0, False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in _MAKES:
            return func(*args, **kwargs)
        try:
            made = func(*args, **kwargs)
        except (RuntimeError, OverflowError, TypeError):  # a size that is no number of bytes
            self.n_bytes, self.ended = _MOST, True
            raise _TooLargeError from None
        self.n_bytes += made.nbytes
        self.n_tensors += 1
        if self.n_bytes > self.most and self.n_tensors >= _TENSORS:
            self.ended = True
            raise _TooLargeError
        return made


def check_room(model: Any, device: torch.device, *, ours: bool) -> None:
    """Raise `InputError` naming the parameter that makes a network too large to be trained here.

    `model._network` is built without memory. What a batch takes besides is not counted. Of
    networks that are not `ours` some cannot be built so: nothing is said of them.
    """
    free = free_memory(device)
    try:
        counted = _size(model._network, free)
    except (RuntimeError, NotImplementedError):
        if ours:
            raise
        return
    if counted.n_bytes * _TIMES <= free:
        return
    takes = f"{'more than ' * counted.ended}{counted.n_bytes * _TIMES / 1e9:,.1f} GB"
    why = (
        f"the network's weights, their gradients and Adam's averages of them take {takes}, and "
        f"{free / 1e9:,.1f} GB of memory are free"
    )
    name, default = _culprit(model, free)
    if name is None:
        shape = ", ".join(f"{m} {size:,}" for m, size in list(model.embedding_dims_.items())[:5])
        raise InputError(
            f"The embeddings are too long, or the classes too many, for a network here ({shape} "
            f"numbers; {len(model.classes_):,} classes): {why}. Use shorter embeddings, a method "
            "that is no network, or more memory."
        )
    raise InputError(
        f"{name} is {getattr(model, name):,}, which is too large here: {why}. Choose a smaller "
        f"one (by default it is {default:,})."
    )


def _size(make: Callable[[], nn.Module], free: float) -> _Counted:
    counted = _Counted(free / _TIMES)
    with suppress(_TooLargeError), counted, torch.device("meta"):
        make()
    return counted


def _culprit(model: Any, free: float) -> tuple[str | None, Any]:
    """The parameter, and its default, that makes the network too large; (None, None) if none."""
    large = []
    for one in fields(model):
        value, default = getattr(model, one.name), one.default
        if type(value) is int and type(default) is int and value > default > 0:
            smaller = copy.copy(model)
            setattr(smaller, one.name, default)
            n_bytes = _size(smaller._network, free).n_bytes
            large.append((n_bytes, -value / default, one.name, default))
    return min(large)[2:] if large else (None, None)


def free_memory(device: torch.device) -> float:
    """The bytes that are free on a device; in a container no more than it may still take."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = psutil.virtual_memory().available
    with suppress(OSError, ValueError, KeyError):  # no container, or one without a limit
        lines = (_GROUPS / "memory.stat").read_text().splitlines()
        stat = dict(line.split() for line in lines)
        limit, used = (int((_GROUPS / f"memory.{n}").read_text()) for n in ("max", "current"))
        free = min(free, limit - used + int(stat["inactive_file"]))
    return free
