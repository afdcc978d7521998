"""The same seed gives the same bits, whatever else the process does; a fork or a failure hurts."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from srmm import PaperClassifier, SingleBranchClassifier
from srmm.errors import InputError
from srmm.learning.chance import check_seed, own_chance
from srmm.learning.layers import Dropout
from srmm.learning.network import ComparisonNetworkClassifier
from srmm.methods import make_method
from srmm.recipe import with_parameters
from tests.golden.make_predictions import NETWORKS
from tests.methods.test_methods import small

CPU = torch.device("cpu")


def problem() -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    return {
        "a": y[:, None] + rng.normal(size=(90, 6)),
        "b": y[:, None] + rng.normal(size=(90, 4)),
    }, y


@contextmanager
def somebody_draws() -> Iterator[None]:
    """Another thread asks PyTorch's one generator all the time."""
    done = threading.Event()

    def draw() -> None:
        while not done.is_set():
            torch.rand(7)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_dropout_draws_as_that_of_pytorch_does() -> None:
    x = torch.randn(5, 4, requires_grad=True)
    own = Dropout(0.3)
    own.generator = torch.Generator().manual_seed(1)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        theirs = nn.Dropout(0.3)(x)
    assert torch.equal(own(x), theirs)
    assert torch.equal(own.eval()(x), x)
    assert torch.equal(Dropout(1.0)(x), torch.zeros(5, 4))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(3, 2),
        lambda: nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2)),
        lambda: nn.Embedding(3, 2),
    ],
)
def test_first_weights_come_from_the_seed_alone(make: Any) -> None:
    before = torch.get_rng_state()
    with somebody_draws(), own_chance(make, 3, CPU, ours=True) as (network, _):
        pass
    torch.set_rng_state(before)
    with own_chance(make, 3, CPU, ours=True):
        assert torch.equal(before, torch.get_rng_state())
    with torch.random.fork_rng():
        torch.manual_seed(3)
        expected = make()
    for own, wanted in zip(network.parameters(), expected.parameters(), strict=True):
        assert torch.equal(own, wanted)


def test_no_layer_keeps_a_generator_after_training() -> None:
    with own_chance(lambda: nn.Sequential(Dropout(0.5)), 0, CPU, ours=True) as (network, drawn):
        assert network[0].generator is drawn
    assert network[0].generator is None


@pytest.mark.slow
@pytest.mark.workflow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_bits_beside_other_threads(name: str) -> None:
    X, y = problem()

    def proba(seed: int) -> np.ndarray:
        settings = {"max_epochs": 2, "hidden_dim": 8, "batch_size": 16}
        return make_method(name, None, settings, random_state=seed).fit(X, y).predict_proba(X)

    alone = [proba(0), proba(1)]
    before = torch.get_rng_state()
    with somebody_draws(), ThreadPoolExecutor(2) as pool:
        beside = list(pool.map(proba, (0, 1)))
    torch.set_rng_state(before)
    np.testing.assert_array_equal(beside, alone)


@with_parameters
class Foreign(ComparisonNetworkClassifier):
    """As another package would write it: with PyTorch's own dropout, and a draw in its loss."""

    def _network(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3))

            def forward(self, items: Any, present: Any) -> Any:
                return self.inner(items["a"])

        return Net()

    def _loss(self, batch: Any, target: Any) -> Any:
        noise = torch.rand(len(target))
        return noise * F.cross_entropy(self.network_(*batch), target, reduction="none")


@pytest.mark.workflow
def test_networks_of_other_packages_wait_for_one_another() -> None:
    X, y = problem()

    def proba(seed: int) -> np.ndarray:
        model = Foreign(max_epochs=3, batch_size=16, learning_rates=(), random_state=seed)
        return model.fit({"a": X["a"]}, y).predict_proba({"a": X["a"]})

    alone = [proba(0), proba(1)]
    with ThreadPoolExecutor(2) as pool:
        np.testing.assert_array_equal(list(pool.map(proba, (0, 1))), alone)


def in_a_fork(function: Any) -> Any:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=lambda: theirs.send(function()))
    process.start()
    try:
        assert ours.poll(60), "the forked process hangs"
        return ours.recv()
    finally:
        process.kill()
        process.join()


@pytest.mark.slow
@pytest.mark.workflow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="cannot fork")
def test_a_forked_process_fits_and_predicts() -> None:
    X = {"a": np.random.default_rng(0).normal(size=(1500, 256)).astype(np.float32)}
    y = np.arange(1500) % 3
    torch.set_num_threads(2)
    try:
        model = PaperClassifier(max_epochs=1, hidden_dim=64, random_state=0, device="cpu").fit(X, y)
        trees = make_method("hist-gradient-boosting", random_state=0).fit(X, y)
        own = model.predict_proba(X), trees.predict_proba(X)
        there = in_a_fork(lambda: (model.predict_proba(X), trees.predict_proba(X)))
        again = in_a_fork(lambda: model.fit(X, y).predict_proba(X))
    finally:
        torch.set_num_threads(1)
    np.testing.assert_allclose(there, own, atol=1e-5)
    assert again.shape == (1500, 3)


def interrupted(model: Any, X: Any, y: Any) -> None:
    def stop(_: Any) -> Any:
        raise KeyboardInterrupt
        yield

    if not hasattr(model, "progress"):
        pytest.skip("has no epochs to be interrupted in")
    model.set_params(progress=stop).fit({"a": X["a"]}, y % 2)


FAILURES = {
    "one class": lambda model, X, y: model.fit({"a": X["a"]}, np.zeros(len(y), dtype=int)),
    "a class weight": lambda model, X, y: model.set_params(class_weight={"x": 1}).fit(
        {"a": X["a"]}, y % 2
    ),
    "held-out labels": lambda model, X, y: model.fit(
        {"a": X["a"]}, y % 2, validation=({"a": X["a"][:3]}, [7, 7, 7])
    ),
    "an interruption": interrupted,
}


@pytest.mark.workflow
@pytest.mark.parametrize("name", ["srmm", "srmm-paper", "router", "tbn-early", "logreg"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_fit_that_fails_leaves_the_model_as_it_was(name: str, failure: str) -> None:
    X, y = problem()
    if name == "router":  # of three modalities to two: other models inside
        X = {**X, "c": X["b"] ** 2}
    model = small(name).fit(X, y)
    before, known = model.predict_proba(X), dict(vars(model))
    with pytest.raises((ValueError, KeyboardInterrupt)):
        FAILURES[failure](model, X, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    changed = {key for key, value in vars(model).items() if value is not known.get(key)}
    assert changed <= {"class_weight", "progress"}


def test_a_first_fit_that_fails_leaves_the_model_unfitted() -> None:
    model = SingleBranchClassifier()
    with pytest.raises(InputError, match="only one class"):
        model.fit({"a": np.eye(4)}, [1, 1, 1, 1])
    assert not [name for name in vars(model) if name.endswith("_")]


@pytest.mark.parametrize("seed", [None, 0, np.int64(3), 2**32 - 1, np.random.RandomState(0)])
def test_what_seeds_scikit_learn_seeds_a_fit(seed: Any) -> None:
    check_seed("random_state", seed)
