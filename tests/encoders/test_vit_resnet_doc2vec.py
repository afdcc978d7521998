"""ViT and ResNet against the library's own pipeline; Doc2Vec fitted on training rows and kept."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageDraw
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from srmm import Encode, SingleBranchClassifier, encode, load_embeddings, read_table
from srmm.cli import run
from srmm.data.items import UnreadableItem
from srmm.encoders import Encoder, FittableEncoder, available_encoders, load_encoder
from srmm.encoders.doc2vec import Doc2VecEncoder
from srmm.errors import InputError, MissingExtraError, StoreError
from tests.encoders.onnx_check import check_equal, needs_onnx

SIDE = 32
SHOES = ["shoe", "boot", "sandal", "heel", "sole", "lace", "leather", "sneaker"]
FOOD = ["soup", "bread", "cheese", "salt", "pepper", "oven", "dish", "butter"]

needs_gensim = pytest.mark.skipif(
    importlib.util.find_spec("gensim") is None,
    reason="gensim is not installed: pip install 'srmm[doc2vec]'",
)


def pictures() -> list[Image.Image]:
    """Drawings of several shapes: square, portrait, landscape, tiny, a strip."""
    drawn = []
    for k, size in enumerate([(72, 72), (60, 80), (300, 120), (3, 2), (400, 30)]):
        image = Image.new("RGB", size, "white")
        box = (size[0] // 8, size[1] // 8, size[0] - 1, size[1] - 1)
        ImageDraw.Draw(image).ellipse(box, fill=(250 - 40 * k, 60 * k % 255, 90))
        drawn.append(image)
    return drawn


# ViT and ResNet ------------------------------------------------------------------------------


def write_tiny_vit(folder: Path, *, side: int = SIDE, seed: int = 0, classifier: bool = False):
    from transformers import ViTConfig, ViTForImageClassification, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    config = ViTConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=SIDE,
        patch_size=8,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = (ViTForImageClassification if classifier else ViTModel)(config)
        norm = (model.vit if classifier else model).layernorm
        torch.nn.init.normal_(norm.weight)  # so that leaving the final norm out shows
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": side, "width": side}).save_pretrained(folder)
    return folder


def write_tiny_resnet(folder: Path, *, dim: int = 40, classifier: bool = False, **processor):
    from transformers import ResNetConfig, ResNetForImageClassification, ResNetModel
    from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[16, dim], depths=[1, 2], layer_type="bottleneck"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = (ResNetForImageClassification if classifier else ResNetModel)(config)
    model.save_pretrained(folder)
    options = {"size": {"shortest_edge": SIDE}, "crop_pct": 0.875} | processor
    ConvNextImageProcessorPil(**options).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny_vit(tmp_path_factory):
    return write_tiny_vit(tmp_path_factory.mktemp("vit"))


@pytest.fixture(scope="module")
def tiny_resnet(tmp_path_factory):
    return write_tiny_resnet(tmp_path_factory.mktemp("resnet"))


@pytest.fixture(params=["vit", "resnet"])
def spec(request):
    return f"{request.param}:{request.getfixturevalue(f'tiny_{request.param}')}"


def test_images_equal_the_librarys_own_pipeline(spec):
    from transformers import AutoImageProcessor, AutoModel

    name, _, folder = spec.partition(":")
    encoder = load_encoder(spec, "image")
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    model = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        output = model(**processor(images=pictures(), return_tensors="pt"))
    expected = output.last_hidden_state[:, 0] if name == "vit" else output.pooler_output[..., 0, 0]
    got = encoder.encode([encoder.prepare(image) for image in pictures()])
    assert got.shape == (5, 24 if name == "vit" else 40)
    np.testing.assert_array_equal(got, expected.numpy())


def test_a_vit_ends_with_the_final_norm(tiny_vit):
    from transformers import ViTModel

    encoder = load_encoder(f"vit:{tiny_vit}", "image")
    prepared = [encoder.prepare(image) for image in pictures()]
    model = ViTModel.from_pretrained(tiny_vit).eval()
    with torch.inference_mode():
        states = model(torch.from_numpy(np.stack(prepared)), output_hidden_states=True)
        before = states.hidden_states[-1][:, 0]
        after = model.layernorm(before)
    assert (after - before).abs().max() > 0.1
    np.testing.assert_allclose(encoder.encode(prepared), after.numpy(), atol=1e-6)


def test_a_resnet_averages_its_last_stage(tiny_resnet):
    from transformers import ResNetModel

    encoder = load_encoder(f"resnet:{tiny_resnet}", "image")
    prepared = [encoder.prepare(image) for image in pictures()]
    with torch.inference_mode():
        stage = ResNetModel.from_pretrained(tiny_resnet).eval()(
            torch.from_numpy(np.stack(prepared))
        )
    expected = stage.last_hidden_state.mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose(encoder.encode(prepared), expected, atol=1e-6)


def test_image_encoders_keep_the_protocol(spec):
    encoder = load_encoder(spec, "image")
    assert isinstance(encoder, Encoder)
    assert not isinstance(encoder, FittableEncoder)
    assert json.loads(json.dumps(encoder.settings)) == encoder.settings
    assert len(encoder.settings["weights"]) == 64
    assert load_encoder(encoder.settings["spec"], "image").settings == encoder.settings
    prepared = [encoder.prepare(image) for image in pictures()]
    together = encoder.encode(prepared)
    assert together.dtype == np.float32
    assert together.shape == (len(prepared), encoder.embedding_dim)
    alone = np.concatenate([encoder.encode([picture]) for picture in prepared])
    np.testing.assert_allclose(alone, together, atol=1e-5 * np.abs(together).max())


@needs_onnx
@pytest.mark.slow
def test_onnx_runtime_gives_pytorchs_embeddings(spec):
    check_equal(load_encoder(spec, "image"), pictures())


def test_published_sizes():
    """What the default configurations, those of the paper's checkpoints, embed to."""
    from transformers import ResNetConfig, ViTConfig

    assert ViTConfig().hidden_size == 768
    assert ResNetConfig(depths=[3, 4, 23, 3]).hidden_sizes[-1] == 2048
    entries = available_encoders()
    assert "768" in entries["vit:NAME"].embedding_dim
    assert "2048" in entries["resnet:NAME"].embedding_dim
    assert entries["doc2vec"].embedding_dim == "300"
    assert "LGPL" in entries["doc2vec"].licence


