"""Shared fixtures. Nothing is downloaded: networks are tiny, random, and written to disk here."""

from __future__ import annotations

import multiprocessing.process
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from srmm.data import apart, decoder

# Under `nohup` it is ignored, by processes that tests start, too, some of which it has to end.
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Some tests fill a disk; there Python 3.11 writes bytecode that is cut short, and keeps it.
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
# Tests run beside one another; and the same bits come out wherever they run.
torch.set_num_threads(1)

CLIP_SIDE = 30
CLIP_DIM = 16


def write_tiny_two_towers(folder: Path, *, siglip: bool = False, seed: int = 0) -> Path:
    """A random CLIP (or SigLIP) with tokenizer and image processor, as `save_pretrained` writes.

    Its tokenizer knows every byte as a token of its own and merges nothing.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer, SiglipConfig, SiglipModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    letters = sorted(ByteLevel.alphabet())
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    tower = {
        "hidden_size": CLIP_DIM if siglip else 32,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    text = {
        **tower,
        "vocab_size": len(tokens),
        "max_position_embeddings": 64 if siglip else 77,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    vision = {**tower, "image_size": CLIP_SIDE, "patch_size": 10}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if siglip:
            model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
        else:
            model = CLIPModel(
                CLIPConfig(text_config=text, vision_config=vision, projection_dim=CLIP_DIM)
            )
    model.save_pretrained(folder)
    side = {"height": CLIP_SIDE, "width": CLIP_SIDE}
    if siglip:
        SiglipImageProcessorPil(size=side).save_pretrained(folder)
    else:
        size = {"shortest_edge": CLIP_SIDE}
        CLIPImageProcessorPil(size=size, crop_size=side).save_pretrained(folder)
    vocabulary = {token: i for i, token in enumerate(tokens)}
    CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def _unit_tests_start_no_process(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What starts Python again takes seconds, and is marked; other programs may be asked.

    What is decoded in a process apart is decoded here: by the same function, without its limits.
    """
    if any(request.node.get_closest_marker(name) for name in ("workflow", "slow")):
        return
    start = subprocess.Popen.__init__

    def refuse(*_: object) -> None:
        pytest.fail("starts a process: mark it with pytest.mark.workflow")

    def start_another(self: Any, args: Any, *rest: Any, **options: Any) -> None:
        if not isinstance(args, str) and sys.executable in args:
            refuse()
        start(self, args, *rest, **options)

    monkeypatch.setattr(apart, "_DECODERS", SimpleNamespace(ask=decoder.answer))
    monkeypatch.setattr(subprocess.Popen, "__init__", start_another)
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refuse)


@pytest.fixture(scope="session", autouse=True)
def _networks_are_exported_once(request: pytest.FixtureRequest) -> Iterator[None]:
    """Networks exported to ONNX stay in pytest's own cache, out of the user's."""
    cache = request.config.cache.mkdir("srmm")  # type: ignore[union-attr]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SRMM_CACHE", str(cache))
        yield


@pytest.fixture
def brief_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is trained for a few steps, where it matters that it is and not how well."""
    monkeypatch.setattr("srmm.ensemble.training._EPOCHS", 4)
    monkeypatch.setattr("srmm.ensemble.training._STEPS", 40)


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the trees, chosen among as many candidates, and shorter boosting."""
    from sklearn.ensemble import ExtraTreesClassifier

    from srmm.methods.extratrees import PerModalityExtraTrees
    from srmm.methods.hist_gradient_boosting import ConcatenatedGradientBoosting

    def ten(_: Any, before: Any, candidate: dict[str, Any], seed: int) -> Any:
        return ExtraTreesClassifier(10, random_state=seed, **candidate)

    monkeypatch.setattr(PerModalityExtraTrees, "_estimator", ten)
    rounds = tuple({"max_iter": n} for n in (4, 8, 16))
    monkeypatch.setattr(ConcatenatedGradientBoosting, "_candidates", rounds)
    monkeypatch.setattr(ConcatenatedGradientBoosting, "_default", rounds[0])


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    """Sets PyTorch's threads for the test, which must leave them as it set them."""
    before = asked = torch.get_num_threads()

    def use(n: int) -> None:
        nonlocal asked
        asked = n
        torch.set_num_threads(n)

    yield use
    left = torch.get_num_threads()
    torch.set_num_threads(before)
    assert left == asked


@pytest.fixture(scope="session")
def make_two_towers() -> Callable[..., Path]:
    """`write_tiny_two_towers`, for a test that needs a model of its own."""
    return write_tiny_two_towers


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random CLIP: embeddings of 16 numbers, pictures of 30 × 30 pixels."""
    return write_tiny_two_towers(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def tiny_siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random SigLIP: embeddings of 16 numbers, pictures of 30 × 30 pixels."""
    return write_tiny_two_towers(tmp_path_factory.mktemp("siglip"), siglip=True)
