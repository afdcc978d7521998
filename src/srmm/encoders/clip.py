"""CLIP and SigLIP: images and texts in one space, any model of transformers with two towers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
from PIL import Image

from srmm.encoders.base import EncoderAbout, pick_device, weights_digest
from srmm.encoders.hub import load_pretrained, local_or_hub
from srmm.encoders.image_processors import PillowProcessor
from srmm.encoders.network import Network
from srmm.encoders.pretrained import check_complete
from srmm.encoders.tokens import ReadsTokens, TokenLimit
from srmm.errors import InputError

if TYPE_CHECKING:
    import torch


class CLIPImageEncoder:
    """Pooled and *projected* image features, at the scale the model gives them (not unit length).

    Pictures go through the model's own image processor, in its Pillow form, so that the result
    does not depend on whether torchvision is installed.

    Parameters
    ----------
    name : str
        A model at the hub, "openai/clip-vit-large-patch14" (768 numbers), or a folder.
    """

    kind = "image"

    def __init__(self, name: str, *, device: str | None = None) -> None:
        self.loaded = _load_once(name, device or pick_device())
        self.embedding_dim = self.loaded.embedding_dim("vision")
        self.batch_size = 8 if self.loaded.device == "cpu" else 128
        self.network = self.loaded.network("get_image_features")
        self._processor = PillowProcessor(self.loaded.name)
        self.settings: dict[str, Any] = {
            **self.loaded.settings,
            "preprocessing": self._processor.settings,
            "output": "projected image features",
        }

    def prepare(self, item: Image.Image) -> np.ndarray:
        """An RGB picture of any size → float32 of shape (3, side, side)."""
        return self._processor(item)

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n pictures of shape (3, side, side) → float32 of shape (n, embedding_dim)."""
        return self.network(pixel_values=np.stack(prepared))


class CLIPTextEncoder(ReadsTokens):
    """Pooled and *projected* text features, at the scale the model gives them (not unit length).

    Texts are cut at the model's length: 77 tokens for CLIP, 64 for SigLIP.

    Parameters
    ----------
    name : str
        As for `CLIPImageEncoder`; the two share one model in memory.
    """

    kind = "text"

    def __init__(self, name: str, *, device: str | None = None) -> None:
        self.loaded = _load_once(name, device or pick_device())
        self.embedding_dim = self.loaded.embedding_dim("text")
        self.batch_size = 32 if self.loaded.device == "cpu" else 256
        self.network = self.loaded.network("get_text_features")
        self._tokenizer = self.loaded.tokenizer()
        config = self.loaded.model.config
        self._max_tokens = int(config.text_config.max_position_embeddings)
        # SigLIP was trained with every text padded to the full length, and reads its last place.
        self._padding = "max_length" if "siglip" in config.model_type else "longest"
        self._tokens = TokenLimit(self._tokenizer, self._max_tokens)
        self.limit = self._tokens.shown
        self.settings: dict[str, Any] = {
            **self.loaded.settings,
            "preprocessing": {
                "max_tokens": self._max_tokens,
                "padding": self._padding,
                "vocabulary": len(self._tokenizer),
            },
            "output": "projected text features",
        }

    def is_unknown(self, item: str) -> bool:
        """Whether most of the text is in letters that the model has not."""
        return self._tokens.is_unknown(item)

    def encode(self, prepared: Sequence[str]) -> np.ndarray:
        """n texts → float32 of shape (n, embedding_dim)."""
        tokens = self._tokenizer(
            list(prepared),
            padding=self._padding,
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="np",
        )
        return self.network(**tokens)


ABOUT = EncoderAbout(
    name="clip:NAME",
    good_for="objects and scenes; texts that describe them",
    embedding_dim="the model's (768 for openai/clip-vit-large-patch14, the paper's)",
    description="any CLIP or SigLIP of transformers: projected features, unscaled",
    preprocessing="the model's own; CLIP cuts texts at 77 tokens",
    source="https://huggingface.co, e.g. clip:openai/clip-vit-large-patch14; or a folder",
    licence="Apache-2.0 (code), the model's (weights)",
    needs_network="once, to download the weights",
    classes={"image": CLIPImageEncoder, "text": CLIPTextEncoder},
)


@dataclass
class _Loaded:
    """A model in memory, and where its other parts are."""

    name: str
    device: str
    model: Any
    settings: dict[str, Any]

    def embedding_dim(self, tower: str) -> int:
        config = self.model.config
        projection = getattr(config, "projection_dim", None)  # SigLIP projects to its own width
        return int(projection or getattr(config, f"{tower}_config").hidden_size)

    def network(self, method: str) -> Network:
        """The tower that a method of the model runs."""
        return Network(self.model, partial(_projected, method=method), device=self.device)

    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return load_pretrained(
            self.name,
            lambda local: AutoTokenizer.from_pretrained(self.name, local_files_only=local),
        )


_LOADED: WeakValueDictionary[tuple[str, str], _Loaded] = WeakValueDictionary()


def _load_once(name: str, device: str) -> _Loaded:
    """The model, shared by every encoder that holds it, and gone with the last of them."""
    name = local_or_hub(name)
    loaded = _LOADED.get((name, device))
    if loaded is None:
        model = load_pretrained(name, lambda local: _load(name, local)).to(device)
        settings = {"spec": f"clip:{name}", "weights": weights_digest(model)}
        loaded = _LOADED[name, device] = _Loaded(name, device, model, settings)
    return loaded


def _load(name: str, local: bool) -> Any:
    import torch
    from transformers import AutoModel

    model, loading = AutoModel.from_pretrained(
        name, dtype=torch.float32, local_files_only=local, output_loading_info=True
    )
    if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
        raise InputError(
            f"{name!r} is a {type(model).__name__}, which does not embed both images and texts; "
            "'clip:' needs a CLIP or SigLIP model."
        )
    check_complete(name, model, loading["missing_keys"])
    return model.eval().requires_grad_(False)


def _projected(model: Any, *, method: str, **inputs: torch.Tensor) -> torch.Tensor:
    return getattr(model, method)(**inputs).pooler_output
