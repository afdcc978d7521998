"""What has no room in memory is refused by name, before any of it is made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from srmm.errors import InputError
from srmm.learning import room
from srmm.methods import make_method

_RNG = np.random.default_rng(0)
_Y = np.tile(["a", "b"], 20)
_X = {"image": _RNG.normal(size=(40, 6)), "text": _RNG.normal(size=(40, 4))}
_HUGE = 10**9


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        ("srmm", "hidden_dim", _HUGE),
        ("srmm", "hidden_dim", 10**12),  # its bytes are no number of PyTorch's
        ("srmm-paper", "hidden_dim", _HUGE),
        ("tbn-mid", "hidden_dim", _HUGE),
        ("kim2024", "hidden_dim", _HUGE),
        ("shaspec", "hidden_dim", _HUGE),
        ("smil", "n_priors", 10**12),
        ("vilt-tokens", "width", 4 * 10**8),
        ("lee2023-input", "prompt_length", 10**12),
    ],
)
def test_the_parameter_that_has_no_room_is_named(method: str, name: str, value: int) -> None:
    model = make_method(method, None, {name: value})
    with pytest.raises(InputError, match=rf"{name} is {value:,}, .* GB, and \d+\.\d GB .* free"):
        model.fit(_X, _Y)


def test_of_two_parameters_the_one_that_takes_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_memory", lambda device: 100e6)
    model = make_method("vilt-tokens", None, {"width": 2048, "layers": 3})
    with pytest.raises(InputError, match="width is 2,048"):
        model.fit(_X, _Y)
    model = make_method("vilt-tokens", None, {"width": 132, "layers": 200})
    with pytest.raises(InputError, match="layers is 200"):
        model.fit(_X, _Y)


def test_the_bytes_are_those_of_the_weights() -> None:
    model = make_method("srmm-paper", None, {"hidden_dim": 16, "max_epochs": 1}).fit(_X, _Y)
    counted = room._size(model._network, 1e12)
    weights = [x for x in model.network_.state_dict().values() if x.ndim]  # and no count of steps
    assert counted.n_bytes == sum(x.nbytes for x in weights)


def test_long_embeddings_are_named_where_no_parameter_is_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "free_memory", lambda device: 1e4)
    with pytest.raises(InputError, match="image 6, text 4 numbers; 2 classes"):
        make_method("srmm-paper", None, {}).fit(_X, _Y)


def test_a_container_has_what_it_may_still_take(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_GROUPS", tmp_path)
    cpu = torch.device("cpu")
    free = room.free_memory(cpu)
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 100\n")
    (tmp_path / "memory.current").write_text("600\n")
    (tmp_path / "memory.max").write_text("1000\n")
    assert room.free_memory(cpu) == 500
    (tmp_path / "memory.max").write_text("max\n")
    assert room.free_memory(cpu) == pytest.approx(free, rel=0.5)
