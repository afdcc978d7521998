"""The accuracy to expect of what is present, as fitting and reports know it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import srmm
from srmm.ensemble.own_rows import out_of_fold_scorer
from srmm.errors import InputError
from srmm.learning.saving import open_saved
from srmm.workflows import distil_workflow, fit_workflow
from srmm.workflows.data import split_column
from srmm.workflows.expected import OUT_OF_FOLD, TEST, expected_accuracy
from srmm.workflows.splits import trained_on

NAMES = ("a", "b")


def fitted(folder: Path, **options: object) -> Path:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=120)
    frame = pd.DataFrame({"w": y + 0.5 * rng.normal(size=120), "h": rng.normal(size=120), "y": y})
    frame.loc[::5, "h"] = None
    frame.to_csv(folder / "t.csv", index=False)
    columns = {"features": ["a=w", "b=h"], "label": "y"}
    fit_workflow(str(folder / "t.csv"), folder / "m", columns=columns, **options)
    return folder / "m"


@pytest.mark.workflow
def test_a_fitted_model_knows_how_often_it_is_right_out_of_fold(tmp_path: Path) -> None:
    settings = {"max_epochs": 3, "hidden_dim": 8}
    folder = fitted(tmp_path, settings=settings)
    model, config, rows = open_saved(folder)
    found = expected_accuracy(None, config, NAMES)
    assert found["rows"] == OUT_OF_FOLD
    own = srmm.load_embeddings(f"{folder}.embeddings")
    scorer = out_of_fold_scorer(model, trained_on(own, split_column(own, rows)))
    assert [p["present"] for p in found["patterns"]] == [["a", "b"], ["a"], ["b"]]
    for pattern, columns in zip(found["patterns"], ([0, 1], [0], [1]), strict=True):
        has = np.flatnonzero(scorer.present[:, columns].all(axis=1))
        mask = np.tile(np.isin(np.arange(2), columns), (len(has), 1))
        right = scorer(has, mask).argmax(axis=1) == scorer.y[has]
        assert (pattern["n"], pattern["accuracy"]) == (len(has), right.mean())
        assert pattern["interval"][0] < right.mean() < pattern["interval"][1]
    distil_workflow(folder, tmp_path / "small")
    assert expected_accuracy(None, open_saved(tmp_path / "small").config, NAMES) is None


@pytest.mark.workflow
def test_a_model_is_not_replaced_by_what_it_taught(tmp_path: Path) -> None:
    folder = fitted(tmp_path, settings={"max_epochs": 1, "hidden_dim": 4})
    before = (folder / "config.json").read_bytes()
    (tmp_path / "link").symlink_to(folder)
    for output in (folder, tmp_path / "link"):
        with pytest.raises(InputError, match="is the model that is distilled, and would be"):
            distil_workflow(folder, output, overwrite=True)
    assert (folder / "config.json").read_bytes() == before


def test_a_method_without_outputs_out_of_fold_promises_nothing(tmp_path: Path) -> None:
    config = open_saved(fitted(tmp_path, method="logreg")).config
    assert expected_accuracy(None, config, NAMES) is None


def test_a_report_comes_first_and_what_is_no_figure_is_left_out() -> None:
    right = {"present": ["a"], "n": 3, "accuracy": 0.5, "accuracy_ci": [0.25, 0.75]}
    odd = [
        {**right, "present": ["smell"]}, {**right, "accuracy": 3}, {**right, "accuracy": None},
        {**right, "present": None}, "a", None, {},
    ]  # fmt: skip
    config = json.loads(json.dumps({"origin": {"expected": {"patterns": [*odd, right]}}}))
    shown = {"present": ["a"], "n": 3, "accuracy": 0.5, "interval": [0.25, 0.75]}
    assert expected_accuracy(None, config, NAMES)["patterns"] == [shown]
    for hostile in ({"expected": {"patterns": 7}}, {"expected": {}}, {"expected": None}):
        found = expected_accuracy(None, {"origin": hostile}, NAMES)
        assert found is None or found["patterns"] == []
    report = {"patterns": [{**right, "accuracy": 1.0}], "data": {"name": "shop"}}
    found = expected_accuracy(report, config, NAMES)
    assert (found["of"], found["rows"]) == ("shop", TEST)
    assert [pattern["accuracy"] for pattern in found["patterns"]] == [1.0]
