"""The encoders that `srmm` knows by name: files here, and in other packages, with an `ABOUT`.

No file directly in this folder imports torch before it has to: listing encoders is fast, and a
network is loaded when its encoder is.
"""

from __future__ import annotations

from pathlib import Path

from srmm.data.modality import KINDS
from srmm.encoders.base import PARTS, Encoder, EncoderAbout, ExplainedEncoder, FittableEncoder
from srmm.errors import InputError, did_you_mean, one_of
from srmm.registry import Registry

__all__ = [
    "Encoder",
    "EncoderAbout",
    "ExplainedEncoder",
    "FittableEncoder",
    "available_encoders",
    "default_encoder",
    "encoder_kind",
    "fitted_folder",
    "is_encoder",
    "kind_of",
    "learns_from_items",
    "load_encoder",
]


_REGISTRY = Registry("encoder", "srmm.encoders", EncoderAbout)


def available_encoders() -> dict[str, EncoderAbout]:
    """What there is, defaults first: name → kinds of items, size, description, source, licence."""
    abouts = [entry.about for entry in _REGISTRY.entries().values()]
    return {about.name: about for about in sorted(abouts, key=lambda about: not about.default)}


def default_encoder(kind: str) -> str:
    """The encoder of a kind of items where none is named.

    >>> default_encoder("text")
    'minilm'
    """
    one_of("The kind of items", kind, KINDS)
    abouts = available_encoders().values()
    return next(about.name for about in abouts if kind in about.default)


def encoder_kind(spec: str, called: str = "") -> str | None:
    """The kind of items an encoder reads; None if it reads several, as "clip:…" does.

    Of several it is what the modality is `called`, if that is one of them, or the usual one. A
    voice is read as any sound is: an encoder of both is one of "audio".
    """
    about = _find(spec)
    if called in about.kinds or about.usual_kind:
        return called if called in about.kinds else about.usual_kind
    kinds = tuple(kind for kind in about.kinds if kind != "voice")
    return kinds[0] if len(kinds) == 1 else None


def is_encoder(spec: object) -> bool:
    """Whether it is a name that `load_encoder` takes.

    >>> is_encoder("minilm"), is_encoder("word2vec"), is_encoder(None)
    (True, False, False)
    """
    try:
        return isinstance(spec, str) and bool(_find(spec))
    except InputError:
        return False


def kind_of(modality: str, spec: str | None) -> str:
    """The kind of a modality's items by its encoder, or else by its name; of any other "features".

    >>> kind_of("title", "minilm"), kind_of("text", None), kind_of("speed", None)
    ('text', 'text', 'features')
    """
    kind = encoder_kind(spec, modality) if spec else None
    return kind or (modality if modality in KINDS else "features")


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
    return f"{spec}:FOLDER" in _REGISTRY.entries()


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
    about = _find(spec)
    one_of("The kind of items", kind, KINDS)
    if kind not in about.kinds:
        fitting = [name for name, other in available_encoders().items() if kind in other.kinds]
        remedy = f"Encoders of {kind}: {', '.join(fitting)}." if fitting else "There is none yet."
        raise InputError(
            f"The encoder {spec!r} reads {' and '.join(about.kinds)} items, not {kind}. {remedy}"
        )
    make = about.classes[kind]
    _, colon, name = spec.partition(":")
    encoder = make(name) if colon else make()
    lacking = [each for each in PARTS if not hasattr(encoder, each)]
    if lacking:
        raise InputError(
            f"The encoder {spec!r} ({type(encoder).__name__}) has no {', '.join(lacking)}; "
            f"srmm.encoders.Encoder says what each part is. Mend it, or choose another encoder."
        )
    return encoder


def _find(spec: str) -> EncoderAbout:
    """The encoder that a spec names, which may be with a model, a file or a folder."""
    encoders = available_encoders()
    prefix, colon, name = spec.partition(":")
    wanted = [f"{prefix}:{what}" for what in ("NAME", "FILE", "FOLDER")] if colon else [spec]
    for about in (encoders[known] for known in wanted if known in encoders):
        if name or not colon:
            return about
    if f"{prefix}:FILE" in encoders:
        raise InputError(
            f"The encoder {spec!r} needs a file with its weights: '{prefix}:FILE'. "
            f"They come from {encoders[f'{prefix}:FILE'].source}."
        )
    if f"{prefix}:NAME" in encoders:
        raise InputError(
            f"The encoder {spec!r} needs the name of a model at the Hugging Face hub, or a folder: "
            f"'{prefix}:OWNER/NAME'."
        )
    raise InputError(f"The encoder is {spec!r}, which is unknown. {did_you_mean(spec, encoders)}")
