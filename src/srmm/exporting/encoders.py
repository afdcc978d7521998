"""Encoders as graphs, with what is done to an item before, as far as plain code can do it."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from srmm.data.modality import PICTURE_KINDS
from srmm.encoders import Encoder, load_encoder
from srmm.encoders.network import networks_of
from srmm.encoders.onnx_engine import NotExportableError, in_onnx_runtime, made_up_items
from srmm.errors import InputError, MissingExtraError
from srmm.exporting.standalone.encode import embed

FOLDER = "encoders"
SAME = 1e-3
"""Largest relative difference, in the Euclidean norm, of an item's embedding."""


def export_encoder(spec: str, kind: str, name: str, folder: Path) -> tuple[dict[str, Any], str]:
    """What srmm.json says of the encoder of modality `name`, and a note on what is lacking, or "".

    Its graph is written to `folder` / "encoders". The description has "graph", null if the encoder
    is not exported; and "prepare", null if only srmm prepares its items.
    """
    about: dict[str, Any] = {"name": spec, "kind": kind, "graph": None, "prepare": None}
    try:
        encoder = load_encoder(spec, kind)
    except (InputError, MissingExtraError) as error:
        return about, f"{name}: its encoder is not exported ({error})"
    about["settings"] = {k: v for k, v in encoder.settings.items() if k != "spec"}
    why = _write_network(encoder, about, name, folder)
    if why:
        return about, f"{name}: its encoder {spec!r} is not exported ({why}). Give embeddings."
    try:
        about["prepare"] = _prepared(encoder, about, name, folder)
    except _UnlikeError as error:
        _tokenizer_file(folder, name).unlink(missing_ok=True)
        return about, (
            f"{name}: the network of {spec!r} is exported, what comes before it is not ({error}). "
            f"Prepare items as srmm does, or give embeddings."
        )
    return about, ""


class _UnlikeError(Exception):
    """Why plain code does not prepare items as the encoder does."""


def _write_network(encoder: Encoder, about: dict[str, Any], name: str, folder: Path) -> str:
    if len(networks_of(encoder)) != 1:
        return "it is no single network"
    try:
        (network,) = in_onnx_runtime(encoder).values()
    except NotExportableError as error:
        return str(error)
    about["graph"] = f"{FOLDER}/{name}.onnx"
    (folder / FOLDER).mkdir(exist_ok=True)
    shutil.copyfile(network.file, folder / about["graph"])
    return ""


def _prepared(encoder: Encoder, about: dict[str, Any], name: str, folder: Path) -> dict[str, Any]:
    """The "prepare" of srmm.json, with which plain code was seen to give the same embeddings."""
    if encoder.kind == "text":
        how = _text(encoder, name, folder)
    elif encoder.kind in PICTURE_KINDS:
        how = _picture(encoder)
    else:
        raise _UnlikeError(f"items of kind {encoder.kind!r} are prepared by srmm alone")
    for items in made_up_items(encoder.kind):
        expected = encoder.encode([encoder.prepare(item) for item in items])
        try:
            got = embed(folder, {**about, "prepare": how}, items)
        except Exception as error:  # whatever a model's own preparation lacks or has too much
            raise _UnlikeError(f"{type(error).__name__}: {str(error)[:100]}") from error
        apart = np.linalg.norm(got - expected, axis=1) / np.linalg.norm(expected, axis=1)
        if not apart.max() <= SAME:
            raise _UnlikeError(f"plain code gives embeddings {apart.max():.1e} apart")
    return how


def _text(encoder: Any, name: str, folder: Path) -> dict[str, Any]:
    tokenizer = getattr(getattr(encoder, "model", None), "tokenizer", None)
    tokenizer = tokenizer or getattr(encoder, "_tokenizer", None)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    settings = encoder.settings["preprocessing"]
    if tokenizer is None or backend is None:
        raise _UnlikeError("its tokenizer has no file of its own")
    backend = copy.deepcopy(backend)
    backend.enable_truncation(settings["max_tokens"])
    whole = settings["max_tokens"] if settings.get("padding") == "max_length" else None
    backend.enable_padding(
        pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token, length=whole
    )
    backend.save(str(_tokenizer_file(folder, name)))
    return {
        "tokenizer": f"{FOLDER}/{name}.tokenizer.json",
        "before": encoder.settings.get("prompt") or "",
    }


def _tokenizer_file(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{name}.tokenizer.json"


def _picture(encoder: Any) -> dict[str, Any]:
    settings = encoder.settings["preprocessing"]
    how: dict[str, Any] = {
        "input": "pixels",
        "size": None,
        "shorter": None,
        "crop": None,
        "filter": int(Image.Resampling.BILINEAR),
        "scale": None,
        "mean": None,
        "std": None,
        "channels_first": False,
    }
    if settings.get("resize") == "bilinear":
        return how | {"size": list(settings["size"])}
    size = settings.get("size") or {}
    if "shortest_edge" in size:
        how["shorter"] = size["shortest_edge"]
    elif "height" in size:
        how["size"] = [size["height"], size["width"]]
    else:
        raise _UnlikeError("it says no size of pictures")
    if settings.get("do_center_crop"):
        how["crop"] = [settings["crop_size"]["height"], settings["crop_size"]["width"]]
    return how | {
        "input": _pixels_of(encoder),
        "filter": int(settings.get("resample", how["filter"])),
        "scale": settings.get("rescale_factor") if settings.get("do_rescale") else None,
        "mean": settings.get("image_mean") if settings.get("do_normalize") else None,
        "std": settings.get("image_std") if settings.get("do_normalize") else None,
        "channels_first": True,
    }


def _pixels_of(encoder: Encoder) -> str:
    """What its network calls pictures."""
    (network,) = in_onnx_runtime(encoder).values()
    (name,) = network.names
    return name