def test_settings_hold_all_that_decides_the_pixels(tiny_resnet, tmp_path):
    other = write_tiny_resnet(tmp_path, crop_pct=0.5)
    here = load_encoder(f"resnet:{tiny_resnet}", "image")
    there = load_encoder(f"resnet:{other}", "image")
    picture = pictures()[0]
    assert np.abs(here.prepare(picture) - there.prepare(picture)).max() > 0.1
    assert here.settings["weights"] == there.settings["weights"]
    assert here.settings["preprocessing"] != there.settings["preprocessing"]


def test_fine_tuned_classifiers_work_without_their_head(tmp_path):
    """A classifier's checkpoint has other names for its parameters, a head, and no pooler."""
    vit = load_encoder(f"vit:{write_tiny_vit(tmp_path / 'v', classifier=True)}", "image")
    assert vit.embedding_dim == 24
    resnet = write_tiny_resnet(tmp_path / "r", classifier=True)
    assert load_encoder(f"resnet:{resnet}", "image").embedding_dim == 40


def test_another_network_is_refused(tiny_vit, tiny_resnet, tiny_clip):
    with pytest.raises(InputError, match="type 'resnet'; 'vit:' needs one of type 'vit'"):
        load_encoder(f"vit:{tiny_resnet}", "image")
    with pytest.raises(InputError, match="type 'vit'; 'resnet:' needs one of type 'resnet'"):
        load_encoder(f"resnet:{tiny_vit}", "image")
    with pytest.raises(InputError, match="type 'clip'"):
        load_encoder(f"vit:{tiny_clip}", "image")


def test_weights_that_lack_a_layer_are_refused(tiny_vit, tmp_path):
    from safetensors.torch import load_file, save_file

    for file in Path(tiny_vit).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["layernorm.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lack 1 parameters of ViTModel.*layernorm.weight"):
        load_encoder(f"vit:{tmp_path}", "image")


def test_a_processor_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"\(40, 40\) pixels, but its network reads \(32, 32\)"):
        load_encoder(f"vit:{write_tiny_vit(tmp_path / 'v', side=40)}", "image")
    resnet = write_tiny_resnet(tmp_path / "r", do_resize=False)
    with pytest.raises(InputError, match="makes pictures of varying size"):
        load_encoder(f"resnet:{resnet}", "image")


def test_a_strip_of_pixels_does_not_fill_the_memory(spec):
    strip = Image.linear_gradient("L").resize((60_000, 3)).convert("RGB")
    assert load_encoder(spec, "image").prepare(strip).shape == (3, SIDE, SIDE)


