"""Products in bfloat16: what learns with them, and what stays as precise as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import srmm
from srmm.errors import InputError
from srmm.learning.precision import outside_products, products_in, widened
from srmm.methods import make_method
from tests.golden.make_predictions import NETWORKS

MADE_OF_OTHERS = ("unimodal:b", "router")
CPU = torch.device("cpu")
CLASSES = (srmm.SingleBranchClassifier, srmm.PaperClassifier)
both = pytest.mark.parametrize("make", CLASSES)


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
def test_it_learns_as_well_and_says_so(make: type) -> None:
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
    assert {make().precision for make in CLASSES} == {"float32"}


@both
def test_the_model_keeps_which_it_was(make: type, tmp_path: Path) -> None:
    X, y = problem()
    model = make(max_epochs=1, random_state=0, precision="bfloat16").fit(X, y)
    model.save_pretrained(tmp_path / "model")
    assert srmm.from_pretrained(tmp_path / "model").precision == "bfloat16"
    assert "precision: bfloat16" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in MADE_OF_OTHERS])
def test_every_network_can(name: str) -> None:
    X, y = problem()
    settings = {"max_epochs": 1, "hidden_dim": 24, "precision": "bfloat16"}
    model = make_method(name, None, settings, random_state=0).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_an_unknown_one_is_refused() -> None:
    X, y = problem()
    with pytest.raises(InputError, match=r"precision.*'float16'.*bfloat16"):
        srmm.SingleBranchClassifier(precision="float16").fit(X, y)


def test_statistics_are_not_rounded() -> None:
    x, w = torch.randn(4, 8), torch.randn(8, 8)
    with products_in("bfloat16", CPU):
        assert (x @ w).dtype is torch.bfloat16
        assert widened(x @ w).dtype is torch.float32
        with outside_products(CPU):
            assert torch.equal(x @ w, torch.matmul(x, w))
            assert (x @ w).dtype is torch.float32
    with products_in("float32", CPU):
        assert (x @ w).dtype is torch.float32
    assert widened(x.double()).dtype is torch.float64
