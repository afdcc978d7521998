"""DINO, DINOv2 and DINOv3: images → what was learnt from pictures alone, without any labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srmm.encoders.base import EncoderAbout
from srmm.encoders.hub import local_or_hub
from srmm.encoders.image_processors import PictureEncoder
from srmm.encoders.pretrained import load_network

if TYPE_CHECKING:
    import torch

_TYPES = ("dinov2", "dinov2_with_registers", "dinov3_vit", "vit")


class DinoEncoder(PictureEncoder):
    """The class token after the last layer and the final norm.

    Pictures may have any number of patches, so that the model's own image processor decides how
    large they are.

    Parameters
    ----------
    name : str
        A model at the hub, "facebook/dinov2-base" (768 numbers), or a folder.
    """

    def __init__(self, name: str, *, device: str | None = None) -> None:
        name = local_or_hub(name)
        # Checkpoints of the first DINO have no pooler, and its result is not used.
        model = load_network(name, "dino", _TYPES, unused=("pooler", "mask_token"))
        super().__init__(name, model, _class_token, device=device)
        self.embedding_dim = int(model.config.hidden_size)
        self.settings = {
            "spec": f"dino:{name}",
            **self.settings,
            "output": "class token of the last layer",
        }


ABOUT = EncoderAbout(
    name="dino:NAME",
    good_for="objects, scenes, textures: whatever pictures show, without words",
    embedding_dim="the model's (768 for facebook/dinov2-base)",
    description="any DINO, DINOv2 or DINOv3 (ViT) of transformers: class token of the last layer",
    preprocessing="the model's own",
    source="https://huggingface.co, e.g. dino:facebook/dinov2-base; or a folder",
    licence="Apache-2.0 (code), the model's (weights; Apache-2.0 for DINOv2, Meta's own for "
    "DINOv3)",
    needs_network="once, to download the weights",
    classes={"image": DinoEncoder},
)


def _class_token(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    return model(pixel_values=pixels).last_hidden_state[:, 0]
