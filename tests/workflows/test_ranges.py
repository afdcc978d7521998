"""Numbers to predict from that lie where none of training lay: said, and not of healthy rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import srmm
from srmm import Embeddings
from srmm.learning.checked import check_config
from srmm.workflows.evaluate import evaluate_workflow
from srmm.workflows.fit import fit_workflow
from srmm.workflows.predict import predict_workflow
from srmm.workflows.ranges import joined_outside, learnt_ranges, outside, range_notes
from srmm.workflows.watch import watch_workflow

INPUTS = {"size": {"kind": "features", "column": "width,height"}}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = {"width": rng.normal(5, 1, 60).round(2), "height": rng.normal(500, 90, 60).round(1)}
    return pd.DataFrame({**rows, "kind": ["a", "b"] * 30})


@pytest.fixture(scope="module")
def model(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranges")
    frame.to_csv(folder / "goods.csv", index=False)
    columns = {"features": ["size=width,height"], "label": "kind"}
    fit_workflow(folder / "goods.csv", folder / "model", columns=columns, method="logreg")
    return folder / "model"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda frame: frame.assign(width=frame.width * 1000), "'width' in 60"),
        (lambda frame: frame.rename(columns={"width": "height", "height": "width"}), "'height' in"),
        (lambda frame: frame, None),
        (lambda frame: frame.assign(width=frame.width.where(frame.index % 3 > 0, 9999)), None),
        (lambda frame: frame[:9].assign(width=0.1), None),
    ],
    ids=["another unit", "swapped columns", "the same", "a third are outliers", "few rows"],
)
def test_most_rows_outside_what_was_learnt_from_are_said(
    model: Path,
    frame: pd.DataFrame,
    tmp_path: Path,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    named: str | None,
) -> None:
    change(frame).to_csv(tmp_path / "new.csv", index=False)
    notes = predict_workflow(model, tmp_path / "new.csv", tmp_path / "said.csv").notes
    said = [note for note in notes if "outside all that was learnt from" in note]
    assert bool(said) == bool(named)
    assert not named or named in said[0]


def test_evaluate_and_check_say_it_too(model: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.assign(width=frame.width * 1000).to_csv(tmp_path / "new.csv", index=False)
    new, page = tmp_path / "new.csv", tmp_path / "report.html"
    report = evaluate_workflow(model, page, source=new, baselines=False)
    checked = watch_workflow(model, new)
    for notes in (report.content["data"]["notes"], checked.content["notes"]):
        assert any("'width' in 60 (in training " in note for note in notes)


def test_rows_in_memory_are_compared_too(model: Path, frame: pd.DataFrame) -> None:
    loaded = srmm.load(model)
    far = frame.assign(width=-1.0)
    assert "'width' in 60" in loaded.predict_frame(far).attrs["notes"][-1]
    with pytest.warns(UserWarning, match="'width' in 60"):
        loaded.predict(far)


def _of(vectors: Any) -> Embeddings:
    return Embeddings.from_arrays({"size": np.asarray(vectors, dtype=float)})


def test_parts_are_counted_together() -> None:
    learnt = learnt_ranges(_of([[i, i] for i in range(20)]), INPUTS)
    parts = [_of([[50, 1]] * 6), _of([[1, 1]] * 5), _of([[60, 1]] * 1)]
    found = joined_outside(outside(part, learnt) for part in parts)
    assert found == {"size": (12, {"0": 7})}
    assert "'width' in 7 (in training 0 to 19)" in range_notes(found, learnt)[0]


def test_days_to_come_are_no_surprise() -> None:
    learnt = {
        "size": {"names": ["bought: days", "bought: year sin"], "low": [0, 0], "high": [1, 1]}
    }
    assert range_notes(outside(_of([[9, 9]] * 20), learnt), learnt) == []


def test_of_few_rows_long_vectors_and_other_kinds_nothing_is_kept() -> None:
    assert learnt_ranges(_of([[1, 2]] * 19), INPUTS) == {}
    assert learnt_ranges(_of(np.ones((30, 300))), INPUTS) == {}
    assert learnt_ranges(_of([[1, 2]] * 30), {"size": {"kind": "image", "column": "a"}}) == {}


@pytest.mark.parametrize("wrong", [[1], {"names": ["a"], "low": ["x"], "high": [1]},
                                   {"names": ["a", "b"], "low": [1], "high": [1, 2]}])  # fmt: skip
def test_ranges_of_a_stranger_are_checked(model: Path, wrong: Any) -> None:
    config = dict(srmm.load(model).config)
    config.pop("hub")
    check_config(model, config)
    config["origin"] = {**config["origin"], "ranges": {"size": wrong}}
    with pytest.raises(srmm.SrmmError, match=r"origin\.ranges\.size"):
        check_config(model, config)
