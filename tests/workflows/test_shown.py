"""Which pictures a report reads for a store: those of one's own table, and none of a stranger's."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import srmm
from srmm.cli import run
from srmm.report.findings import item_lists
from srmm.workflows.pictures import note_source, with_stored_pictures
from srmm.workflows.shown import NotShown
from tests.tampering import edit_json
from tests.workflows.test_pictures import SMALL, png

PICTURE = png(99, np.random.default_rng(0))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A table and its pictures, and beside them what is none of the report's business."""
    (tmp_path / "shop" / "images").mkdir(parents=True)
    (tmp_path / "private").mkdir()
    for place in ("shop/images/1.png", "private/1.png", "private.png"):
        (tmp_path / place).write_bytes(PICTURE)
    with zipfile.ZipFile(tmp_path / "private" / "photos.zip", "w") as archive:
        archive.writestr("1.png", PICTURE)
    (tmp_path / "shop" / "table.csv").write_text("photo,label\nimages/1.png,a\n")
    (tmp_path / "shop" / "link.png").symlink_to(tmp_path / "private" / "1.png")
    (tmp_path / "shop" / "photos.zip").symlink_to(tmp_path / "private" / "photos.zip")
    (tmp_path / "shop" / "inner").symlink_to(tmp_path / "private")
    return tmp_path / "shop"


@pytest.fixture
def store(shop: Path) -> Path:
    """A store that notes where it comes from, in a folder of its own."""
    store = shop.parent / "stores" / "store"
    store.mkdir(parents=True)
    note_source(store, str(shop / "table.csv"), {"image": ["photo"]}, None, {})
    return store


def shown(store: Path, path: str, root: Path | None = None) -> tuple[Any, list[str]]:
    item = {"id": 1, "present": ["image"], "raw": {"image": path}}
    content, notes = with_stored_pictures({"mistakes": [item]}, {"image": "image"}, store, root)
    return content["mistakes"][0]["raw"]["image"], notes


def test_pictures_of_ones_own_table_are_shown(shop: Path, store: Path) -> None:
    assert shown(store, str(shop / "images" / "1.png")) == (PICTURE, [])
    assert shown(store, str(shop / "images" / "gone.png"))[1] == []
    (store / "1.png").write_bytes(PICTURE)
    assert shown(store, "1.png") == (PICTURE, [])


def test_pictures_of_a_data_set_that_comes_in_a_package_are_shown(tmp_path: Path) -> None:
    for columns in (None, {"missing": "auto"}):
        note_source(tmp_path, "openmoji", columns, None, {})
        table = srmm.load_dataset("openmoji")
        file = table.folder / table.items["image"][0]
        assert shown(tmp_path, str(file)) == (file.read_bytes(), [])


@pytest.mark.parametrize(
    "path",
    [
        "{private}/1.png",
        "{shop}/../private/1.png",
        "../../private/1.png",
        "file://{private}/1.png",
        "{shop}/link.png",
        "{shop}/inner/1.png",
        "{shop}/photos/1.png",
        "{shop}/photos.zip/1.png",
        "{private}/photos.zip/1.png",
        "/etc/passwd",
    ],
)
def test_what_lies_elsewhere_is_not(shop: Path, store: Path, path: str) -> None:
    path = path.format(shop=shop, private=shop.parent / "private")
    found, notes = shown(store, path)
    assert isinstance(found, NotShown)
    assert repr(path) in notes[0]
    if not path.startswith(("..", "/etc")):
        assert shown(store, path, shop.parent / "private") == (PICTURE, [])


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.update(source="/etc/hostname"),
        lambda note: note.update(root="/"),
        lambda note: note.update(proof=None),
        lambda note: note.update(proof="\u00e9"),
        lambda note: note.pop("proof"),
        lambda note: note.update(source=["x"]),
        lambda note: note.update(dataset=True, root=os.sep),
        lambda note: note.clear(),
    ],
)
def test_a_note_that_was_not_written_here_opens_nothing(
    shop: Path, store: Path, change: Any
) -> None:
    edit_json(store / "_source.json", change)
    found, notes = shown(store, str(shop / "images" / "1.png"))
    assert isinstance(found, NotShown)
    assert notes[0].startswith("1 picture is not shown, the first")
    assert shown(store, str(shop / "images" / "1.png"), shop) == (PICTURE, [])


def test_a_table_that_has_changed_is_not_looked_into(tmp_path: Path) -> None:
    frame = pd.DataFrame({"picture": [PICTURE], "class": ["a"]})
    frame.to_parquet(tmp_path / "t.parquet")
    store = tmp_path / "store"
    store.mkdir()
    note_source(store, str(tmp_path / "t.parquet"), {"image": ["picture"]}, None, {})
    frame.to_parquet(tmp_path / "t.parquet")
    item = {"id": 0, "present": ["image"], "raw": {}}
    content, (note,) = with_stored_pictures({"mistakes": [item]}, {"image": "image"}, store, None)
    assert content["mistakes"][0]["raw"] == {}
    assert "is not looked into for pictures" in note


@pytest.mark.workflow
def test_a_report_shows_ones_own_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("shop/images", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    rows = []
    for k in range(30):
        place = "shop/images" if k % 2 else "elsewhere"
        (tmp_path / place / f"{k}.png").write_bytes(png(60 + 100 * int(rng.integers(2)), rng))
        rows.append((f"images/{k}.png" if k % 2 else f"../elsewhere/{k}.png", f"c{k // 2 % 2}"))
    frame = pd.DataFrame(rows, columns=["photo", "label"])
    frame.to_csv(tmp_path / "shop" / "t.csv", index=False)
    model, report = tmp_path / "m", tmp_path / "r.html"
    columns = ["--image", "photo", "--label", "label"]
    assert run(["fit", str(tmp_path / "shop" / "t.csv"), *columns, "-o", str(model), *SMALL]) == 0
    evaluate = ["evaluate", str(model), "-o", str(report), "--no-baselines"]

    def pictures() -> tuple[int, int, list[str]]:
        content = json.loads(report.with_suffix(".json").read_text())
        items = [item for part in item_lists(content).values() for item in part]
        inside = sum("elsewhere" not in item["raw"]["image"] for item in items)
        drawn = report.read_text().count("data:image/jpeg;base64,")
        return inside, drawn - inside, content["data"].get("notes", [])

    assert run(evaluate) == 0
    inside, outside, notes = pictures()
    assert inside > 0 == outside
    assert any("not shown, the first" in note for note in notes)
    assert run([*evaluate, "--root", str(tmp_path)]) == 0
    inside, outside, notes = pictures()
    assert outside > 0
    assert not any("not shown" in note for note in notes)
