"""PyTorch's Adam, without the compiler that its first use loads."""

from __future__ import annotations

from typing import Any

import torch


def _plain(method: Any) -> Any:
    """What a method is under PyTorch's wrappers that keep `torch.compile` off it."""
    return getattr(method, "__wrapped__", method)


class Adam(torch.optim.Adam):
    """`torch.optim.Adam`: the same steps.

    Its wrappers import `torch._dynamo`, a second or two of every process that trains, which means
    nothing where nothing is compiled.
    """

    add_param_group = _plain(torch.optim.Adam.add_param_group)
    zero_grad = _plain(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(_plain(torch.optim.Adam.step))
