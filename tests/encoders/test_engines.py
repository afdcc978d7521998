"""ONNX Runtime in the place of PyTorch, and half precision: embeddings, cache, stores."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone

import srmm
from srmm.cli import run
from srmm.data.embeddings import same_settings
from srmm.encoders import load_encoder, onnx_engine
from srmm.encoders.engines import with_engine
from srmm.encoders.network import Network
from srmm.errors import InputError, MissingExtraError
from tests.encoders.onnx_check import check_equal, needs_onnx
from tests.encoding.hash_encoder import HashEncoder


class TinyEncoder:
    """Texts through a linear layer over the counts of their letters; exported in a second."""

    kind = "text"
    embedding_dim = 6
    batch_size = 4

    def __init__(self, *, seed: int = 0, forward: Callable[..., Any] | None = None) -> None:
        layer = torch.nn.Linear(26, 6).requires_grad_(False)
        layer.weight.copy_(torch.randn(6, 26, generator=torch.Generator().manual_seed(seed)))
        layer.bias.zero_()
        self.settings = {"spec": "tiny", "weights": f"{seed:016d}"}
        self.network = Network(layer.eval(), forward or _through, device="cpu")

    def prepare(self, item: str) -> np.ndarray:
        letters = np.frombuffer(item.lower().encode(), np.uint8) - ord("a")
        return np.bincount(letters[letters < 26], minlength=26).astype(np.float32)

    def encode(self, prepared: Any) -> np.ndarray:
        return self.network(counts=np.stack(prepared))


def _through(layer: Any, counts: torch.Tensor) -> torch.Tensor:
    return layer(counts)


@pytest.fixture(scope="module")
def tiny_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`TinyEncoder()` as it is exported: done once, it takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SRMM_CACHE", str(tmp_path_factory.mktemp("cache")))
        with_engine(TinyEncoder(), "onnx")
        (file,) = onnx_engine.cache_folder().iterdir()
    return file


@pytest.fixture
def cache(tmp_path: Path, tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and an exporter that always exports `TinyEncoder()`."""
    monkeypatch.setenv("SRMM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        onnx_engine, "_export", lambda _, calls, file: file.write_bytes(tiny_onnx.read_bytes())
    )
    return tmp_path / "cache" / "onnx"


def texts(*items: str | None) -> Any:
    return srmm.read_table(pd.DataFrame({"t": list(items)}), text="t")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


# Equal to PyTorch ----------------------------------------------------------------------------


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(3)
    return [
        Image.fromarray(random.integers(0, 256, (9, 7, 3), dtype=np.uint8)).resize(size)
        for size in [(72, 72), (60, 80), (300, 120), (3, 2), (400, 30)]
    ]


@pytest.mark.workflow
@needs_onnx
@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("efficientnet-lite0", "image"),
        ("minilm", "text"),
        ("clip", "image"),
        ("clip", "text"),
        pytest.param("siglip", "image", marks=pytest.mark.slow),
        pytest.param("siglip", "text", marks=pytest.mark.slow),
    ],
)
def test_onnx_runtime_gives_pytorchs_embeddings(
    spec: str, kind: str, request: pytest.FixtureRequest
) -> None:
    if spec in ("clip", "siglip"):
        spec = f"clip:{request.getfixturevalue(f'tiny_{spec}')}"
    items = pictures() if kind == "image" else ["a", "b c", "", "word " * 300, "é x"]
    check_equal(load_encoder(spec, kind), items)


# What "auto" and "onnx" do -------------------------------------------------------------------


@needs_onnx
def test_auto_takes_onnx_runtime_and_says_so(cache: Path) -> None:
    result = srmm.encode(texts("ab", "b", None), {"text": TinyEncoder()})
    about = result.summary.modalities["text"]
    assert (about.engine, about.engine_note) == ("onnx", None)
    assert "2 encoded by tiny on onnx" in str(result.summary)
    assert result.embeddings.encoders["text"]["engines"] == ["onnx"]
    assert len(list(cache.iterdir())) == 1


