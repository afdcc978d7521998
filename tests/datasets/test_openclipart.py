"""Open Clip Art: a small folder in its layout, faults included, and the real one where it is."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from srmm.data.items import ItemReader
from srmm.data.table import Table, check_labels
from srmm.datasets import load_dataset
from srmm.errors import InputError

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

COLUMNS = ["id", "image", "title", "description", "label"]

ROWS = [
    ["00", "images/00.png", "Flat icons", "", "computer"],
    ["01", "images/01.png", "Flat icons", "A printer, switched off", "computer"],
    ["02", "images/02.png", "", "", "animals"],
    ["03", "", 'A "cat", asleep', "   ", "animals"],
    ["04", "images/04.png", "", "NA", "animals"],
    ["05", "", "", "", "computer"],
]


def real(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"the data set {name} is not on this machine ({DATA / name})")
    return DATA / name


def load(root: Path) -> Table:
    table = load_dataset("openclipart", root)
    assert isinstance(table, Table)
    return table


def write(root: Path, rows: list[list[str]], columns: list[str] = COLUMNS) -> None:
    with (root / "openclipart.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


@pytest.fixture(params=["folder", "zip"])
def clipart(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write(tmp_path, ROWS)
    (tmp_path / "images").mkdir()
    for row in ROWS:
        if row[1]:
            Image.new("RGB", (6, 8), "red").save(tmp_path / row[1])
    if request.param == "zip":
        with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
            for path in sorted((tmp_path / "images").iterdir()):
                archive.write(path, f"images/{path.name}")
                path.unlink()
        (tmp_path / "images").rmdir()
    return tmp_path


def test_a_small_openclipart(clipart: Path) -> None:
    table = load(clipart)
    assert table.kinds == {"image": "image", "title": "text", "description": "text"}
    assert table.ids.tolist() == ["00", "01", "02", "03", "04", "05"]  # text, not numbers
    assert table.present.tolist() == [
        [True, True, False],
        [True, True, True],
        [True, False, False],
        [False, True, False],
        [True, False, True],  # "NA" is a text like any other
        [False, False, False],
    ]
    assert table.items["title"][3] == 'A "cat", asleep'
    assert table.items["description"][1] == "A printer, switched off"
    assert table.labels is not None
    assert table.labels.tolist() == [row[-1] for row in ROWS]
    assert table.split is None
    assert check_labels(table).tolist() == [True] * 5 + [False]
    assert table.folder == clipart
    assert "public domain" in table.attribution
    with ItemReader(table.folder) as reader:
        for row in (0, 1, 2, 4):
            assert reader.image(table.items["image"][row]).size == (6, 8)


def test_the_groups_are_the_titles_and_a_row_without_one_stands_alone(clipart: Path) -> None:
    groups = load(clipart).groups
    assert groups is not None
    assert groups.tolist() == ["Flat icons", "Flat icons", None, 'A "cat", asleep', None, None]


def test_a_picture_that_the_table_names_must_be_there(clipart: Path) -> None:
    write(clipart, [*ROWS, ["06", "images/06.png", "A dog", "", "animals"]])
    with pytest.raises(InputError) as error:
        load(clipart)
    message = str(error.value)
    assert "1 of 5 pictures are missing: images/06.png." in message
    assert "openclipart-svg" in message
    assert "allow_partial" not in message


def test_an_openclipart_without_its_files(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        load(tmp_path)
    assert f"There is no openclipart.csv in {tmp_path}." in str(error.value)
    assert f"There is no images.zip or images/ in {tmp_path}." in str(error.value)
    with pytest.raises(InputError, match=r"There is no folder .*nowhere\. Get Debian's package"):
        load(tmp_path / "nowhere")
    below = tmp_path / "below"
    below.mkdir()
    write(below, ROWS)
    with pytest.raises(InputError, match=r"There is no images\.zip or images/ in .*https://"):
        load(below)
    with pytest.raises(InputError, match=r"but in .*below: give that folder as the root"):
        load(tmp_path)


def test_a_table_that_is_not_that_of_openclipart(clipart: Path) -> None:
    write(clipart, ROWS, ["id", "image", "titel", "description", "label"])
    with pytest.raises(InputError, match=r"has no column 'title'. Did you mean 'titel'"):
        load(clipart)
    write(clipart, [*ROWS, ROWS[0]])
    with pytest.raises(InputError, match="'00'"):
        load(clipart)
    write(clipart, [])
    with pytest.raises(InputError, match="Nothing of openclipart is in"):
        load(clipart)


def test_the_real_openclipart() -> None:
    table = load(real("openclipart"))
    assert len(table) == 4_905
    assert table.labels is not None
    assert table.groups is not None
    assert table.split is None
    assert len(set(table.ids)) == len(table)
    counts = Counter(table.labels)
    assert len(counts) == 11
    assert counts.most_common(1) == [("computer", 1_679)]
    assert table.present.sum(axis=0).tolist() == [4_853, 4_849, 926]
    assert check_labels(table).sum() == 4_899  # six have nothing at all
    assert table.groups.tolist() == table.items["title"].tolist()
    assert len(set(table.groups) - {None}) == 2_377
    with ItemReader(table.folder) as reader:
        for item in table.items["image"][::1000]:
            assert reader.image(item).size == (160, 160)
