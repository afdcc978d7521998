"""Whatever a caller has set for PyTorch, a fit learns the same and a model says the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import srmm
from srmm.ensemble.distil import distil
from srmm.errors import InputError
from srmm.methods import make_method

pytestmark = pytest.mark.usefixtures("brief_training")

rng = np.random.default_rng(0)
Y = np.arange(60) % 3
X = {"image": rng.normal(size=(60, 4)) + Y[:, None], "text": rng.normal(size=(60, 3))}
METHODS = ("srmm", "srmm-paper", "tbn-early", "router")


@contextmanager
def default_device() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "default device": default_device,
}


def made(name: str) -> Any:
    short = {"hidden_dim": 8, "max_epochs": 2}
    if name == "router":
        return make_method(name, recipe=short, random_state=0)
    return make_method(name, random_state=0, **short)


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return {name: made(name).fit(X, Y) for name in METHODS}


@pytest.mark.parametrize("around", SURROUNDINGS)
@pytest.mark.parametrize("name", METHODS)
def test_a_fit_is_the_same_in_any_block(name: str, around: str, fitted: dict[str, Any]) -> None:
    with SURROUNDINGS[around]():
        model = made(name).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), fitted[name].predict_proba(X))


@pytest.mark.parametrize("around", [*SURROUNDINGS, "default dtype"])
@pytest.mark.parametrize("name", METHODS)
def test_a_model_loads_and_predicts_the_same_in_any_block(
    name: str, around: str, fitted: dict[str, Any], tmp_path: Path
) -> None:
    fitted[name].save_pretrained(tmp_path / "model")
    with SURROUNDINGS.get(around, default_dtype)():
        # What is made for prediction is made here first, and kept.
        model = srmm.from_pretrained(tmp_path / "model")
        within = model.predict_proba(X)
        inner = model.transform(X) if hasattr(model, "transform") else None
    np.testing.assert_array_equal(within, fitted[name].predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(X), within)
    if inner is not None:
        np.testing.assert_array_equal(inner, fitted[name].transform(X))


@pytest.mark.parametrize("around", SURROUNDINGS)
def test_a_student_learns_the_same_in_any_block(around: str, fitted: dict[str, Any]) -> None:
    alone = distil(fitted["srmm"], X, Y).predict_proba(X)
    with SURROUNDINGS[around]():
        student = distil(fitted["srmm"], X, Y)
    np.testing.assert_array_equal(student.predict_proba(X), alone)


@pytest.mark.parametrize("name", METHODS)
def test_another_default_dtype_is_refused_by_name(name: str, fitted: dict[str, Any]) -> None:
    with default_dtype():
        with pytest.raises(InputError, match=r"default dtype is torch.float64.*set_default_dtype"):
            made(name).fit(X, Y)
        with pytest.raises(InputError, match=r"default dtype is torch.float64"):
            distil(fitted["srmm"], X, Y)
