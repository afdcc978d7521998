"""Exported folders, used as a program without srmm would use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

import srmm
from srmm import Embeddings
from srmm.cli import run
from srmm.ensemble.weights import PatternWeights
from srmm.errors import InputError, SrmmError
from srmm.exporting.encoders import export_encoder
from srmm.exporting.ensemble import WeightsOf
from srmm.exporting.onnx import ABOUT, GRAPH, compare, export_onnx, made_up
from srmm.exporting.standalone.encode import embed
from srmm.exporting.writing import write_graph
from srmm.files import check_files
from srmm.fusion import pattern_codes
from srmm.learning.saving import save_pretrained
from tests.exporting.test_graphs import tiny
from tests.methods.test_methods import LABELS, separable


def odd_names(n: int = 90) -> Embeddings:
    """Modalities that are called as things inside a graph are, or as its other ends."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=n)
    arrays = {name: rng.normal(size=(n, 3)) + y[:, None] for name in ("present", "linear", "bits")}
    return Embeddings.from_arrays(arrays, labels=LABELS[y]).mask(rng.random((n, 3)) < 0.8)


@pytest.mark.slow
def test_a_graph_is_the_same_whatever_the_caller_has_set(tmp_path: Path) -> None:
    model = tiny("srmm-paper").fit(odd_names())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = export_onnx(model, tmp_path / "autocast")
    torch.set_default_dtype(torch.float64)
    try:
        wide = export_onnx(model, tmp_path / "float64")
    finally:
        torch.set_default_dtype(torch.float32)
    plain = export_onnx(model, tmp_path / "plain")
    for made in (rounded, wide):
        assert (made.folder / GRAPH).read_bytes() == (plain.folder / GRAPH).read_bytes()


@pytest.mark.slow
def test_the_default_method_in_onnx_runtime(tmp_path: Path) -> None:
    model = tiny("srmm").fit(odd_names())
    made = export_onnx(model, tmp_path / "out")
    assert (made.patterns, made.notes) == (7, ())
    assert made.largest_difference <= 1e-5
    session = onnxruntime.InferenceSession(str(made.folder / GRAPH))
    inputs = {one.name: (one.shape, one.type) for one in session.get_inputs()}
    assert inputs == {
        "present_": (["n", 3], "tensor(float)"),
        "linear": (["n", 3], "tensor(float)"),
        "bits": (["n", 3], "tensor(float)"),
        "present": (["n", 3], "tensor(bool)"),
    }
    arrays, present = made_up(model)
    model.set_params(when_nothing_present="prior")
    rows = Embeddings.from_arrays(arrays, present=present)
    for n in (0, 1, 2, len(present)):
        given = dict(zip(inputs, [*(x[:n] for x in arrays.values()), present[:n]], strict=True))
        whole, alone = session.run(["probabilities", "alone"], given)
        assert whole.shape == (n, 3)
        if n:
            expected = model.predict_proba(rows[:n])
            np.testing.assert_allclose(whole, expected, atol=1e-5)
            each = model.predict_per_modality(rows[:n])
            np.testing.assert_allclose(alone, each, atol=1e-5)
    about = json.loads((made.folder / ABOUT).read_text(encoding="utf-8"))
    check_files(made.folder, about["files"], remedy="")
    assert list(about["modalities"]) == list(model.modalities_)
    assert about["classes"] == model.classes_.tolist()
    assert about["nothing_present"]["prior"] == pytest.approx(model.class_prior_.tolist())
    limits = {tuple(one["present"]): one["limits"]["0.9"] for one in about["sets"]}
    both = np.array([[True, True, False]])
    assert limits["present", "linear"] == pytest.approx(model.calibration_.limits(both, 0.9)[0])


@pytest.mark.slow
def test_modalities_called_as_the_insides_of_a_graph_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=60)
    names = ("constant.0", "inner.0.0", "inner.3.0")
    arrays = {name: rng.normal(size=(60, 3)) + y[:, None] for name in names}
    model = tiny("logreg").fit(Embeddings.from_arrays(arrays, labels=LABELS[y]))
    assert export_onnx(model, tmp_path / "out").patterns == 7


@pytest.mark.slow
def test_a_graph_that_says_something_else_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny("logreg").fit(separable(2, n=60))
    made = export_onnx(model, tmp_path / "out")
    model.models_["image"].intercept_ += np.array([1e-3, 0, 0])
    with pytest.raises(SrmmError, match="apart from the model's with image"):
        compare(model, made.folder / GRAPH)
    before = (made.folder / ABOUT).read_bytes()
    with pytest.raises(InputError, match="already holds an exported model"):
        export_onnx(model, tmp_path / "out")
    monkeypatch.setattr("srmm.exporting.onnx.TOLERANCE", -1.0)
    with pytest.raises(SrmmError, match="It is not kept"):
        export_onnx(model, tmp_path / "out", overwrite=True)
    assert (made.folder / ABOUT).read_bytes() == before


