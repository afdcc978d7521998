"""The encoders of faces and voices against the libraries they come from, and what they promise."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageDraw

from srmm.data.audio import Audio
from srmm.data.items import ItemReader
from srmm.data.table import read_table
from srmm.encoders import (
    Encoder,
    available_encoders,
    default_encoder,
    encoder_kind,
    load_encoder,
)
from srmm.encoders.network import Network, networks_of
from srmm.encoders.networks import utterance_aggregator
from srmm.encoders.networks.inception_resnet import InceptionResNetV1
from srmm.encoders.networks.keras_weights import read_keras_weights
from srmm.encoders.networks.utterance_aggregator import UtteranceAggregator
from srmm.encoders.spectrograms import mel_filters, spectrogram
from srmm.encoders.utterance_aggregator import training_spectrogram
from srmm.encoders.weights import fill
from srmm.encoding.encode import encode
from srmm.errors import InputError, MissingExtraError
from srmm.report.data_words import encoder_lines
from tests.encoders.onnx_check import check_equal, needs_onnx
from tests.encoders.seeded_weights import (
    digest,
    seeded_faces,
    seeded_keras_weights,
    seeded_spectrograms,
    seeded_weights,
    shapes_of,
    sung_vowels,
)

GOLDEN = json.loads((Path(__file__).with_name("face_voice.json")).read_text())
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "face_voice40"
RATE = 16_000


def _installed(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


needs_dlib = pytest.mark.skipif(
    not _installed("dlib", "face_recognition_models"), reason="needs srmm[faces]"
)
needs_resemblyzer = pytest.mark.skipif(
    not _installed("resemblyzer", "_webrtcvad"), reason="needs srmm[voices]"
)
pytestmark = pytest.mark.workflow  # networks of their full size
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"there is no {DATA}")


def seeded(network: torch.nn.Module) -> torch.nn.Module:
    weights = seeded_weights(shapes_of(network))
    fill(network, {name: torch.from_numpy(array) for name, array in weights.items()}, "seeds")
    return network.eval()


@pytest.fixture(scope="session")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as published, with a classifier of 8,631 people on top."""
    state = seeded(InceptionResNetV1()).state_dict()
    state["logits.weight"], state["logits.bias"] = torch.zeros(8631, 512), torch.zeros(8631)
    path = tmp_path_factory.mktemp("inception") / "20180402-114759-vggface2.pt"
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Keras' `save_weights` writes for the published network, its classifier included."""
    path = tmp_path_factory.mktemp("aggregator") / "weights.h5"
    write_keras(path, {**GOLDEN["utterance_aggregator"]["layers"], **CLASSIFIER})
    return path


CLASSIFIER = {"activation_7": {}, "prediction": {"prediction/kernel:0": [512, 20]}}


def write_keras(path: Path, layers: dict[str, dict[str, list[int]]], root: str = "/") -> None:
    h5py = pytest.importorskip("h5py", reason="needs srmm[voices]")
    with h5py.File(path, "w") as file:
        group = file.require_group(root)
        group.attrs["layer_names"] = [name.encode() for name in layers]
        group.attrs["backend"], group.attrs["keras_version"] = b"tensorflow", b"2.2.4"
        for name, shapes in layers.items():
            layer = group.require_group(name)
            layer.attrs["weight_names"] = [weight.encode() for weight in shapes]
            for weight, array in seeded_keras_weights(shapes).items():
                layer[weight] = array


