"""Pictures that lie in a table's cells, and in the report."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import srmm
from srmm.cli import run
from srmm.errors import StoreError
from srmm.report.findings import item_lists
from srmm.workflows.pictures import note_source, noted_reading, open_noted, with_pictures
from tests.tampering import edit_json

pytestmark = pytest.mark.workflow
CLASSES = ("dark", "light")


def png(shade: int, rng: np.random.Generator) -> bytes:
    pixels = np.clip(rng.normal(shade, 40, (12, 12, 3)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Noise: dark and light, half of it labelled wrongly, so that there are mistakes to show."""
    rng = np.random.default_rng(0)
    labels = [CLASSES[i % 2] for i in range(30)]
    pictures = [png(200 if rng.random() < 0.5 else 60, rng) for _ in labels]
    frame = pd.DataFrame({"picture": pictures, "class": labels, "id": [f"i{k}" for k in range(30)]})
    frame.to_parquet(tmp_path / "table.parquet")
    return tmp_path / "table.parquet"


CHOICE = ["--image", "picture", "--label", "class", "--id", "id"]
SMALL = ["--setting", "hidden_dim=32", "--setting", "max_epochs=12", "--quiet"]


def shown(report: Path) -> tuple[int, int]:
    """How many items the report shows, and how many pictures."""
    content = json.loads(report.with_suffix(".json").read_text())
    items = [item for part in item_lists(content).values() for item in part]
    assert all(not item["raw"] for item in items)  # the numbers stay numbers
    return len(items), report.read_text().count("data:image/jpeg;base64,")


def test_pictures_in_cells_are_shown(table: Path, tmp_path: Path) -> None:
    store, model, report = tmp_path / "store", tmp_path / "model", tmp_path / "report.html"
    assert run(["encode", str(table), *CHOICE, "-o", str(store)]) == 0
    assert run(["fit", str(store), "-o", str(model), *SMALL]) == 0
    assert run(["evaluate", str(model), "-o", str(report), "--no-baselines"]) == 0
    items, pictures = shown(report)
    assert items == pictures > 0

    # A table that is evaluated on without a store; ids that were not trained on.
    frame = pd.read_parquet(table)
    frame["id"] = "new " + frame["id"]
    frame["picture"] = [png(k % 200, np.random.default_rng(k)) for k in range(30)]
    frame.to_parquet(tmp_path / "other.parquet")
    arguments = [str(model), str(tmp_path / "other.parquet"), *CHOICE]
    assert run(["evaluate", *arguments, "-o", str(report), "--no-baselines"]) == 0
    items, pictures = shown(report)
    assert items == pictures > 0


def test_another_picture_is_not_shown_in_its_place(table: Path, tmp_path: Path) -> None:
    model, report = tmp_path / "model", tmp_path / "report.html"
    assert run(["fit", str(table), *CHOICE, "-o", str(model), *SMALL]) == 0
    whole = pd.read_parquet(table)
    frame = whole.assign(picture=list(reversed(whole["picture"])))
    frame.to_parquet(table)
    assert run(["evaluate", str(model), "-o", str(report), "--no-baselines"]) == 0
    assert shown(report)[1] == 0
    table.unlink()  # nor is a table missed
    assert run(["evaluate", str(model), "-o", str(report), "--no-baselines"]) == 0
    assert shown(report)[1] == 0


def test_the_source_is_noted_and_opened_again(table: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    assert open_noted(store) is None
    note_source(store, str(table), {"image": ["picture"]}, None, {})
    found = open_noted(store)
    assert found is not None
    assert len(found) == 30
    (store / "_source.json").write_text("[]")
    with pytest.raises(StoreError, match=r"_source\.json is not the note"):
        noted_reading(store)
    assert open_noted(store) is None


def test_the_note_of_a_store_of_before_is_read(tmp_path: Path) -> None:
    data = srmm.Embeddings.from_arrays({"a": np.ones((2, 2), dtype=np.float32)})
    store = srmm.save_embeddings(data, tmp_path / "store")
    old = {"source": "t.csv", "columns": {"missing": "auto,-"}, "root": None, "options": {}}
    (store / "_source.json").write_text(json.dumps(old))
    with pytest.raises(StoreError, match="is not the note"):
        noted_reading(store)

    def before(manifest: dict) -> None:
        manifest["version"] = 1
        del manifest["files"]

    edit_json(store / "manifest.json", before)
    assert noted_reading(store) == {"missing": "auto,-"}


def test_training_items_do_not_get_the_pictures_of_a_test_table() -> None:
    """Numbered rows of two tables have the same ids."""

    def item() -> dict:
        return {"id": 3, "present": ["image"], "raw": {}}

    content = {"mistakes": [item()], "right": [item()], "label_errors": {"items": [item()]}}
    table = SimpleNamespace(ids=np.array([3]), items={"image": [b"picture"]})
    filled = with_pictures(content, {"image": "image"}, lambda: table)
    assert filled["mistakes"][0]["raw"] == filled["right"][0]["raw"] == {"image": b"picture"}
    assert filled["label_errors"]["items"][0]["raw"] == {}
    assert content["mistakes"][0]["raw"] == {}