@needs_onnx
@pytest.mark.parametrize("reason", ["exporting it fails", "differ from PyTorch's"])
def test_what_onnx_runtime_cannot_do(
    reason: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no such operation")

    tried = []
    watched = onnx_engine._watched
    monkeypatch.setattr(
        onnx_engine, "_watched", lambda encoder: tried.append(1) or watched(encoder)
    )
    if "fails" in reason:
        monkeypatch.setattr(onnx_engine, "_export", fails)
    encoder = TinyEncoder(forward=lambda layer, counts: 1.001 * layer(counts))
    result = srmm.encode(texts("ab", "b"), {"text": encoder})
    about = result.summary.modalities["text"]
    assert about.engine == "torch"
    assert reason in (about.engine_note or "")
    assert reason in str(result.summary)
    expected = encoder.encode([encoder.prepare("ab"), encoder.prepare("b")])
    np.testing.assert_array_equal(result.embeddings.to_array("text"), expected)
    with pytest.raises(InputError, match=rf"'tiny' cannot run in ONNX Runtime: .*{reason}"):
        srmm.encode(texts("ab"), {"text": encoder}, engine="onnx")
    assert not cache.exists()  # nothing that is wrong is kept
    assert len(tried) == 1


def test_without_onnx_runtime_auto_is_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if "onnx" in name else find(name, *a)
    )
    result = srmm.encode(texts("ab"), {"text": TinyEncoder()})
    assert result.summary.modalities["text"].engine == "torch"
    assert result.summary.modalities["text"].engine_note is None
    with pytest.raises(MissingExtraError, match=r"pip install 'srmm\[onnx\]'"):
        srmm.encode(texts("ab"), {"text": TinyEncoder()}, engine="onnx")


def test_encoders_without_a_network_are_as_they_are() -> None:
    result = srmm.encode(texts("ab", "c"), {"text": HashEncoder("text")}, engine="onnx")
    about = result.summary.modalities["text"]
    assert (about.engine, about.encoded) == (None, 2)
    assert result.embeddings.encoders["text"] == HashEncoder("text").settings


@needs_onnx
def test_a_network_on_a_gpu_stays_there() -> None:
    encoder = TinyEncoder()
    encoder.network.device = "cuda"
    assert with_engine(encoder, "auto") == (encoder, None)
    with pytest.raises(InputError, match="on a GPU"):
        with_engine(encoder, "onnx")


def test_unknown_choices_are_refused() -> None:
    for option in ("engine", "precision"):
        with pytest.raises(InputError, match=f"{option} is 'tensorflow', which is unknown"):
            srmm.encode(texts("a"), {"text": TinyEncoder()}, **{option: "tensorflow"})


def test_encode_passes_the_engine_on() -> None:
    encode = srmm.Encode({"t": "minilm"}, engine="torch", precision="full")
    assert clone(encode).get_params()["engine"] == "torch"
    embeddings = encode.fit_transform(pd.DataFrame({"t": ["red shoe", None]}))
    assert embeddings.encoders["t"]["engines"] == ["torch"]


# The cache -----------------------------------------------------------------------------------


@needs_onnx
def test_a_network_is_exported_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = with_engine(TinyEncoder(), "onnx")
    (file,) = cache.iterdir()
    assert file.name.startswith("0000000000000000-")
    assert f"torch{torch.__version__.partition('+')[0]}-opset" in file.name
    stamp = file.stat().st_mtime_ns
    monkeypatch.setattr(onnx_engine, "_export", lambda *_: pytest.fail("exported again"))
    again, _ = with_engine(TinyEncoder(), "onnx")
    assert [f.stat().st_mtime_ns for f in cache.iterdir()] == [stamp]
    prepared = [first.prepare("abc")]
    np.testing.assert_array_equal(first.encode(prepared), again.encode(prepared))


@needs_onnx
def test_other_networks_have_other_files() -> None:
    def key(encoder: Any) -> str:
        return onnx_engine._key(encoder, "network", encoder.network)

    other_layer = TinyEncoder()
    other_layer.network.module = torch.nn.Sequential(other_layer.network.module, torch.nn.ReLU())
    other_name = TinyEncoder()
    other_name.settings["spec"] = "the same in another folder"
    assert key(TinyEncoder()) == key(TinyEncoder()) == key(other_name)
    assert len({key(TinyEncoder()), key(TinyEncoder(seed=1)), key(other_layer)}) == 3


