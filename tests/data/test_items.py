"""Opening raw items: where a path leads, and a reason for everything that cannot be read."""

from __future__ import annotations

import io
import os
import pickle
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from srmm.data.broken import AbsentFile, UnreadableItem
from srmm.data.items import ItemReader

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10">{}</svg>'
RED_HALF = SVG.format('<rect width="10" height="10" fill="#f00"/>')


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def photo(seed: int = 0, size: tuple[int, int] = (40, 30)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0")
    chunks = [
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
        for c in (header, data, b"IEND")
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.fixture
def reader(tmp_path: Path) -> ItemReader:
    return ItemReader(tmp_path)


def reason(function: Callable[[Any], Any], item: Any) -> str:
    with pytest.raises(UnreadableItem) as caught:
        function(item)
    text = str(caught.value)
    assert text
    assert "\n" not in text
    return text


# --- where a path leads -----------------------------------------------------------------------


def test_files_relative_absolute_and_outside_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "1.jpg").write_bytes(b"one")
    (tmp_path / "beside.jpg").write_bytes(b"two")
    reader = ItemReader(folder)
    assert reader.read_bytes("images/1.jpg") == b"one"
    assert reader.read_bytes(Path("images/1.jpg")) == b"one"
    assert reader.read_bytes("../beside.jpg") == b"two"
    assert reader.read_bytes(str(tmp_path / "beside.jpg")) == b"two"
    for absent in ("images/2.jpg", "no/1.jpg", "images/1.jpg/x", str(tmp_path / "no.jpg")):
        with pytest.raises(AbsentFile):
            reader.read_bytes(absent)


def test_without_a_folder_paths_start_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    monkeypatch.chdir(tmp_path)
    assert ItemReader().read_bytes("a.txt") == b"a"


@pytest.mark.parametrize(
    ("archive", "member", "path"),
    [
        ("images.zip", "images/1.jpg", "images/1.jpg"),
        ("images.zip", "1.jpg", "images/1.jpg"),
        ("images.zip", "images/a/1.jpg", "images/a/1.jpg"),
        ("images.zip", "a/1.jpg", "images/a/1.jpg"),
        ("data/images.zip", "images/1.jpg", "data/images/1.jpg"),
        ("data/images.zip", "data/images/1.jpg", "data/images/1.jpg"),
        ("data/images.zip", "1.jpg", "data/images/1.jpg"),
        ("photos.zip", "a/1.jpg", "photos.zip/a/1.jpg"),
        ("data/PHOTOS.ZIP", "1.jpg", "data/PHOTOS.ZIP/1.jpg"),
        ("photos.v1.zip", "1.jpg", "photos.v1/1.jpg"),
    ],
)
def test_members_of_zips(tmp_path: Path, archive: str, member: str, path: str) -> None:
    (tmp_path / archive).parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(tmp_path / archive, "w") as file:
        file.writestr(member, b"inside")
    with ItemReader(tmp_path) as reader:
        assert reader.read_bytes(path) == b"inside"
        assert reader.read_bytes(str(tmp_path / path)) == b"inside"
        with pytest.raises(AbsentFile):
            reader.read_bytes(path.replace("1.jpg", "2.jpg"))
    assert reader.read_bytes(path) == b"inside"  # closed archives open again


def test_a_file_comes_before_a_member(tmp_path: Path, reader: ItemReader) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").write_bytes(b"file")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as file:
        file.writestr("images/1.jpg", b"member")
        file.writestr("images/2.jpg", b"second")
    assert reader.read_bytes("images/1.jpg") == b"file"
    assert reader.read_bytes("images/2.jpg") == b"second"


def test_archives_are_read_by_many_threads(tmp_path: Path) -> None:
    contents = {f"{k}.bin": os.urandom(5_000 + k) for k in range(200)}
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in contents.items():
            file.writestr(name, content)
    with ItemReader(tmp_path) as reader, ThreadPoolExecutor(8) as pool:
        read = pool.map(reader.read_bytes, [f"all/{name}" for name in contents])
        assert list(read) == list(contents.values())


def test_a_reader_can_be_pickled_while_archives_are_open(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("1", b"one")
    with ItemReader(tmp_path) as reader:
        assert reader.read_bytes("a/1") == b"one"
        with pickle.loads(pickle.dumps(reader)) as copy:
            assert copy.read_bytes("a/1") == b"one"


def test_names_nobody_expects(tmp_path: Path, reader: ItemReader) -> None:
    for name in ("with\nnewline.txt", "ünï cödé.txt", "-dash", "a'\"b", "percent%20.txt"):
        (tmp_path / name).write_bytes(b"x")
        assert reader.read_bytes(name) == b"x"
    assert "NUL" in reason(reader.read_bytes, "a\0b.jpg")
    assert "too long" in reason(reader.read_bytes, "word " * 2000)
    assert "no file can have" in reason(reader.read_bytes, "\ud800.jpg")


@pytest.mark.parametrize(
    "url", ["http://a.b/1.jpg", "https://a.b/1.jpg", "s3://b/k", "ftp://a.b/k"]
)
def test_urls_are_not_fetched(reader: ItemReader, url: str) -> None:
    assert reason(reader.image, url).startswith("is a URL; download it first")


def test_a_missing_file_is_absent_not_unreadable(tmp_path: Path, reader: ItemReader) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    for path in ("a.jpg", "no/such/folder/a.jpg", "dangling", "no.zip/1.jpg"):
        with pytest.raises(AbsentFile, match="does not exist"):
            reader.image(path)


def test_what_is_there_but_no_file(tmp_path: Path, reader: ItemReader) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server, pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)  # the names of sockets must be short
        server.bind("socket.jpg")
        assert "socket" in reason(reader.image, "socket.jpg")
    assert reason(reader.image, "folder.jpg") == "is a folder"
    assert reason(reader.image, "empty.jpg") == "is empty (0 bytes)"
    assert "leads back to itself" in reason(reader.image, "loop.jpg")
    assert "pipe" in reason(reader.image, "pipe.jpg")


def test_permission_denied(
    tmp_path: Path, reader: ItemReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "a.jpg").chmod(0)
    if os.access(tmp_path / "a.jpg", os.R_OK):  # root may read everything

        def denied(self: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", denied)
    assert "permission denied" in reason(reader.image, "a.jpg")


def test_huge_files_are_not_read(tmp_path: Path, reader: ItemReader) -> None:
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(3 << 30)  # sparse: takes no room on the disk
    assert reason(reader.image, "huge.jpg").startswith("has 3.2 GB, more than the limit of 1.1 (")


def test_a_zip_bomb_is_not_unpacked(
    tmp_path: Path, reader: ItemReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRMM_MAX_FILE_BYTES", "10_000")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("1.jpg", bytes(1_000_000))
        file.writestr("empty.jpg", b"")
        file.writestr("folder/", b"")
    assert "more than the limit" in reason(reader.image, "a/1.jpg")
    assert "0 bytes" in reason(reader.image, "a/empty.jpg")
    assert "folder" in reason(reader.image, "a/folder")


def test_damaged_and_encrypted_archives(tmp_path: Path, reader: ItemReader) -> None:
    (tmp_path / "no.zip").write_bytes(b"this is no archive")
    assert "is in no.zip, where it cannot be read" in reason(reader.image, "no/1.jpg")
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("1.jpg", b"stored as it is")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"stored", b"STORED", 1))
    assert "Bad CRC" in reason(reader.read_bytes, "a/1.jpg")
    # Bit 0 of the flags, in the local header and in the directory, says "encrypted".
    flagged = bytearray(content)
    flagged[6] |= 1
    flagged[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(flagged)
    assert "encrypted" in reason(reader.read_bytes, "b/1.jpg")


# --- pictures ---------------------------------------------------------------------------------


def test_every_form_a_picture_can_have(tmp_path: Path, reader: ItemReader) -> None:
    picture = photo()
    data = encoded(picture)
    (tmp_path / "a.png").write_bytes(data)
    for item in (
        "a.png",
        tmp_path / "a.png",
        data,
        bytearray(data),
        picture,
        {"bytes": data, "path": None},
        {"bytes": None, "path": "a.png"},
        {"bytes": data, "path": "elsewhere.png"},
    ):
        read = reader.image(item)
        assert read.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(read), np.asarray(picture))
    for nothing in (7, None, ["a.png"], {"bytes": None, "path": None}):
        assert reason(reader.image, nothing).startswith("is no picture: expected a path")


def test_exif_orientation_is_applied(reader: ItemReader) -> None:
    picture = photo(size=(40, 30))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    read = reader.image(encoded(picture, exif=exif))
    assert read.size == (30, 40)
    np.testing.assert_array_equal(np.asarray(read), np.rot90(np.asarray(picture), -1))


def test_a_picture_of_the_users_own_is_not_handed_on(reader: ItemReader) -> None:
    mine = Image.new("RGB", (30, 20), "red")
    read = reader.image(mine)
    read.putpixel((0, 0), (0, 0, 255))
    assert mine.getpixel((0, 0)) == (255, 0, 0)


def test_transparent_parts_are_white(reader: ItemReader) -> None:
    rgba = np.zeros((2, 3, 4), dtype=np.uint8)  # transparent black
    rgba[0] = [200, 100, 50, 255]
    rgba[1, 0] = [0, 0, 0, 128]
    read = np.asarray(reader.image(encoded(Image.fromarray(rgba))))
    assert read[0, 0].tolist() == [200, 100, 50]
    assert read[1, 2].tolist() == [255, 255, 255]
    assert abs(int(read[1, 0, 0]) - 127) <= 1
    grey = Image.fromarray(np.array([[[0, 0], [80, 255]]], dtype=np.uint8), mode="LA")
    assert np.asarray(reader.image(encoded(grey)))[0].tolist() == [[255] * 3, [80] * 3]
    palette = Image.new("P", (2, 1))
    palette.putpalette([9, 9, 9, 50, 60, 70])
    palette.putpixel((1, 0), 1)
    read = np.asarray(reader.image(encoded(palette, transparency=0)))
    assert read[0].tolist() == [[255, 255, 255], [50, 60, 70]]


def test_sixteen_bits_are_scaled_not_clipped(reader: ItemReader) -> None:
    ramp = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    for form in ("PNG", "TIFF"):
        read = np.asarray(reader.image(encoded(Image.fromarray(ramp), form)))
        assert read[0, :, 0].tolist() == [0, 100, 255]
    wide = encoded(Image.fromarray(np.array([[0, 1 << 20]], dtype=np.int32)), "TIFF")
    assert "32-bit" in reason(reader.image, wide)
    for dark in (np.int32, np.uint16):  # black, if 65,535 were white
        picture = Image.fromarray(np.array([[0, 200]], dark))
        assert "all below 256" in reason(reader.image, picture)
    assert reader.image(Image.fromarray(np.zeros((1, 2), np.int32))).getpixel((1, 0)) == (0, 0, 0)
    real = encoded(Image.fromarray(np.array([[0.0, 0.5]], dtype=np.float32)), "TIFF")
    assert "floating-point" in reason(reader.image, real)


def _colours_of_16_bits(pixels: np.ndarray) -> bytes:
    """A PNG of three colours with 16 bits each, which Pillow cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        sum_ = zlib.crc32(name + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + name + data + sum_

    height, width, _ = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body


def test_twelve_bits_in_sixteen_are_not_read_as_nearly_black() -> None:
    reader, grey = ItemReader(None), np.linspace(0, 4095, 48 * 64).reshape(48, 64).astype(np.uint16)
    colours = np.dstack([grey] * 3)
    for small in (encoded(Image.fromarray(grey), "PNG"), encoded(Image.fromarray(grey), "TIFF"),
                  grey, _colours_of_16_bits(colours)):  # fmt: skip
        assert "16-bit pixels that are all below 4,096" in reason(reader.image, small)
    for full in (encoded(Image.fromarray(grey * 16), "PNG"), _colours_of_16_bits(colours * 16)):
        assert 120 < np.asarray(reader.image(full)).mean() < 135
    assert not np.asarray(reader.image(np.zeros((48, 64), np.uint16))).any()
    assert not np.asarray(reader.image(_colours_of_16_bits(colours * 0))).any()
    pgm = b"P5 64 48 4095\n" + grey.astype(">u2").tobytes()
    assert 120 < np.asarray(reader.image(pgm)).mean() < 135


@pytest.mark.parametrize("form", ["raw", "tiff_lzw"])
def test_sixteen_bits_of_a_tiff_whose_white_is_zero(reader: ItemReader, form: str) -> None:
    """As scanners write them; Pillow gives the negative."""
    ramp = Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16))
    tag = struct.pack("<HHI", 262, 3, 1)
    data = encoded(ramp, "TIFF", compression=form)
    assert tag + b"\1" in data
    data = data.replace(tag + b"\1", tag + b"\0")
    for item in (data, Image.open(io.BytesIO(data))):
        assert np.asarray(reader.image(item))[0, :, 0].tolist() == [255, 155, 0]


def test_twelve_bits_of_a_tiff_are_not_nearly_black(reader: ItemReader) -> None:
    """As microscopes write them: three bytes hold two pixels, and 4,095 is white."""
    picture = encoded(Image.fromarray(np.zeros((1, 2), np.uint16)), "TIFF")
    sixteen, twelve = (struct.pack("<HHIH", 258, 3, 1, bits) for bits in (16, 12))
    assert sixteen in picture
    offset = int.from_bytes(
        picture[picture.index(struct.pack("<HHI", 273, 4, 1)) + 8 :][:4], "little"
    )
    data = bytearray(picture.replace(sixteen, twelve))
    data[offset : offset + 4] = bytes([0xFF, 0xF0, 0x64, 0])  # 4,095 and 100
    read = np.asarray(reader.image(bytes(data)))
    assert read[0, :, 0].tolist() == [255, 6]


def test_pixels_below_zero_are_not_taken_for_bright_ones(reader: ItemReader) -> None:
    grey = encoded(Image.fromarray(np.array([[-1, 5]], np.int8).view(np.uint8)), "TIFF")
    signed = encoded(Image.open(io.BytesIO(grey)), "TIFF", tiffinfo={339: 2})
    assert "signed pixels" in reason(reader.image, signed)
    assert np.asarray(reader.image(grey))[0, :, 0].tolist() == [255, 5]


@pytest.mark.parametrize(
    ("mode", "form"),
    [("1", "PNG"), ("L", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("L", "JPEG"), ("RGB", "BMP")],
)
def test_other_modes_become_rgb(reader: ItemReader, mode: str, form: str) -> None:
    white = Image.new("RGB", (4, 5), "white").convert(mode)
    read = reader.image(encoded(white, form))
    assert (read.mode, read.size) == ("RGB", (4, 5))
    assert np.asarray(read).min() > 250


def test_the_first_frame_of_an_animation(reader: ItemReader) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert reader.image(data).getpixel((0, 0)) == (255, 0, 0)


def test_svg_is_drawn_on_white(tmp_path: Path, reader: ItemReader) -> None:
    pytest.importorskip("resvg_py")
    (tmp_path / "a.svg").write_text('<?xml version="1.0"?>\n' + RED_HALF, encoding="utf-8")
    for item in ("a.svg", RED_HALF.encode()):
        read = reader.image(item)
        assert (read.mode, read.size) == ("RGB", (224, 112))
        assert read.getpixel((20, 20)) == (255, 0, 0)
        assert read.getpixel((200, 20)) == (255, 255, 255)
    assert "not an SVG that can be drawn" in reason(reader.image, b"<svg><broken")
    assert "not an SVG that can be drawn" in reason(reader.image, b"<?xml version='1.0'?><a/>")
    assert "is an SVG that is not in UTF-8" in reason(reader.image, b"<svg \xff\xfe/>")


def test_svg_without_its_package(reader: ItemReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "resvg_py", None)
    assert "pip install 'srmm[demo]'" in reason(reader.image, RED_HALF.encode())


def test_pictures_that_are_none(reader: ItemReader) -> None:
    assert reason(reader.image, b"") == "is empty (0 bytes)"
    assert reason(reader.image, b"hello") == "is not an image that Pillow can read"
    assert "a web page" in reason(reader.image, b"\n<!DOCTYPE html><html>404</html>")
    jpeg = encoded(photo(), "JPEG")
    assert "is truncated" in reason(reader.image, jpeg[: len(jpeg) // 2])
    png = encoded(photo())
    assert "truncated" in reason(reader.image, png[: len(png) // 2])


def test_decompression_bombs(reader: ItemReader) -> None:
    assert reason(reader.image, png_header(20_000, 12_500)).startswith(
        "has 250 megapixels, more than the limit of "
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_sizes_that_pillow_only_warns_of(
    reader: ItemReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "has 100 megapixels, more than" in reason(reader.image, png_header(10_000, 10_000))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    assert "megapixels" in reason(reader.image, photo())  # a picture that was opened elsewhere
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert reader.image(photo()).size == (40, 30)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it then cannot read
@settings(deadline=None)  # a damaged size may ask for a lot of memory first
@given(data=st.data())
def test_damage_never_raises_anything_else(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]))
    content = bytearray(encoded(photo(size=(16, 12)), form))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    outcome = ""
    try:
        outcome = ItemReader().image(bytes(content)).mode
    except UnreadableItem as error:
        outcome = str(error)
    assert outcome == "RGB" or outcome.startswith(("is ", "has "))
    assert "\n" not in outcome


def test_pictures_are_decoded_by_many_threads(tmp_path: Path) -> None:
    pictures = [photo(seed) for seed in range(40)]
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as file:
        for seed, picture in enumerate(pictures):
            file.writestr(f"images/{seed}.png", encoded(picture))
    with ItemReader(tmp_path) as reader, ThreadPoolExecutor(4) as pool:
        read = list(pool.map(reader.image, [f"images/{k}.png" for k in range(len(pictures))]))
    for picture, again in zip(pictures, read, strict=True):
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(again))


# --- texts and vectors ------------------------------------------------------------------------


def test_texts(reader: ItemReader) -> None:
    assert reader.text(" Grüße\n") == " Grüße\n"
    assert reader.text("Grüße".encode()) == "Grüße"
    assert "10.0 MB, more than the limit of 1 MB" in reason(reader.text, "x" * 10_000_000)
    assert "not valid Unicode" in reason(reader.text, "half an emoji \ud83d")
    assert "not valid Unicode" in reason(reader.text, b"caf\xe9")
    assert reason(reader.text, ["a"]) == "is not text but list"


def test_what_a_mask_hides_is_not_read(reader: ItemReader) -> None:
    masked = np.ma.masked_greater(np.sin(np.arange(16_000) / 9), 0.5)
    for read, item in ((reader.audio, (masked, 16_000)), (reader.vector, masked)):
        assert "masked array" in reason(read, item)
    assert len(reader.vector(np.ma.masked_array([1.0, 2.0]))) == 2


def test_vectors(reader: ItemReader) -> None:
    vector = reader.vector([1, 2.5])
    assert vector.dtype == np.float32
    assert vector.tolist() == [1, 2.5]
    assert "not a list of numbers" in reason(reader.vector, ["a", "b"])
    assert "its shape is (1, 2)" in reason(reader.vector, [[1, 2]])
    assert "its shape is ()" in reason(reader.vector, 3.0)
    assert "its shape is (0,)" in reason(reader.vector, [])
    assert "NaN" in reason(reader.vector, [1, float("nan")])


# --- names written otherwise ------------------------------------------------------------------

COMPOSED, DECOMPOSED = "gr\u00fcn/\u00e9t\u00e9.png", "gru\u0308n/e\u0301te\u0301.png"


@pytest.mark.parametrize(
    ("there", "written"),
    [
        (COMPOSED, DECOMPOSED),
        (DECOMPOSED, COMPOSED),
        ("a/B.JPG", "a/b.jpg"),
        ("Photos/b.jpg", "photos/B.JPG"),
        ("a/b.jpg", "a\\b.jpg"),
        ("a\\b.jpg", "a/b.jpg"),
        ("a/c\\b.jpg", "A/c/b.jpg"),
        ("a/b.jpg", " a/b.jpg\n"),
    ],
)
def test_one_name_in_two_spellings(tmp_path: Path, there: str, written: str) -> None:
    folder = tmp_path / "files"
    (folder / there).parent.mkdir(parents=True)
    (folder / there).write_bytes(b"content")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as file:
        info = zipfile.ZipInfo("x")
        info.filename = there
        file.writestr(info, b"content")
    with ItemReader(folder) as reader:
        assert reader.read_bytes(written) == b"content"
        with pytest.raises(AbsentFile):
            reader.read_bytes(written + "x")
    with ItemReader(tmp_path) as reader:
        for path in (f"all.zip/{written}", f"all/{written}", f"ALL/{written}"):
            assert reader.read_bytes(path) == b"content"


def test_the_exact_spelling_comes_first_and_no_other_is_guessed(tmp_path: Path) -> None:
    for name in ("a.jpg", "A.jpg", "B.jpg", "b.JPG"):
        (tmp_path / name).write_bytes(name.encode())
    with ItemReader(tmp_path) as reader:
        assert reader.read_bytes("A.jpg") == b"A.jpg"
        assert "may be 'B.jpg' or 'b.JPG'" in reason(reader.read_bytes, "b.jpg") or (
            "may be 'b.JPG' or 'B.jpg'" in reason(reader.read_bytes, "b.jpg")
        )


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("cp850", "Gr\u00f6\u00dfe.png"),
        ("cp1252", "caf\u00e9.png"),
        ("cp932", "\u8868.png"),
        ("utf-8", "\u65e5.png"),
    ],
)
def test_names_in_an_old_code_page(tmp_path: Path, page: str, name: str) -> None:
    raw = name.encode(page)
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as file:
        file.writestr("x" * len(raw), b"inside")
    content = (tmp_path / "old.zip").read_bytes()
    (tmp_path / "old.zip").write_bytes(content.replace(b"x" * len(raw), raw))
    Path(os.fsdecode(bytes(tmp_path) + b"/" + raw)).write_bytes(b"beside")
    with ItemReader(tmp_path) as reader:
        assert reader.read_bytes(f"old.zip/{name}") == b"inside"
        assert reader.read_bytes(name) == b"beside"


# --- pictures in unusual formats --------------------------------------------------------------


def png(bits: int, colour: int, pixels: list[int], transparent: list[int]) -> bytes:
    """A PNG of one row; its transparent colour as the file has it."""
    row = b"".join(format(v, f"0{bits}b").encode() for v in pixels)
    row += b"0" * (-len(row) % 8)
    packed = b"\0" + bytes(int(row[i : i + 8], 2) for i in range(0, len(row), 8))
    width = len(pixels) // len(transparent)
    chunks = [
        b"IHDR" + struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0),
        b"tRNS" + b"".join(struct.pack(">H", value) for value in transparent),
        b"IDAT" + zlib.compress(packed),
        b"IEND",
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_white_at_any_depth(reader: ItemReader, bits: int) -> None:
    top = 2**bits - 1
    read = np.asarray(reader.image(png(bits, 0, [0, top, top // 2, 0], [top // 2])))[0, :, 0]
    assert read.tolist() == ([255, 255, 255, 255] if bits == 1 else [0, 255, 255, 0])


@pytest.mark.parametrize("bits", [8, 16])
def test_a_transparent_colour_is_white(reader: ItemReader, bits: int) -> None:
    unit = 257 if bits == 16 else 1
    colours = [v * unit for v in (10, 20, 30, 200, 100, 50)]
    read = np.asarray(reader.image(png(bits, 2, colours, colours[:3])))
    assert read[0].tolist() == [[255, 255, 255], [200, 100, 50]]


@pytest.mark.parametrize(
    "data", [png(2, 0, [0, 3, 1, 0], [1]), png(16, 2, [2570, 20, 30, 200, 100, 50], [2570, 20, 30])]
)
def test_a_picture_that_the_caller_opened_is_as_transparent_as_its_file(
    reader: ItemReader, data: bytes
) -> None:
    expected = np.asarray(reader.image(data))
    opened = Image.open(io.BytesIO(data))
    for _ in range(2):  # and stays so when it is read again
        np.testing.assert_array_equal(reader.image(opened), expected)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(300), "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf" + bytes(300), "AVIF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(300), "JPEG XL"),
        (b"\xff\x0a" + bytes(300), "JPEG XL"),
        (b"II*\0\x10\0\0\0CR\x02\0" + bytes(300), "camera's RAW"),
        (b"\0\0\0\x18ftypcrx " + bytes(300), "camera's RAW"),
        (b"FUJIFILMCCD-RAW 0201" + bytes(300), "camera's RAW"),
        (b"\0\0\0\x18ftypisom" + bytes(300), "video"),
        (b"%PDF-1.7" + bytes(300), "PDF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    ],
)
def test_formats_that_are_not_read_are_named(
    reader: ItemReader, data: bytes, expected: str
) -> None:
    assert expected in reason(reader.image, data)


def test_heic_without_its_package(reader: ItemReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    data = b"\0\0\0\x18ftypheix\0\0\0\0mif1heic" + bytes(300)
    assert "pip install 'srmm[heic]'" in reason(reader.image, data)


def test_heic_is_read_where_its_package_is(reader: ItemReader) -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs srmm[heic]")
    buffer = io.BytesIO()
    heif.from_pillow(Image.new("RGB", (64, 48), (200, 30, 60))).save(buffer, format="HEIF")
    read = reader.image(buffer.getvalue())
    assert read.size == (64, 48)
    assert abs(np.array(read.getpixel((20, 20)), dtype=int) - (200, 30, 60)).max() < 12


def test_the_preview_in_a_raw_file_is_not_the_picture(reader: ItemReader) -> None:
    preview = encoded(photo(), "TIFF", tiffinfo={0xFE: 1})
    assert "camera's RAW" in reason(reader.image, preview)
    assert reader.image(encoded(photo(), "TIFF", tiffinfo={0xFE: 0})).size == (40, 30)


def test_pixels_of_another_byte_order_are_the_same_picture() -> None:
    """FITS, TIFF and HDF5 give big-endian numbers: 16 bits of grey are not 8."""
    for ramp in (np.array([[0, 300, 65535]], "u2"), np.array([[0, 7, 5000]], "u2")):
        with ItemReader() as reader:
            native, other = (reader.image(x) for x in (ramp, ramp.astype(">u2")))
        assert np.array_equal(np.asarray(native), np.asarray(other))
