"""CLAP: sounds and texts in one space, any CLAP of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from srmm.data.audio import Audio, resample
from srmm.encoders.base import EncoderAbout, pick_device, weights_digest
from srmm.encoders.hub import load_pretrained, local_or_hub
from srmm.encoders.network import Network
from srmm.encoders.pretrained import load_network
from srmm.encoders.tokens import ReadsTokens, TokenLimit

if TYPE_CHECKING:
    import torch

_UNUSED = ("logit_scale", "position_ids")


class CLAPAudioEncoder:
    """Projected features of a sound, of unit length.

    The model hears ten seconds. Its own feature extractor takes them out of a longer recording by
    chance, so that one recording would have many embeddings; here it is the ten in the middle.

    Parameters
    ----------
    name : str
        A model at the hub, "laion/clap-htsat-unfused" (512 numbers), or a folder.
    """

    kind = "audio"

    def __init__(self, name: str, *, device: str | None = None) -> None:
        name, device, model, self.settings = _loaded(name, device)
        self._extractor = load_pretrained(
            name, lambda local: _load("FeatureExtractor", name, local)
        )
        self.rate, self._seconds = int(self._extractor.sampling_rate), self._extractor.max_length_s
        self.limit = f"{self._seconds} seconds"
        self.embedding_dim = int(model.config.projection_dim)
        self.batch_size = 4 if device == "cpu" else 32
        self.settings |= {
            "preprocessing": {
                "rate": self.rate,
                "max_seconds": self._seconds,
                "padding": str(self._extractor.padding),
                "truncation": str(self._extractor.truncation),
                "mel_bands": int(self._extractor.feature_size),
                "frequencies": [
                    int(self._extractor.frequency_min),
                    int(self._extractor.frequency_max),
                ],
            },
            "output": "projected audio features, unit length",
        }
        self.network = Network(model, partial(_projected, method="audio"), device=device)

    def prepare(self, item: Audio) -> np.ndarray:
        """A recording → mel spectrograms, float32 of shape (1 or 4, frames, 64)."""
        samples = resample(item, self.rate)
        surplus = len(samples) - self._seconds * self.rate
        if surplus > 0:
            samples = samples[surplus // 2 :][: self._seconds * self.rate]
        heard = self._extractor(samples, sampling_rate=self.rate, return_tensors="np")
        return np.asarray(heard["input_features"][0], dtype=np.float32)

    def is_cut(self, item: Audio) -> bool:
        """Whether only the middle of the recording is heard."""
        return item.seconds > self._seconds

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n recordings → float32 of shape (n, embedding_dim)."""
        features = np.stack(prepared)
        return self.network(input_features=features, is_longer=np.zeros((len(features), 1), bool))


class CLAPTextEncoder(ReadsTokens):
    """Projected features of a text, of unit length.

    Parameters
    ----------
    name : str
        As for `CLAPAudioEncoder`.
    """

    kind = "text"

    def __init__(self, name: str, *, device: str | None = None) -> None:
        name, device, model, self.settings = _loaded(name, device)
        self._tokenizer = load_pretrained(name, lambda local: _load("Tokenizer", name, local))
        # RoBERTa counts positions from the padding's number on.
        config = model.config.text_config
        self._max_tokens = int(config.max_position_embeddings - config.pad_token_id - 1)
        self._tokens = TokenLimit(self._tokenizer, self._max_tokens)
        self.limit = self._tokens.shown
        self.embedding_dim = int(model.config.projection_dim)
        self.batch_size = 32 if device == "cpu" else 256
        self.settings |= {
            "preprocessing": {"max_tokens": self._max_tokens, "vocabulary": len(self._tokenizer)},
            "output": "projected text features, unit length",
        }
        self.network = Network(model, partial(_projected, method="text"), device=device)

    def encode(self, prepared: Sequence[str]) -> np.ndarray:
        """n texts → float32 of shape (n, embedding_dim)."""
        tokens = self._tokenizer(
            list(prepared),
            padding="longest",
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="np",
        )
        names = ("input_ids", "attention_mask")
        return self.network(**{name: tokens[name] for name in names})


ABOUT = EncoderAbout(
    name="clap:NAME",
    good_for="sounds: animals, machines, music; texts that describe them",
    embedding_dim="the model's (512 for laion/clap-htsat-unfused)",
    description="any CLAP of transformers: projected features, of unit length",
    preprocessing="the model's own, of at most 10 s",
    source="https://huggingface.co, e.g. clap:laion/clap-htsat-unfused; or a folder",
    licence="Apache-2.0 (code), the model's (weights)",
    needs_network="once, to download the weights",
    classes={"audio": CLAPAudioEncoder, "text": CLAPTextEncoder},
)


def _loaded(name: str, device: str | None) -> tuple[str, str, Any, dict[str, Any]]:
    """The name (a folder's whole path), the device, the model, and the first of its settings."""
    name, device = local_or_hub(name), device or pick_device()
    model = load_network(name, "clap", ("clap",), unused=_UNUSED).to(device)
    return name, device, model, {"spec": f"clap:{name}", "weights": weights_digest(model)}


def _load(part: str, name: str, local: bool) -> Any:
    import transformers

    return getattr(transformers, f"Auto{part}").from_pretrained(name, local_files_only=local)


def _projected(model: Any, *, method: str, **inputs: torch.Tensor) -> torch.Tensor:
    return getattr(model, f"get_{method}_features")(**inputs).pooler_output
