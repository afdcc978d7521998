"""Products in bfloat16: what learns with them, and what stays as precise as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import srmm
from srmm.ensemble.branches import Branches, MaskedBatchNorm
from srmm.ensemble.distil import distil
from srmm.ensemble.out_of_fold import OutOfFold
from srmm.errors import InputError
from srmm.learning.precision import outside_products, products_in, widened
from srmm.learning.training import fit_network
from srmm.methods import make_method
from tests.golden.make_predictions import NETWORKS

CPU = torch.device("cpu")
CLASSES = (srmm.SingleBranchClassifier, srmm.PaperClassifier)
both = pytest.mark.parametrize("make", CLASSES)
METHODS = [name for name in NETWORKS if name not in ("unimodal:b", "router")]  # made of these


def problem() -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=240)
    X = {
        name: (rng.normal(size=(3, 16))[y] + 1.2 * rng.normal(size=(240, 16))).astype(np.float32)
        for name in ("image", "text")
    }
    X["text"][::4] = np.nan
    return X, y


@both
def test_it_learns_as_well(make: type) -> None:
    X, y = problem()
    train, test = (
        {name: x[part] for name, x in X.items()} for part in (slice(160), slice(160, 240))
    )
    said = {}
    for name in ("float32", "bfloat16"):
        model = make(max_epochs=12, random_state=0, precision=name).fit(train, y[:160])
        assert {x.dtype for x in model.network_.parameters()} == {torch.float32}
        said[name] = model.predict_proba(test)
    assert not np.array_equal(said["float32"], said["bfloat16"])
    right = {name: (p.argmax(axis=1) == y[160:]).mean() for name, p in said.items()}
    assert right["bfloat16"] > right["float32"] - 0.05


def test_float32_unless_asked() -> None:
    assert {make_method(name).precision for name in METHODS} == {"float32"}


@both
def test_the_model_keeps_which_it_was(make: type, tmp_path: Path) -> None:
    X, y = problem()
    model = make(max_epochs=1, random_state=0, precision="bfloat16").fit(X, y)
    model.save_pretrained(tmp_path / "model")
    assert srmm.from_pretrained(tmp_path / "model").precision == "bfloat16"
    assert "precision: bfloat16" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def test_an_unknown_one_is_refused() -> None:
    X, y = problem()
    with pytest.raises(InputError, match=r"precision.*'float16'.*bfloat16"):
        srmm.SingleBranchClassifier(precision="float16").fit(X, y)


def test_products_alone_are_rounded() -> None:
    x, w = torch.randn(4, 8), torch.randn(8, 8)
    exact = x @ w
    with products_in("bfloat16", CPU):
        assert (x @ w).dtype is torch.bfloat16
        assert widened(x @ w).dtype is torch.float32
        with outside_products(CPU):
            assert torch.equal(x @ w, exact)
    with products_in("float32", CPU):
        assert torch.equal(x @ w, exact)
    assert widened(x.double()).dtype is torch.float64


def test_statistics_and_means_of_the_default_are_not_rounded() -> None:
    x, present = 1 + torch.rand(2, 9, 5), torch.rand(2, 9) < 0.7
    share = torch.rand(2, 9, 3)
    found = []
    for name in ("float32", "bfloat16"):
        norm, branches = MaskedBatchNorm(2, 5), Branches({"a": 4}, 3, members=2, hidden_dim=5)
        with products_in(name, CPU):
            out = norm(x, present)
            fused = branches.fused(x[:, :, None].expand(2, 9, 3, 5), share)
        found.append((out, norm.mean, norm.var, fused))
    for exact, other in zip(*found, strict=True):
        assert torch.equal(exact, other)


def test_around_a_fit_nothing_else_decides() -> None:
    """Neither does a caller's own autocast, which the threads of a training would not see."""
    X, y = problem()
    found = []
    for outer in (False, True):
        network = Branches({"text": 16}, 3, members=1, hidden_dim=8)
        network.start(np.random.default_rng(0))
        x, target = torch.from_numpy(X["image"]), torch.from_numpy(y)
        there = torch.ones(1, len(x), 1, dtype=torch.bool)

        def loss(_: object, network: Branches = network, x=x, there=there, target=target):
            entered = network.enter({"text": x[None]}, there)
            return F.cross_entropy(network.classify(entered)[0, :, 0], target)

        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=outer):
            fit_network(
                network, lambda: [0], loss, None, learning_rate=0.01, weight_decay=0.0,
                schedule="constant", max_epochs=2, patience=2,
            )  # fmt: skip
        found.append(network.state_dict())
    for name, weights in found[0].items():
        assert torch.equal(weights, found[1][name])


def test_a_student_learns_from_exact_words(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = problem()
    teacher = srmm.SingleBranchClassifier(max_epochs=1, hidden_dim=8, random_state=0).fit(X, y)
    rounded = []

    def probabilities(self: OutOfFold, *given: Any, **more: Any) -> np.ndarray:
        rounded.append(torch.is_autocast_enabled("cpu"))
        return plain(self, *given, **more)

    plain = OutOfFold.probabilities
    monkeypatch.setattr(OutOfFold, "probabilities", probabilities)
    distil(teacher.set_params(precision="bfloat16"), X, y)
    assert set(rounded) == {False}


@pytest.mark.parametrize("name", METHODS)
def test_every_network_can(name: str) -> None:
    X, y = problem()
    small = {"max_epochs": 1, "hidden_dim": 8, "batch_size": 64}
    model = make_method(name, None, {**small, "precision": "bfloat16"}, random_state=0).fit(X, y)
    assert {x.dtype for x in model.network_.parameters()} == {torch.float32}
    other = make_method(name, None, small, random_state=0).fit(X, y)
    losses = [one.history_.epochs[0]["train_loss"] for one in (model, other)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
