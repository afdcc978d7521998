"""What a caller has set for PyTorch, kept away from networks that learn and are asked here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from srmm.errors import InputError


@contextmanager
def undisturbed(*, learning: bool = False) -> Iterator[None]:
    """In this block PyTorch computes as networks here need it, in whatever block it stands itself.

    `torch.autocast` would round their products, and within `torch.no_grad` nothing could be learnt.
    Gradients are there if `learning`.
    """
    with ExitStack() as stack:
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        stack.enter_context(torch.inference_mode(not learning))
        if learning:
            stack.enter_context(torch.enable_grad())
            if torch.get_default_device().type != "cpu":  # first weights are drawn there
                stack.enter_context(torch.device("cpu"))
        yield


def check_dtype() -> None:
    """Raise `InputError` if new weights would not be float32, which every network here is."""
    if torch.get_default_dtype() != torch.float32:
        raise InputError(
            f"PyTorch's default dtype is {torch.get_default_dtype()}, and networks learn in "
            "float32 here. Call torch.set_default_dtype(torch.float32) before fit; a fitted model "
            "predicts under any."
        )
