"""ViT and ResNet: pictures through any classifier of transformers, without its last layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from srmm.encoders.base import EncoderAbout, pick_device, weights_digest
from srmm.encoders.hub import load_pretrained, local_or_hub
from srmm.encoders.image_processors import PillowProcessor
from srmm.encoders.network import Network
from srmm.errors import InputError

if TYPE_CHECKING:
    import torch


class ViTEncoder:
    """The class token after the last layer and the final norm (paper Table X: ViT).

    The pooler that some checkpoints have behind it is not used: it was not trained with them.

    Parameters
    ----------
    name : str
        A ViT at the hub, "google/vit-base-patch16-224-in21k" (768 numbers), or a folder.
    """

    kind = "image"

    def __init__(self, name: str, *, device: str | None = None) -> None:
        name = local_or_hub(name)
        device = device or pick_device()
        model = _load(name, "vit", "ViTModel", add_pooling_layer=False).to(device)
        self._processor = PillowProcessor(name)
        config = model.config
        side = config.image_size
        wanted = (side, side) if isinstance(side, int) else tuple(side)
        if self._processor.size != wanted:
            raise InputError(
                f"The image processor of {name!r} makes pictures of {self._processor.size} pixels, "
                f"but its network reads {wanted}: the two do not belong together."
            )
        self.embedding_dim = int(config.hidden_size)
        self.batch_size = 8 if device == "cpu" else 128
        self.settings: dict[str, Any] = {
            "spec": f"vit:{name}",
            "weights": weights_digest(model),
            "preprocessing": self._processor.settings,
            "output": "class token of the last layer",
        }
        self.network = Network(model, _class_token, device=device)

    def prepare(self, item: Image.Image) -> np.ndarray:
        """An RGB picture of any size → float32 of shape (3, height, width)."""
        return self._processor(item)

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n pictures of shape (3, height, width) → float32 of shape (n, embedding_dim)."""
        return self.network(pixels=np.stack(prepared))


class ResNetEncoder:
    """The global average of the last stage's features (paper Table X: ResNet-101).

    Parameters
    ----------
    name : str
        A ResNet at the hub, "microsoft/resnet-101" (2048 numbers), or a folder.
    """

    kind = "image"

    def __init__(self, name: str, *, device: str | None = None) -> None:
        name = local_or_hub(name)
        device = device or pick_device()
        model = _load(name, "resnet", "ResNetModel").to(device)
        self._processor = PillowProcessor(name)
        self.embedding_dim = int(model.config.hidden_sizes[-1])
        self.batch_size = 8 if device == "cpu" else 128
        self.settings: dict[str, Any] = {
            "spec": f"resnet:{name}",
            "weights": weights_digest(model),
            "preprocessing": self._processor.settings,
            "output": "global average of the last stage",
        }
        self.network = Network(model, _global_average, device=device)

    def prepare(self, item: Image.Image) -> np.ndarray:
        """An RGB picture of any size → float32 of shape (3, height, width)."""
        return self._processor(item)

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n pictures of shape (3, height, width) → float32 of shape (n, embedding_dim)."""
        return self.network(pixels=np.stack(prepared))


ABOUT = (
    EncoderAbout(
        name="vit:NAME",
        good_for="objects",
        embedding_dim="the model's (768 for google/vit-base-patch16-224-in21k, the paper's)",
        description="any ViT of transformers: class token of the last layer",
        preprocessing="the model's own",
        source="https://huggingface.co, e.g. vit:google/vit-base-patch16-224-in21k; or a folder",
        licence="Apache-2.0 (code), the model's (weights; Apache-2.0 for Google's)",
        needs_network="once, to download the weights",
        classes={"image": ViTEncoder},
    ),
    EncoderAbout(
        name="resnet:NAME",
        good_for="objects",
        embedding_dim="the model's (2048 for microsoft/resnet-101, the paper's)",
        description="any ResNet of transformers: global average of the last stage",
        preprocessing="the model's own (its centre, 224 × 224 pixels)",
        source="https://huggingface.co, e.g. resnet:microsoft/resnet-101; or a folder",
        licence="Apache-2.0 (code), the model's (weights; Apache-2.0 for Microsoft's)",
        needs_network="once, to download the weights",
        classes={"image": ResNetEncoder},
    ),
)


def _class_token(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    return model(pixel_values=pixels).last_hidden_state[:, 0]


def _global_average(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    return model(pixel_values=pixels).pooler_output.flatten(1)  # (n, d) of (n, d, 1, 1)


def _load(name: str, model_type: str, model_class: str, **options: Any) -> Any:
    """The network in evaluation mode; raises `InputError` for another one, or a partial one."""
    import torch
    import transformers

    def load(local: bool) -> Any:
        config = transformers.AutoConfig.from_pretrained(name, local_files_only=local)
        if config.model_type != model_type:
            raise InputError(
                f"{name!r} is a model of type {config.model_type!r}; '{model_type}:' needs one of "
                f"type {model_type!r}."
            )
        return getattr(transformers, model_class).from_pretrained(
            name,
            dtype=torch.float32,
            local_files_only=local,
            output_loading_info=True,
            **options,
        )

    model, loading = load_pretrained(name, load)
    if loading["missing_keys"]:
        missing = sorted(loading["missing_keys"])
        raise InputError(
            f"The weights of {name!r} lack {len(missing)} parameters of {model_class}, the first "
            f"being {missing[0]!r}; they would be random. Download the model again."
        )
    return model.eval().requires_grad_(False)
