from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from srmm.ensemble.branches import Branches, MaskedBatchNorm
from srmm.ensemble.training import draw_batches, draw_parts


def branches(members: int = 3) -> Branches:
    network = Branches({"a": 5, "b": 7}, 4, members=members, hidden_dim=8)
    network.start(np.random.default_rng(0))
    for norm in network.norms:  # as after training
        norm.mean.copy_(torch.randn(norm.mean.shape))
        norm.var.copy_(torch.rand(norm.var.shape) + 0.5)
    return network.eval()


def test_a_member_alone_says_what_it_says_among_the_others() -> None:
    network = branches()
    items = {"a": torch.randn(6, 5), "b": torch.randn(6, 7)}
    present = torch.ones(6, 2, dtype=torch.bool)
    together = network.classify(network.enter(items, present.expand(3, 6, 2)))
    for k in range(3):
        member = network.member(k)
        alone = member.classify(member.enter(items, present[None]))
        torch.testing.assert_close(alone[0], together[k])


def test_the_fused_stream_of_one_item_is_that_item_and_absent_ones_do_not_matter() -> None:
    network = branches()
    hidden = torch.randn(3, 6, 2, 8)
    first = torch.tensor([1.0, 0.0]).expand(6, 2)
    torch.testing.assert_close(network.fused(hidden, first), hidden[:, :, 0])
    garbage = hidden.clone()
    garbage[:, :, 1] = 1e9
    torch.testing.assert_close(network.fused(garbage, first), hidden[:, :, 0])
    both = torch.ones(6, 2)
    torch.testing.assert_close(network.fused(hidden, both), hidden.mean(dim=2))


def test_the_scale_lets_a_unit_vector_be_sure_of_one_class_among_many() -> None:
    for n_classes in (2, 70, 10_000):
        scale = Branches({"a": 2}, n_classes, members=1, hidden_dim=4).scale
        p = np.exp(scale) / (np.exp(scale) + n_classes - 1)
        assert p == pytest.approx(0.9)


def test_masked_batch_norm_is_batch_norm_of_what_is_there() -> None:
    x, present = torch.randn(2, 9, 4), torch.rand(2, 9) < 0.7
    masked = MaskedBatchNorm(2, 4).train()
    out = masked(x, present)
    for k in range(2):
        plain = nn.BatchNorm1d(4).train()
        torch.testing.assert_close(out[k][present[k]], plain(x[k][present[k]]))
        torch.testing.assert_close(masked.mean[k, 0], plain.running_mean)
        torch.testing.assert_close(masked.var[k, 0], plain.running_var)


def test_a_lone_item_goes_by_running_statistics() -> None:
    norm = MaskedBatchNorm(1, 4).train()
    present = torch.tensor([[True, False, False]])
    x = torch.randn(1, 3, 4)
    torch.testing.assert_close(norm(x, present)[0, 0], x[0, 0] / (1 + 1e-5) ** 0.5)
    assert (norm.mean == 0).all()


@given(st.integers(1, 4), st.floats(0.1, 1), st.integers(0, 99))
def test_parts_are_of_two_items_or_of_all_there_is(M: int, rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    present = torch.from_numpy(rng.random((2, 50, M)) < rate)
    parts = draw_parts(present, rng.spawn(2))
    assert not (parts & ~present).any()
    least = present.sum(dim=-1).clamp_max(2)
    assert (parts.sum(dim=-1) >= least).all()


def test_every_member_sees_all_its_rows_in_an_epoch() -> None:
    rows_of = [np.arange(10), np.arange(5, 20), np.array([3])]
    batches = draw_batches(rows_of, 4, 4, np.random.default_rng(0).spawn(3))
    assert [batch.shape for batch in batches] == [(3, 4)] * 4
    seen = np.concatenate(batches, axis=1)
    for k, rows in enumerate(rows_of):
        assert set(seen[k].tolist()) == set(rows.tolist())