def test_what_cannot_be_exported_is_said_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = save_pretrained(tiny("router").fit(separable(2, n=60)), tmp_path / "model")
    assert run(["export", str(folder), "--onnx", str(tmp_path / "out")]) == 1
    assert "The method 'router' cannot be exported" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run(["export", str(folder), "-o", "/dev/null"]) == 1
    assert "(--output)" in " ".join(capsys.readouterr().err.split())  # which is -o, too
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is no exported model"):
        export_onnx(folder, tmp_path / "taken", overwrite=True)
    with pytest.raises(InputError, match="nothing else is written there"):
        export_onnx(folder, folder / "onnx")
    with pytest.raises(InputError, match="Expected a fitted classifier of srmm"):
        export_onnx(object(), tmp_path / "out")


class _OnlyWeights(torch.nn.Module):
    """The weights of the experts, of a graph that has no more to it."""

    def __init__(self, weights: PatternWeights) -> None:
        super().__init__()
        self.weights = WeightsOf(weights)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.weights(tensors[-1]).float(),)


@pytest.mark.slow
def test_patterns_of_very_many_modalities_are_told_apart(tmp_path: Path) -> None:
    """The runtime adds integers up as floats, which beyond 53 bits takes two patterns for one."""
    M = 63
    present = np.ones((4, M), dtype=bool)
    present[1, 0] = present[2, 1] = present[3, 62] = False
    codes = np.sort(np.append(pattern_codes(present[:3]), 1 << np.arange(M)))
    table = np.random.default_rng(0).uniform(size=(len(codes), 2 * M + 1))
    weights = PatternWeights(codes, table)
    write_graph(_OnlyWeights(weights), {f"m{i}": 1 for i in range(M)}, tmp_path / "graph.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "graph.onnx"))
    given = {one.name: np.zeros((4, 1), np.float32) for one in session.get_inputs()}
    (got,) = session.run(None, given | {"present": present})
    np.testing.assert_allclose(got, weights.of(present), rtol=1e-6)


def reads_what_clip_embeds() -> Any:
    """A model of pictures, texts and numbers, 16 each."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=60)
    arrays = {name: rng.normal(size=(60, 16)) + y[:, None] for name in ("image", "text", "more")}
    data = Embeddings.from_arrays(arrays, labels=np.array(["no", "yes"])[y])
    return tiny("logreg-concat").fit(data)


@pytest.mark.slow
@pytest.mark.workflow
def test_raw_items_without_srmm(
    tmp_path: Path, tiny_clip: Path, capsys: pytest.CaptureFixture
) -> None:
    spec = f"clip:{tiny_clip}"
    inputs = {
        "image": {"kind": "image", "column": "photo", "encoder": spec},
        "text": {"kind": "text", "column": "title", "encoder": spec},
        "more": {"kind": "features", "column": None, "encoder": None},
    }
    model = save_pretrained(reads_what_clip_embeds(), tmp_path / "model", inputs=inputs)
    out = tmp_path / "out"
    assert run(["export", str(model), "--onnx", str(out)]) == 0
    said = capsys.readouterr().out
    assert "note:" not in said
    assert "compared in 7 presence patterns" in said
    picture = tmp_path / "shoe.png"
    noise = np.random.default_rng(1).integers(0, 255, (50, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(picture)
    np.save(tmp_path / "v.npy", np.full(16, 0.5, dtype=np.float32))
    words = [f"image={picture}", "text=a red shoe", f"more={tmp_path / 'v.npy'}"]
    # Nothing of srmm can be imported there.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", _WITHOUT, str(out), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "PACKAGES": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    label, probability = done.stdout.split()
    row = {"photo": str(picture), "title": "a red shoe", "more": [0.5] * 16}
    expected = srmm.load(model).predict_proba(row)[0]
    assert label == srmm.load(model).predict(row)[0]
    assert float(probability) == pytest.approx(expected.max(), abs=2e-4)


_WITHOUT = """
import os, runpy, sys
sys.path += os.environ["PACKAGES"].split(os.pathsep)
sys.modules["srmm"] = sys.modules["torch"] = None
out, sys.argv[1:] = sys.argv[1], sys.argv[2:]
sys.path.insert(0, out)
runpy.run_path(os.path.join(out, "predict.py"), run_name="__main__")
"""


@pytest.mark.slow
def test_an_encoder_whose_items_srmm_alone_prepares_says_so(
    tmp_path: Path, tiny_siglip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about, note = export_encoder(f"clip:{tiny_siglip}", "image", "image", tmp_path)
    assert note == ""
    picture = Image.new("RGB", (20, 50), "red")
    encoder = srmm.encoders.load_encoder(f"clip:{tiny_siglip}", "image")
    expected = encoder.encode([encoder.prepare(picture)])
    np.testing.assert_allclose(embed(tmp_path, about, [picture]), expected, rtol=1e-3, atol=1e-4)
    # As if its pictures were made otherwise than its settings say.
    prepare = type(encoder).prepare
    monkeypatch.setattr(
        type(encoder), "prepare", lambda self, item: prepare(self, item.transpose(0))
    )
    about, note = export_encoder(f"clip:{tiny_siglip}", "image", "image", tmp_path)
    assert (tmp_path / about["graph"]).is_file()
    assert about["prepare"] is None
    assert "what comes before it is not (plain code gives embeddings" in note


def test_an_encoder_without_a_network_says_so(tmp_path: Path) -> None:
    about, note = export_encoder("doc2vec:nowhere", "text", "title", tmp_path)
    assert about["graph"] is None
    assert note.startswith("title: its encoder is not exported (")