def test_weights_that_are_not_here_say_how_to_get_them(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for wanted in ("vit:nobody/no-vit", "resnet:nobody/no-resnet"):
        with pytest.raises(InputError, match=r"hf download nobody/no-.*HF_HUB_OFFLINE=1"):
            load_encoder(wanted, "image")


# Doc2Vec -------------------------------------------------------------------------------------


def titles(n: int, seed: int = 0) -> list[str]:
    """Shoes and food by turns, six words each."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(FOOD if i % 2 else SHOES, 6)) for i in range(n)]


def small(**options) -> Doc2VecEncoder:
    return Doc2VecEncoder(**{"embedding_dim": 20, "epochs": 10, **options})


def vectors(encoder: Encoder, texts: list[str]) -> np.ndarray:
    return encoder.encode([encoder.prepare(text) for text in texts])


@pytest.fixture(scope="module")
def fitted():
    if importlib.util.find_spec("gensim") is None:
        pytest.skip("gensim is not installed: pip install 'srmm[doc2vec]'")
    encoder = small()
    encoder.fit(titles(200))
    return encoder


def test_without_gensim_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'srmm\[doc2vec\]'"):
        load_encoder("doc2vec", "text")


@needs_gensim
def test_doc2vec_keeps_the_protocol(fitted, tmp_path):
    assert isinstance(fitted, FittableEncoder)
    assert fitted.settings["spec"] is None  # not saved yet: nothing makes it again
    fresh = load_encoder("doc2vec", "text")
    assert fresh.embedding_dim == 300
    assert (fresh.is_fitted, fresh.settings["spec"], fresh.settings["weights"]) == (
        False,
        "doc2vec",
        None,
    )
    loaded = load_encoder(f"doc2vec:{fitted.save(tmp_path / 'd')}", "text")
    assert json.loads(json.dumps(loaded.settings)) == loaded.settings
    assert loaded.settings == {**fitted.settings, "spec": f"doc2vec:{tmp_path / 'd'}"}
    assert load_encoder(loaded.settings["spec"], "text").settings == loaded.settings
    out = vectors(fitted, titles(5))
    assert (out.dtype, out.shape) == (np.float32, (5, 20))


@needs_gensim
def test_a_saved_doc2vec_is_the_same_to_the_bit(fitted, tmp_path):
    folder = fitted.save(tmp_path / "d")
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "vocabulary.json", "model.safetensors"}
    loaded = load_encoder(f"doc2vec:{folder}", "text")
    new = titles(30, seed=9)
    np.testing.assert_array_equal(vectors(loaded, new), vectors(fitted, new))
    again = loaded.save(tmp_path / "again")
    assert all((again / n).read_bytes() == (folder / n).read_bytes() for n in names)


@needs_gensim
def test_an_embedding_depends_on_the_text_alone(fitted):
    texts = titles(20, seed=3)
    together = vectors(fitted, texts)
    np.testing.assert_array_equal(vectors(fitted, texts[::-1])[::-1], together)
    np.testing.assert_array_equal(vectors(fitted, texts[7:8]), together[7:8])


@pytest.mark.workflow
@needs_gensim
def test_fitting_again_in_another_process_gives_the_same_bits(fitted):
    code = (
        "import hashlib, sys, json\n"
        "from srmm.encoders.doc2vec import Doc2VecEncoder\n"
        "texts = json.load(sys.stdin)\n"
        "e = Doc2VecEncoder(embedding_dim=20, epochs=10); e.fit(texts)\n"
        "v = e.encode([e.prepare(t) for t in texts[:20]])\n"
        "print(e.settings['weights'], hashlib.sha256(v.tobytes()).hexdigest())\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(titles(200)),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert outputs.pop().split()[0] == fitted.settings["weights"]


@needs_gensim
def test_the_seed_and_the_texts_decide_the_weights(fitted):
    for other, texts in [(small(seed=1), titles(200)), (small(), titles(199))]:
        other.fit(texts)
        assert other.settings["weights"] != fitted.settings["weights"]


@needs_gensim
def test_vectors_are_those_that_gensim_infers(fitted, monkeypatch):
    """Apart from the random numbers they start from, which the library takes from Python's hash."""
    from gensim.models import doc2vec

    words = fitted.prepare("shoe soup boot pepper lace")
    text = " ".join(words).encode()
    digest = hashlib.blake2b(text, digest_size=8, key=b"0").digest()
    start = np.random.default_rng(int.from_bytes(digest, "little")).random(20)
    monkeypatch.setattr(
        doc2vec,
        "pseudorandom_weak_vector",
        lambda size, seed_string: ((start - 0.5) / size).astype(np.float32),
    )
    fitted._model.random.seed(int.from_bytes(digest[:4], "little"))
    expected = fitted._model.infer_vector(words)
    np.testing.assert_allclose(fitted.encode([words])[0], expected, rtol=1e-4, atol=1e-6)


@needs_gensim
def test_texts_of_one_subject_lie_together():
    """Two subjects with 100 words each and 100 in common: the nearest text is of the same one."""
    rng = np.random.default_rng(0)
    subject = np.arange(400) % 2
    texts = [
        " ".join(f"w{w}" for w in [*rng.integers(0, 100, 8) + 100 * s, *rng.integers(200, 300, 4)])
        for s in subject
    ]
    encoder = Doc2VecEncoder(embedding_dim=50)
    encoder.fit(texts[:300])
    found = vectors(encoder, texts)
    found -= found[:300].mean(axis=0)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    nearest = (found[300:] @ found[:300].T).argmax(axis=1)
    right = (subject[nearest] == subject[300:]).mean()
    assert right > 0.9, right


@needs_gensim
def test_what_doc2vec_cannot_do_is_said(fitted, tmp_path):
    for text in ("", "?!", "words nobody taught"):
        with pytest.raises(UnreadableItem, match="holds none of the 16 words"):
            fitted.prepare(text)
    assert fitted.prepare("A red SHOE, a boot!") == ["shoe", "boot"]
    with pytest.raises(InputError, match="has not been fitted yet"):
        load_encoder("doc2vec", "text").prepare("shoe")
    for texts in ([], ["", "!"], ["each word once"]):
        with pytest.raises(InputError, match="no word occurs 2 times"):
            small().fit(texts)
    with pytest.raises(InputError, match="epochs must be at least 1, got 0"):
        small(epochs=0)
    with pytest.raises(InputError, match="no folder"):
        load_encoder("doc2vec:./nowhere", "text")
    with pytest.raises(InputError, match=r"no fitted Doc2Vec.*config\.json"):
        load_encoder(f"doc2vec:{tmp_path}", "text")
    fitted.save(tmp_path / "d")
    with pytest.raises(InputError, match="already exists"):
        fitted.save(tmp_path / "d")
    (tmp_path / "d" / "vocabulary.json").write_text('["only", "two"]')
    with pytest.raises(InputError, match="no fitted Doc2Vec that can be read"):
        load_encoder(f"doc2vec:{tmp_path / 'd'}", "text")


# Fitting in an encoding job ------------------------------------------------------------------


def table_of(texts, split=None, **more):
    frame = pd.DataFrame({"id": [f"r{i}" for i in range(len(texts))], "text": texts, **more})
    if split is None:
        return read_table(frame, text="text", id="id")
    frame["split"] = split
    return read_table(frame, text="text", id="id", split="split")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def halves(n: int) -> list[str]:
    return ["train"] * (n // 2) + ["test"] * (n - n // 2)


@needs_gensim
def test_only_training_rows_are_fitted_on(tmp_path):
    known, unknown = titles(100), ["zebra giraffe zebra giraffe lion lion"] * 100
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = encode(table_of(known + unknown, halves(200)), {"text": small()})
    assert len(result.summary.unreadable) == 100
    assert "Doc2Vec has learnt" in result.summary.unreadable[0].reason
    expected = small()
    expected.fit(known)
    np.testing.assert_array_equal(result.embeddings.values["text"], vectors(expected, known))


@needs_gensim
def test_a_table_without_a_split_warns():
    with pytest.warns(UserWarning, match="has no split.*must not be used to measure"):
        result = encode(table_of(titles(60)), {"text": small()})
    assert result.embeddings.encoders["text"]["spec"] is None


@needs_gensim
def test_no_training_rows_is_an_error():
    with pytest.raises(InputError, match="has none with a text item"):
        encode(table_of(titles(4), ["test"] * 4), {"text": small()})


@needs_gensim
def test_a_store_keeps_what_was_fitted_and_grows_with_it(tmp_path):
    texts, store = titles(120), tmp_path / "store"
    texts[5] = None
    first = encode(table_of(texts, halves(120)), {"text": small()}, store)
    spec = first.embeddings.encoders["text"]["spec"]
    assert spec == f"doc2vec:{store / '_encoders' / 'text'}"
    assert first.summary.modalities["text"].encoder == spec
    assert not any(path.suffix in (".pkl", ".npy") for path in store.rglob("*"))
    kept = files(store)

    # Nothing changes, nor is anything fitted again.
    encode(table_of(texts, halves(120)), {"text": small()}, store)
    assert files(store) == kept

    # New training rows are encoded as the others were.
    more = [*texts, "soup bread sandal", "boot boot boot"]
    grown = encode(table_of(more, [*halves(120), "train", "test"]), {"text": small()}, store)
    assert (grown.summary.modalities["text"].encoded, len(grown.embeddings)) == (2, 122)
    assert {n: b for n, b in files(store).items() if "_encoders" in n} == {
        n: b for n, b in kept.items() if "_encoders" in n
    }
    encoder = load_encoder(spec, "text")
    np.testing.assert_array_equal(
        load_embeddings(store).values["text"][-2:], vectors(encoder, more[-2:])
    )

    # New rows, as a model that has the spec asks for them: no split, and no warning.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = encode(table_of(more[-2:]), {"text": spec}).embeddings
    np.testing.assert_array_equal(new.values["text"], vectors(encoder, more[-2:]))
    assert new.encoders["text"]["weights"] == first.embeddings.encoders["text"]["weights"]


@needs_gensim
def test_a_store_that_moved_is_added_to(tmp_path):
    table = table_of(titles(60), halves(60))
    encode(table, {"text": small()}, tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    again = encode(table, {"text": small()}, tmp_path / "b")
    assert again.summary.modalities["text"].encoded == 0
    spec = again.embeddings.encoders["text"]["spec"]
    assert load_encoder(spec, "text").is_fitted
    assert str(tmp_path / "b") in spec


@needs_gensim
def test_rows_that_the_encoder_has_learnt_from_are_never_tested_on(tmp_path, capsys):
    frame = pd.DataFrame({"text": titles(60), "f": range(60), "label": ["a", "b"] * 30})
    frame.to_csv(tmp_path / "t.csv", index=False)
    fit = ["fit", str(tmp_path / "t.csv"), "--text", "text", "--features", "f", "--label", "label",
           "--encoder", "text=doc2vec", "-o", str(tmp_path / "m"), "--method", "logreg",
           "--overwrite", "-q"]  # fmt: skip
    assert run(fit) == 0
    assert set(load_embeddings(tmp_path / "m.embeddings").split) == {"train", "test"}
    assert run(fit) == 0
    capsys.readouterr()
    assert run([*fit, "--seed", "1"]) == 1
    assert "which was fitted on another split" in capsys.readouterr().err
    assert run([*fit, "--seed", "1", "--store", str(tmp_path / "other")]) == 0


@needs_gensim
def test_other_settings_or_another_fit_are_refused(tmp_path, fitted):
    table, store = table_of(titles(60), halves(60)), tmp_path / "store"
    encode(table, {"text": small()}, store)
    for other in (small(epochs=11), fitted):
        with pytest.raises(InputError, match=r"cannot be mixed"):
            encode(table, {"text": other}, store)


@needs_gensim
def test_a_killed_job_goes_on_with_the_same_fit(tmp_path, monkeypatch):
    table = table_of(titles(80), halves(80))
    encode(table, {"text": small()}, tmp_path / "whole")

    class Killed(BaseException):
        pass

    def kill(self, prepared):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Doc2VecEncoder, "encode", kill)
        with pytest.raises(Killed):
            encode(table, {"text": small()}, tmp_path / "store")
    with monkeypatch.context() as patch:  # what was fitted is still there
        patch.setattr(Doc2VecEncoder, "fit", lambda *_: pytest.fail("fitted again"))
        result = encode(table, {"text": small()}, tmp_path / "store")
    assert "partial" not in result.summary.modalities["text"].encoder
    whole, resumed = files(tmp_path / "whole"), files(tmp_path / "store")
    assert whole.keys() == resumed.keys()
    assert not (tmp_path / "store.partial").exists()
    for name in whole.keys() - {"manifest.json"}:  # which has the store's own path, and its seal
        assert whole[name] == resumed[name], name
    first, second = (json.loads(found["manifest.json"]) for found in (whole, resumed))
    assert first.pop("sha256") != second.pop("sha256")
    assert json.dumps(first).replace("/whole/", "/store/") == json.dumps(second)


@needs_gensim
def test_a_modality_to_be_fitted_is_added_to_a_store(tmp_path):
    features = list(np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32))
    frame = pd.DataFrame({"f": features, "text": titles(60), "split": halves(60)})
    store = tmp_path / "store"
    encode(read_table(frame, features="f", split="split"), output=store)
    both = read_table(frame, features="f", text="text", split="split")
    result = encode(both, {"text": small()}, store)
    assert result.summary.modalities["features"].encoded == 0
    assert load_encoder(result.embeddings.encoders["text"]["spec"], "text").is_fitted


@needs_gensim
def test_encode_fits_on_the_rows_it_is_given():
    frame = pd.DataFrame({"text": titles(100)})
    encoder = small()
    step = Encode({"text": encoder}).fit(frame[:60], y=["ignored"] * 60)
    assert not encoder.is_fitted  # what the user passed is left alone
    expected = small()
    expected.fit(titles(100)[:60])
    np.testing.assert_array_equal(
        step.transform(frame[60:]).values["text"], vectors(expected, titles(100)[60:])
    )
    assert (
        clone(step).fit(frame).encoders_["text"].settings["weights"]
        != (step.encoders_["text"].settings["weights"])
    )
    labels = np.arange(100) % 2
    model = make_pipeline(
        Encode({"text": small(epochs=40)}), SingleBranchClassifier(random_state=0)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(frame[:80], labels[:80])
    assert model.predict(frame[80:]).shape == (20,)


# Table X: sizes that differ ------------------------------------------------------------------


@needs_gensim
def test_resnet_2048_beside_doc2vec_300(tmp_path):
    """Section V-B, Table X: two embedding sizes through one branch, either missing at will."""
    resnet = write_tiny_resnet(tmp_path / "resnet", dim=2048)
    rng = np.random.default_rng(0)
    n, texts = 60, titles(60)
    labels = np.array(["shoe", "food"])[np.arange(n) % 2]
    images = [
        Image.fromarray((rng.integers(0, 60, (40, 40, 3)) + (180 if i % 2 else 0)).astype(np.uint8))
        for i in range(n)
    ]
    split = ["train"] * 40 + ["test"] * 20
    frame = pd.DataFrame({"image": images, "text": texts, "label": labels, "split": split})
    frame.loc[3, "image"] = None
    frame.loc[4, "text"] = None
    table = read_table(frame, image="image", text="text", label="label", split="split")
    embeddings = encode(table, {"image": f"resnet:{resnet}", "text": "doc2vec"}).embeddings
    assert {name: v.shape[1] for name, v in embeddings.values.items()} == {
        "image": 2048,
        "text": 300,
    }
    train, test = embeddings[embeddings.split == "train"], embeddings[embeddings.split == "test"]
    model = SingleBranchClassifier(random_state=0).fit(train)
    assert model.score(test, test.labels) >= 0.9
    assert model.score(test.select(["image"]), test.labels) >= 0.9
    assert set(model.predict(test.select(["text"]))) <= {"shoe", "food"}


@needs_gensim
@pytest.mark.parametrize(
    ("counts", "weights", "training", "says"),
    [
        (lambda c: -c, None, {}, "counts holds"),
        (lambda c: c * 0, None, {}, "counts holds 0"),
        (lambda c: c.astype(np.int32), None, {}, "counts holds int32"),
        (lambda c: c[:-1], None, {}, "counts has the shape"),
        (None, lambda w: w.astype(np.float64), {}, "output_weights holds float64"),
        (None, lambda w: w[:, :-1], {}, "output_weights has the shape"),
        (None, lambda w: w * np.nan, {}, "output_weights holds nan"),
        (None, None, {"embedding_dim": 10**9}, "embedding_dim is 1000000000"),
        (None, None, {"epochs": 10**9}, "epochs is 1000000000"),
        (None, None, {"epochs": True}, "epochs is True"),
        (None, None, {"seed": -1}, "seed is -1"),
    ],
)
def test_what_native_code_would_follow_is_checked(
    fitted, tmp_path, counts, weights, training, says
):
    from safetensors.numpy import load_file, save_file

    folder = fitted.save(tmp_path / "d")
    tensors = load_file(folder / "model.safetensors")
    for name, change in {"counts": counts, "output_weights": weights}.items():
        tensors[name] = np.ascontiguousarray(change(tensors[name]) if change else tensors[name])
    save_file(tensors, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    config["training"] |= training
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(StoreError, match=says):
        load_encoder(f"doc2vec:{folder}", "text")
