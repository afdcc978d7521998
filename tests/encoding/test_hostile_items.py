"""One table with everything that lies in real folders, through the whole encoding job."""

import gc
import importlib.util
import json
import os
import struct
import subprocess
import sys
import time
import weakref
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from srmm.cli import run
from srmm.data.items import ItemReader
from srmm.data.store import load_embeddings
from srmm.data.table import Table, read_table
from srmm.encoding.chunks import encode_chunk
from srmm.encoding.encode import encode
from srmm.encoding.unique_items import valid_unicode
from tests.encoding.hash_encoder import HashEncoder

RATE = 16_000
NOT_UTF8 = os.fsdecode(b"caf\xe9.jpg")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def write_pictures(folder: Path) -> dict[str, str | None]:
    """Name → words of the reason why it cannot be read, or None for those that can."""
    photo = Image.fromarray(noise(30, 40, 3))
    photo.save(folder / "fine.jpg")
    photo.save(folder / "fine.png")
    whole = (folder / "fine.jpg").read_bytes()
    (folder / "line\nbreak.jpg").write_bytes(whole)
    (folder / "jpeg-inside.png").write_bytes(whole)
    photo.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(noise(30, 40).astype(np.uint16) * 257).save(folder / "16-bit.png")
    photo.save(folder / "moving.gif", save_all=True, append_images=[photo.rotate(180)])
    rotated = Image.Exif()
    rotated[0x0112] = 6
    photo.save(folder / "turned.jpg", exif=rotated)
    fine = [file.name for file in folder.iterdir()]

    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").touch()
    (folder / "folder.jpg").mkdir()
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "lost.jpg").write_text("<!DOCTYPE html><title>404 Not Found</title>")
    (folder / "notes.jpg").write_text("remember the milk")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "device.jpg").symlink_to("/dev/zero")
    talkative = PngInfo()
    talkative.add_text("Comment", " " * (100 << 20), zip=True)
    photo.save(folder / "text-bomb.png", pnginfo=talkative)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    (folder / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    )
    (folder / "locked.jpg").write_bytes(whole)
    (folder / "locked.jpg").chmod(0)
    readable = os.access(folder / "locked.jpg", os.R_OK)  # root may read everything
    return {
        **dict.fromkeys(fine),
        "cut.jpg": "truncated",
        "empty.jpg": "0 bytes",
        "folder.jpg": "is a folder",
        "loop.jpg": "leads back to itself",
        "lost.jpg": "a web page",
        "notes.jpg": "not an image",
        "pipe.jpg": "pipe",
        "device.jpg": "device",
        "text-bomb.png": "MAX_TEXT_CHUNK",
        "bomb.png": "10000 megapixels",
        "locked.jpg": None if readable else "permission denied",
        "x" * 300 + ".jpg": "too long",
        "https://example.org/1.jpg": "is a URL",
        "nul\0.jpg": "NUL",
    }


