"""ONNX Runtime in the place of PyTorch: networks are exported once, checked, and kept on disk.

What a network reads and gives is found by watching its encoder encode a few made-up items: the
axes whose length changes between them are those that may have any length, and the outputs are
what ONNX Runtime must give, too. So an encoder need not know that there is such an engine.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import importlib.util
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from PIL import Image

from srmm import __version__
from srmm.data.audio import Audio
from srmm.encoders.base import Encoder
from srmm.encoders.network import Network, networks_of
from srmm.errors import MissingExtraError, first_line
from srmm.files import replacing_file

# Before it is loaded: it else reports its use, and writes to the folder of temporary files.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

TOLERANCE = 1e-4
"""Largest relative difference from PyTorch, of any item in the Euclidean norm."""

_FORMAT = 1
"""Another one if a network's `forward` changes: files of before are then not found."""

OPSET = 20
_NEEDED = ("onnxruntime", "onnx", "onnxscript")
_RATE = 16_000
_DIGITS = 16

_LOG = logging.getLogger(__name__)

Call = tuple[dict[str, np.ndarray], np.ndarray]
"""Named inputs, and PyTorch's output."""


class NotExportableError(Exception):
    """Why a network does not run in ONNX Runtime."""


class OnnxNetwork:
    """What `Network` is, run by ONNX Runtime with as many threads as PyTorch would use."""

    engine = "onnx"
    device = "cpu"

    def __init__(self, file: Path) -> None:
        import onnxruntime
        import torch

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that spin while they wait take the processor from those that prepare items.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.file = file
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self.names = {given.name for given in self._session.get_inputs()}

    def __call__(self, **arrays: np.ndarray) -> np.ndarray:
        used = {name: array for name, array in arrays.items() if name in self.names}
        return self._session.run(None, used)[0]


# As long as an encoder lives, so do its sessions; they cannot be attributes, which are copied.
_OPEN: WeakKeyDictionary[Network, OnnxNetwork | NotExportableError] = WeakKeyDictionary()


def is_installed() -> bool:
    """Whether everything is there that the engine needs."""
    return all(importlib.util.find_spec(package) is not None for package in _NEEDED)


def in_onnx_runtime(encoder: Encoder) -> dict[str, OnnxNetwork]:
    """Per attribute of `encoder` that is a network, what stands in for it.

    Raises `NotExportableError`, or `MissingExtraError` if the engine is not installed.
    """
    if not is_installed():
        raise MissingExtraError(" and ".join(_NEEDED), "onnx", "The engine 'onnx'")
    networks = networks_of(encoder)
    if any(network.device != "cpu" for network in networks.values()):
        raise NotExportableError("its network is on a GPU, and this is an engine for CPUs")
    calls: dict[str, list[Call]] = {}
    standing = {}
    for name, network in networks.items():
        known = _OPEN.get(network)
        if known is None:
            key = _key(encoder, name, network)
            file = _cached(key)
            try:
                if file is None:
                    _LOG.info(
                        "Exporting the %s encoder's network to ONNX, which takes up to a minute. "
                        "It is done once, and kept in %s.", encoder.kind, cache_folder(),
                    )  # fmt: skip
                    calls = calls or _watched(encoder)
                    file = _exported(network, calls[name], key)
                known = OnnxNetwork(file)
            except NotExportableError as error:
                known = error  # trying takes seconds, and would give the same
            _OPEN[network] = known
        if isinstance(known, NotExportableError):
            raise known
        standing[name] = known
    return standing


def cache_folder() -> Path:
    """Where exported networks are kept: $SRMM_CACHE/onnx, by default ~/.cache/srmm/onnx."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "srmm"
    return (Path(os.environ.get("SRMM_CACHE") or cache) / "onnx").expanduser()


def _key(encoder: Encoder, name: str, network: Network) -> str:
    """How a file's name begins: equal for networks that are equal, whatever was done to export."""
    import torch

    config: Any = getattr(network.module, "config", None)
    architecture = {
        key: value
        for key, value in (config.to_dict() if config is not None else {}).items()
        if not key.startswith("_") and key != "transformers_version"
    }
    content = [
        f"{type(encoder).__qualname__}.{name}",
        {key: value for key, value in encoder.settings.items() if key != "spec"},
        repr(network.module),
        architecture,
        __version__,
    ]
    digest = _digest(json.dumps(content, sort_keys=True, default=str).encode())
    weights = str(encoder.settings.get("weights"))[:_DIGITS]
    torch_version = torch.__version__.partition("+")[0]
    return f"{weights}-{digest}-torch{torch_version}-opset{OPSET}-format{_FORMAT}"


