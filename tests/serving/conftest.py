"""A small model of three modalities, and the application that serves it: no network, no process."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from starlette.testclient import TestClient

import srmm
from srmm import encoders
from srmm.encoders.base import EncoderAbout
from srmm.registry import Entry
from srmm.serving.application import make_application
from srmm.workflows import fit_workflow
from tests.encoding.hash_encoder import HashEncoder

COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200)}


def photo(colour: str) -> bytes:
    """A picture of one colour, as a PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), COLOURS[colour]).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="package")
def _hash_is_an_encoder() -> Iterator[None]:
    kinds = {kind: partial(HashEncoder, kind) for kind in ("text", "image")}
    about = EncoderAbout(
        name="hash", embedding_dim="8", description="", preprocessing="", source="", licence="",
        needs_network="no", classes=kinds,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(encoders._REGISTRY.entries(), "hash", Entry(about, encoders))  # type: ignore
        yield


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory, _hash_is_an_encoder: None) -> Path:
    """A folder with a model of photo, title, and price and size; with its store and pictures."""
    folder = tmp_path_factory.mktemp("shop")
    for colour in COLOURS:
        (folder / f"{colour}.png").write_bytes(photo(colour))
    rows = [
        {
            "sku": f"p{i}",
            "photo": f"{colour}.png",
            "title": f"a {colour} shoe",
            "price": f"{10 + 40 * (colour == 'blue') + i % 5},50",
            "size": "SML"[i % 3],
            "colour": colour,
        }
        for i in range(60)
        for colour in [list(COLOURS)[i % 2]]
    ]
    pd.DataFrame(rows).to_csv(folder / "shop.csv", index=False)
    fit_workflow(
        str(folder / "shop.csv"),
        folder / "model",
        columns={"image": "photo", "text": "title", "features": "info=price,size",
                 "label": "colour", "id": "sku"},
        encoders={"image": "hash", "text": "hash"},
        settings={"n_folds": 2, "hidden_dim": 16, "max_epochs": 80},
    )  # fmt: skip
    return folder


@pytest.fixture
def serve(shop: Path) -> Iterator[Any]:
    """A function that makes a client of an application; options as `make_application` takes."""
    clients = []

    def start(when_nothing: str | None = None, **options: Any) -> TestClient:
        predictor = srmm.load(shop / "model", when_nothing_present=when_nothing)
        application = make_application(predictor, **options)
        client = TestClient(application, raise_server_exceptions=False)
        clients.append(client.__enter__())
        client.predictor = predictor
        client.desk = application.app.state.desk
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serve: Any) -> TestClient:
    """A client of an application with all defaults."""
    return serve()
