"""Raw pictures and texts → embeddings, by the graphs that lie beside this file.

Needs numpy and onnxruntime; for pictures pillow, for texts tokenizers.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it else reports its use
import onnxruntime

MOST_PIXELS, MOST_TEXT_BYTES, LEAST_FACE_PIXELS = 89_478_485, 1_000_000, 16
"""What srmm takes, beyond which an item is broken."""
_DNG_VERSION, _SUBFILE_TYPE, _REDUCED = 0xC612, 0xFE, 1
_SAMPLE_FORMAT, _SIGNED = 0x153, 2


def check_files(folder: Path) -> None:
    """ValueError naming the first file of the export that is not as it was written."""
    about = json.loads((folder / "srmm.json").read_text(encoding="utf-8"))
    for name, entry in about["files"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != entry["sha256"]:
            raise ValueError(f"{folder / name} has changed since it was exported: export it again.")


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
    """{modality: a path of a picture, a text, or a path ending in .npy} → {modality: (1, d)}.

    What stood for nothing in training ("N/A") is absent, and said.
    """
    about = json.loads((Path(folder) / "srmm.json").read_text(encoding="utf-8"))
    embeddings = {}
    for name, item in items.items():
        if name not in about["modalities"]:
            raise ValueError(
                f"There is no modality {name!r}; there are {list(about['modalities'])}."
            )
        if str(item).endswith(".npy"):
            embeddings[name] = vector_at(item)
            continue
        encoder = about["modalities"][name]["encoder"]
        if not (encoder and encoder.get("prepare")):
            raise ValueError(
                f"{name}: no encoder is exported for it; give a vector, {name}=FILE.npy."
            )
        if stands_for_nothing(str(item), about["missing"]):
            print(f"note: {name} is absent: {item!r} stands for nothing.", file=sys.stderr)
            continue
        opened = checked_text(name, item) if encoder["kind"] == "text" else picture_at(item)
        if encoder["kind"] == "face":
            check_face(name, opened)
        embeddings[name] = embed(folder, encoder, [opened])
    return embeddings


def stands_for_nothing(text: str, missing: dict[str, Any]) -> bool:
    """Whether a text is blank or was a marker of what is missing in training ("missing")."""
    word = text.strip().lower()
    if not word or word in missing["texts"] or set(text) <= set(missing["signs"]):
        return True
    try:
        return float(word) in missing["numbers"]
    except ValueError:
        return False


def checked_text(name: str, text: str) -> str:
    """The text; ValueError if it is none that srmm takes."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{name} is not valid Unicode text: {text!r:.200}.") from None
    if size > MOST_TEXT_BYTES:
        raise ValueError(f"{name} is a text of {size:,} bytes, more than {MOST_TEXT_BYTES:,}.")
    return text


def check_face(name: str, face: Any) -> None:
    """ValueError for a face that is too small to be told from another."""
    if min(face.size) < LEAST_FACE_PIXELS:
        raise ValueError(f"{name} has {face.width} × {face.height} pixels, too few for a face.")


def vector_at(path: str) -> np.ndarray:
    """The embedding in a .npy file, (d,) or (1, d) → (1, d)."""
    try:
        vector = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise
    except Exception as error:  # of a damaged file anything
        raise ValueError(f"{path} is not an array that NumPy reads ({error}).") from None
    if not isinstance(vector, np.ndarray) or vector.ndim not in (1, 2) or vector.shape[:-1] > (1,):
        raise ValueError(f"{path} does not hold one vector: give an array of shape (d,).")
    return vector.reshape(1, -1)


def picture_at(path: str) -> Any:
    """The picture in a file, upright and as RGB; what is transparent is white, as in training.

    ValueError for whatever srmm refuses.
    """
    from PIL import Image

    with Path(path).open("rb") as file:
        head = file.read(10)
        file.seek(0)
        try:
            opened = Image.open(file)
            _check_kind(path, opened, head)
            opened.load()
        except ValueError:
            raise
        except Exception as error:  # a decoder given damaged bytes raises anything
            raise ValueError(f"{path} is not a picture that Pillow reads ({error}).") from None
        return _as_rgb(path, opened)


def _check_kind(path: str, opened: Any, head: bytes) -> None:
    if opened.format == "EPS":  # Pillow would run the program that it is
        raise ValueError(f"{path} is a PostScript program, which is not run: save it as PNG.")
    tags = getattr(opened, "tag_v2", {}) if opened.format == "TIFF" else {}
    small = _DNG_VERSION in tags or tags.get(_SUBFILE_TYPE, 0) & _REDUCED
    if small or (head.startswith(b"II*\0") and head[8:10] == b"CR"):
        raise ValueError(f"{path} is a camera's RAW file: develop it, i.e. save it as JPEG.")
    if opened.width * opened.height > MOST_PIXELS:
        raise ValueError(
            f"{path} has {opened.width:,} × {opened.height:,} pixels, more than {MOST_PIXELS:,} in "
            "all: make it smaller."
        )
    if _SIGNED in tags.get(_SAMPLE_FORMAT, ()):
        raise ValueError(f"{path} has signed pixels: save it with 8 bits, unsigned.")
    scaled = opened.tile and opened.tile[0][3] in ("L;2", "L;4", "RGB;16B")
    if scaled and "transparency" in opened.info:  # a colour of other bits than the pixels get
        raise ValueError(f"{path} is not of 8 bits: save it with 8, or use srmm itself.")


def _as_rgb(path: str, opened: Any) -> Any:
    from PIL import Image, ImageOps

    if opened.mode == "F" or opened.mode.startswith("I"):
        raise ValueError(f"{path} has more than 8 bits: save it with 8, or use srmm itself.")
    try:
        picture = ImageOps.exif_transpose(opened)
    except Exception:  # of damaged EXIF: the picture itself is fine
        picture = opened
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
