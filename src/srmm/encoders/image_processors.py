"""Image processors of transformers in their Pillow form, and what of them decides an embedding.

The Pillow form gives the same pixels whether or not torchvision is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from srmm.encoders.base import pick_device, weights_digest
from srmm.encoders.hub import load_pretrained
from srmm.encoders.network import Network
from srmm.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn

_DINOV3: dict[str, Any] = {
    "size": {"height": 224, "width": 224},
    "resample": Image.Resampling.BILINEAR,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
"""What the image processor of DINOv3 does where its file does not say otherwise."""

_MAX_ASPECT = 16
"""A strip 20,000 times as long as it is wide would be resized to gigabytes before it is cropped."""


class PillowProcessor:
    """A callable: RGB picture of any size → float32 of shape (3, height, width).

    Parameters
    ----------
    name : str
        A model at the hub, or a folder.

    Attributes
    ----------
    size : (height, width)
        In pixels, the same for every picture.
    settings : dict
        JSON values: all that decides the pixels.

    Raises
    ------
    InputError
        If pictures of different shapes do not come out the same size.
    """

    def __init__(self, name: str) -> None:
        self._processor = load_pretrained(name, lambda local: _load(name, local))
        further = set(self._processor.model_input_names) - {"pixel_values"}
        if further:
            raise InputError(
                f"{name!r} reads pictures of varying size ({', '.join(sorted(further))}), which is "
                "not supported; choose a variant with a fixed size, e.g. ending in '-224'."
            )
        settings = {
            key: value
            for key, value in self._processor.to_dict().items()
            if key.startswith(("do_", "image_m", "image_s", "resample", "rescale"))
            or key in ("size", "crop_size", "crop_pct")
        }
        self.settings: dict[str, Any] = _plain(settings)
        # Where the shorter side is fitted, all but the centre is cropped away. (ConvNeXt's, which
        # ResNet uses, does so without a setting of its own, and distorts from 384 pixels on.)
        short = self.settings.get("size", {}).get("shortest_edge")
        self._crops = self.settings.get("do_center_crop") or (
            short is not None and short < 384 and "crop_pct" in self.settings
        )
        shapes = {self(Image.new("RGB", size)).shape for size in [(40, 30), (20, 50)]}
        if len(shapes) > 1:
            raise InputError(
                f"The image processor of {name!r} makes pictures of varying size "
                f"({' and '.join(str(shape[1:]) for shape in sorted(shapes))}), which is not "
                "supported; it needs a size with height and width, or a central crop."
            )
        self.size: tuple[int, int] = shapes.pop()[1:]

    def __call__(self, image: Image.Image) -> np.ndarray:
        if self._crops:
            image = _bounded_aspect(image)
        pixels = self._processor(images=image, return_tensors="np")["pixel_values"][0]
        return np.asarray(pixels, dtype=np.float32)


class PictureEncoder:
    """What encoders of pictures share: all but the network, the embedding's size and its name.

    Parameters
    ----------
    name : str
        The model, at the hub or a folder: its image processor makes the pixels.
    model : nn.Module
    forward : callable
        (model, pixels of shape (n, 3, height, width)) → embeddings of shape (n, d).
    """

    kind = "image"
    embedding_dim: int

    def __init__(
        self,
        name: str,
        model: nn.Module,
        forward: Callable[..., torch.Tensor],
        *,
        device: str | None,
    ) -> None:
        device = device or pick_device()
        self.network = Network(model.to(device), forward, device=device)
        self._processor = PillowProcessor(name)
        self.batch_size = 8 if device == "cpu" else 128
        self.settings: dict[str, Any] = {
            "weights": weights_digest(model),
            "preprocessing": self._processor.settings,
        }

    def prepare(self, item: Image.Image) -> np.ndarray:
        """An RGB picture of any size → float32 of shape (3, height, width)."""
        return self._processor(item)

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n pictures of shape (3, height, width) → float32 of shape (n, embedding_dim)."""
        return self.network(pixels=np.stack(prepared))


def _bounded_aspect(image: Image.Image) -> Image.Image:
    """The central part of a strip; the square that a processor keeps is well inside it."""
    longest = _MAX_ASPECT * min(image.size)
    if max(image.size) <= longest:
        return image
    left, top = (max(0, (side - longest) // 2) for side in image.size)
    return image.crop((left, top, image.width - left, image.height - top))


def _plain(value: Any) -> Any:
    """The same in JSON's types, so that it is equal to itself after a round trip."""
    if isinstance(value, dict):
        return {
            str(key): _plain(entry) for key, entry in sorted(value.items()) if entry is not None
        }
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value if isinstance(value, (str, bool, int, float)) else str(value)


def _load(name: str, local: bool) -> Any:
    from transformers import AutoImageProcessor
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    try:
        return AutoImageProcessor.from_pretrained(name, local_files_only=local, backend="pil")
    except ImportError:
        # Written for torchvision alone. DINOv3's is that of ViT with other numbers, but for the
        # rounding of pixels between resizing and normalising.
        settings, _ = ViTImageProcessorPil.get_image_processor_dict(name, local_files_only=local)
        if not str(settings.get("image_processor_type", "")).startswith("DINOv3ViT"):
            raise
        return ViTImageProcessorPil(**_DINOV3 | settings)
