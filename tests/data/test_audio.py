"""Sound: every way to give it, every reason why it cannot be used, and what resampling keeps."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from srmm.data.audio import Audio, resample
from srmm.data.broken import AbsentFile, UnreadableItem
from srmm.data.items import ItemReader
from srmm.errors import MissingExtraError

soundfile = pytest.importorskip("soundfile", reason="needs srmm[voices]")

FORMATS = ["WAV", "FLAC", "OGG", "MP3"]


def tone(hz: float = 440, rate: int = 16_000, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def encoded(samples: np.ndarray, rate: int = 16_000, form: str = "WAV", **options: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=form, **options)
    return buffer.getvalue()


@pytest.fixture
def reader(tmp_path: Path) -> ItemReader:
    return ItemReader(tmp_path)


def reason(item: Any, read: Callable[[Any], Any] | None = None) -> str:
    with pytest.raises(UnreadableItem) as caught:
        (read or ItemReader().audio)(item)
    text = str(caught.value)
    assert text
    assert "\n" not in text
    assert "object at 0x" not in text
    return text


# --- ways to give it --------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_formats_from_files_zips_and_bytes(tmp_path: Path, reader: ItemReader, form: str) -> None:
    data = encoded(tone(), form=form)
    (tmp_path / f"a.{form.lower()}").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "voices.zip", "w") as archive:
        archive.writestr("b/1.snd", data)
    heard = reader.audio(f"a.{form.lower()}")
    assert heard.rate == 16_000
    assert heard.samples.dtype == np.float32
    assert heard.seconds == 1
    error = np.abs(heard.samples - tone())[1000:-1000].max()  # lossy codecs ring at the ends
    assert error < {"WAV": 1e-4, "FLAC": 1e-4, "OGG": 0.05, "MP3": 0.05}[form]
    for same in (tmp_path / f"a.{form.lower()}", data, {"bytes": data}, "voices/b/1.snd"):
        np.testing.assert_array_equal(reader.audio(same).samples, heard.samples)
    np.testing.assert_array_equal(
        reader.audio({"bytes": None, "path": f"a.{form.lower()}"}).samples, heard.samples
    )
    reader.close()


def test_absent_files_are_absent(reader: ItemReader) -> None:
    with pytest.raises(AbsentFile):
        reader.audio("nowhere.wav")


@pytest.mark.parametrize("form", FORMATS)
def test_channels_are_mixed_down(reader: ItemReader, form: str) -> None:
    left, right = tone(300), tone(500)
    mixed = reader.audio(encoded(np.stack([left, right], axis=1), form=form)).samples
    assert mixed.shape == left.shape
    error = np.abs(mixed - (left + right) / 2)[1000:-1000].max()
    assert error < (1e-4 if form in ("WAV", "FLAC") else 0.05)


def test_samples_in_memory(reader: ItemReader) -> None:
    samples = tone()
    as_given = [
        (samples, 16_000),
        (samples.astype(np.float64), np.int64(16_000)),
        (samples.tolist(), 16_000.0),
        [samples, 16_000],
        {"array": samples, "sampling_rate": 16_000, "path": "not looked at"},
        (np.stack([samples, samples], axis=1), 16_000),
        (np.stack([samples, samples], axis=0), 16_000),
        (np.round(samples * 2**15).astype(np.int16), 16_000),
        (np.round(samples * 2.0**31).astype(np.int32), 16_000),
    ]
    for item in as_given:
        heard = reader.audio(item)
        assert (heard.rate, heard.samples.dtype) == (16_000, np.float32)
        np.testing.assert_allclose(heard.samples, samples, atol=2e-5)
    wide = np.round(samples * 2**15).astype(np.int32)
    assert reason((wide, 16_000)).endswith(
        "int32 samples from -16,384 to 16,384, which is silence beside their 2,147,483,648; if "
        "they have 16 bits, give them as int16"
    )
    assert reason((wide * 0 + 7, 16_000)) == "is silent"
    eight_bits = (np.round(samples * 127) + 128).astype(np.uint8)
    np.testing.assert_allclose(reader.audio((eight_bits, 16_000)).samples, samples, atol=0.01)


def test_a_piped_wav_does_not_know_its_length(reader: ItemReader) -> None:
    data = bytearray(encoded(tone()))
    place = data.index(b"data") + 4
    data[place : place + 4] = b"\xff\xff\xff\xff"
    assert reader.audio(bytes(data)).seconds == 1


@pytest.mark.parametrize("share", [-1.0, -0.97])
def test_channels_that_cancel_are_heard_alone(reader: ItemReader, share: float) -> None:
    left = tone()
    pair = np.stack([left, share * left], axis=1).astype(np.float32)
    for item in ((pair, 16_000), (pair.T, 16_000), encoded(pair), encoded(pair, form="FLAC")):
        np.testing.assert_allclose(reader.audio(item).samples, left, atol=1e-4)
    assert reason((0 * pair, 16_000)) == "is silent"


def test_channels_that_have_nothing_in_common_are_mixed(reader: ItemReader) -> None:
    noise = np.random.default_rng(0).normal(size=(16_000, 6)).astype(np.float32) / 10
    np.testing.assert_allclose(reader.audio((noise, 16_000)).samples, noise.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("form", [*FORMATS, "AIFF"])
def test_files_appended_to_one_another_are_all_heard(reader: ItemReader, form: str) -> None:
    first, second = encoded(tone(300), form=form), encoded(tone(500, 24_000), 24_000, form=form)
    heard = reader.audio(first + second + first)
    assert heard.rate == 16_000
    assert abs(heard.seconds - 3) < 0.01
    for part, hz in enumerate((300, 500, 300)):
        spectrum = np.abs(np.fft.rfft(heard.samples[part * 16_000 + 2000 :][:8000]))
        assert spectrum.argmax() * 2 == hz
    cut = second[: len(second) // 2]
    if form in ("WAV", "AIFF", "MP3"):
        assert "2 recordings one after the other, of which number 2 is cut off" in reason(
            first + cut
        )


def test_an_mp3_without_a_header_is_as_long_as_its_frames(reader: ItemReader) -> None:
    from srmm.data.mp3 import _frames

    loud = np.random.default_rng(0).normal(size=32_000).astype(np.float32) / 10
    sound = np.concatenate([loud * 1e-4, loud])
    data = encoded(sound, form="MP3", bitrate_mode="VARIABLE")
    header = next(_frames(data))
    assert header.announced
    without = data[header.start + header.length :]
    tag = b"TAG" + bytes(125)
    for whole in (without, b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + without, without + tag):
        assert abs(reader.audio(whole).seconds - 4) < 0.2
    assert "cut off" in reason(data[: len(data) // 3])
    assert abs(reader.audio(without + data).seconds - 8) < 0.4


def test_sound_in_the_cells_of_a_frame() -> None:
    import pandas as pd

    from srmm.data.table import read_table

    samples = tone(seconds=0.2)
    cells = [
        (samples, 16_000),
        [samples, np.int32(16_000)],
        (samples.tolist(), np.array(16_000)),
        {"array": samples, "sampling_rate": 16_000},
        np.bytes_(encoded(samples)),
        {"array": samples},
        (samples, None),
        None,
    ]
    table = read_table(pd.DataFrame({"sound": pd.Series(cells, dtype=object)}), audio="sound")
    assert table.present[:, 0].tolist() == [True] * 7 + [False]
    for item in table.items["audio"][:5]:
        np.testing.assert_allclose(ItemReader().audio(item).samples, samples, atol=1e-4)
    for item in table.items["audio"][5:7]:
        assert "no sampling rate" in reason(item)


# --- reasons why it cannot be used ------------------------------------------------------------


def test_what_holds_no_voice() -> None:
    assert reason(encoded(np.zeros(16_000))) == "is silent"
    assert reason(encoded(np.full(16_000, 0.3))) == "is silent"  # a constant is no sound
    assert reason((tone() * 1e-5, 16_000)) == "is silent"
    assert "lasts 50 ms, less than 100 ms" in reason(encoded(tone(seconds=0.05)))
    assert "lasts 0 ms" in reason((np.empty(0), 16_000))
    assert ItemReader().audio(encoded(tone(seconds=0.1))).seconds == 0.1


def test_long_recordings_are_no_utterances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRMM_MAX_SECONDS", "60")
    hour = encoded(np.zeros(8_000 * 70), rate=8_000)
    assert "more than the limit of 1 minutes; cut it" in reason(hour)
    assert "more than the limit" in reason((np.zeros(8_000 * 70), 8_000))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none(value: float) -> None:
    samples = tone()
    samples[77] = value
    assert reason((samples, 16_000)) == "is partly NaN or infinite"
    assert reason(encoded(samples, subtype="FLOAT")) == "is partly NaN or infinite"


@pytest.mark.parametrize(
    ("form", "share", "expected"),
    [
        ("WAV", 0.5, r"is cut off: 15,978 of 32,000 bytes"),
        ("FLAC", 0.5, "not a readable audio file"),
        ("OGG", 0.5, r"is cut off: [\d,]+ of [\d,]+ bytes of its last page"),
        ("OGG", 0.001, "is cut off: 4 of 27 bytes|is cut off: 5 of 27 bytes"),
        ("MP3", 0.5, r"is cut off or damaged: 0\.\d\d of 1\.00 s"),
        ("AIFF", 0.5, "is cut off"),
        ("AU", 0.5, "is cut off"),
        ("W64", 0.5, "is cut off"),
        ("RF64", 0.5, "is cut off"),
        ("NIST", 0.5, r"is cut off or damaged: 0\.\d\d of 1\.00 s"),
        ("AVR", 0.5, r"is cut off or damaged: 0\.\d\d of 1\.00 s"),
        ("VOC", 0.5, "is cut off"),
        ("MAT4", 0.5, "is cut off"),
        ("WAV", 0.001, "not audio|not a readable audio file"),
    ],
)
def test_cut_files(form: str, share: float, expected: str) -> None:
    import re

    data = encoded(tone(), form=form)
    assert re.search(expected, reason(data[: int(share * len(data))]))


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_what_is_left_of_a_long_ogg_is_not_taken_for_the_whole(subtype: str) -> None:
    data = encoded(tone(seconds=8) + noise(8), form="OGG", subtype=subtype)
    for share in (0.3, 0.5, 0.9, 0.999):
        assert "is cut off: " in reason(data[: int(share * len(data))])
    last = data.rindex(b"OggS")
    assert "is cut off: 10 of 27 bytes" in reason(data[: last + 10])
    for whole in (data, data + data, data + b"TAG" + bytes(125), data[:last]):
        assert ItemReader().audio(whole).seconds > 6  # cut between two pages, nobody can tell


def noise(seconds: float) -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=int(16_000 * seconds))
    return (0.05 * drawn).astype(np.float32)


def test_a_wav_whose_recorder_was_ended_is_not_said_to_be_short() -> None:
    data = bytearray(encoded(tone()))
    data[40:44] = bytes(4)
    assert "says that it holds no samples, and has 32,044 bytes" in reason(bytes(data))
    assert "lasts 0 ms" in reason(encoded(np.zeros(0, np.float32)))


def test_what_is_no_audio_file(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (30, 30)).save(picture, "PNG")
    for junk in (b"hello " * 100, b"\0" * 5000, picture.getvalue()):
        assert "convert it to WAV, FLAC, OGG or MP3" in reason(junk)
    assert reason(b"\n<!DOCTYPE html><p>404") == "is not audio but a web page"
    assert reason(b"") == "is empty (0 bytes)"
    assert reason(str(tmp_path)) == "is a folder"


def test_what_is_no_sound_in_memory() -> None:
    assert "expected a path, bytes or (samples, rate), got float" in reason(3.5)
    assert "got ndarray" in reason(tone())  # without a rate
    assert "got NoneType" in reason({"path": None})
    assert "expected (samples, rate in Hz), got a ndarray" in reason((16_000, tone()))
    assert "no sampling rate" in reason({"array": tone()})
    assert "no sampling rate" in reason((tone(), True))
    assert "which is no whole number" in reason((tone(), 16_000.5))
    assert "which is no whole number" in reason((tone(), np.nan))
    assert "sampling rate of 5 Hz" in reason((tone(), 5))
    assert "sampling rate of -16,000 Hz" in reason((tone(), -16_000))
    assert "int64, whose range is unknown" in reason((np.arange(9000), 16_000))
    assert "samples up to 16,384; expected floats" in reason((tone() * 2**15, 16_000))
    assert "not an array of samples" in reason((["a", "b"], 16_000))
    assert "not an array of samples: 3 axes" in reason((np.zeros((2, 2, 9000)), 16_000))


@pytest.mark.parametrize("form", FORMATS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_damaged_files_are_read_or_refused_but_never_crash(form: str, data: st.DataObject) -> None:
    content = bytearray(encoded(tone(seconds=0.3), form=form))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        heard = ItemReader().audio(bytes(content[: data.draw(st.integers(1, len(content)))]))
    except UnreadableItem:
        return
    assert np.isfinite(heard.samples).all()
    assert heard.samples.ndim == 1
    assert heard.seconds >= 0.1


def test_without_soundfile_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(tone())
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtraError, match=r"soundfile.*srmm\[voices\]"):
        ItemReader().audio(data)
    assert ItemReader().audio((tone(), 16_000)).rate == 16_000  # nothing to decode


# --- resampling -------------------------------------------------------------------------------


def test_the_same_rate_is_left_alone() -> None:
    heard = Audio(tone(), 16_000)
    assert resample(heard, 16_000) is heard.samples


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 24_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.89])
def test_resampling_keeps_what_both_rates_can_hold(rate: int, share: float) -> None:
    hz = share * min(rate, 16_000) / 2
    got = resample(Audio(tone(hz, rate), rate), 16_000)
    assert got.dtype == np.float32
    assert len(got) == 16_000
    np.testing.assert_allclose(got[800:-800], tone(hz)[800:-800], atol=2e-5)


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
@pytest.mark.parametrize("hz", [8_100, 9_000, 10_500])
def test_resampling_lets_nothing_fold_back(rate: int, hz: float) -> None:
    mixed = tone(1000, rate) + tone(hz, rate)
    got = resample(Audio(mixed, rate), 16_000)
    np.testing.assert_allclose(got[800:-800], tone(1000)[800:-800], atol=1e-5)  # −94 dB
    with pytest.raises(UnreadableItem, match="silent below 8,000 Hz"):
        resample(Audio(tone(hz, rate)[2000:-2000] * _faded(rate), rate), 16_000)


def _faded(rate: int) -> np.ndarray:
    """Without a click at the ends, which is sound of every pitch."""
    return np.hanning(rate - 4000).astype(np.float32)


@settings(deadline=None, max_examples=20)
@given(rate=st.integers(4_000, 192_000))
def test_any_rate_keeps_length_and_pitch(rate: int) -> None:
    got = resample(Audio(tone(1000, rate, seconds=0.5), rate), 16_000)
    assert abs(len(got) - 8_000) <= 2
    spectrum = np.abs(np.fft.rfft(got * np.hanning(len(got)), n=1 << 16))
    assert abs(spectrum.argmax() * 16_000 / (1 << 16) - 1000) < 0.5


# --- faces ------------------------------------------------------------------------------------


def test_faces_are_pictures_of_some_size(reader: ItemReader, tmp_path: Path) -> None:
    Image.new("L", (92, 112), 90).save(tmp_path / "1.pgm")
    face = reader.face("1.pgm")
    assert (face.mode, face.size) == ("RGB", (92, 112))
    assert reader.face(Image.new("RGB", (16, 16))).size == (16, 16)
    small = Image.new("RGB", (200, 15))
    assert reason(small, reader.face) == "has 200 × 15 pixels, too few for a face"
    assert "not an image" in reason(b"nonsense", reader.face)


@pytest.mark.parametrize("form", ["WAV", "AU", "AIFF"])
def test_a_sound_longer_than_its_header_says_is_not_heard_in_part(form: str) -> None:
    """As of a recorder that brings its header up to date from time to time, and was ended."""
    data = bytearray(encoded(tone(), form=form))
    at = {"WAV": 40, "AU": 8, "AIFF": data.find(b"SSND") + 4}[form]
    data[at : at + 4] = (8_000).to_bytes(4, "little" if form == "WAV" else "big")
    expected = "cut off or damaged: 0.25 of 1.00 s" if form == "AIFF" else "lasts 0.25 s, and 24,"
    assert expected in reason(bytes(data))


def test_a_caf_longer_than_its_header_says_is_not_heard_in_part() -> None:
    whole = encoded(tone(), form="CAF")
    assert ItemReader().audio(whole).seconds > 0.99
    data, at = bytearray(whole), whole.find(b"data") + 4
    data[at : at + 8] = (8_004).to_bytes(8, "big")
    assert "lasts 0.25 s, and 24," in reason(bytes(data))


def test_what_stands_behind_the_samples_and_is_none_is_passed_over() -> None:
    cover = b"id3 " + (70_000).to_bytes(4, "little") + b"ID3".ljust(70_000, b"x")
    odd = encoded(tone()[:-1], subtype="PCM_U8")
    for whole in (
        encoded(tone()) + cover,
        odd + cover,
        odd[:-1] + cover,  # some leave out the byte that makes it even
        encoded(tone()) + bytes(9_000),
        encoded(tone()) + b"TAG".ljust(128, b"x"),
        encoded(tone(), form="CAF") + b"free" + (600).to_bytes(8, "big") + bytes(600),
        encoded(tone(), form="RF64") + cover,
    ):
        assert ItemReader().audio(whole).seconds > 0.99


@pytest.mark.parametrize("size", [0x7FFFF000, 0x7FFFFF00, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_wav_that_was_piped_is_heard_to_its_end(size: int) -> None:
    """SoX and eSpeak write the first for a length they do not know, arecord the second."""
    data = bytearray(encoded(tone()))
    data[4:8] = min(size + 36, 0xFFFFFFFF).to_bytes(4, "little")
    data[40:44] = size.to_bytes(4, "little")
    assert ItemReader().audio(bytes(data)).seconds == 1
