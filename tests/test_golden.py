"""What every method predicts has not changed, nor what a model saved earlier predicts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import srmm
from tests.golden.make_predictions import CASES, PRETRAINED, SAVED, fitted, problem

FOLDER = Path(__file__).parent / "golden"
# Other processors, and other orders of the same sums, round otherwise, and an epoch may then be
# chosen differently, which these few epochs do not show.
ATOL = 1e-4
# Adam divides by the size of a gradient: where that is nothing but rounding, a weight may go either
# way by a whole step. Seen: 0.9e-3. Another draw, or another rate, moves them by hundredths.
ATOL_TRAINED = 2e-3


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    content = json.loads((FOLDER / "predictions.json").read_text(encoding="utf-8"))
    return {name: np.array(probabilities) for name, probabilities in content.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_method_predicts_what_it_did(name: str, golden: dict[str, np.ndarray]) -> None:
    X, _, _ = problem()
    np.testing.assert_allclose(
        fitted(name).predict_proba(X[100:]), golden[name], rtol=0, atol=ATOL_TRAINED
    )


def test_every_method_has_a_golden_prediction() -> None:
    named = {name.partition(":")[0] for name in CASES}
    assert named | set(PRETRAINED) == set(srmm.methods.METHODS.entries())


@pytest.mark.parametrize("name", SAVED)
def test_a_model_saved_earlier_loads(name: str) -> None:
    said = json.loads((FOLDER / "models" / "predictions.json").read_text(encoding="utf-8"))
    X, _, _ = problem()
    model = srmm.from_pretrained(FOLDER / "models" / name)
    np.testing.assert_allclose(model.predict_proba(X[100:]), np.array(said[name]), atol=ATOL)
