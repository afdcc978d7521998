"""X-vectors of transformers: utterances → speaker embeddings, such as those of WavLM (512-d)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from srmm.encoders.base import EncoderAbout
from srmm.encoders.hub import load_pretrained, local_or_hub
from srmm.encoders.pretrained import check_complete
from srmm.encoders.waveforms import WaveformEncoder
from srmm.errors import InputError

if TYPE_CHECKING:
    import torch

_UNUSED = ("objective", "classifier", "masked_spec_embed")
"""Parts of the model, by a word in their names, that only training uses."""


class XVectorEncoder(WaveformEncoder):
    """The embeddings of any model for speaker verification of transformers, at their own scale.

    WavLM, Wav2Vec2, UniSpeech-SAT and Data2Vec with an x-vector head. Utterances go through the
    model's own feature extractor.

    Parameters
    ----------
    name : str
        A model at the hub, "microsoft/wavlm-base-plus-sv" (512 numbers), or a folder.
    """

    def __init__(self, name: str, *, kind: str = "audio", device: str | None = None) -> None:
        name = local_or_hub(name)
        model = load_pretrained(name, lambda local: _load(name, local))
        super().__init__(name, model, _x_vectors, kind=kind, device=device)
        self.embedding_dim = int(model.config.xvector_output_dim)
        self.settings = {
            "spec": f"xvector:{name}",
            **self.settings,
            "output": "x-vectors, not scaled",
        }


ABOUT = EncoderAbout(
    name="xvector:NAME",
    good_for="speakers",
    embedding_dim="the model's (512 for microsoft/wavlm-base-plus-sv)",
    description="any speaker verification model of transformers: WavLM, UniSpeech-SAT, …",
    preprocessing="the model's own, of at most 30 s",
    source="https://huggingface.co, e.g. xvector:microsoft/wavlm-base-plus-sv; or a folder",
    licence="Apache-2.0 (code), the model's (weights)",
    needs_network="once, to download the weights",
    classes={"audio": XVectorEncoder, "voice": partial(XVectorEncoder, kind="voice")},
)


def _x_vectors(model: Any, samples: torch.Tensor) -> torch.Tensor:
    return model(samples).embeddings


def _load(name: str, local: bool) -> Any:
    import torch
    from transformers import AutoModelForAudioXVector

    try:
        model, loading = AutoModelForAudioXVector.from_pretrained(
            name, dtype=torch.float32, local_files_only=local, output_loading_info=True
        )
    except ValueError as error:
        if "configuration class" not in str(error):
            raise
        raise InputError(
            f"{name!r} is not a model that makes x-vectors; 'xvector:' needs one for speaker "
            "verification, e.g. microsoft/wavlm-base-plus-sv."
        ) from None
    remedy = "Choose a model trained for speaker verification (its name often ends in '-sv')."
    check_complete(name, model, loading["missing_keys"], _UNUSED, remedy)
    return model.eval().requires_grad_(False)
