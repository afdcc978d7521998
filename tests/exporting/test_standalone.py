"""What lies beside an exported model refuses what srmm refuses, where the graph would answer."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srmm.data.broken import UnreadableItem
from srmm.data.items import MIN_FACE_PIXELS, ItemReader
from srmm.data.limits import LIMITS
from srmm.data.missing import described, parse_missing
from srmm.exporting.standalone import encode
from srmm.exporting.standalone.encode import (
    embed_all,
    named_items,
    picture_at,
    pixels,
    stands_for_nothing,
)
from srmm.exporting.standalone.predict import checked
from srmm.files import listed
from tests.data.test_items import png

MODALITIES = {"image": {"size": 2}, "text": {"size": 3}}


def test_embeddings_that_the_graph_would_take_for_something_else() -> None:
    image = np.ones((2, 2))
    rows = checked({"image": image}, MODALITIES)
    assert rows["image"].dtype == np.float32
    assert np.isnan(checked({"image": [[np.nan] * 2]}, MODALITIES)["image"]).all()
    for given, words in [
        ({}, "There is no item: give one at least, of image, text"),
        ({"imgae": image}, "no modality 'imgae'; there are image, text"),
        ({"image": np.ones((2, 3))}, r"image is of shape \(2, 3\), expected \(n, 2\)"),
        ({"image": np.ones(2)}, r"image is of shape \(2,\)"),
        ({"image": [[1, 1], [np.nan, 1]]}, "Row 1 of image is partly NaN or infinite"),
        ({"image": np.ma.masked_equal([[1.0, 2.0]], 2.0)}, "image is a masked array: fill it"),
        ({"image": [[1j, 2]]}, r"image must hold rows of numbers of one length \(dtype complex128"),
        ({"image": np.zeros((1, 2), "M8[D]")}, r"image must hold .* \(dtype datetime64"),
        ({"image": [["a", "b"]]}, "image must hold rows of numbers of one length"),
        ({"image": [[1], [1, 2]]}, "image must hold rows of numbers of one length"),
        ({"image": [[np.inf, np.inf]]}, "Row 0 of image is partly NaN or infinite"),
        ({"image": image, "text": np.ones((3, 3))}, "one row per instance, got {'image': 2"),
    ]:
        with pytest.raises(ValueError, match=words):
            checked(given, MODALITIES)


def test_words_of_the_command_line() -> None:
    assert named_items(["image=a=b.jpg", "text= "]) == {"image": "a=b.jpg"}
    with pytest.raises(ValueError, match=r"Expected NAME=ITEM, such as image=shoe.jpg, got 'shoe'"):
        named_items(["shoe"])
    with pytest.raises(ValueError, match="image is given twice: 'a' and 'b'"):
        named_items(["image=a", "image=b"])


def test_what_is_transparent_is_white_as_in_training(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert picture_at(str(tmp_path / "clear.png")).getpixel((0, 0)) == (255, 255, 255)
    Image.fromarray(np.full((2, 2), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match=r"deep.png has more than 8 bits"):
        picture_at(str(tmp_path / "deep.png"))


def test_a_transparent_colour_of_other_bits_and_a_bomb_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "grey.png").write_bytes(png(2, 0, [1, 2, 3, 0], [1]))
    with pytest.raises(ValueError, match=r"grey.png is not of 8 bits: save it with 8"):
        picture_at(str(tmp_path / "grey.png"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    with pytest.raises(ValueError, match="could be decompression bomb"):
        picture_at(str(tmp_path / "grey.png"))


def written(folder: Path, kind: str, missing: str = "auto") -> None:
    """An export of one modality, called as its kind, that has no graph."""
    about = {
        "modalities": {kind: {"encoder": {"kind": kind, "prepare": {"before": ""}}}},
        "missing": described(missing),
    }
    (folder / "srmm.json").write_text(json.dumps(about))


@pytest.mark.parametrize("missing", ["auto", "none", "unknown,-999", "auto,unknown,-999,0.5"])
def test_what_stands_for_nothing_is_what_srmm_takes_for_it(missing: str) -> None:
    is_marker = parse_missing(missing)
    cells = [
        "N/A", " nan ", "n/a".ljust(40), "--", "- -", "?", "None of them", "unknown", "UNKNOWN ",
        "-999", "-999.0", "999", ".5", "0,5", "TBD", "(null)", "x", "_", "1e400",
    ]  # fmt: skip
    told = described(missing)
    for cell in cells[:-6] + cells[-5:]:  # "0,5" is a number to those who write it so
        assert stands_for_nothing(cell, told) == bool(is_marker(cell)), cell


def test_what_stands_for_nothing_is_absent_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """It would be embedded as a text; and of pictures, looked for as a file."""
    for kind in ("text", "image"):
        written(tmp_path, kind)
        assert embed_all(tmp_path, {kind: "N/A"}) == {}
        assert f"note: {kind} is absent: 'N/A' stands for nothing." in capsys.readouterr().err


def test_the_limits_are_those_of_srmm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LIMITS["SRMM_MAX_PIXELS"].usual == encode.MOST_PIXELS
    assert LIMITS["SRMM_MAX_TEXT_BYTES"].usual == encode.MOST_TEXT_BYTES
    assert encode.LEAST_FACE_PIXELS == MIN_FACE_PIXELS
    Image.new("RGB", (20, 15)).save(tmp_path / "small.png")
    written(tmp_path, "face")
    with pytest.raises(ValueError, match="face has 20 × 15 pixels, too few for a face"):
        embed_all(tmp_path, {"face": str(tmp_path / "small.png")})
    monkeypatch.setattr(encode, "MOST_PIXELS", 299)
    with pytest.raises(ValueError, match=r"small\.png has 20 × 15 pixels, more than 299 in all"):
        picture_at(str(tmp_path / "small.png"))
    written(tmp_path, "text")
    monkeypatch.setattr(encode, "MOST_TEXT_BYTES", 10)
    with pytest.raises(ValueError, match="text is a text of 12 bytes, more than 10"):
        embed_all(tmp_path, {"text": "é" * 6})


def test_pictures_that_srmm_refuses(tmp_path: Path) -> None:
    """A program is not run, a small preview is not taken for the picture, damage has one error."""
    picture = Image.new("RGB", (30, 20), "red")
    picture.save(tmp_path / "program.eps")
    picture.save(tmp_path / "preview.tif", tiffinfo={0xFE: 1})
    picture.save(tmp_path / "raw.tif", tiffinfo={0xC612: b"\1\4\0\0"})
    whole = io.BytesIO()
    picture.save(whole, "DDS")
    data = bytearray(whole.getvalue())
    data[80:84] = (1 << 30).to_bytes(4, "little")  # a pixel format that nobody knows
    (tmp_path / "odd.dds").write_bytes(data)
    (tmp_path / "page.png").write_text("<!doctype html>")
    picture.convert("L").save(tmp_path / "grey.tif")
    Image.open(tmp_path / "grey.tif").save(tmp_path / "signed.tif", tiffinfo={339: 2})
    for name, words in [
        ("program.eps", "is a PostScript program, which is not run"),
        ("preview.tif", "is a camera's RAW file"),
        ("raw.tif", "is a camera's RAW file"),
        ("odd.dds", r"odd.dds is not a picture that Pillow reads \(Unknown pixel format"),
        ("page.png", "page.png is not a picture that Pillow reads"),
        ("signed.tif", "signed.tif has signed pixels"),
    ]:
        with pytest.raises(ValueError, match=words):
            picture_at(str(tmp_path / name))
        with pytest.raises(UnreadableItem):
            ItemReader().image(tmp_path / name)


def test_vectors_that_are_none(tmp_path: Path) -> None:
    np.save(tmp_path / "good.npy", np.ones((1, 3)))
    assert encode.vector_at(str(tmp_path / "good.npy")).shape == (1, 3)
    np.save(tmp_path / "many.npy", np.ones((2, 3)))
    (tmp_path / "empty.npy").write_bytes(b"")
    np.savez(tmp_path / "several.npz", a=np.ones(3))
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    for name, words in [
        ("many.npy", "many.npy does not hold one vector"),
        ("empty.npy", "empty.npy is not an array that NumPy reads"),
        ("several.npy", "several.npy does not hold one vector"),
    ]:
        with pytest.raises(ValueError, match=words):
            encode.vector_at(str(tmp_path / name))


def test_a_file_that_has_changed_is_named(tmp_path: Path) -> None:
    (tmp_path / "classifier.onnx").write_bytes(b"graph")
    (tmp_path / "srmm.json").write_text(json.dumps({"files": listed(tmp_path)}))
    encode.check_files(tmp_path)
    (tmp_path / "classifier.onnx").write_bytes(b"grapf")
    with pytest.raises(ValueError, match=r"classifier.onnx has changed since it was exported"):
        encode.check_files(tmp_path)


def test_a_text_of_another_encoding_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "text")
    with pytest.raises(ValueError, match="text is not valid Unicode text: 'caf"):
        embed_all(tmp_path, {"text": "caf\udce9"})


def test_the_longer_side_is_rounded_as_image_processors_do() -> None:
    how = {"size": None, "shorter": 224, "crop": None, "filter": 2, "scale": None, "mean": None,
           "channels_first": False}  # fmt: skip
    assert pixels(Image.new("RGB", (90, 5)), how).shape == (224, 4032, 3)  # 90 · (224 / 5) < 4032


@pytest.mark.workflow
@pytest.mark.parametrize(
    "loading",
    ["srmm.encoders.engines, onnxruntime", "srmm.exporting.standalone.predict",
     "srmm.exporting.standalone.encode"],
)  # fmt: skip
def test_onnx_runtime_does_not_report_its_use(tmp_path: Path, loading: str) -> None:
    """It would begin to where it is loaded, with a number for the session in a file."""
    code = f"import {loading}; import os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    env = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**env, "TMPDIR": str(tmp_path)}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == "1"
    assert not (tmp_path / ".ses").exists()
