"""What is written out or drawn faster is what PyTorch and NumPy would make and draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from srmm.data.embeddings import Embeddings
from srmm.ensemble.branches import Branches
from srmm.ensemble.features import FARTHEST, Features
from srmm.ensemble.table import FeatureTable
from srmm.learning import gathered
from srmm.learning.gradients import normed, unit_length
from srmm.learning.layers import Dropout


def doubles(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_unit_length_is_normalize_and_so_is_its_gradient() -> None:
    x = doubles(3, 4, 5)
    assert torch.equal(unit_length(x), F.normalize(x, dim=-1))
    assert torch.autograd.gradcheck(unit_length, x)
    g = torch.randn(3, 4, 5, dtype=torch.float64)
    (expected,) = torch.autograd.grad(F.normalize(x, dim=-1), x, g)
    (found,) = torch.autograd.grad(unit_length(x), x, g)
    torch.testing.assert_close(found, expected)


def test_a_vector_of_zeros_has_no_length_and_a_finite_gradient() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    unit_length(x).sum().backward()
    assert torch.isfinite(x.grad).all()  # type: ignore[arg-type]


def test_the_gradient_of_batch_norm_is_the_derived_one() -> None:
    x, gain, shift = doubles(2, 6, 3), doubles(2, 1, 3), doubles(2, 1, 3)
    present = torch.tensor([[1, 1, 0, 1, 0, 1], [0, 0, 1, 0, 0, 0]], dtype=torch.bool)
    count = present.sum(dim=1)[:, None, None]
    enough = count > 1
    share = enough * present[..., None] / count  # the second has one item: none goes into its mean

    def derived(x: torch.Tensor, gain: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        mean = torch.where(enough, (share * x).sum(dim=1, keepdim=True), 0.5)
        var = torch.where(enough, (share * (x - mean) ** 2).sum(dim=1, keepdim=True), 2.0)
        return (x - mean) / (var + 1e-5).sqrt() * gain + shift

    def written(x: torch.Tensor, gain: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            mean = torch.where(enough, (share * x).sum(dim=1, keepdim=True), 0.5)
            var = torch.where(enough, (share * (x - mean) ** 2).sum(dim=1, keepdim=True), 2.0)
        return normed(x, mean, var, share, gain, shift)

    g = torch.randn(2, 6, 3, dtype=torch.float64)
    expected = torch.autograd.grad(derived(x, gain, shift), (x, gain, shift), g)
    found = torch.autograd.grad(written(x, gain, shift), (x, gain, shift), g)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.7, 1.0])
def test_dropout_draws_what_bernoulli_would(share: float) -> None:
    layer, twin = Dropout(share).train(), torch.Generator().manual_seed(7)
    layer.generator = torch.Generator().manual_seed(7)
    x = torch.randn(37, 11)
    for _ in range(2):
        kept = torch.empty_like(x).bernoulli_(1 - share, generator=twin)
        expected = x * kept.div_(1 - share or 1)
        assert torch.equal(layer(x), expected)
    assert torch.equal(layer.generator.get_state(), twin.get_state())


def test_dropout_without_a_generator_draws_from_pytorchs_own() -> None:
    x = torch.ones(50, 3)
    torch.manual_seed(3)
    expected = torch.empty_like(x).bernoulli_(0.5) * 2
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.5).train()(x), expected)


@pytest.mark.parametrize("n", [1, 6, 7, 8])
def test_the_members_dropout_draws_the_generators_bytes(n: int) -> None:
    network = Branches({"a": 1}, 2, members=2, hidden_dim=2)
    x = torch.randn(2, n, 1)
    bytes_of = [np.random.default_rng(seed).bytes(n) for seed in (5, 6)]
    drawn = np.stack([np.frombuffer(some, dtype=np.uint8) for some in bytes_of])
    expected = x[..., 0].numpy() * (drawn >= 77) * np.float32(256 / (256 - 77))
    found = network._drop(x, 0.3, [np.random.default_rng(seed) for seed in (5, 6)])
    assert np.array_equal(found[..., 0].numpy(), expected)


def test_noise_in_long_embeddings_is_noise_in_what_they_are_made_of() -> None:
    rng = np.random.default_rng(0)
    x = (3 + 2 * rng.standard_normal((50, 200))).astype(np.float32)
    x[:, 7] = 1.25  # a constant, which noise leaves alone
    features = Features.fit(Embeddings.from_arrays({"a": x}))
    made = features.apply("a", x)
    found = features.noisy("a", made, np.random.default_rng(1))
    twin = np.random.default_rng(1)
    loud = twin.uniform(0, 1.5, size=(50, 1))
    noise = (
        loud * twin.standard_normal((50, 200), dtype=np.float32) * features.standardizer.std["a"]
    )
    expected = features.apply("a", (x + noise).astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.array_equal(found[:, 7], made[:, 7])
    assert found.dtype == np.float32
    far = features.noisy("a", np.full_like(made, FARTHEST), np.random.default_rng(1))
    assert far.max() <= FARTHEST


@pytest.mark.parametrize("made_once", [0, gathered.MADE_ONCE])
def test_an_absent_item_is_a_row_of_zeros(made_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathered, "MADE_ONCE", made_once)
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    x[1] = np.nan
    embeddings = Embeddings.from_arrays({"a": x, "b": x[:, ::-1].copy() * 0 + 1})
    features = Features.fit(embeddings)
    table = FeatureTable(embeddings, features, torch.device("cpu"))
    items, present = table.batch(np.array([[1, 0], [2, 1]]))
    assert present[..., 0].tolist() == [[False, True], [True, False]]
    assert not items["a"][~present[..., 0]].any()
    assert np.array_equal(items["a"][0, 1], features.apply("a", x[:1])[0])
