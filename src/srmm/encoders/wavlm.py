"""WavLM, HuBERT and wav2vec 2.0: recordings → the mean of what the network hears in each moment."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from srmm.encoders.base import EncoderAbout
from srmm.encoders.hub import local_or_hub
from srmm.encoders.pretrained import load_network
from srmm.encoders.waveforms import WaveformEncoder

if TYPE_CHECKING:
    import torch

_TYPES = ("wavlm", "hubert", "wav2vec2", "wav2vec2-conformer", "unispeech-sat", "data2vec-audio")


class WavLMEncoder(WaveformEncoder):
    """The states of the last layer, averaged over time.

    The model's own feature extractor makes the input; of recordings over 30 s the middle is heard.

    Parameters
    ----------
    name : str
        A model at the hub, "microsoft/wavlm-base-plus" (768 numbers), or a folder.
    kind : {"audio", "voice"}
    """

    def __init__(self, name: str, *, kind: str = "audio", device: str | None = None) -> None:
        name = local_or_hub(name)
        model = load_network(name, "wavlm", _TYPES, unused=("masked_spec_embed",))
        super().__init__(name, model, _mean_state, kind=kind, device=device)
        self.embedding_dim = int(model.config.hidden_size)
        self.settings = {
            "spec": f"wavlm:{name}",
            **self.settings,
            "output": "mean over time of the last layer",
        }


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
