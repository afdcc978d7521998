"""The engine that runs an encoder's networks, and its number of bits.

An encoder without a PyTorch network (vectors as they are, dlib, Doc2Vec, one of the user's own)
stays as it is, whatever is asked for.
"""

from __future__ import annotations

import copy
from typing import TypeVar

from srmm.encoders.base import Encoder
from srmm.encoders.network import Network, networks_of
from srmm.encoders.onnx_engine import (
    NotExportableError,
    OnnxNetwork,
    in_onnx_runtime,
    is_installed,
)
from srmm.errors import InputError

ENGINES = ("auto", "torch", "onnx")
PRECISIONS = ("full", "half")

E = TypeVar("E", bound=Encoder)


def engine_of(encoder: Encoder) -> str | None:
    """What runs its networks, "torch" or "onnx"; None if it has none."""
    attributes = getattr(encoder, "__dict__", {}).values()
    networks = [value for value in attributes if isinstance(value, (Network, OnnxNetwork))]
    return networks[0].engine if networks else None


def with_engine(encoder: E, engine: str) -> tuple[E, str | None]:
    """`encoder`, or a copy that ONNX Runtime runs, and why it does not if "auto" did not find out.

    "auto" is ONNX Runtime on a CPU where it is installed and can run the network, else PyTorch.

    Raises `InputError` that says why, or `MissingExtraError`, if "onnx" is impossible.
    """
    networks = networks_of(encoder)
    if engine == "torch" or not networks:
        return encoder, None
    on_cpu = all(network.device == "cpu" for network in networks.values())
    if engine == "auto" and not (on_cpu and is_installed()):
        return encoder, None
    try:
        return _replaced(encoder, in_onnx_runtime(encoder)), None
    except NotExportableError as error:
        if engine == "auto":
            return encoder, f"not in ONNX Runtime: {error}"
        raise InputError(
            f"The encoder {encoder.settings.get('spec')!r} cannot run in ONNX Runtime: {error}. "
            "Choose the engine 'torch', or 'auto'."
        ) from None


def with_precision(encoder: E, precision: str) -> E:
    """`encoder`, or for "half" a copy whose networks compute with 16 bits.

    Raises `InputError` if it is not on a GPU.
    """
    networks = networks_of(encoder)
    if precision == "full" or not networks:
        return encoder
    on_cpu = [network.device for network in networks.values() if network.device == "cpu"]
    if on_cpu:
        raise InputError(
            f"The precision 'half' needs a GPU, but the encoder {encoder.settings.get('spec')!r} "
            "is on the CPU, where 16 bits are slower than 32. Leave it at 'full'."
        )
    half = _replaced(encoder, {name: network.as_half() for name, network in networks.items()})
    half.settings = {**encoder.settings, "precision": "half"}  # type: ignore[misc]
    return half


def _replaced(encoder: E, networks: dict) -> E:
    changed = copy.copy(encoder)
    vars(changed).update(networks)
    return changed
