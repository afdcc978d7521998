"""Inception-ResNet-V1: crops of faces → 512 numbers, the paper's face encoder (IV-B)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from srmm.encoders.base import EncoderAbout, pick_device, weights_digest
from srmm.encoders.network import Network
from srmm.encoders.weights import fill, read_weights, weights_file
from srmm.errors import InputError

if TYPE_CHECKING:
    import torch

_SITE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
_PUBLISHED = {
    "vggface2": "20180402-114759-vggface2.pt",
    "casia-webface": "20180408-102900-casia-webface.pt",
}


class InceptionResNetEncoder:
    """Embeddings of unit length, for recognising faces by their Euclidean or cosine distance.

    The picture is to be the crop of one face, as VGGFace2, VoxCeleb's face crops and MTCNN give
    it. It is resized to 160 × 160 (bilinear), whatever its shape, and scaled to
    (rgb − 127.5) / 128, as facenet-pytorch does.

    Parameters
    ----------
    name : str
        "vggface2" or "casia-webface", the checkpoints of facenet-pytorch, if they are in the
        cache of PyTorch; or a file with the weights, .pt or .safetensors.
    """

    kind = "face"
    embedding_dim = 512

    def __init__(self, name: str, *, device: str | None = None) -> None:
        import torch

        from srmm.encoders.networks.inception_resnet import SIDE

        path = _published(name) if name in _PUBLISHED else weights_file(name, _remedy())
        network = _network(path)
        device = device or pick_device()
        self.batch_size = 8 if device == "cpu" else 256
        self.settings: dict[str, Any] = {
            "spec": f"inception-resnet-v1:{name if name in _PUBLISHED else path}",
            "weights": weights_digest(network),
            "preprocessing": {
                "size": [SIDE, SIDE],
                "resize": "bilinear",
                "mean": 127.5,
                "std": 128,
            },
            "output": "unit length",
        }
        # Channels last in memory: a third faster on a CPU.
        network = network.to(device, memory_format=torch.channels_last)
        self.network = Network(network, _embedded, device=device)
        self._side = SIDE

    def prepare(self, item: Image.Image) -> np.ndarray:
        """An RGB picture of any size → uint8 of shape (160, 160, 3)."""
        return np.asarray(item.resize((self._side, self._side), Image.Resampling.BILINEAR))

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n pictures of shape (160, 160, 3) → float32 of shape (n, 512)."""
        return self.network(pixels=np.stack(prepared))


ABOUT = EncoderAbout(
    name="inception-resnet-v1:FILE",
    good_for="who a face belongs to",
    embedding_dim="512",
    description="Inception-ResNet-V1 of FaceNet: the paper's for faces",
    preprocessing="the crop of a face at 160 × 160, (rgb − 127.5) / 128",
    source="https://github.com/timesler/facenet-pytorch/releases/tag/v2.2.9: "
    "vggface2 or casia-webface, or a file",
    licence="Apache-2.0 (code), MIT (weights)",
    needs_network="once, to download the weights by hand",
    classes={"face": InceptionResNetEncoder},
)


def _embedded(network: Any, pixels: torch.Tensor) -> torch.Tensor:
    # (n, 3, 160, 160) with the channels last in memory, as the pixels already lie.
    return network(pixels.permute(0, 3, 1, 2).float().sub(127.5).div(128))


def _network(path: Path) -> Any:
    """The network with the weights in `path`, but without their classifier."""
    from srmm.encoders.networks.inception_resnet import InceptionResNetV1

    network = InceptionResNetV1().eval().requires_grad_(False)
    fill(network, read_weights(path), path, ignored="logits.")
    return network


def _published(name: str) -> Path:
    """Where facenet-pytorch or PyTorch itself has put the checkpoint."""
    for folder in (_cache() / "checkpoints", _cache() / "hub" / "checkpoints"):
        if (folder / _PUBLISHED[name]).is_file():
            return folder / _PUBLISHED[name]
    raise InputError(
        f"The weights {name!r} of Inception-ResNet-V1 are not on this machine. {_remedy(name)}"
    )


def _cache() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser()


def _remedy(name: str = "vggface2") -> str:
    file = _PUBLISHED[name]
    return (
        f"Where there is a network, download {_SITE}{file} (about 110 MB) and put it into "
        f"{_cache() / 'checkpoints'}, for 'inception-resnet-v1:{name}'; or anywhere, and name the "
        f"file: 'inception-resnet-v1:FOLDER/{file}'. srmm downloads only from the Hugging Face "
        "hub, which does not have it, so HF_HUB_OFFLINE makes no difference."
    )
