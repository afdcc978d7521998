"""The published weights of the utterance-level aggregator: a Keras file (.h5) as a state dict."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srmm.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    import torch

_LAYERS = {
    "conv1_1/3x3_s1": "conv1.conv",
    "conv1_1/3x3_s1/bn": "conv1.bn",
    "x_fc": "fc",
    "gvlad_center_assignment": "assignment",
    "gvlad_pool": "",
    "fc6": "fc6",
}
_BLOCK = re.compile(r"(conv\d_[a-c])_(1x1_reduce|3x3|1x1_increase|1x1_proj)(/bn)?")
_STEPS = {
    "1x1_reduce": "reduce",
    "3x3": "conv",
    "1x1_increase": "increase",
    "1x1_proj": "project",
}
_WEIGHTS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "centers": "centres",
}


def read_keras_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of `UtteranceAggregator`, from what Keras' `save_weights` or `save` wrote.

    Layers of other names, such as "prediction", the classifier that it was trained with, are left
    out. Raises `InputError` if the file is not Keras', `MissingExtraError` without h5py.
    """
    import torch

    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "voices", f"Reading {path.name}") from None
    try:
        with h5py.File(path, "r") as file:
            return {name: torch.from_numpy(array) for name, array in _arrays(file, path)}
    except (OSError, KeyError, RuntimeError) as error:
        raise InputError(
            f"{path} is not a whole HDF5 file of Keras weights: {error}. Is the download whole?"
        ) from None


def _arrays(file: Any, path: Path) -> list[tuple[str, np.ndarray]]:
    """Each array with its name in PyTorch. The names of layers hold slashes: groups in groups."""
    root = file.get("model_weights", file)  # the former if the whole model was saved
    if "layer_names" not in root.attrs:
        raise InputError(f"{path} is an HDF5 file, but not of Keras: it lists no 'layer_names'.")
    found = []
    for layer in map(_text, root.attrs["layer_names"]):
        ours = _layer(layer)
        if ours is None:
            continue
        group = root[layer]
        for weight in map(_text, group.attrs["weight_names"]):
            # "conv1_1/3x3_s1/kernel:0", or "kernel:0" and a number behind it in some versions.
            kind = re.sub(r"(_\d+)?(:\d+)?$", "", weight.rpartition("/")[2])
            if kind not in _WEIGHTS:
                raise InputError(
                    f"{path} has {weight!r} in the layer {layer!r}, which the utterance-level "
                    "aggregator has not."
                )
            array = np.asarray(group[weight], dtype=np.float32)
            if kind == "kernel":
                array = _as_in_torch(array)
            found.append((f"{ours}.{_WEIGHTS[kind]}".lstrip("."), array))
    return found


def _layer(name: str) -> str | None:
    if name in _LAYERS:
        return _LAYERS[name]
    match = _BLOCK.fullmatch(name)
    if match is None:
        return None
    block, step, norm = match.groups()
    return f"blocks.{block}.{_STEPS[step]}.{'bn' if norm else 'conv'}"


def _as_in_torch(kernel: np.ndarray) -> np.ndarray:
    """Keras' (height, width, in, out) → (out, in, height, width), and (in, out) → (out, in)."""
    axes = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
    return np.ascontiguousarray(kernel.transpose(axes))


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
