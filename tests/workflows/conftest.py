"""What several files of tests here start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from srmm.workflows import fit_workflow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two modalities of one number each, with its table and store beside it."""
    folder, rng = tmp_path_factory.mktemp("numbers"), np.random.default_rng(0)
    y = rng.integers(2, size=60)
    frame = pd.DataFrame({"w": y + rng.normal(size=60), "h": y + rng.normal(size=60), "y": y})
    frame.to_csv(folder / "t.csv", index=False)
    columns = {"features": ["a=w", "b=h"], "label": "y"}
    fit_workflow(str(folder / "t.csv"), folder / "m", columns=columns, method="logreg")
    return folder / "m"
