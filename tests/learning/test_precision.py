"""Products in bfloat16: what learns with them, what says so, what stays as precise as it was."""

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
from srmm.experiments.cells import Cell, _all_parameters
from srmm.learning import precision
from srmm.learning.precision import outside_products, products_in, training_precision, widened
from srmm.learning.state import pack, unpack
from srmm.learning.training import fit_network
from srmm.methods import METHODS, make_method
from srmm.recipe import defaults

CPU = torch.device("cpu")
CLASSES = (srmm.SingleBranchClassifier, srmm.PaperClassifier)
both = pytest.mark.parametrize("make", CLASSES)
OTHERS = [
    name
    for name, one in METHODS.entries().items()
    if defaults(one.about.classifier).get("precision") == "float32"
]


def problem() -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=240)
    X = {
        name: (rng.normal(size=(3, 16))[y] + 1.2 * rng.normal(size=(240, 16))).astype(np.float32)
        for name in ("image", "text")
    }
    X["text"][::4] = np.nan
    return X, y


@pytest.fixture(params=[True, False], ids=["multiplies bfloat16", "does not"])
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(precision, "_multiplies_bfloat16", lambda: request.param)
    return bool(request.param)


def test_auto_is_what_the_processor_can(processor: bool) -> None:
    assert training_precision("auto", CPU) == ("bfloat16" if processor else "float32")
    assert training_precision("auto", torch.device("cuda")) == "float32"  # not measured there
    assert training_precision("bfloat16", CPU) == "bfloat16"
    assert training_precision("float32", CPU) == "float32"


def test_only_what_was_measured_chooses_by_itself() -> None:
    of_each = {name: defaults(one.about.classifier) for name, one in METHODS.entries().items()}
    chosen = {name for name, given in of_each.items() if given.get("precision") == "auto"}
    assert chosen == {"srmm", "srmm-paper"}


@both
def test_it_learns_as_well_and_says_so(make: type) -> None:
    X, y = problem()
    train, test = (
        {name: x[part] for name, x in X.items()} for part in (slice(160), slice(160, 240))
    )
    said = {}
    for name in ("float32", "bfloat16"):
        model = make(max_epochs=12, random_state=0, precision=name).fit(train, y[:160])
        assert model.training_["precision"] == name
        assert {x.dtype for x in model.network_.parameters()} == {torch.float32}
        said[name] = model.predict_proba(test)
    assert not np.array_equal(said["float32"], said["bfloat16"])
    right = {name: (p.argmax(axis=1) == y[160:]).mean() for name, p in said.items()}
    assert right["bfloat16"] > right["float32"] - 0.05


@both
def test_the_model_keeps_which_it_was(make: type, tmp_path, processor: bool) -> None:
    X, y = problem()
    model = make(max_epochs=1, random_state=0).fit(X, y)
    assert model.precision == "auto"
    expected = "bfloat16" if processor else "float32"
    model.save_pretrained(tmp_path / "model")
    assert srmm.from_pretrained(tmp_path / "model").training_["precision"] == expected
    assert f"products in {expected}" in (tmp_path / "model" / "README.md").read_text()


def test_a_model_from_before_says_none_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    X, y = problem()
    model = srmm.PaperClassifier(max_epochs=1, hidden_dim=8).fit(X, y)
    described, arrays = pack(model)
    del described["training"]["precision"], described["state"]["parameters"]["precision"]
    before = unpack(described, arrays)
    assert np.array_equal(before.predict_proba(X), model.predict_proba(X))
    before.save_pretrained(tmp_path / "model")
    assert "products in" not in (tmp_path / "model" / "README.md").read_text()
    described["training"]["precision"] = ["float32"]
    with pytest.raises(InputError, match=r"training.precision is \['float32'\]"):
        unpack(described, arrays)


def test_a_cell_of_one_processor_is_not_taken_for_one_of_another(monkeypatch) -> None:
    names = set()
    for can in (True, False):
        monkeypatch.setattr(precision, "_multiplies_bfloat16", lambda can=can: can)
        _all_parameters.cache_clear()
        names.add(Cell("data", "srmm", 0).name)
    _all_parameters.cache_clear()
    assert len(names) == 2


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


def test_a_student_says_its_own_and_learns_from_exact_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, y = problem()
    teacher = srmm.SingleBranchClassifier(
        max_epochs=1, hidden_dim=8, random_state=0, precision="float32"
    ).fit(X, y)
    rounded = []

    def probabilities(self: OutOfFold, *given: Any, **more: Any) -> np.ndarray:
        rounded.append(torch.is_autocast_enabled("cpu"))
        return plain(self, *given, **more)

    plain = OutOfFold.probabilities
    monkeypatch.setattr(OutOfFold, "probabilities", probabilities)
    student = distil(teacher.set_params(precision="bfloat16"), X, y)
    assert set(rounded) == {False}
    assert student.training_["precision"] == "bfloat16"
    assert teacher.training_["precision"] == "float32"


def test_a_model_around_another_says_what_that_one_was() -> None:
    X, y = problem()
    settings = {"max_epochs": 1, "hidden_dim": 8, "precision": "bfloat16"}
    model = make_method("unimodal:image", None, {"settings": settings}).fit(X, y)
    assert model.training_["precision"] == "bfloat16"


@pytest.mark.parametrize("name", OTHERS)
def test_every_network_can_be_asked_for_it(name: str) -> None:
    X, y = problem()
    small = {"max_epochs": 1, "hidden_dim": 8, "batch_size": 64, "learning_rates": ()}
    model = make_method(name, None, {**small, "precision": "bfloat16"}, random_state=0).fit(X, y)
    assert model.training_["precision"] == "bfloat16"
    assert {x.dtype for x in model.network_.parameters()} == {torch.float32}
    other = make_method(name, None, small, random_state=0).fit(X, y)
    assert other.training_["precision"] == "float32"
    losses = [one.history_.epochs[0]["train_loss"] for one in (model, other)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
