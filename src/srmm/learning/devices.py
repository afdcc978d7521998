"""Where a network lives, and what its training is watched by."""

from __future__ import annotations

from typing import Any

import torch

from srmm.errors import InputError


def check_progress(name: str, progress: Any) -> None:
    """Raise `InputError` unless it can wrap something, or is None."""
    if progress is not None and not callable(progress):
        raise InputError(
            f"{name} must be None or wrap the range of epochs, as tqdm.tqdm does; got {progress!r}."
        )


def usable_device(device: Any) -> torch.device:
    """The device of that name, by default the GPU if there is one; raise `InputError` if none."""
    try:
        usual = "cuda" if torch.cuda.is_available() else "cpu"
        found = torch.device(usual if device is None else device)
        torch.empty(1, device=found).cpu()  # "meta" holds no numbers
    except Exception as error:  # each device has its own
        said = str(error).splitlines() or [type(error).__name__]
        raise InputError(
            f"device is {device!r}, which cannot be used here ({said[0][:120]}). Leave it out, or "
            "choose 'cpu', or 'cuda' where there is a GPU for PyTorch."
        ) from None
    return found
