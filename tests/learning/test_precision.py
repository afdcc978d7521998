"""Products in bfloat16: what learns with them, what says so, what stays as precise as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import srmm
from srmm.errors import InputError
from srmm.experiments.cells import Cell, _all_parameters
from srmm.learning import precision
from srmm.learning.precision import outside_products, products_in, training_precision, widened
from srmm.methods import METHODS
from srmm.recipe import defaults

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
