from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from srmm import PaperClassifier
from srmm.data.split import stratified_split
from srmm.errors import InputError, SrmmError
from srmm.learning.training import fit_network
from srmm.methods import make_method
from srmm.recipe import PAPER, RECIPES, check_parameters


def test_the_paper_recipe_is_the_paper() -> None:
    paper = PaperClassifier()
    assert paper.get_params() == PaperClassifier(recipe="paper").get_params()
    assert {name: getattr(paper, name) for name in PAPER} == RECIPES["paper"]
    assert (paper.hidden_dim, paper.learning_rate, paper.dropout) == (768, 0.01, 0.5)
    assert (paper.switching, paper.fusion) == ("s1", "mean")
    assert not paper.standardize
    assert paper.weight_decay == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dropout": 50}, "did you mean 0.5"),
        ({"switching": "s4"}, "Did you mean 's1'|Available"),
        ({"batch_size": 1}, "batch_size must be a whole number, at least 2"),
        ({"learning_rate": -1}, "learning_rate must be a positive number, got -1"),
        ({"learning_rate": np.inf}, "learning_rate must be a positive number, got inf"),
        ({"weight_decay": np.inf}, "weight_decay must be a finite number, 0 or more, got inf"),
        ({"learnin_rate": 0.1}, "Did you mean 'learning_rate'"),
        ({"max_epochs": 0}, "at least 1"),
    ],
)
def test_a_bad_field_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_parameters(make_method("srmm-paper", None, change))


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        (0.01, r"of numbers, got 0.01; of one number \[number\]"),
        ("0.01", "got '0.01'"),
        (np.array([0.01, 0.02]), "got array"),
        ([0.01, "0.02"], "hold numbers, got '0.02'"),
        ([0.01, -1], "a positive number, got -1"),
        ([float("nan")], "a positive number, got nan"),
    ],
)
@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("tbn-early", "learning_rates"),
        ("vilt-tokens", "learning_rates"),
        ("lee2023-input", "prompt_learning_rates"),
    ],
)
def test_candidate_rates_are_numbers_above_zero(
    method: str, name: str, rates: object, message: str
) -> None:
    with pytest.raises(InputError, match=f"^{name} must .*{message}"):
        check_parameters(make_method(method, **{name: rates}))
    for fine in ((), [0.01], (np.float32(0.01), 1)):
        check_parameters(make_method(method, **{name: fine}))


def test_an_unknown_recipe_is_suggested() -> None:
    with pytest.raises(InputError, match="Did you mean 'paper'"):
        PaperClassifier(recipe="papier")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.floats(0, 0.9), st.integers(0, 9))
def test_a_split_is_a_partition_and_keeps_every_class(
    labels: list[int], share: float, seed: int
) -> None:
    y = np.array(labels)
    kept, held = stratified_split(y, share, np.random.default_rng(seed))
    assert sorted([*kept, *held]) == list(range(len(y)))
    assert set(y[kept]) == set(y)
    for label in set(labels):
        count = labels.count(label)
        assert abs((y[held] == label).sum() - min(share * count, count - 1)) <= 1


def training(**parameters: Any) -> dict[str, Any]:
    """The paper's parameters of the loop, and others in their place."""
    names = ("learning_rate", "weight_decay", "schedule", "max_epochs", "patience")
    return {name: PAPER[name] for name in names} | parameters


def _network_and_loss() -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    x = torch.randn(64, 3)
    return torch.nn.Linear(3, 1), x, (x @ torch.tensor([1.0, -2.0, 0.5]))[:, None]


def test_the_best_held_out_epoch_is_kept() -> None:
    network, x, y = _network_and_loss()
    scores = iter([0.3, 0.9, 0.9, 0.5, 0.1, 0.1])
    losses = iter([9.0, 3.0, 3.5, 0.1, 0.1, 0.1])  # the tie between 2 and 3 goes to 2
    weights = []

    def validate() -> dict[str, float]:
        weights.append(network.weight.detach().clone())
        return {"score": next(scores), "loss": next(losses)}

    def loss_of(rows: torch.Tensor) -> torch.Tensor:
        return ((network(x[rows]) - y[rows]) ** 2).mean()

    how = training(max_epochs=6, patience=3)
    batches = list(torch.arange(64).split(16))
    history = fit_network(network, lambda: batches, loss_of, validate, **how)
    assert history.best_epoch == 2
    assert len(history.epochs) == 5  # patience: three epochs without a better one
    assert torch.equal(network.weight, weights[1])
    assert history.epochs[0]["validation_score"] == 0.3


@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_without_held_out_instances_the_last_epoch_is_kept(schedule: str) -> None:
    network, x, y = _network_and_loss()
    how = training(max_epochs=30, schedule=schedule, learning_rate=0.1, patience=1)
    history = fit_network(
        network, lambda: [None] * 4, lambda _: ((network(x) - y) ** 2).mean(), None, **how
    )
    assert history.best_epoch == len(history.epochs) == 30
    assert history.epochs[-1]["train_loss"] < 0.2 * history.epochs[0]["train_loss"]


def test_divergence_is_an_error_that_says_what_to_do() -> None:
    network, x, _ = _network_and_loss()
    with pytest.raises(SrmmError, match=r"diverged.*Lower learning_rate \(now 0\.01\)"):
        fit_network(
            network, lambda: [None], lambda _: network(x * torch.nan).mean(), None, **training()
        )


@given(st.lists(st.integers(0, 9), min_size=2, max_size=80), st.floats(0.05, 0.5))
def test_a_split_holds_out_as_many_as_asked(labels: list[int], share: float) -> None:
    y = np.array(labels)
    _, held = stratified_split(y, share, np.random.default_rng(0))
    most = len(y) - len(set(labels))  # every class keeps one
    assert abs(len(held) - min(round(share * len(y)), most)) <= len(set(labels)) - 1
    many = np.repeat(np.arange(100), 2)
    assert len(stratified_split(many, 0.25, np.random.default_rng(0))[1]) == 50
