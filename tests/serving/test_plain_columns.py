"""Columns of plain numbers in a request: what stands for nothing, and names that look like rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

import srmm
from srmm.serving.application import make_application
from srmm.workflows import fit_workflow

Start = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that serves a model of two modalities of plain numbers, named as is said."""
    clients = []

    def serve(first: str = "size=w,h", second: str = "mass=m", **options: Any) -> Any:
        names = [name for choice in (first, second) for name in choice.partition("=")[2].split(",")]
        rows = [
            {name: float(i % 2 * 5 + k + i % 3) for k, name in enumerate(names)}
            | {"label": ["a", "b"][i % 2]}
            for i in range(24)
        ]
        fit_workflow(
            _written(pd.DataFrame(rows), tmp_path / "table.parquet"), tmp_path / "model",
            columns={"features": [first, second], "label": "label", **options}, method="logreg",
        )  # fmt: skip
        application = make_application(srmm.load(tmp_path / "model", when_nothing_present="prior"))
        clients.append(TestClient(application).__enter__())
        return clients[-1]

    yield serve
    for client in clients:
        client.__exit__(None, None, None)


def _written(frame: pd.DataFrame, path: Path) -> str:
    frame.to_parquet(path)
    return str(path)


def _statuses(client: Any, row: dict[str, Any]) -> dict[str, str]:
    (said,) = client.post("/predict", json=row).json()["predictions"]
    return {name: one["status"] for name, one in said["modalities"].items()}


def test_what_stands_for_nothing_in_a_table_does_so_in_plain_columns(start: Start) -> None:
    client = start()
    for row in ({"w": "N/A", "h": " tbd "}, {"size": {"w": "-", "h": None}}, {"size": "n/a"}):
        assert _statuses(client, {**row, "m": 3}) == {"size": "blank", "mass": "present"}
    assert _statuses(client, {"w": 1, "h": 2, "m": "NaN"}) == {"size": "present", "mass": "blank"}
    assert _statuses(client, {"m": ""}) == {"size": "absent", "mass": "absent"}
    refused = client.post("/predict", json={"w": "N/A", "h": 2})
    assert refused.status_code == 422
    assert "w is blank" in refused.json()["error"]["reason"]


def test_it_is_what_the_models_table_took_for_nothing(start: Start) -> None:
    client = start(missing="-999,unknown")
    assert _statuses(client, {"w": "Unknown", "h": -999, "m": -999.0}) == {
        "size": "blank", "mass": "blank",
    }  # fmt: skip
    refused = client.post("/predict", json={"w": "N/A", "h": "N/A"})
    assert refused.json()["error"]["reason"] == "Expected a number, got 'N/A'."


def test_a_column_that_looks_like_a_row_is_that_column(start: Start) -> None:
    client = start("size=w[0],h[cm]")
    (said,) = client.post("/predict", data={"w[0]": "1", "h[cm]": "2"}).json()["predictions"]
    assert said["modalities"]["size"]["status"] == "present"
    data = {"w[0][0]": "1", "h[cm][0]": "2", "m[1]": "3"}
    first, second = client.post("/predict", data=data).json()["predictions"]
    assert [one["modalities"]["size"]["status"] for one in (first, second)] == ["present", "absent"]
    refused = client.post("/predict", data={"w[1]": "1"}).json()["error"]
    assert "The model reads nothing called 'w'" in refused["reason"]


def test_a_field_that_may_be_a_row_or_a_column_is_refused(start: Start) -> None:
    client = start("size=w[0],h", "mass=w")
    response = client.post("/predict", data={"w[0]": "1", "h[0]": "2"})
    assert response.status_code == 422
    assert response.json()["error"]["field"] == "w[0]"
    assert "Name the row of the latter, w[0][0]" in response.json()["error"]["reason"]
    (said,) = client.post("/predict", data={"w[0][0]": "1", "h": "2", "w": "3"}).json()[
        "predictions"
    ]
    assert {one["status"] for one in said["modalities"].values()} == {"present"}
    assert _statuses(client, {"w[0]": 1, "h": 2}) == {"size": "present", "mass": "absent"}


def test_a_column_that_two_modalities_read_is_given_to_both(start: Start) -> None:
    client = start("size=w,h", "mass=w")
    both = {"size": "present", "mass": "present"}
    assert _statuses(client, {"w": 1, "h": 2}) == both
    assert _statuses(client, {"size": [1, 2], "mass": 1}) == both
    refused = client.post("/predict", json={"w": 1, "h": 2, "mass": 3})
    assert refused.json()["error"]["reason"] == "mass is given twice. Give it once."