def _cached(key: str) -> Path | None:
    """The file of that key, whole: its name ends with a digest of its content."""
    for file in sorted(cache_folder().glob(f"{key}-*.onnx")):
        if file.stem.rpartition("-")[2] == _digest(file.read_bytes()):
            return file
        file.unlink(missing_ok=True)
    return None


def _exported(network: Network, calls: list[Call], key: str) -> Path:
    """Export, compare with PyTorch, and only then put the file where `_cached` finds it."""
    with tempfile.TemporaryDirectory(prefix="srmm-onnx-") as folder:
        draft = Path(folder) / "network.onnx"
        try:
            with quiet_exporter():
                _export(network, calls, draft)
                standing = OnnxNetwork(draft)
                outputs = [standing(**arrays) for arrays, _ in calls]
        except Exception as error:  # whatever the exporter and the runtime raise
            raise NotExportableError(f"exporting it fails ({first_line(error)[:200]})") from error
        worst = max(_difference(got, call[1]) for got, call in zip(outputs, calls, strict=True))
        if not worst <= TOLERANCE:
            raise NotExportableError(
                f"its outputs differ from PyTorch's by {worst:.1e}, more than {TOLERANCE:g}"
            )
        file = cache_folder() / f"{key}-{_digest(draft.read_bytes())}.onnx"
        try:
            with replacing_file(file) as temporary:
                shutil.copyfile(draft, temporary)
        except OSError as error:
            raise NotExportableError(
                f"{cache_folder()}, where exported networks are kept, cannot be written "
                f"({error.strerror}); SRMM_CACHE names another place"
            ) from error
    return file


def _export(network: Network, calls: list[Call], file: Path) -> None:
    import torch
    from torch import nn

    names = list(calls[-1][0])

    class Positional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = network.module

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            return network.forward(self.module, **dict(zip(names, tensors, strict=True))).float()

    free = tuple(
        {
            axis: torch.export.Dim.DYNAMIC
            for axis in range(calls[-1][0][name].ndim)
            if len({arrays[name].shape[axis] for arrays, _ in calls}) > 1
        }
        for name in names
    )
    # The exporter takes an axis of length 1 for one that always is.
    largest = max((arrays for arrays, _ in calls), key=lambda a: sum(v.size for v in a.values()))
    program = torch.onnx.export(
        Positional().eval(),
        tuple(torch.from_numpy(largest[name]) for name in names),
        dynamo=True,
        dynamic_shapes=(free,),
        input_names=names,
        opset_version=OPSET,
        verbose=False,
    )
    assert program is not None
    program.save(file, external_data=False)


def _watched(encoder: Encoder) -> dict[str, list[Call]]:
    """Per network, how the encoder calls it for one, for two and for three items."""
    calls: dict[str, list[Call]] = {name: [] for name in networks_of(encoder)}
    watched = copy.copy(encoder)
    vars(watched).update(
        {name: _Watched(network, calls[name]) for name, network in networks_of(encoder).items()}
    )
    for items in made_up_items(encoder.kind):
        watched.encode([encoder.prepare(item) for item in items])
    return calls


class _Watched:
    """A network that writes down what it is called with."""

    def __init__(self, network: Network, calls: list[Call]) -> None:
        self.network, self.calls = network, calls

    def __call__(self, **arrays: np.ndarray) -> np.ndarray:
        output = self.network(**arrays)
        self.calls.append((arrays, output))
        return output


def made_up_items(kind: str) -> list[list[Any]]:
    """One item, two, and three, which are longer where items have a length."""
    random = np.random.default_rng(0)
    if kind == "text":
        return [
            ["shoe"],
            ["a red shoe", "zwei blaue Hemden, Größe 42"],
            ["word " * 40, "", "a picture of something that nobody has seen before"],
        ]
    if kind in ("audio", "voice"):
        return [[_noise(random, 1.0)], [_noise(random, 1.5)] * 2, [_noise(random, 2.5)] * 3]
    pictures = [
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize(size)
        for size in [(160, 160), (200, 150), (90, 120), (300, 310), (64, 48), (224, 224)]
    ]
    return [pictures[:1], pictures[1:3], pictures[3:]]


def _noise(random: np.random.Generator, seconds: float) -> Audio:
    return Audio(0.1 * random.standard_normal(int(seconds * _RATE), dtype=np.float32), _RATE)


def _difference(got: np.ndarray, expected: np.ndarray) -> float:
    """The largest relative difference of an item, in the Euclidean norm."""
    if got.shape != expected.shape:
        return float("inf")
    difference = (got - expected).reshape(len(got), -1)
    size = np.linalg.norm(expected.reshape(len(expected), -1), axis=1)
    return float((np.linalg.norm(difference, axis=1) / np.maximum(size, 1e-12)).max())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


@contextlib.contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without the exporter's notes on what is not installed and what is deprecated in itself."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
