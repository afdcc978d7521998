"""Raw pictures and texts → embeddings, by the graphs that lie beside this file.

Needs numpy and onnxruntime; for pictures pillow, for texts tokenizers.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it else reports its use
import onnxruntime


def named_items(words: list[str]) -> dict[str, str]:
    """["image=shoe.jpg", …] → {modality: item}; one without an item, "text=", is absent."""
    items: dict[str, str] = {}
    for word in words:
        name, sign, item = word.partition("=")
        if not sign:
            raise ValueError(f"Expected NAME=ITEM, such as image=shoe.jpg, got {word!r}.")
        if name in items:
            raise ValueError(f"{name} is given twice: {items[name]!r} and {item!r}.")
        items[name] = item
    return {name: item for name, item in items.items() if item.strip()}


def embed_all(folder: Path, items: dict[str, Any]) -> dict[str, np.ndarray]:
    """{modality: a path of a picture, a text, or a path ending in .npy} → {modality: (1, d)}."""
    about = json.loads((Path(folder) / "srmm.json").read_text(encoding="utf-8"))
    embeddings = {}
    for name, item in items.items():
        if name not in about["modalities"]:
            raise ValueError(
                f"There is no modality {name!r}; there are {list(about['modalities'])}."
            )
        if str(item).endswith(".npy"):
            embeddings[name] = np.load(item, allow_pickle=False).reshape(1, -1)
            continue
        encoder = about["modalities"][name]["encoder"]
        if not (encoder and encoder.get("prepare")):
            raise ValueError(
                f"{name}: no encoder is exported for it; give a vector, {name}=FILE.npy."
            )
        if encoder["kind"] != "text":
            item = picture_at(item)
        elif any("\ud800" <= letter <= "\udfff" for letter in item):
            raise ValueError(f"{name} is not valid Unicode text: {item!r:.200}.")
        embeddings[name] = embed(folder, encoder, [item])
    return embeddings


def picture_at(path: str) -> Any:
    """The picture in a file, upright and as RGB; what is transparent is white, as in training."""
    from PIL import Image, ImageOps

    try:
        opened = Image.open(path)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path}: {error}") from None
    scaled = opened.tile and opened.tile[0][3] in ("L;2", "L;4", "RGB;16B")
    if scaled and "transparency" in opened.info:  # a colour of other bits than the pixels get
        raise ValueError(f"{path} is not of 8 bits: save it with 8, or use srmm itself.")
    picture = ImageOps.exif_transpose(opened)
    if picture.mode == "F" or picture.mode.startswith("I"):
        raise ValueError(f"{path} has more than 8 bits: save it with 8, or use srmm itself.")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def embed(folder: Path, encoder: dict[str, Any], items: list[Any]) -> np.ndarray:
    """Texts, or RGB pictures of Pillow, → (n, d), as `encoder` (of srmm.json) says."""
    session = onnxruntime.InferenceSession(str(Path(folder) / encoder["graph"]))
    how = encoder["prepare"]
    if encoder["kind"] == "text":
        arrays = tokens(Path(folder) / how["tokenizer"], [how["before"] + text for text in items])
    else:
        arrays = {how["input"]: np.stack([pixels(item, how) for item in items])}
    read = {one.name for one in session.get_inputs()}
    given = {name: x for name, x in arrays.items() if name in read}
    return np.asarray(session.run(None, given)[0])


def tokens(path: Path, texts: list[str]) -> dict[str, np.ndarray]:
    """What a tokenizer makes of texts; its file says where it cuts and how it pads."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(path)).encode_batch(texts)
    return {
        "input_ids": np.array([one.ids for one in found]),
        "attention_mask": np.array([one.attention_mask for one in found]),
        "token_type_ids": np.array([one.type_ids for one in found]),
    }


def pixels(picture: Any, how: dict[str, Any]) -> np.ndarray:
    """An RGB picture → uint8, or float32 if it is scaled, (height, width, 3) or channels first."""
    size, shorter = how["size"], how["shorter"]
    if shorter:  # the shorter side becomes that long
        size = [shorter * side // min(picture.size) for side in picture.size[::-1]]
    x = np.asarray(picture.resize(size[::-1], how["filter"]))
    if how["crop"]:
        crop = how["crop"]
        top, left = ((side - kept) // 2 for side, kept in zip(x.shape, crop, strict=False))
        x = x[top : top + crop[0], left : left + crop[1]]
    if how["scale"]:
        x = x.astype(np.float32) * np.float32(how["scale"])
    if how["mean"]:
        x = (x - np.float32(how["mean"])) / np.float32(how["std"])
    return x.transpose(2, 0, 1) if how["channels_first"] else x
