"""Items given by URLs, and pictures given as pixels."""

from __future__ import annotations

import base64
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from srmm.data.addresses import Unfetched, local_item
from srmm.data.broken import UnreadableItem
from srmm.data.items import ItemReader
from srmm.data.pixels import picture_of_array
from srmm.data.table import read_table


def reason(url: str) -> str:
    with pytest.raises(UnreadableItem) as caught:
        ItemReader().read_bytes(url)
    return str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "data:text/plain;base64,8J+ZgiE=",
        "DATA:;BASE64,8J+ZgiE",
        "data:;base64,8J%2BZ%0A giE%3D",
        "data:text/plain;charset=utf-8,%F0%9F%99%82!",
        "data:,🙂!",
    ],
)
def test_what_data_urls_hold(url: str) -> None:
    assert local_item(url) == ItemReader().read_bytes(url) == "🙂!".encode()


def test_file_urls_and_what_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "red shoe.txt").write_bytes(b"x")
    for start in ("file://", "file://localhost", "FILE://"):
        assert ItemReader().read_bytes(f"{start}{tmp_path}/red%20shoe.txt") == b"x"
    assert reason("file://other/x.jpg") == "is a file on the machine 'other', not on this one"
    assert "not base64" in reason("data:;base64,a*b")
    assert "without a comma" in reason("data:image/png")
    assert reason("https://a.b/c").endswith("(or fetch all of them: --download FOLDER)")
    kept = pickle.loads(pickle.dumps(Unfetched("https://a.b/c", "could not be fetched: 404")))
    assert (kept, reason(kept)) == ("https://a.b/c", "could not be fetched: 404")


def test_urls_in_a_table(tmp_path: Path) -> None:
    picture = Image.new("RGB", (2, 1), "red")
    picture.save(tmp_path / "red.png")
    data = base64.b64encode((tmp_path / "red.png").read_bytes()).decode()
    cells = [f"data:image/png;base64,{data}", f"file://{tmp_path}/red.png", "data:broken"]
    frame = pd.DataFrame({"photo": cells, "same": cells, "name": ["red", None, "red"]})
    table = read_table(frame, image="photo", text="title=same")
    assert table.items["title"].tolist() == cells  # a text is a text
    with ItemReader() as reader:
        for item in table.items["image"][:2]:
            np.testing.assert_array_equal(np.asarray(reader.image(item)), np.asarray(picture))
        with pytest.raises(UnreadableItem, match="without a comma"):
            reader.image(table.items["image"][2])
    paths = read_table(frame, image=f"file://{tmp_path}/{{name}}.png")
    assert paths.items["image"].tolist() == [f"{tmp_path}/red.png", None, f"{tmp_path}/red.png"]


@pytest.mark.parametrize(
    ("pixels", "shade"),
    [
        (np.full((2, 3), 7, np.uint8), 7),
        (np.full((2, 3, 1), 7, np.int64), 7),
        ([[7, 7, 7], [7, 7, 7]], 7),
        (np.full((2, 3), True), 255),
        (np.full((2, 3), 257 * 7, np.uint16), 7),
        (np.full((2, 3, 4), (7, 7, 7, 255), np.uint8), 7),
        (np.full((4, 6), 7, np.uint8)[::2, ::-2], 7),
    ],
)
def test_arrays_of_pixels(pixels: object, shade: int) -> None:
    image = ItemReader().image(pixels)
    assert (image.mode, image.size) == ("RGB", (3, 2))
    assert np.asarray(image).tolist() == np.full((2, 3, 3), shade).tolist()


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"of shape \(3, 8, 8\)"),
        (np.zeros(5, np.uint8), r"of shape \(5,\)"),
        (np.zeros((0, 5), np.uint8), "without pixels"),
        (np.zeros((2, 2)), "type float64, of unknown range"),
        (np.full((2, 2), 256), "beyond 0 … 255"),
        (np.full((2, 2, 3), 256, np.uint16), "beyond 0 … 255"),
        (np.ma.masked_less(np.eye(2, dtype=np.uint8), 1), "masked array"),
        ([[1, 2], [3]], "is no picture"),
    ],
)
def test_arrays_that_are_no_picture(pixels: object, says: str) -> None:
    with pytest.raises(UnreadableItem, match=says):
        picture_of_array(pixels)


def test_blanks_around_an_address_are_no_part_of_it() -> None:
    assert local_item(" file:///photos/1.jpg\n") == "/photos/1.jpg"
    assert local_item(" https://shop.example/1.jpg ") == "https://shop.example/1.jpg"
    assert local_item(" photos/1.jpg ") == " photos/1.jpg "  # a file may be called that