@pytest.fixture(scope="session")
def xvector_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random WavLM with an x-vector head."""
    from transformers import Wav2Vec2FeatureExtractor, WavLMForXVector

    folder = tmp_path_factory.mktemp("wavlm")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = WavLMForXVector(_tiny_wavlm())
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and ("tdnn" in name or "projector" in name or "extract" in name):
                torch.nn.init.kaiming_normal_(parameter)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


def _tiny_wavlm() -> Any:
    from transformers import WavLMConfig

    return WavLMConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=37,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        num_buckets=32,
        tdnn_dim=(16, 16, 16, 16, 48),
        xvector_output_dim=24,
    )


def faces() -> list[Image.Image]:
    """Squares, a portrait, a landscape, and one smaller than any detector looks at."""
    drawn = [Image.fromarray(face) for face in seeded_faces()]
    for k, size in enumerate([(92, 112), (300, 200), (20, 24), (900, 700)]):
        image = Image.new("RGB", size, (40 * k, 200 - 30 * k, 90))
        box = (size[0] // 5, size[1] // 6, 4 * size[0] // 5, 5 * size[1] // 6)
        ImageDraw.Draw(image).ellipse(box, fill=(230 - 40 * k, 190, 160), outline="black")
        drawn.append(image)
    return drawn


def utterances() -> list[Audio]:
    """Several lengths and rates; the last two are equally long."""
    voice = sung_vowels()
    noise = np.random.default_rng(0).normal(scale=0.1, size=25_600).astype(np.float32)
    return [
        Audio(voice, RATE),
        Audio(sung_vowels(44_100)[:90_000], 44_100),
        Audio(voice[20_000:22_000], RATE),
        Audio(voice[:25_600], RATE),
        Audio(noise, RATE),
    ]


@pytest.fixture(
    params=[
        pytest.param("dlib", marks=needs_dlib),
        "inception-resnet-v1",
        pytest.param("resemblyzer", marks=needs_resemblyzer),
        "utterance-aggregator",
        "xvector",
    ]
)
def any_encoder(request: pytest.FixtureRequest) -> Any:
    files = {
        "inception-resnet-v1": "inception_file",
        "utterance-aggregator": "keras_file",
        "xvector": "xvector_folder",
    }
    spec = request.param
    if spec in files:
        spec = f"{spec}:{request.getfixturevalue(files[spec])}"
    return load_encoder(spec, encoder_kind(spec) or "")


def items_for(encoder: Any) -> list[Any]:
    return faces() if encoder.kind == "face" else utterances()


# What all of them promise ----------------------------------------------------------------------


def test_the_registry_describes_them() -> None:
    about = available_encoders()
    expected = {
        "resemblyzer": (("audio", "voice"), "256"),
        "utterance-aggregator:FILE": (("audio", "voice"), "512"),
        "xvector:NAME": (("audio", "voice"), "512"),
        "dlib": (("face",), "128"),
        "inception-resnet-v1:FILE": (("face",), "512"),
    }
    for name, (kinds, size) in expected.items():
        assert about[name].kinds == kinds
        assert encoder_kind(name.replace("FILE", "x").replace("NAME", "x")) == kinds[0]
        assert size in about[name].embedding_dim
        assert about[name].preprocessing
        assert "weights" in about[name].licence
    assert default_encoder("voice") == "resemblyzer"
    assert default_encoder("face") == "dlib"


def test_encoders_keep_the_protocol(any_encoder: Any) -> None:
    assert isinstance(any_encoder, Encoder)
    items = items_for(any_encoder)
    out = any_encoder.encode([any_encoder.prepare(item) for item in items])
    assert out.dtype == np.float32
    assert out.shape == (len(items), any_encoder.embedding_dim)
    assert np.isfinite(out).all()
    assert json.loads(json.dumps(any_encoder.settings)) == any_encoder.settings
    assert len(any_encoder.settings["weights"]) == 64
    again = load_encoder(any_encoder.settings["spec"], any_encoder.kind)
    assert again.settings == any_encoder.settings


def test_an_embedding_does_not_depend_on_its_batch(any_encoder: Any) -> None:
    prepared = [any_encoder.prepare(item) for item in items_for(any_encoder)]
    together = any_encoder.encode(prepared)
    alone = np.concatenate([any_encoder.encode([item]) for item in prepared])
    backwards = any_encoder.encode(prepared[::-1])[::-1]
    scale = np.abs(together).max()
    np.testing.assert_allclose(alone, together, atol=1e-5 * scale)
    np.testing.assert_allclose(backwards, together, atol=1e-5 * scale)


@needs_onnx
@pytest.mark.slow
def test_onnx_runtime_gives_pytorchs_embeddings(any_encoder: Any) -> None:
    if not networks_of(any_encoder):
        pytest.skip("it has no network of PyTorch")
    check_equal(any_encoder, items_for(any_encoder))


def test_items_are_prepared_alike_in_threads(any_encoder: Any) -> None:
    items = items_for(any_encoder)
    with ThreadPoolExecutor(4) as pool:
        in_threads = list(pool.map(any_encoder.prepare, items * 3))
    for item, prepared in zip(items * 3, in_threads, strict=True):
        np.testing.assert_array_equal(prepared, any_encoder.prepare(item))


def test_different_items_differ(any_encoder: Any) -> None:
    out = any_encoder.encode([any_encoder.prepare(item) for item in items_for(any_encoder)])
    distances = np.linalg.norm(out[:, None] - out[None], axis=2)
    distances += np.eye(len(out)) * distances.max()
    assert distances.min() > 1e-3 * np.abs(out).max()


# Inception-ResNet-V1 ---------------------------------------------------------------------------


def test_inception_resnet_has_the_published_parameters() -> None:
    network = InceptionResNetV1()
    assert digest(shapes_of(network)) == GOLDEN["inception_resnet_v1"]["state_dict"]
    own = sum(parameter.numel() for parameter in network.parameters())
    assert own == 23_482_624
    classifiers = {people: own + (512 + 1) * people for people in (8631, 10575)}
    assert classifiers == {8631: 27_910_327, 10575: 28_907_599}  # VGGFace2, CASIA-WebFace


def test_inception_resnet_equals_facenet_pytorch(inception_file: Path) -> None:
    """The numbers of the package itself, see make_face_voice.py; from pictures on."""
    encoder = load_encoder(f"inception-resnet-v1:{inception_file}", "face")
    expected = np.array(GOLDEN["inception_resnet_v1"]["output"])
    got = encoder.encode([encoder.prepare(Image.fromarray(face)) for face in seeded_faces()])
    assert np.linalg.norm(expected[0] - expected[1]) > 0.1
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_inception_resnet_equals_an_installed_facenet_pytorch() -> None:
    """The same with a random state dict of today, where the package is importable."""
    found = importlib.util.find_spec("facenet_pytorch")
    if found is None:
        pytest.skip("facenet-pytorch is not importable (pip install --no-deps facenet-pytorch)")
    package = types.ModuleType("facenet_models")
    package.__path__ = [str(Path(found.submodule_search_locations[0]) / "models")]
    requests = types.ModuleType("requests")  # only for downloads, which nobody asks for here
    adapters = types.ModuleType("requests.adapters")
    adapters.HTTPAdapter = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "facenet_models", package)
        patch.setitem(sys.modules, "requests", requests)
        patch.setitem(sys.modules, "requests.adapters", adapters)
        module = importlib.import_module("facenet_models.inception_resnet_v1")
    theirs, ours = module.InceptionResnetV1().eval(), InceptionResNetV1().eval()
    ours.load_state_dict(theirs.state_dict())
    pictures = torch.randn(2, 3, 160, 160)
    with torch.inference_mode():
        torch.testing.assert_close(ours(pictures), theirs(pictures), atol=1e-5, rtol=0)


def test_faces_are_scaled_as_published(inception_file: Path) -> None:
    encoder = load_encoder(f"inception-resnet-v1:{inception_file}", "face")
    seen = []
    encoder.network.module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    picture = faces()[2]
    encoder.encode([encoder.prepare(picture)])
    resized = np.asarray(picture.resize((160, 160), Image.Resampling.BILINEAR), dtype=np.float32)
    np.testing.assert_array_equal(
        seen[0][0].numpy(), ((resized - 127.5) / 128.0).transpose(2, 0, 1)
    )


def test_published_checkpoints_are_found_where_pytorch_keeps_them(
    inception_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError) as caught:
        load_encoder("inception-resnet-v1:vggface2", "face")
    for part in ("/v2.2.9/20180402-114759-vggface2.pt", str(tmp_path), "HF_HUB_OFFLINE"):
        assert part in str(caught.value)
    for folder in (tmp_path / "hub" / "checkpoints", tmp_path / "checkpoints"):
        folder.mkdir(parents=True)
        (folder / inception_file.name).symlink_to(inception_file)
        encoder = load_encoder("inception-resnet-v1:vggface2", "face")
        assert encoder.settings["spec"] == "inception-resnet-v1:vggface2"
        (folder / inception_file.name).unlink()
    by_file = load_encoder(f"inception-resnet-v1:{inception_file}", "face")
    assert by_file.settings["weights"] == encoder.settings["weights"]


# Weights from files ----------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["inception-resnet-v1", "utterance-aggregator"])
def test_no_weights_are_ever_random(spec: str, tmp_path: Path) -> None:
    kind = encoder_kind(f"{spec}:x") or ""
    for named in (spec, f"{spec}:"):
        with pytest.raises(InputError, match=rf"needs a file with its weights: '{spec}:FILE'.*git"):
            load_encoder(named, kind)
    with pytest.raises(InputError, match=r"There is no file nowhere\.pt .*download .*HF_HUB_OFF"):
        load_encoder(f"{spec}:nowhere.pt", kind)
    with pytest.raises(InputError, match="is a folder; name the file"):
        load_encoder(f"{spec}:{tmp_path}", kind)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pt", b"", "not a PyTorch checkpoint"),
        ("a.pt", b"<html>not found", "not a PyTorch checkpoint.*Is the download whole"),
        ("a.pt", [1, 2], "holds no state dict"),
        ("a.pt", {"epoch": 3}, "holds no state dict"),
        ("a.safetensors", b"{}", "not a readable safetensors file"),
        ("a.pt", {"fc6.weight": torch.zeros(2, 2)}, r"lack assignment.bias, .* and \d+ more"),
    ],
)
def test_files_that_hold_no_weights(name: str, content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(InputError, match=message):
        load_encoder(f"utterance-aggregator:{path}", "audio")


def test_a_checkpoint_that_would_run_code_does_not(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable, tuple]:
            return (Path(tmp_path / "sprung").write_text, ("",))

    torch.save({"fc.weight": Trap()}, tmp_path / "a.pt")
    with pytest.raises(InputError, match="not a PyTorch checkpoint of plain tensors"):
        load_encoder(f"utterance-aggregator:{tmp_path / 'a.pt'}", "audio")
    assert not (tmp_path / "sprung").exists()


def test_weights_of_another_network_are_refused(inception_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not those of UtteranceAggregator: they lack .*unknown"):
        load_encoder(f"utterance-aggregator:{inception_file}", "audio")
    state = InceptionResNetV1().state_dict()
    state["last_bn.bias"] = torch.zeros(128)
    torch.save(state, tmp_path / "small.pt")
    with pytest.raises(
        InputError, match=r"another shape for last_bn.bias \(128,\), expected \(512"
    ):
        load_encoder(f"inception-resnet-v1:{tmp_path / 'small.pt'}", "face")


def test_weights_are_the_same_in_any_file(keras_file: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = {name: tensor.contiguous() for name, tensor in read_keras_weights(keras_file).items()}
    torch.save({"state_dict": state}, tmp_path / "a.pt")
    save_file(state, tmp_path / "a.safetensors")
    digests = {
        load_encoder(f"utterance-aggregator:{path}", "audio").settings["weights"]
        for path in (keras_file, tmp_path / "a.pt", tmp_path / "a.safetensors")
    }
    assert len(digests) == 1


# Utterance-level aggregator --------------------------------------------------------------------


def test_the_aggregator_equals_the_published_keras_network(keras_file: Path) -> None:
    """The numbers of the published code, see make_face_voice.py."""
    network = UtteranceAggregator().eval()
    fill(network, read_keras_weights(keras_file), keras_file)
    # 7,678,410 numbers, as Keras counts them, of which batch norm's statistics are not learnt.
    assert sum(parameter.numel() for parameter in network.parameters()) == 7_664_394
    expected = np.array(GOLDEN["utterance_aggregator"]["output"])
    assert np.linalg.norm(expected[0] - expected[1]) > 0.1
    with torch.inference_mode():
        got = network(torch.from_numpy(seeded_spectrograms())).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_saved_keras_model_is_read_as_its_weights_are(keras_file: Path, tmp_path: Path) -> None:
    layers = GOLDEN["utterance_aggregator"]["layers"]
    write_keras(tmp_path / "model.h5", layers, root="model_weights")
    whole, weights = read_keras_weights(tmp_path / "model.h5"), read_keras_weights(keras_file)
    assert whole.keys() == weights.keys()
    assert all(torch.equal(whole[name], weights[name]) for name in whole)


def test_keras_files_that_do_not_fit(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="needs srmm[voices]")
    layers = GOLDEN["utterance_aggregator"]["layers"]

    def refused(message: str, changed: dict[str, dict[str, list[int]]]) -> None:
        write_keras(tmp_path / "a.h5", changed)
        with pytest.raises(InputError, match=message):
            load_encoder(f"utterance-aggregator:{tmp_path / 'a.h5'}", "audio")

    refused("lack fc6.bias, fc6.weight", {k: v for k, v in layers.items() if k != "fc6"})
    refused(
        r"another shape for centres \(14, 512\), expected \(10, 512\)",
        layers | {"gvlad_pool": {"gvlad_pool/centers:0": [14, 512]}},
    )
    refused("'fc6/embeddings:0' in the layer 'fc6'", layers | {"fc6": {"fc6/embeddings:0": [2]}})
    (tmp_path / "a.h5").write_bytes(b"PK nonsense")
    with pytest.raises(InputError, match="not a whole HDF5 file"):
        load_encoder(f"utterance-aggregator:{tmp_path / 'a.h5'}", "audio")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(InputError, match="lists no 'layer_names'"):
        load_encoder(f"utterance-aggregator:{tmp_path / 'a.h5'}", "audio")


def test_without_h5py_the_extra_is_named(keras_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"h5py.*srmm\[voices\]"):
        load_encoder(f"utterance-aggregator:{keras_file}", "audio")


@pytest.mark.parametrize("frames", [16, 255, 256, 257, 353, 700])
def test_a_long_utterance_in_pieces_is_the_same(
    frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(utterance_aggregator, "_PIECE", 256)
    network = seeded(UtteranceAggregator())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(frames)
        frames_of = torch.randn(257, frames).numpy()
    columns = Network(network, UtteranceAggregator.columns, device="cpu")
    whole = columns(spectrograms=frames_of[None])
    pieces = utterance_aggregator.columns_in_pieces(columns, frames_of)
    assert whole.shape[-1] >= 1
    np.testing.assert_allclose(pieces, whole, atol=1e-5 * np.abs(whole).max(), rtol=0)


def test_the_spectrogram_is_the_published_one(keras_file: Path) -> None:
    """The steps of the published `load_data`, with SciPy in place of librosa."""
    from scipy.signal import get_window

    encoder = load_encoder(f"utterance-aggregator:{keras_file}", "audio")
    samples = utterances()[4].samples
    joined = np.pad(np.concatenate([samples, samples[::-1]]), 256, mode="reflect")
    window = np.zeros(512)
    window[56:456] = get_window("hann", 400)
    frames = [joined[k : k + 512] * window for k in range(0, len(joined) - 511, 160)]
    magnitudes = np.abs(np.fft.rfft(frames, axis=1)).T
    mean, deviation = magnitudes.mean(0, keepdims=True), magnitudes.std(0, keepdims=True)
    expected = (magnitudes - mean) / (deviation + 1e-5)
    got = encoder.prepare(Audio(samples, RATE))
    assert got.shape == (257, 1 + 2 * len(samples) // 160)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_spectrograms_equal_librosas() -> None:
    librosa = pytest.importorskip("librosa", reason="librosa is not installed")
    samples = utterances()[4].samples[:25_333]
    for padding in ("reflect", "constant"):
        theirs = librosa.stft(samples, n_fft=512, win_length=400, hop_length=160, pad_mode=padding)
        ours = spectrogram(samples, fft=512, window=400, hop=160, padding=padding)
        np.testing.assert_allclose(ours, np.abs(theirs).T, atol=1e-5 * np.abs(theirs).max())
    filters = librosa.filters.mel(sr=RATE, n_fft=400, n_mels=40).T
    np.testing.assert_allclose(mel_filters(RATE, 400, 40), filters, atol=1e-7)


def test_training_sees_random_crops_of_two_and_a_half_seconds() -> None:
    generator = np.random.default_rng(0)
    long, short = utterances()[0], Audio(sung_vowels()[:8_000], RATE)
    crops = [training_spectrogram(long, generator) for _ in range(4)]
    assert {crop.shape for crop in crops} == {(257, 250)}
    assert all(np.abs(a - b).max() > 0.1 for a, b in pairwise(crops))
    padded = training_spectrogram(short, generator)  # twice half a second, then silence
    assert padded.shape == (257, 250)
    assert np.abs(padded[:, :100]).max() > 1
    np.testing.assert_array_equal(padded[:, 102:], 0)
    again = training_spectrogram(long, np.random.default_rng(0))
    np.testing.assert_array_equal(again, crops[0])


# Resemblyzer -----------------------------------------------------------------------------------


@needs_resemblyzer
def test_resemblyzer_equals_the_library() -> None:
    """The numbers of the package itself, see make_face_voice.py."""
    golden = GOLDEN["resemblyzer"]
    encoder = load_encoder("resemblyzer", "audio")
    mels = encoder.prepare(Audio(sung_vowels(), RATE))
    assert golden["samples_kept"] < 3.2 * RATE  # the pause of a second is cut out
    np.testing.assert_allclose(mels[0][50], golden["mel_frame_50"], rtol=1e-4)
    np.testing.assert_allclose(encoder.encode([mels])[0], golden["output"], atol=1e-5)


@needs_resemblyzer
def test_resemblyzer_equals_an_installed_library(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("librosa", reason="librosa is not installed")
    import _webrtcvad

    class Vad:  # the library's import of webrtcvad needs a setuptools of before 81
        def __init__(self, mode: int) -> None:
            self.vad = _webrtcvad.create()
            _webrtcvad.init(self.vad)
            _webrtcvad.set_mode(self.vad, mode)

        def is_speech(self, pcm: bytes, sample_rate: int) -> bool:
            return _webrtcvad.process(self.vad, sample_rate, pcm, len(pcm) // 2)

    monkeypatch.setitem(sys.modules, "webrtcvad", types.SimpleNamespace(Vad=Vad))
    library = pytest.importorskip("resemblyzer")
    theirs, ours = library.VoiceEncoder("cpu", verbose=False), load_encoder("resemblyzer", "audio")
    voice = sung_vowels()
    for samples in (voice, voice * 0.01, voice[:9_000], np.tile(voice, 3)):
        expected = theirs.embed_utterance(library.preprocess_wav(samples.copy()))
        got = ours.encode([ours.prepare(Audio(samples, RATE))])[0]
        np.testing.assert_allclose(got, expected, atol=1e-5)


@needs_resemblyzer
def test_a_clip_without_a_voice_is_heard_whole() -> None:
    encoder = load_encoder("resemblyzer", "audio")
    hum = Audio((0.1 * np.sin(np.arange(40_000) / 30)).astype(np.float32), RATE)
    assert not encoder._is_voice(hum.samples[:39_840]).any()
    assert encoder.prepare(hum).shape == (2, 160, 40)
    np.testing.assert_allclose(np.linalg.norm(encoder.encode([encoder.prepare(hum)])), 1, atol=1e-5)


@needs_resemblyzer
def test_resampled_voices_stay_where_they_were() -> None:
    encoder = load_encoder("resemblyzer", "audio")
    rates = [16_000, 22_050, 44_100, 48_000]
    prepared = [encoder.prepare(Audio(sung_vowels(rate), rate)) for rate in rates]
    embeddings = encoder.encode(prepared)
    assert (embeddings @ embeddings[0] > 0.998).all()


# X-vectors -------------------------------------------------------------------------------------


def test_xvectors_equal_the_librarys_own_pipeline(xvector_folder: Path) -> None:
    from transformers import AutoFeatureExtractor, AutoModelForAudioXVector

    encoder = load_encoder(f"xvector:{xvector_folder}", "audio")
    extractor = AutoFeatureExtractor.from_pretrained(xvector_folder)
    model = AutoModelForAudioXVector.from_pretrained(xvector_folder).eval()
    voices = [item for item in utterances() if item.rate == RATE and item.seconds > 1]
    got = encoder.encode([encoder.prepare(item) for item in voices])
    for item, embedding in zip(voices, got, strict=True):
        inputs = extractor(item.samples, sampling_rate=RATE, return_tensors="pt")
        with torch.inference_mode():
            expected = model(**inputs).embeddings[0].numpy()
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(embedding, expected, atol=1e-5 * np.abs(expected).max())


def test_xvectors_of_short_and_endless_clips(xvector_folder: Path) -> None:
    encoder = load_encoder(f"xvector:{xvector_folder}", "audio")
    voice = sung_vowels()
    short = encoder.prepare(Audio(voice[:1_600], RATE))
    assert len(short) == 8_000
    np.testing.assert_allclose(short[:1_600], short[1_600:3_200], atol=1e-6)
    assert np.isfinite(encoder.encode([short])).all()
    endless = np.tile(voice, 10)
    middle = encoder.prepare(Audio(endless[80_000:560_000], RATE))
    np.testing.assert_array_equal(encoder.prepare(Audio(endless, RATE)), middle)


def test_models_that_make_no_xvectors(
    tmp_path: Path, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants
    from transformers import Wav2Vec2FeatureExtractor, WavLMModel

    WavLMModel(_tiny_wavlm()).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"lack \d+ parameters.*they would be random.*'-sv'"):
        load_encoder(f"xvector:{tmp_path}", "audio")
    with pytest.raises(InputError, match=r"not a model that makes x-vectors.*wavlm-base-plus-sv"):
        load_encoder(f"xvector:{tiny_clip}", "audio")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"hf download nobody/none.*HF_HUB_OFFLINE"):
        load_encoder("xvector:nobody/none", "audio")


# dlib ------------------------------------------------------------------------------------------


@needs_dlib
@needs_data
def test_dlib_equals_the_steps_of_face_recognition() -> None:
    """Detect, find five landmarks, describe: each by dlib itself, on photos of real faces."""
    import dlib

    folder = Path(importlib.util.find_spec("face_recognition_models").submodule_search_locations[0])
    detect = dlib.get_frontal_face_detector()
    landmarks = dlib.shape_predictor(str(folder / "models/shape_predictor_5_face_landmarks.dat"))
    network = dlib.face_recognition_model_v1(
        str(folder / "models/dlib_face_recognition_resnet_model_v1.dat")
    )
    encoder = load_encoder("dlib", "face")
    reader = ItemReader(DATA / "faces")
    for name in ("id00_01.pgm", "id07_04.pgm", "id21_09.pgm"):
        picture = reader.face(name)
        pixels = np.asarray(picture)
        (box,) = detect(pixels, 1)
        expected = network.compute_face_descriptor(pixels, landmarks(pixels, box))
        got = encoder.encode([encoder.prepare(picture)])[0]
        np.testing.assert_allclose(got, np.array(expected), atol=1e-5)
        large = picture.resize((460, 560), Image.Resampling.BICUBIC)
        same = encoder.encode([encoder.prepare(large)])[0]
        assert np.linalg.norm(same - got) < 0.3  # 0.6 tells people apart


@needs_dlib
def test_dlib_without_a_face_takes_the_central_square() -> None:
    import dlib

    encoder = load_encoder("dlib", "face")
    picture = Image.linear_gradient("L").convert("RGB").resize((120, 90))
    assert not dlib.get_frontal_face_detector()(np.asarray(picture), 1)
    box = encoder._central_square(*picture.size)
    assert (box.left(), box.top(), box.right(), box.bottom()) == (15, 0, 105, 90)
    assert encoder.prepare(picture).shape == (150, 150, 3)
    assert encoder.is_cut(picture)
    assert encoder.is_cut(picture.copy())  # which was not the last
    table = read_table(pd.DataFrame({"who": [picture, None]}), face="who")
    result = encode(table)
    said = "1 of 1 pictures of 'face' show no face that is found; the central square of each"
    assert said in str(result.summary)
    (shown,) = [
        line for line in encoder_lines(result.embeddings.encoders["face"]) if "1 of" in line
    ]
    assert shown.startswith("1 of 1 items show no face")


@needs_dlib
@needs_data
def test_dlib_says_where_it_found_a_face() -> None:
    encoder = load_encoder("dlib", "face")
    picture = ItemReader(DATA / "faces").face("id00_01.pgm")
    encoder.prepare(picture)
    assert not encoder.is_cut(picture)
    assert encoder.is_cut(picture.rotate(180))


@pytest.mark.parametrize("missing", ["dlib", "face_recognition_models"])
def test_without_dlib_the_extra_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing == "dlib":
        monkeypatch.setitem(sys.modules, "dlib", None)
    else:
        pytest.importorskip("dlib", reason="needs srmm[faces]")
        _hide(monkeypatch, missing)
    with pytest.raises(MissingExtraError, match=r"dlib.*srmm\[faces\]"):
        load_encoder("dlib", "face")


@pytest.mark.parametrize("missing", ["resemblyzer", "_webrtcvad"])
def test_without_resemblyzer_the_extra_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "resemblyzer":
        _hide(monkeypatch, missing)
    elif not _installed("resemblyzer"):
        pytest.skip("needs srmm[voices]")
    else:
        monkeypatch.setitem(sys.modules, "_webrtcvad", None)
    with pytest.raises(MissingExtraError, match=r"resemblyzer.*srmm\[voices\]"):
        load_encoder("resemblyzer", "audio")


def _hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == package else find(name)
    )


# Real people -----------------------------------------------------------------------------------


@needs_data
@pytest.mark.parametrize(
    ("spec", "folder", "pattern"),
    [
        pytest.param("dlib", "faces", "id{:02}_*.pgm", marks=needs_dlib),
        pytest.param("resemblyzer", "voices", "id{:02}_*.flac", marks=needs_resemblyzer),
    ],
)
def test_people_are_told_apart(spec: str, folder: str, pattern: str) -> None:
    """Ten people, three items to know them by, and one that is nearest to the right ones' mean."""
    encoder = load_encoder(spec, encoder_kind(spec) or "")
    reader = ItemReader(DATA / folder)
    read = reader.face if encoder.kind == "face" else reader.audio
    files = [sorted((DATA / folder).glob(pattern.format(k)))[:4] for k in range(0, 40, 4)]
    prepared = [encoder.prepare(read(file.name)) for found in files for file in found]
    embeddings = encoder.encode(prepared).reshape(10, 4, -1)
    known = embeddings[:, :3].mean(axis=1)
    distances = np.linalg.norm(embeddings[:, 3:] - known, axis=2)
    assert (distances.argmin(axis=1) == np.arange(10)).mean() >= 0.9
