from __future__ import annotations

import numpy as np
import pytest
import torch

from srmm.errors import InputError
from srmm.single_branch import SingleBranch


def n_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts_of_the_paper() -> None:
    image_text = SingleBranch({"image": 768, "text": 768}, 101, 768)
    assert n_parameters(image_text) == 1_260_389  # the paper's 1.26 M
    face_voice = SingleBranch({"face": 512, "audio": 512}, 1251, 2048)
    assert n_parameters(face_voice) == 7_814_371  # 512-2048-2048-1251, with batch norm
    assert round(n_parameters(face_voice) / 1e6, 2) == 7.81


def test_equal_sizes_have_no_projection_and_unequal_ones_do() -> None:
    equal = SingleBranch({"a": 5, "b": 5}, 3, 8)
    unequal = SingleBranch({"a": 5, "b": 7}, 3, 8)
    assert not list(equal.projections.parameters())
    assert [tuple(p.weight.shape) for p in unequal.projections] == [(8, 5), (8, 7)]


def test_weights_are_shared_whatever_the_modality() -> None:
    network = SingleBranch({"a": 5, "b": 5}, 3, 8).eval()
    x = torch.randn(4, 5)
    assert torch.equal(network({"a": x}), network({"b": x}))


def test_output_is_in_the_order_of_the_input() -> None:
    network = SingleBranch({"a": 5, "b": 7}, 3, 8).eval()
    a, b = torch.randn(4, 5), torch.randn(2, 7)
    together = network({"b": b, "a": a})
    torch.testing.assert_close(together[:2], network({"b": b}))
    torch.testing.assert_close(together[2:], network({"a": a}))


def test_block_2_embeddings_have_unit_length() -> None:
    network = SingleBranch({"a": 5, "b": 7}, 3, 8).eval()
    embedded = network.embed({"a": torch.randn(9, 5)})
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(9))


def test_any_number_of_modalities() -> None:
    dims = {f"m{i}": i + 2 for i in range(6)}
    network = SingleBranch(dims, 4, 8)
    items = {name: torch.from_numpy(np.ones((3, d), np.float32)) for name, d in dims.items()}
    assert network(items).shape == (18, 4)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"imge": torch.zeros(2, 5)}, "Did you mean 'image'"),
        ({"image": torch.zeros(2, 4)}, r"must have shape \(n, 5\), however: \(2, 4\)"),
        ({"image": torch.zeros(5)}, r"must have shape \(n, 5\)"),
    ],
)
def test_wrong_input_is_named(items: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SingleBranch({"image": 5}, 3, 8)(items)


def test_a_lone_item_passes_the_shared_batch_norm_in_training() -> None:
    network = SingleBranch({"a": 5, "b": 5}, 3, 8).train()
    assert torch.isfinite(network({"a": torch.randn(1, 5)})).all()
