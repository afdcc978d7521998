"""kim2024, shaspec and smil: what stands in for an absent item, and the losses that teach it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

from srmm import Embeddings
from srmm.errors import InputError
from srmm.learning.instances import Batch
from srmm.methods import make_method
from srmm.methods.kim2024 import JointEmbedding, vicreg
from srmm.methods.shaspec import SharedSpecific, alignment_loss
from srmm.methods.smil import CentroidMixture, centroids
from srmm.recipe import RECIPES, network_parameters

METHODS = ["kim2024", "shaspec", "smil"]
NETWORKS = [JointEmbedding, SharedSpecific, CentroidMixture]
SIZES = {"image": 6, "text": 9, "audio": 4}
TINY = {"hidden_dim": 16, "max_epochs": 12, "dropout": 0.1, "batch_size": 64}


def problem(n: int = 300, n_modalities: int = 2, missing: float = 0.4, seed: int = 0) -> Embeddings:
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    dense = {}
    for name in list(SIZES)[:n_modalities]:
        centres = 2 * np.random.default_rng(SIZES[name]).normal(size=(3, SIZES[name]))
        dense[name] = centres[y] + 0.5 * rng.normal(size=(n, SIZES[name]))
    present = rng.random((n, n_modalities)) >= missing
    present[~present.any(axis=1), 0] = True
    return Embeddings.from_arrays(dense, present=present, labels=np.array(["a", "b", "c"])[y])


def tiny(name: str, **parameters: Any) -> Any:
    return make_method(
        name, **{"recipe": TINY, "learning_rates": (0.01,), "random_state": 0} | parameters
    )


def batch(present: list[list[int]], seed: int = 0) -> Batch:
    """Random items, with zeros where absent as `Instances` gathers them."""
    here = torch.tensor(present, dtype=torch.bool)
    random = torch.Generator().manual_seed(seed)
    items = {
        name: torch.randn(len(here), SIZES[name], generator=random) * here[:, m, None]
        for m, name in enumerate(list(SIZES)[: here.shape[1]])
    }
    return Batch(items, here)


def sizes(n_modalities: int) -> dict[str, int]:
    return dict(list(SIZES.items())[:n_modalities])


def with_priors(network: Any) -> Any:
    if isinstance(network, CentroidMixture):
        for m, size in enumerate(SIZES[name] for name in network.modalities):
            network.set_priors(m, torch.randn(network.priors(m).shape[0], size))
    return network


def ready(method: Any, n_modalities: int = 2) -> Any:
    """The method with the untrained network it would start from, so that `_loss` can be called."""
    method.embedding_dims_, method.classes_ = sizes(n_modalities), np.arange(3)
    method.network_ = with_priors(method._network())
    return method


@pytest.mark.parametrize("n_modalities", [2, 3])
@pytest.mark.parametrize("name", METHODS)
def test_learns_with_items_missing_at_random(name: str, n_modalities: int) -> None:
    model = tiny(name).fit(problem(n_modalities=n_modalities))
    test = problem(n_modalities=n_modalities, seed=1)
    assert model.score(test) > 0.9
    for m in range(n_modalities):
        alone = test[test.present[:, m]].mask(np.arange(n_modalities) == m)
        assert model.score(alone) > 0.8


@pytest.mark.parametrize("name", METHODS)
def test_learns_each_modality_alone_from_complete_training_data(name: str) -> None:
    model = tiny(name).fit(problem(missing=0))
    test = problem(missing=0, seed=1)
    for m in range(2):
        assert model.score(test.mask(np.arange(2) == m)) > 0.8


@pytest.mark.parametrize("name", METHODS)
def test_predictions_ignore_the_memory_of_absent_items(name: str) -> None:
    data = problem(n=80)
    # Another instance's items in the place of the absent ones, and a store that keeps them.
    other = problem(n=80, seed=5, missing=0)
    dense = {
        key: np.where(data.present[:, [m]], data.to_array(key), 100 * other.to_array(key))
        for m, key in enumerate(data.modalities)
    }
    full_of_junk = Embeddings.from_arrays(dense, labels=data.labels).mask(data.present)
    first, second = (tiny(name).fit(x) for x in (data, full_of_junk))
    np.testing.assert_array_equal(first.predict_proba(data), second.predict_proba(full_of_junk))


@pytest.mark.parametrize("cls", NETWORKS)
def test_networks_use_the_mask_and_never_the_zeros(cls: Any) -> None:
    torch.manual_seed(0)
    network = with_priors(cls(sizes(3), 3, 8, dropout=0.0))
    clean = batch([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    junk = {
        name: torch.where(clean.present[:, m, None], x, torch.full_like(x, 1e6))
        for m, (name, x) in enumerate(clean.items.items())
    }
    for training in (True, False):
        network.train(training)
        # In training too: batch norm must not see what is not there.
        torch.testing.assert_close(network(*clean), network(junk, clean.present), rtol=0, atol=0)


@pytest.mark.parametrize("cls", NETWORKS)
def test_width_of_the_embedding(cls: Any) -> None:
    network = with_priors(cls(sizes(3), 3, 8))
    embedded = network.embed(*batch([[1, 0, 1], [0, 1, 0], [1, 1, 1]]))
    assert embedded.shape == (3, 24 if cls is SharedSpecific else 8)
    assert torch.isfinite(embedded).all()


@pytest.mark.parametrize("name", METHODS)
def test_same_bits_after_get_and_set_state(name: str) -> None:
    model = tiny(name).fit(problem(n=100))
    state, arrays = model.get_state()
    again = make_method(name)
    for attribute in ("classes_", "modalities_", "embedding_dims_", "encoders_"):
        setattr(again, attribute, getattr(model, attribute))
    again.set_state(state, arrays)
    test = problem(n=50, seed=1)
    np.testing.assert_array_equal(model.predict_proba(test), again.predict_proba(test))
    np.testing.assert_array_equal(model.transform(test), again.transform(test))
    assert state["parameters"] == {key: getattr(again, key) for key in state["parameters"]}


@pytest.mark.parametrize("name", METHODS)
def test_clone_and_parameters(name: str) -> None:
    model = tiny(name)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert set(copied.get_params()) >= {"hidden_dim", "learning_rates", "class_weight", "device"}
    assert network_parameters(make_method(name)) == RECIPES["comparison"]


@pytest.mark.parametrize("name", METHODS)
def test_one_modality(name: str) -> None:
    model = tiny(name).fit(problem(n=150, n_modalities=1, missing=0))
    test = problem(n_modalities=1, missing=0, seed=1)
    assert model.score(test) > 0.9
    assert len(model.transform(test)) == len(test)


@pytest.mark.parametrize("name", METHODS)
def test_no_instance_has_two_items(name: str) -> None:
    data = problem(missing=0)
    first = np.random.default_rng(0).random(len(data)) < 0.5
    model = tiny(name).fit(data.mask(np.column_stack([first, ~first])))
    test = problem(missing=0, seed=1)
    for m in range(2):
        assert model.score(test.mask(np.arange(2) == m)) > 0.8
    assert np.isfinite(model.predict_proba(test)).all()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    "present", [[[1, 0]] * 4, [[0, 1]], [[1, 1], [1, 0], [1, 0]]], ids=["all", "lone", "one-pair"]
)
def test_losses_of_batches_that_lack_a_modality(name: str, present: list[list[int]]) -> None:
    method = ready(tiny(name))
    losses = method._loss(batch(present), torch.zeros(len(present), dtype=torch.long))
    assert losses.shape == (len(present),)
    losses.mean().backward()
    grads = [p.grad for p in method.network_.parameters() if p.grad is not None]
    assert all(torch.isfinite(grad).all() for grad in grads)


def test_vicreg_against_a_hand_computed_case() -> None:
    a = torch.tensor([[0.0, 0.0], [2.0, 2.0]])
    b = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    invariance, variance, covariance = vicreg(a, b)
    # Squares (0, 1, 4, 1) / 4. a's variances are 2, so beyond 1; b's are 0: 1 − sqrt(1e-4) each.
    assert float(invariance) == pytest.approx(6 / 4)
    assert float(variance) == pytest.approx(0.99)
    # a's covariance is 2: (2² + 2²) / 2; b's is 0.
    assert float(covariance) == pytest.approx(4.0)
    assert [float(term) for term in vicreg(a[:1], b[:1])] == [0, 0, 0]


@pytest.mark.parametrize("n", [3, 40])
def test_vicreg_covariance_is_that_of_the_covariance_matrix(n: int) -> None:
    a, b = np.random.default_rng(n).normal(size=(2, n, 7))
    off = [np.cov(z.T) * (1 - np.eye(7)) for z in (a, b)]
    expected = sum((matrix**2).sum() / 7 for matrix in off)
    found = vicreg(torch.from_numpy(a), torch.from_numpy(b))[2]
    assert float(found) == pytest.approx(expected)


def test_alignment_against_a_hand_computed_case() -> None:
    shared = torch.tensor(
        [
            [[0.0, 0.0], [1.0, 3.0], [0.0, 0.0]],  # image, text: mean |difference| 2
            [[1.0, 1.0], [1.0, 1.0], [2.0, 4.0]],  # 0; 2; 2
            [[9.0, 9.0], [0.0, 0.0], [0.0, 0.0]],
        ]
    )
    present = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0]], dtype=torch.bool)
    assert float(alignment_loss(shared, present)) == pytest.approx((2 + 0) / 2 + 2 + 2)
    assert float(alignment_loss(shared, present & torch.tensor([True, False, False]))) == 0


def test_kim_loss_is_cross_entropy_plus_weighted_vicreg() -> None:
    method = ready(tiny("kim2024", recipe=TINY))
    network = method.network_.eval()
    pairs, target = batch([[1, 1]] * 5), torch.tensor([0, 1, 2, 0, 1])
    image, text = network.encode(*pairs)
    expected = -network(*pairs)[range(5), target]
    for source, sink, m, j in ((image, text, 0, 1), (text, image, 1, 0)):
        predicted = network.predict(m, j, source)
        stood_in = -network.classifiers[j](predicted).log_softmax(1)[range(5), target]
        terms = vicreg(predicted, sink)
        expected = expected + (stood_in + 25 * terms[0] + 25 * terms[1] + terms[2]) / 2
    torch.testing.assert_close(method._loss(pairs, target), expected)


def test_kim_predicts_the_absent_from_all_that_are_there() -> None:
    network = JointEmbedding(sizes(3), 3, 8).eval()
    some = batch([[1, 1, 0], [0, 1, 0], [1, 1, 1]])
    embedded = network.encode(*some)
    image, _, audio = network.fill(embedded, some.present)
    from_image, from_text = (network.predict(m, 2, embedded[m]) for m in (0, 1))
    torch.testing.assert_close(audio[0], (from_image[0] + from_text[0]) / 2)
    torch.testing.assert_close(audio[1], from_text[1])
    torch.testing.assert_close(audio[2], embedded[2][2])
    torch.testing.assert_close(image[1], network.predict(1, 0, embedded[1])[1])


def test_gradient_reaches_the_predictors() -> None:
    """Through the pairs of complete instances, and through the fused output of the others."""
    for present in ([[1, 1]] * 4, [[1, 0]] * 4):
        method = ready(tiny("kim2024"))
        method._loss(batch(present), torch.tensor([0, 1, 2, 0])).mean().backward()
        grad = method.network_.predictors["0_to_1"][0].weight.grad
        assert grad.abs().max() > 0
        backward = method.network_.predictors["1_to_0"][0].weight.grad
        assert (backward is not None and bool(backward.any())) == (present[0] == [1, 1])


def test_gradient_reaches_the_weights_of_the_mixture() -> None:
    torch.manual_seed(0)
    method = ready(tiny("smil"))
    method._loss(batch([[1, 1]] * 16), torch.arange(16) % 3).mean().backward()
    for linear in method.network_.weigh.values():
        assert linear.weight.grad.abs().max() > 0


def test_shaspec_lets_the_mean_shared_feature_stand_in() -> None:
    network = SharedSpecific(sizes(3), 3, 8).eval()
    some = batch([[1, 1, 0], [0, 1, 0]])
    shared, specific = network.encode(*some)
    image, text, audio = network.embed(*some).view(2, 3, 8).unbind(dim=1)
    torch.testing.assert_close(audio[0], (shared[0, 0] + shared[0, 1]) / 2)
    torch.testing.assert_close(audio[1], shared[1, 1])
    torch.testing.assert_close(image[1], shared[1, 1])
    residual = network.residual(torch.cat([shared[1, 1], specific[1, 1]]))
    torch.testing.assert_close(text[1], shared[1, 1] + residual)


def test_shaspec_loss_adds_alignment_and_domain() -> None:
    pairs, target = batch([[1, 1], [1, 0], [0, 1]]), torch.tensor([0, 1, 2])
    method = ready(tiny("shaspec", drop_rate=0.0))
    network = method.network_.eval()
    shared, specific = network.encode(*pairs)
    own = torch.cat([specific[0], specific[1, :1], specific[2, 1:]])
    told = -network.domain(own).log_softmax(1)[range(4), [0, 1, 0, 1]].mean()
    apart = (shared[0, 0] - shared[0, 1]).abs().mean()
    expected = -network(*pairs).log_softmax(1)[range(3), target] + 0.1 * apart + 0.02 * told
    torch.testing.assert_close(method._loss(pairs, target), expected)


def test_smil_reconstructs_a_mixture_of_the_centroids_found_in_training() -> None:
    data = problem()
    model = tiny("smil", n_priors=3).fit(data)
    network = model.network_
    weights = network.mixture_weights(1, *batch([[1, 0]] * 4))
    assert (weights > 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(4))
    rebuilt = network.reconstruct(*batch([[1, 0]] * 4))[:, 6:]
    torch.testing.assert_close(rebuilt, weights @ network.priors(1))
    # Three tight classes: each centroid lies on one of the class means, in standardised units.
    kept = model.standardizer_
    for m, name in enumerate(data.modalities):
        rows, vectors = data.items(name)
        scaled = kept.apply(name, vectors)
        means = np.stack([scaled[data.labels[rows] == label].mean(axis=0) for label in "abc"])
        distances = np.linalg.norm(network.priors(m).numpy()[:, None] - means, axis=2)
        assert sorted(distances.argmin(axis=1)) == [0, 1, 2]
        assert distances.min(axis=1).max() < 0.3


def test_more_centroids_than_items_are_repeated() -> None:
    vectors = np.array([[0.0, 1.0], [2.0, 3.0]], dtype=np.float32)
    found = centroids(vectors, 5, seed=0)
    assert found.shape == (5, 2)
    assert {tuple(row) for row in found.tolist()} == {(0.0, 1.0), (2.0, 3.0)}


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("smil", {"n_priors": 0}, "n_priors must be a whole number, at least 1; got 0"),
        ("shaspec", {"drop_rate": 50}, r"drop_rate must be in \[0, 1\], got 50; did you mean 0.5"),
    ],
)
def test_wrong_parameters_are_named(name: str, parameters: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny(name, **parameters).fit(problem(n=40))
