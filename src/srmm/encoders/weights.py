"""Weights from a file that the user has downloaded, checked against the network they are for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from srmm.errors import InputError, first_few, first_line

if TYPE_CHECKING:
    import torch
    from torch import nn

_NAMED = 3


def weights_file(name: str, remedy: str) -> Path:
    """The absolute path of the file called `name`.

    Raises `InputError` that ends with `remedy`, which says where to get one, if there is none.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        raise InputError(f"{name} is a folder; name the file with the weights in it. {remedy}")
    if not path.is_file():
        raise InputError(f"There is no file {name} to load weights from. {remedy}")
    return path.resolve()


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file, or of a PyTorch checkpoint, read without running code.

    Raises `InputError` if it is neither.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} is not a readable safetensors file: {error}") from None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken zip, a pickle that wants to run code, another format
        raise InputError(
            f"{path} is not a PyTorch checkpoint of plain tensors ({first_line(error)}). "
            "Is the download whole?"
        ) from None
    if isinstance(content, Mapping):
        for key in ("state_dict", "model_state"):  # as many training programs wrap it
            content = content.get(key, content)
    if not isinstance(content, Mapping) or not all(torch.is_tensor(t) for t in content.values()):
        raise InputError(f"{path} holds no state dict: expected names with a tensor each.")
    return {str(name): tensor for name, tensor in content.items()}


def fill(
    network: nn.Module, weights: Mapping[str, torch.Tensor], source: object, *, ignored: str = ""
) -> None:
    """Load `weights` into `network`, all of them but those whose names start with `ignored`.

    Raises `InputError` naming what is missing, left over, or of another shape.
    """
    wanted = network.state_dict()
    given = {k: v for k, v in weights.items() if not (ignored and k.startswith(ignored))}
    # Checkpoints from before PyTorch 0.4.1 do not count the batches that they were trained on.
    needed = {name for name in wanted if not name.endswith("num_batches_tracked")}
    faults = {
        "lack": sorted(needed - set(given)),
        "have unknown": sorted(set(given) - set(wanted)),
        "have another shape for": [
            f"{name} {tuple(given[name].shape)}, expected {tuple(wanted[name].shape)}"
            for name in sorted(needed & set(given))
            if given[name].shape != wanted[name].shape
        ],
    }
    found = [f"{fault} {first_few(names, _NAMED)}" for fault, names in faults.items() if names]
    if found:
        raise InputError(
            f"The weights in {source} are not those of {type(network).__name__}: they "
            f"{'; they '.join(found)}."
        )
    network.load_state_dict(wanted | given)