def write_sounds(folder: Path) -> dict[str, str | None]:
    soundfile = pytest.importorskip("soundfile")
    voice = np.random.default_rng(0).normal(size=2 * RATE).astype(np.float32) / 10
    for ending in ("wav", "flac", "ogg", "mp3"):
        soundfile.write(folder / f"fine.{ending}", voice, RATE)
    soundfile.write(folder / "stereo.wav", np.stack([voice, -voice / 2], axis=1), 44_100)
    soundfile.write(folder / "silence.wav", np.zeros(RATE), RATE)
    soundfile.write(folder / "click.wav", voice[:800], RATE)
    soundfile.write(folder / "nan.wav", np.where(voice > 0.3, np.nan, voice), RATE, "FLOAT")
    (folder / "empty.wav").touch()
    (folder / "header.wav").write_bytes((folder / "fine.wav").read_bytes()[:44])
    (folder / "mp3-inside.wav").write_bytes((folder / "fine.mp3").read_bytes())
    mp3 = (folder / "fine.mp3").read_bytes()
    (folder / "cut.mp3").write_bytes(mp3[: len(mp3) // 3])
    (folder / "lost.wav").write_text("<html>404</html>")
    (folder / "folder.wav").mkdir()
    os.mkfifo(folder / "pipe.wav")
    fine = ("fine.wav", "fine.flac", "fine.ogg", "fine.mp3", "stereo.wav", "mp3-inside.wav")
    return {
        **dict.fromkeys(fine),
        "silence.wav": "silent",
        "click.wav": "50 ms",
        "nan.wav": "NaN",
        "empty.wav": "0 bytes",
        "header.wav": "",  # libsndfile's versions say different things
        "cut.mp3": "cut off",
        "lost.wav": "a web page",
        "folder.wav": "is a folder",
        "pipe.wav": "pipe",
    }


TEXTS = {
    "a plain title": None,
    "word " * 2_000_000: "10.0 MB",
    "word " * 199_000: None,
    "lone \ud800 surrogate": "not valid Unicode",
    "bell \x07 and \u202e turned": None,
    "line\nbreak": None,
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict]]:
    """The table's file, and per modality what is expected of each item."""
    folder = tmp_path_factory.mktemp("hostile")
    expected = {"image": write_pictures(folder), "audio": write_sounds(folder), "text": TEXTS}
    try:
        (folder / NOT_UTF8).write_bytes((folder / "fine.jpg").read_bytes())
        expected["image"][NOT_UTF8] = None
    except OSError:
        pass  # a file system that holds only names in UTF-8
    n = max(map(len, expected.values()))
    rows = [{} for _ in range(n)]
    for modality, items in expected.items():
        for row, item in zip(rows, items, strict=False):
            row[modality] = item
    with (folder / "table.jsonl").open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return folder / "table.jsonl", expected


def table_of(hostile: tuple[Path, dict]) -> Table:
    return read_table(hostile[0], image="image", audio="audio", text="text")


ENCODERS = {kind: HashEncoder(kind) for kind in ("image", "text")}


class SoundHash(HashEncoder):
    def prepare(self, item):
        return item.samples.tobytes()


def test_each_is_reported_and_none_is_fatal(hostile, tmp_path):
    expected, table = hostile[1], table_of(hostile)
    started = time.perf_counter()
    result = encode(table, {**ENCODERS, "audio": SoundHash("audio")}, tmp_path / "store")
    assert time.perf_counter() - started < 10  # nothing waits on a pipe or reads a device
    embeddings = load_embeddings(tmp_path / "store")
    frame = pd.read_parquet(tmp_path / "store" / "unreadable.parquet")
    pd.testing.assert_frame_equal(frame, result.summary.to_frame())
    for modality, items in expected.items():
        present = embeddings.present[: len(items), embeddings.modalities.index(modality)]
        assert present.tolist() == [reason is None for reason in items.values()], modality
        reasons = frame[frame["modality"] == modality].set_index("row")["reason"]
        for row, (item, reason) in enumerate(items.items()):
            if reason is not None:
                assert reason in reasons[row], item[:40]
                assert "\n" not in reasons[row]
        assert len(reasons) == sum(reason is not None for reason in items.values())
    shown = embeddings.raw["image"][list(expected["image"]).index(NOT_UTF8)]
    assert shown.endswith(r"caf\udce9.jpg")  # readable, and fit for a Parquet file


def test_the_command_line_reports_them_too(hostile, tmp_path, capfd):
    """With real encoders and real standard streams, which take no lone surrogates."""
    if not importlib.util.find_spec("resemblyzer"):
        pytest.skip("needs srmm[voices]")
    columns = ["--image", "image", "--text", "text", "--audio", "audio"]
    arguments = [str(hostile[0]), *columns, "-o", str(tmp_path / "store")]
    assert run(["encode", *arguments]) == 0
    text = capfd.readouterr().out
    listed = tmp_path / "store" / "unreadable.parquet"
    assert str(listed) in text
    assert "of table.jsonl), image: " in text
    assert run(["encode", *arguments, "--json"]) == 0  # everything is reused
    facts = json.loads(capfd.readouterr().out)["summary"]
    assert facts["unreadable_file"] == str(listed)
    assert len(facts["unreadable"]) == len(pd.read_parquet(listed))
    assert [about["encoded"] for about in facts["modalities"].values()] == [0, 0, 0]
    assert run(["encode", *arguments[:-1], str(tmp_path / "other"), "--strict"]) == 1
    assert "cannot be read" in capfd.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.workflow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
def test_permission_denied_is_a_reason(tmp_path):
    """As nobody, who may not read what root has locked."""
    write_pictures(tmp_path)
    tmp_path.chmod(0o755)
    program = (
        "import os, sys\n"
        "from srmm.data.broken import UnreadableItem\n"
        "from srmm.data.items import ItemReader\n"
        "folder = os.open(sys.argv[1], os.O_RDONLY)\n"
        "os.chdir(folder); os.setuid(65534)\n"
        "try: ItemReader().image('locked.jpg')\n"
        "except UnreadableItem as reason: print(reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False
    )
    assert "permission denied" in done.stdout, done.stderr


def test_labels_and_ids_must_be_unicode(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"t": "a", "k": "\\ud800"}\n')
    for role in ("label", "id"):
        with pytest.raises(ValueError, match=r"'k' of row 0 .*not valid Unicode"):
            read_table(tmp_path / "t.jsonl", text="t", **{role: "k"})


# The list of unreadable items ------------------------------------------------------------------


def listed(store: Path) -> list[tuple[int, str]]:
    frame = pd.read_parquet(store / "unreadable.parquet")
    return list(zip(frame["row"].tolist(), frame["item"].tolist(), strict=True))


def test_the_list_follows_the_table_and_the_files(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(noise(20, 20 + ord(name[0]), 3)).save(tmp_path / name)
    (tmp_path / "bad.png").write_text("no picture")
    store = tmp_path / "store"

    def encoded(*names: str):
        frame = pd.DataFrame({"p": names, "id": list(names)})
        table = read_table(frame, image="p", id="id", folder=tmp_path)
        return encode(table, {"image": HashEncoder("image")}, store).summary

    assert encoded("a.png").unreadable_file is None
    assert not (store / "unreadable.parquet").exists()
    assert "unreadable" not in str(encoded("a.png"))

    summary = encoded("a.png", "bad.png")
    assert listed(store) == [(1, "bad.png")]
    assert str(summary).endswith(f"All unreadable items: {store / 'unreadable.parquet'}")
    before = (store / "unreadable.parquet").stat().st_mtime_ns
    encoded("a.png", "bad.png")
    assert (store / "unreadable.parquet").stat().st_mtime_ns == before  # nothing was written

    (tmp_path / "bad.png").write_bytes(b"")  # another reason, the same embeddings
    encoded("a.png", "bad.png")
    assert "0 bytes" in pd.read_parquet(store / "unreadable.parquet")["reason"][0]
    encoded("bad.png", "b.png", "a.png")
    assert listed(store) == [(0, "bad.png")]

    Image.fromarray(noise(30, 30, 3)).save(tmp_path / "bad.png")  # repaired
    assert encoded("bad.png", "b.png", "a.png").modalities["image"].encoded == 1
    assert not (store / "unreadable.parquet").exists()


def test_valid_unicode_keeps_what_is():
    assert valid_unicode("naïve 𝄞\n") == "naïve 𝄞\n"


def test_what_could_not_be_read_is_let_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure is kept as a value: with its traceback it would hold the item, in a circle."""
    monkeypatch.setenv("SRMM_MAX_TEXT_BYTES", "100")
    text = type("Text", (str,), {})("x" * 1000)
    known = weakref.ref(text)
    gc.disable()
    try:
        with ItemReader() as reader:
            chunk = encode_chunk([text], HashEncoder("text"), reader, batch_size=1, workers=1)
            del text
            assert known() is None
    finally:
        gc.enable()
    assert "more than the limit" in chunk.failures[0]
