"""ViT and ResNet: pictures through any classifier of transformers, without its last layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srmm.encoders.base import EncoderAbout
from srmm.encoders.hub import local_or_hub
from srmm.encoders.image_processors import PictureEncoder
from srmm.encoders.pretrained import load_network
from srmm.errors import InputError

if TYPE_CHECKING:
    import torch


class ViTEncoder(PictureEncoder):
    """The class token after the last layer and the final norm (paper Table X: ViT).

    The pooler that some checkpoints have behind it is not used: it was not trained with them.

    Parameters
    ----------
    name : str
        A ViT at the hub, "google/vit-base-patch16-224-in21k" (768 numbers), or a folder.
    """

    def __init__(self, name: str, *, device: str | None = None) -> None:
        name = local_or_hub(name)
        model = load_network(name, "vit", ("vit",), model_class="ViTModel", add_pooling_layer=False)
        super().__init__(name, model, _class_token, device=device)
        side = model.config.image_size
        wanted = (side, side) if isinstance(side, int) else tuple(side)
        if self._processor.size != wanted:
            raise InputError(
                f"The image processor of {name!r} makes pictures of {self._processor.size} pixels, "
                f"but its network reads {wanted}: the two do not belong together."
            )
        self.embedding_dim = int(model.config.hidden_size)
        self.settings = {
            "spec": f"vit:{name}",
            **self.settings,
            "output": "class token of the last layer",
        }


class ResNetEncoder(PictureEncoder):
    """The global average of the last stage's features (paper Table X: ResNet-101).

    Parameters
    ----------
    name : str
        A ResNet at the hub, "microsoft/resnet-101" (2048 numbers), or a folder.
    """

    def __init__(self, name: str, *, device: str | None = None) -> None:
        name = local_or_hub(name)
        model = load_network(name, "resnet", ("resnet",), model_class="ResNetModel")
        super().__init__(name, model, _global_average, device=device)
        self.embedding_dim = int(model.config.hidden_sizes[-1])
        self.settings = {
            "spec": f"resnet:{name}",
            **self.settings,
            "output": "global average of the last stage",
        }


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