@needs_onnx
@pytest.mark.parametrize("damage", ["cut", "one bit", "empty"])
def test_a_damaged_file_is_exported_again(damage: str, cache: Path) -> None:
    with_engine(TinyEncoder(), "onnx")
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    file.write_bytes({"cut": whole[:middle], "one bit": flipped, "empty": b""}[damage])
    check_equal(TinyEncoder(), ["abc", "b", "zz"])
    (file,) = cache.iterdir()
    assert file.stem.endswith(onnx_engine._digest(file.read_bytes()))


@needs_onnx
def test_a_kill_while_exporting_leaves_nothing_that_is_used(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(onnx_engine.shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            with_engine(TinyEncoder(), "onnx")
    assert not list(cache.glob("*.onnx"))
    check_equal(TinyEncoder(), ["abc", "b", "zz"])


@needs_onnx
def test_a_cache_that_cannot_be_written(cache: Path) -> None:
    cache.parent.write_text("a file")  # not even root makes a folder in it
    result = srmm.encode(texts("ab"), {"text": TinyEncoder()})
    about = result.summary.modalities["text"]
    assert about.engine == "torch"
    assert "SRMM_CACHE names another place" in (about.engine_note or "")


@needs_onnx
@pytest.mark.parametrize("variables", [{"SRMM_CACHE": "{0}"}, {"XDG_CACHE_HOME": "{0}"}, {}])
def test_where_the_cache_is(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SRMM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    expected = {"SRMM_CACHE": "onnx", "XDG_CACHE_HOME": "srmm/onnx", "": "home/.cache/srmm/onnx"}
    assert onnx_engine.cache_folder() == tmp_path / expected[next(iter(variables), "")]


@needs_onnx
def test_threads_are_those_of_pytorch(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    other, _ = with_engine(TinyEncoder(), "onnx")
    options = other.network._session.get_session_options()  # type: ignore[attr-defined]
    assert options.intra_op_num_threads == 3


# Stores --------------------------------------------------------------------------------------


@needs_onnx
def test_a_job_that_goes_on_in_another_engine_mixes_nothing(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import srmm.encoding.chunks

    monkeypatch.setattr(srmm.encoding.chunks, "CHUNK_ITEMS", 4)
    table = texts(*(chr(97 + k) * (k + 1) for k in range(10)))

    def killed(_: str, done: int, __: int) -> None:
        if done > 8:
            raise KeyboardInterrupt

    for first, second, resumed in [("torch", "onnx", 0), ("onnx", "onnx", 8), ("onnx", "auto", 8)]:
        store = tmp_path / f"{first}-{second}"
        with pytest.raises(KeyboardInterrupt):
            srmm.encode(table, {"text": TinyEncoder()}, store, engine=first, progress=killed)
        result = srmm.encode(table, {"text": TinyEncoder()}, store, engine=second)
        assert result.summary.modalities["text"].resumed == resumed
        whole = tmp_path / f"whole-{first}-{second}"
        srmm.encode(table, {"text": TinyEncoder()}, whole, engine=second)
        assert contents(store) == contents(whole)


@needs_onnx
def test_rows_are_added_by_another_engine_and_the_store_says_so(
    tmp_path: Path, cache: Path
) -> None:
    store = tmp_path / "store"
    srmm.encode(texts("a", "b"), {"text": TinyEncoder()}, store, engine="torch")
    before = contents(store)
    srmm.encode(texts("a", "b"), {"text": TinyEncoder()}, store, engine="onnx")
    assert contents(store) == before  # nothing was encoded
    assert not cache.exists()  # nor exported
    result = srmm.encode(texts("a", "b", "c"), {"text": TinyEncoder()}, store, engine="onnx")
    assert (result.summary.modalities["text"].reused, len(result.embeddings)) == (2, 3)
    manifest = json.loads((store / "manifest.json").read_text())
    assert manifest["modalities"]["text"]["encoder"]["engines"] == ["onnx", "torch"]


def test_the_engine_is_no_setting_but_the_precision_is() -> None:
    settings = {"spec": "x", "weights": "w"}
    assert same_settings({**settings, "engines": ["onnx"]}) == same_settings(settings)
    assert same_settings({**settings, "precision": "half"}) != same_settings(settings)


# Half precision ------------------------------------------------------------------------------


def on_gpu(encoder: TinyEncoder) -> TinyEncoder:
    """An encoder that says it is on a GPU, and computes on the CPU all the same."""
    encoder = copy.copy(encoder)
    encoder.network = PretendedGPU(encoder.network.module, encoder.network.forward, device="cuda")
    return encoder


class PretendedGPU(Network):
    def __call__(self, **arrays: np.ndarray) -> np.ndarray:
        return Network(self.module, self.forward, device="cpu", half=self.half)(**arrays)

    def as_half(self) -> Network:
        return PretendedGPU(self.module, self.forward, device="cuda", half=True)


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(
        InputError, match=r"'half' needs a GPU, but the encoder 'tiny' is on the CPU"
    ):
        srmm.encode(texts("a"), {"text": TinyEncoder()}, precision="half")


def test_half_precision_computes_with_16_bits() -> None:
    full = TinyEncoder()
    seen = []

    def forward(layer: Any, counts: torch.Tensor) -> torch.Tensor:
        output = layer(counts)
        seen.append(output.dtype)
        return output

    half = Network(full.network.module, forward, device="cpu").as_half()
    counts = np.stack([full.prepare("hello"), full.prepare("world")])
    got, expected = half(counts=counts), full.network(counts=counts)
    assert seen == [torch.float16]
    assert got.dtype == np.float32
    assert 0 < np.abs(got - expected).max() < 0.01


def test_half_and_full_precision_are_not_mixed_in_a_store(tmp_path: Path) -> None:
    encoder = on_gpu(TinyEncoder())
    half = srmm.encode(texts("a"), {"text": encoder}, tmp_path / "h", precision="half")
    assert half.embeddings.encoders["text"]["precision"] == "half"
    assert "precision" not in encoder.settings
    full = srmm.encode(texts("a"), {"text": encoder}, tmp_path / "f")
    assert "precision" not in full.embeddings.encoders["text"]
    assert (half.embeddings.to_array("text") != full.embeddings.to_array("text")).any()
    with pytest.raises(InputError, match=r"precision \(half there, none now\)"):
        srmm.encode(texts("a", "b"), {"text": encoder}, tmp_path / "h")
    with pytest.raises(InputError, match=r"precision \(none there, half now\)"):
        srmm.encode(texts("a", "b"), {"text": encoder}, tmp_path / "f", precision="half")


def test_new_rows_are_encoded_with_the_models_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    from srmm.workflows import data

    asked = {}

    def encode(table: Any, encoders: Any, **options: Any) -> Any:
        asked.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "encode", encode)
    monkeypatch.setattr(data, "open_data", lambda *_, **__: texts("a"))
    about = {"kind": "text", "column": "t", "encoder": "tiny"}
    for settings in ({"precision": "half"}, {}):
        config = {"inputs": {"text": about}, "encoders": {"text": settings}}
        with pytest.raises(KeyboardInterrupt):
            data.embeddings_for(config, "table", None, None, None, False, engine="torch")
        assert asked["precision"] == settings.get("precision", "full")
        assert asked["engine"] == "torch"


def test_autocast_is_off_unless_asked_for() -> None:
    seen = []

    def forward(layer: Any, counts: torch.Tensor) -> torch.Tensor:
        seen.append(torch.is_autocast_enabled("cpu"))
        return layer(counts)

    encoder = TinyEncoder(forward=forward)
    encoder.encode([encoder.prepare("a")])
    assert seen == [False]


# The command line ----------------------------------------------------------------------------


def test_options_of_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "t.csv"
    table.write_text("t\nred shoe\nblue hat\n")
    store = tmp_path / "store"
    command = ["encode", str(table), "--text", "t", "-o", str(store), "--json"]
    assert run([*command, "--engine", "torch"]) == 0
    summary = json.loads(capsys.readouterr().out)["summary"]
    assert summary["modalities"]["text"]["engine"] == "torch"
    assert run([*command, "--engine", "tensorflow"]) == 2
    if not torch.cuda.is_available():
        command[5] = str(tmp_path / "half")
        assert run([*command, "--precision", "half"]) == 1
        assert "needs a GPU" in capsys.readouterr().err


@pytest.mark.workflow
def test_no_engine_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, srmm.cli, srmm.encoders.engines;"
        "sys.exit(any(m in sys.modules for m in ('torch', 'onnx', 'onnxruntime', 'onnxscript')))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment)
    assert done.returncode == 0
