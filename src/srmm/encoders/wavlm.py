"""WavLM, HuBERT and wav2vec 2.0: recordings → the mean of what the network hears in each moment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from srmm.data.audio import Audio
from srmm.encoders.base import EncoderAbout, pick_device, weights_digest
from srmm.encoders.hub import local_or_hub
from srmm.encoders.network import Network
from srmm.encoders.pretrained import load_network
from srmm.encoders.waveforms import Waveforms, by_length

if TYPE_CHECKING:
    import torch

_TYPES = ("wavlm", "hubert", "wav2vec2", "wav2vec2-conformer", "unispeech-sat", "data2vec-audio")


class WavLMEncoder:
    """The states of the last layer, averaged over time.

    The model's own feature extractor makes the input; of recordings over 30 s the middle is heard.

    Parameters
    ----------
    name : str
        A model at the hub, "microsoft/wavlm-base-plus" (768 numbers), or a folder.
    kind : {"audio", "voice"}
    """

    def __init__(self, name: str, *, kind: str = "audio", device: str | None = None) -> None:
        self.kind = kind
        name = local_or_hub(name)
        device = device or pick_device()
        model = load_network(name, "wavlm", _TYPES, unused=("masked_spec_embed",)).to(device)
        self._waveforms = Waveforms(name)
        self.limit = self._waveforms.limit
        self.embedding_dim = int(model.config.hidden_size)
        self.batch_size = 4 if device == "cpu" else 32
        self.settings: dict[str, Any] = {
            "spec": f"wavlm:{name}",
            "weights": weights_digest(model),
            "preprocessing": self._waveforms.settings,
            "output": "mean over time of the last layer",
        }
        self.network = Network(model, _mean_state, device=device)

    def prepare(self, item: Audio) -> np.ndarray:
        """A recording → the samples that the model hears, float32 of shape (n,)."""
        return self._waveforms(item)

    def is_cut(self, item: Audio) -> bool:
        """Whether only the middle of the recording is heard."""
        return self._waveforms.is_cut(item)

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n recordings of any lengths → float32 of shape (n, embedding_dim)."""
        return by_length(self.network, prepared, self.embedding_dim)


ABOUT = EncoderAbout(
    name="wavlm:NAME",
    good_for="speech: what is said, how, and by whom",
    embedding_dim="the model's (768 for microsoft/wavlm-base-plus)",
    description="any WavLM, HuBERT, wav2vec 2.0, UniSpeech-SAT or data2vec of transformers: mean "
    "state",
    preprocessing="the model's own, of at most 30 s",
    source="https://huggingface.co, e.g. wavlm:microsoft/wavlm-base-plus; or a folder",
    licence="Apache-2.0 (code), the model's (weights)",
    needs_network="once, to download the weights",
    classes={"audio": WavLMEncoder, "voice": partial(WavLMEncoder, kind="voice")},
)


def _mean_state(model: Any, samples: torch.Tensor) -> torch.Tensor:
    return model(samples).last_hidden_state.mean(dim=1)  # (n, d) of (n, steps, d)
