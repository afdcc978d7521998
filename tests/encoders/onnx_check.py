"""ONNX Runtime's embeddings against PyTorch's, for the tests of every encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from srmm.encoders import onnx_engine
from srmm.encoders.engines import engine_of, with_engine
from srmm.encoders.network import networks_of

needs_onnx = pytest.mark.skipif(
    not onnx_engine.is_installed(),
    reason="ONNX Runtime is not installed: pip install 'srmm[onnx]'",
)


def check_equal(encoder: Any, items: list[Any]) -> None:
    """Batches of one, of two and of all; the lengths need not be those it was exported with."""
    other, note = with_engine(encoder, "onnx")
    assert (engine_of(encoder), engine_of(other), note) == ("torch", "onnx", None)
    prepared = [encoder.prepare(item) for item in items]
    for batch in (prepared[:1], prepared[:2], prepared):
        expected, got = encoder.encode(batch), other.encode(batch)
        assert (got.dtype, got.shape) == (np.float32, expected.shape)
        difference = np.linalg.norm(got - expected, axis=1)
        assert (difference <= 1e-4 * np.linalg.norm(expected, axis=1)).all()
    assert networks_of(encoder)  # the one given is as it was
