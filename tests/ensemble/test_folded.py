"""The networks folded for prediction say what the networks say, for every pattern."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from srmm import SingleBranchClassifier
from srmm.ensemble.branches import Branches
from srmm.ensemble.features import Features
from srmm.ensemble.folded import Entered, Folded, folded
from srmm.ensemble.table import FeatureTable
from tests.ensemble.test_classifier import DEFAULT, problem


@pytest.fixture(scope="module")
def model() -> SingleBranchClassifier:
    return SingleBranchClassifier(**DEFAULT).fit(problem())


def mean_line(model: SingleBranchClassifier, name: str, made: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of the mean of a modality's discriminants."""
    scaled = model.features_.scaled_of(name, made).clamp(-5, 5)
    of_all = model.discriminants_.weight[name], model.discriminants_.bias[name]
    weight, bias = map(torch.from_numpy, of_all)
    return (scaled @ weight + bias[:, None]).mean(dim=0).log_softmax(dim=-1).clamp_min(-30)


def unfolded(model: SingleBranchClassifier, test) -> np.ndarray:
    """Every step by itself, all streams of all networks: what the model's method says."""
    network, features = model.network_, model.features_
    assert isinstance(features, Features)
    table, present = FeatureTable(test, features, torch.device("cpu")), np.asarray(test.present)
    trust = model.trust_.of(test, features) * present
    with torch.inference_mode():
        items, there = table.batch(np.arange(len(test)))
        vectors = network.enter(items, there.expand(network.members, *there.shape))
        fused = network.fused(vectors, torch.from_numpy(trust))
        streams = torch.cat([vectors, fused[:, :, None]], dim=2)
        said = network.classify(streams).mean(dim=0)
        lines = [mean_line(model, name, items[name]) for name in model.modalities_]
        said = said.log_softmax(dim=-1)
        logs = torch.cat([said[:, :-1], torch.stack(lines, dim=1), said[:, -1:]], dim=1).double()
        most = trust.max(axis=1)[:, None]
        weights = model.weights_.of(present) * np.hstack([trust, trust, most])
        return torch.einsum("nec,ne->nc", logs, torch.from_numpy(weights)).softmax(-1).numpy()


def test_probabilities_are_those_of_the_networks_as_they_are(
    model: SingleBranchClassifier, monkeypatch
) -> None:
    test = problem(60, seed=3)
    expected = unfolded(model, test)
    np.testing.assert_allclose(model.predict_proba(test), expected, atol=1e-6)
    rows, present = np.arange(len(test)), np.asarray(test.present)
    scorer = model.scorer(test)
    np.testing.assert_allclose(scorer(rows, present), expected, atol=1e-6)
    # Again, when it has kept what each item alone says: of other rows, with less of them present.
    some, less = rows[::-2], present[::-2] & [True, False, True]
    less[~less.any(axis=1)] = True
    expected_less = unfolded(model, test[some].mask(less))
    np.testing.assert_allclose(scorer(some, less), expected_less, atol=1e-6)
    width = present.size * model.n_folds * model.hidden_dim
    for most in (2 * width - 1, 0):  # what enters the networks is kept, and nothing is
        monkeypatch.setattr("srmm.ensemble.classifier._KEPT", most)
        scorer = model.scorer(test)
        np.testing.assert_allclose(scorer(rows, present), expected, atol=1e-6)
        np.testing.assert_allclose(scorer(some, less), expected_less, atol=1e-6)
    monkeypatch.setattr("srmm.ensemble.classifier._ROWS", 7)
    np.testing.assert_allclose(model.predict_proba(test), expected, atol=1e-6)


def test_changed_weights_are_folded_again() -> None:
    network = Branches({"image": 3}, 2, members=2, hidden_dim=4)
    network.start(np.random.default_rng(0))
    network.eval()
    first = folded(network)
    assert folded(network) is first
    with torch.no_grad():
        network.fc3.bias += 1
    assert folded(network) is not first
    network.norms[0].mean.add_(1.0)
    torch.testing.assert_close(folded(network).first[0][1], Folded(network).first[0][1])
    items = torch.randn(5, 3)
    with torch.inference_mode():
        there = torch.ones(2, 5, 1, dtype=torch.bool)
        logits = network.classify(network.enter({"image": items.expand(2, 5, 3)}, there)[:, :, 0])
        entered = Entered(
            folded(network), [folded(network).enter(0, items)], [None], np.ones((5, 1))
        )
        found = entered.scores(np.array([[1.0, 0, 0]] * 5), np.ones((5, 1)))
    torch.testing.assert_close(found, logits.mean(dim=0), atol=1e-5, rtol=1e-5)


def test_streams_that_are_worth_nothing_leave_all_classes_alike() -> None:
    model = SingleBranchClassifier(**DEFAULT).fit(problem())
    model.weights_ = replace(model.weights_, weights=np.zeros_like(model.weights_.weights))
    found = model.predict_proba(problem(4, seed=3))
    np.testing.assert_array_equal(found, np.full(found.shape, 1 / found.shape[1]))
