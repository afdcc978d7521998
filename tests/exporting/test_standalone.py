"""What lies beside an exported model refuses what srmm refuses, where the graph would answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srmm.exporting.standalone.encode import embed_all, named_items, picture_at, pixels
from srmm.exporting.standalone.predict import checked
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


def test_a_text_of_another_encoding_is_refused(tmp_path: Path) -> None:
    about = {"modalities": {"text": {"encoder": {"kind": "text", "prepare": {"before": ""}}}}}
    (tmp_path / "srmm.json").write_text(json.dumps(about))
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
