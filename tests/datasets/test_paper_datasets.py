"""The paper's data sets in their published layouts, quirks included, and two real audio sets."""

from __future__ import annotations

import csv
import io
import json
import os
import wave
import zipfile
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from srmm.data.items import ItemReader
from srmm.data.table import Table, check_labels
from srmm.datasets import (
    DATASETS,
    av_digits,
    face_voice40,
    ferramenta,
    food101,
    hateful_memes,
    load_dataset,
    voxceleb1,
)
from srmm.datasets.completeness import Files, unique_ids
from srmm.datasets.titles import read_titles
from srmm.datasets.voxceleb1 import Utterance, pair_faces
from srmm.errors import InputError
from srmm.workflows import open_data

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def real(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"the data set {name} is not on this machine ({DATA / name})")
    return DATA / name


def load(name: str, root: Path, **options: object) -> Table:
    table = load_dataset(name, root, **options)
    assert isinstance(table, Table)
    assert table.folder == root
    assert table.attribution
    assert len(set(table.ids)) == len(table)
    return table


def picture(path: Path, colour: str = "red") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 8), colour).save(path)


def sound(path: Path, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.zeros(rate // 4, dtype="<i2").tobytes())


def zip_folder(folder: Path, prefix: str = "") -> None:
    """Put a folder's files into "<folder>.zip" and remove the folder."""
    with zipfile.ZipFile(f"{folder}.zip", "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, prefix + path.relative_to(folder).as_posix())
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    folder.rmdir()


def test_the_documentation_has_every_data_set() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "datasets.md").read_text("utf-8")
    sections = {part.split("\n", 1)[0]: part for part in text.split("\n## ")[1:]}
    assert set(DATASETS) == set(sections) - {"Complete or not"}
    for name, about in DATASETS.items():
        assert all(part in sections[name] for part in ("Get it", "Licence", "Encode")), name
        assert f"`srmm encode {name}" in sections[name] or "nothing to encode" in sections[name]
        assert ("--root" in sections[name]) == about.needs_root
    for module in (food101, hateful_memes, voxceleb1):
        for split, count in module.COUNTS.items():
            assert f"{count:,} {split}" in text


# --- what is there ----------------------------------------------------------------------------


def test_files_are_found_where_the_reader_finds_them(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "2.png").mkdir()  # a folder is no file
    (tmp_path / "a" / "3.png").symlink_to("3.png")  # nor is a link that leads nowhere
    (tmp_path / "a" / "4.png").symlink_to("1.png")
    for name, prefix in {"b": "", "c": "c/"}.items():
        picture(tmp_path / name / "deep" / "1.png")
        zip_folder(tmp_path / name, prefix)
    picture(tmp_path / "d" / "e" / "1.png")
    zip_folder(tmp_path / "d" / "e")
    paths = [f"a/{k}.png" for k in range(1, 6)]
    paths += [f"{name}/deep/{k}.png" for name in "bc" for k in (1, 2)]
    paths += [
        "d/e/1.png",
        "e/1.png",
        "b/1.png",
        "nothing/1.png",
        "1.png",
        str(tmp_path / "a/1.png"),
    ]

    def readable(path: str) -> bool:
        try:
            return bool(reader.read_bytes(path))
        except Exception:
            return False

    with ItemReader(tmp_path) as reader:
        expected = [readable(path) for path in paths]
    assert sum(expected) == 6
    assert Files(tmp_path).has(paths).tolist() == expected


def test_a_tree_of_files_in_a_folder_a_link_and_a_zip(tmp_path: Path) -> None:
    for name in ("f/x/1/a.jpg", "f/x/1/b.jpg", "f/top.jpg", "elsewhere/2/c.jpg", "z/y/d.jpg"):
        picture(tmp_path / name)
    (tmp_path / "f" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "f" / "x" / "loop").symlink_to(tmp_path / "f", target_is_directory=True)
    expected = {"f": {"top.jpg"}, "f/x/1": {"a.jpg", "b.jpg"}, "f/link/2": {"c.jpg"}}
    assert Files(tmp_path).tree("f") == expected
    for prefix in ("", "z/"):
        picture(tmp_path / "z" / "y" / "d.jpg")
        zip_folder(tmp_path / "z", prefix)
        assert Files(tmp_path).tree("z") == {"z/y": {"d.jpg"}}
    picture(tmp_path / "w" / "y" / "1" / "e.jpg")
    picture(tmp_path / "w" / "y" / "f.jpg")
    zip_folder(tmp_path / "w" / "y", "y/")
    assert Files(tmp_path).tree("w") == {"w/y/1": {"e.jpg"}, "w/y": {"f.jpg"}, "w": {"y.zip"}}
    assert Files(tmp_path).tree("nothing") == {}


def test_a_folder_is_listed_once_however_many_files_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        for k in range(500):
            (tmp_path / folder / f"{k}.jpg").touch()
    asked = Counter[str]()
    scandir = os.scandir

    def counting(path: str) -> object:
        asked[str(path)] += 1
        return scandir(path)

    files = Files(tmp_path)
    monkeypatch.setattr(os, "scandir", counting)
    monkeypatch.setattr(Path, "stat", lambda *_: pytest.fail("asked for a single file"))
    paths = [f"{folder}/{k}.jpg" for k in range(500) for folder in "abc"]
    assert files.has(paths).sum() == 1000
    assert files.has(paths).sum() == 1000
    assert set(asked.values()) == {1}


def test_a_damaged_zip_says_so(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "1.png")
    zip_folder(tmp_path / "images")
    content = (tmp_path / "images.zip").read_bytes()
    (tmp_path / "images.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"images\.zip cannot be read .* not downloaded complete"):
        Files(tmp_path).has(["images/1.png"])


# --- CSV files of picture, title and class ----------------------------------------------------


def titles(path: Path, text: str) -> list[tuple[str | None, str | None, str | None]]:
    path.write_text(text, encoding="utf-8", newline="")
    return [(row.picture, row.title, row.label) for row in read_titles(path)]


def test_titles_with_and_without_quotes_headers_and_commas(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [
        ("a.jpg", 'A "best" pie, ever', "pie"),
        ("b.jpg", None, "pie"),
        ("c.jpg", 'A 5" pie, or so', "pie"),
        ("d.jpg", "NA", "pie"),
        ("e.jpg", "two\nlines", "pie"),
    ]
    body = (
        'a.jpg,"A ""best"" pie, ever",pie\n'
        "b.jpg, ,pie\n"
        'c.jpg,A 5" pie, or so,pie\n'  # neither quoted, nor the comma, nor the quote
        "\n"
        "d.jpg,NA,pie \n"
        'e.jpg,"two\nlines",pie\n'
    )
    assert titles(path, body) == rows
    assert titles(path, "\ufeff" + body) == rows
    assert titles(path, "image_path,title,class\n" + body) == rows
    assert titles(path, body.replace("\n", "\r\n").replace("two\r\n", "two\n")) == rows
    assert titles(path, "Label,Text,x,Image\npie,red, or blue,7,a\\b.jpg\n") == [
        ("a/b.jpg", "red, or blue", "pie")
    ]
    for sign in ";|\t":
        assert titles(path, f"a.jpg{sign}500 g, rosso{sign}7\n") == [("a.jpg", "500 g, rosso", "7")]


def test_files_that_are_no_titles(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(InputError, match="is empty"):
        titles(path, "\n\n")
    with pytest.raises(InputError, match=r"first line of .*t\.csv is '1,2,3', which is neither"):
        titles(path, "1,2,3\n")
    with pytest.raises(InputError, match=r"Line 2 of .*t\.csv has 2 cells, but a row has 3"):
        titles(path, "a.jpg,A pie,pie\nb.jpg,A p")
    path.write_bytes(b"a.jpg,cr\xe8me,pie\n")
    with pytest.raises(InputError, match=r"t\.csv is not UTF-8 text .* at byte 8"):
        read_titles(path)
    with pytest.raises(InputError, match=r"not a readable CSV file .*field larger"):
        titles(path, 'a.jpg,"A pie,pie\n' + "b.jpg,A pie,pie\n" * 20_000)


TITLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@settings(deadline=None, max_examples=60)
@given(st.lists(TITLE, min_size=1, max_size=6))
def test_any_title_survives_a_csv_file(
    tmp_path_factory: pytest.TempPathFactory, written: list[str]
) -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([[f"{k}.jpg", title, "c"] for k, title in enumerate(written)])
    read = titles(tmp_path_factory.getbasetemp() / "titles.csv", buffer.getvalue())
    expected = [None if not title or title.isspace() else title for title in written]
    assert [title for _, title, _ in read] == expected


def test_ids_are_unique_whatever_the_paths() -> None:
    assert unique_ids(["a", "a", "b", None, "a", None]) == ["a", "a#2", "b", "#1", "a#3", "#2"]


# --- UPMC Food-101 ----------------------------------------------------------------------------

FOOD = {
    "train": [
        ("apple_pie", 0, "Apple pie, the best"),
        ("apple_pie", 1, ""),
        ("apple_pie", 2, 'Grandma\'s "apple" pie, 8" pan'),
        ("waffles", 0, "Waffles | Recipes.com"),
        ("waffles", 1, "waffles"),
    ],
    "test": [("apple_pie", 3, "Pie"), ("waffles", 2, "   ")],
}


@pytest.fixture
def food(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(food101, "COUNTS", {"train": 5, "test": 2})
    (tmp_path / "texts").mkdir()
    for split, rows in FOOD.items():
        with (tmp_path / "texts" / f"{split}_titles.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            for name, k, title in rows:
                writer.writerow([f"{name}_{k}.jpg", title, name])
                picture(tmp_path / "images" / split / name / f"{name}_{k}.jpg")
    return tmp_path


@pytest.mark.parametrize("packed", [False, True])
def test_food101(food: Path, packed: bool) -> None:
    if packed:
        zip_folder(food / "images")
    table = load("food101", food)
    assert table.kinds == {"image": "image", "text": "text"}
    assert table.items["text"].tolist() == [
        "Apple pie, the best",
        None,  # an empty title is absent, never the name of the class
        'Grandma\'s "apple" pie, 8" pan',
        "Waffles | Recipes.com",
        "waffles",  # a title that says no more is one all the same
        "Pie",
        None,
    ]
    assert table.labels is not None
    assert table.labels.tolist() == [row[0] for rows in FOOD.values() for row in rows]
    assert table.split is not None
    assert table.split.tolist() == ["train"] * 5 + ["test"] * 2
    assert table.ids[0] == "train/apple_pie/apple_pie_0.jpg"
    assert check_labels(table).all()
    with ItemReader(table.folder) as reader:
        assert {reader.image(item).size for item in table.items["image"]} == {(6, 8)}


def test_a_partial_food101_says_what_is_missing(food: Path) -> None:
    (food / "images/train/apple_pie/apple_pie_1.jpg").unlink()
    (food / "images/test/waffles/waffles_2.jpg").unlink()
    with pytest.raises(InputError) as error:
        load("food101", food)
    message = str(error.value)
    assert "2 of 7 pictures are missing: images/train/apple_pie/apple_pie_1.jpg, " in message
    assert "images/test/waffles/waffles_2.jpg. Download" in message
    assert "kaggle.com" in message
    assert "allow_partial=True" in message
    with pytest.warns(UserWarning, match="2 of 7 pictures are missing.*count as absent") as caught:
        table = load("food101", food, allow_partial=True)
    assert Path(caught[0].filename).name == Path(__file__).name  # the caller, not this library
    # Row 1 has neither picture nor title now, nor has the last: they are left out.
    assert table.present.tolist() == [[True, True]] * 5
    assert table.split is not None
    assert table.split.tolist() == ["train"] * 4 + ["test"]


def test_a_missing_class_folder_names_the_first_ten_of_many(
    food: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(food101, "COUNTS", {"train": 105, "test": 2})
    with (food / "texts" / "train_titles.csv").open("a") as file:
        file.writelines(f"sushi_{k}.jpg,Sushi,sushi\n" for k in range(100))
    with pytest.raises(InputError) as error:
        load("food101", food)
    shown = ", ".join(f"images/train/sushi/sushi_{k}.jpg" for k in range(10))
    assert f"100 of 107 pictures are missing: {shown} and 90 more." in str(error.value)


def test_a_shortened_table_of_food101_is_noticed(food: Path) -> None:
    path = food / "texts" / "train_titles.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    expected = r"There are 3 rows in train_titles\.csv, published are 5\."
    with pytest.raises(InputError, match=expected):
        load("food101", food)
    with pytest.warns(UserWarning, match=expected):
        assert len(load("food101", food, allow_partial=True)) == 5
    path.unlink()
    with pytest.raises(InputError, match=r"There is no texts/train_titles\.csv"):
        load("food101", food)
    with pytest.warns(UserWarning, match=r"There is no texts/train_titles\.csv"):
        table = load("food101", food, allow_partial=True)
    assert table.split is not None
    assert table.split.tolist() == ["test"] * 2


def test_the_published_counts_are_those_of_the_paper() -> None:
    assert food101.COUNTS == {"train": 67_988, "test": 90_704 - 67_988}
    assert hateful_memes.COUNTS == {"train": 8_500, "validation": 500, "test": 1_000}
    assert ferramenta.COUNTS == {"train": (66_141,), "test": (88_010 - 66_141, 2_186)}
    assert voxceleb1.COUNTS["train"] + voxceleb1.COUNTS["validation"] == 145_265
    assert voxceleb1.COUNTS["test"] == 8_251


def test_a_root_one_level_too_high(food: Path, tmp_path: Path) -> None:
    outer = tmp_path / "download"
    outer.mkdir()
    for part in ("texts", "images"):
        (outer / "food").mkdir(exist_ok=True)
        (food / part).rename(outer / "food" / part)
    for allow_partial in (False, True):
        with pytest.raises(InputError, match=r"but in .*download/food: give that folder as the ro"):
            load("food101", outer, allow_partial=allow_partial)
    with pytest.raises(InputError, match=r"There is no folder .*nowhere.*kaggle"):
        load("food101", food / "nowhere")


def test_nothing_at_all_is_an_error_even_if_partial_is_fine(tmp_path: Path) -> None:
    for name in ("food101", "hateful_memes", "ferramenta", "voxceleb1"):
        with (
            pytest.warns(UserWarning, match="There is no "),
            pytest.raises(InputError, match=rf"Nothing of {name} is in .*https://"),
        ):
            load(name, tmp_path, allow_partial=True)


def test_partial_from_the_command_line(food: Path) -> None:
    (food / "images/train/apple_pie/apple_pie_0.jpg").unlink()
    for word in ("true", "True", 1):
        with pytest.warns(UserWarning, match="1 of 7 pictures"):
            table = open_data("food101", root=food, options={"allow_partial": word})
        assert isinstance(table, Table)
        assert table.items["image"][0] is None
    with pytest.raises(InputError, match="1 of 7 pictures"):
        open_data("food101", root=food, options={"allow_partial": "false"})
    with pytest.raises(InputError, match="allow_partial must be True or False, got 'maybe'"):
        open_data("food101", root=food, options={"allow_partial": "maybe"})
    with pytest.raises(InputError, match=r"no option 'partial'. Did you mean 'allow_partial'"):
        load_dataset("food101", food, partial=True)


# --- Hateful Memes ----------------------------------------------------------------------------


def write_memes(path: Path, memes: Iterable[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(meme) + "\n" for meme in memes), encoding="utf-8")


def meme(id: int, text: str = "a text", label: int | None = None) -> dict[str, object]:
    labels = {} if label is None else {"label": label}
    return {"id": id, "img": f"img/{id:05}.png", "text": text, **labels}


@pytest.fixture
def memes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hateful_memes, "COUNTS", {"train": 3, "validation": 2, "test": 2})
    train = [meme(1, 'so "funny", this', 0), meme(2, "", 1), meme(3, "NA", 0)]
    write_memes(tmp_path / "train.jsonl", train)
    write_memes(tmp_path / "dev_seen.jsonl", [meme(4, label=1), meme(5, label=0)])
    write_memes(tmp_path / "test_seen.jsonl", [meme(6, label=0), meme(7, label=1)])
    for id in range(1, 8):
        picture(tmp_path / "img" / f"{id:05}.png")
    return tmp_path


def test_hateful_memes(memes: Path) -> None:
    table = load("hateful_memes", memes)
    assert table.items["text"].tolist() == ['so "funny", this', None, "NA", *["a text"] * 4]
    assert table.labels is not None
    assert table.labels.tolist() == [0, 1, 0, 1, 0, 0, 1]
    assert {type(label) for label in table.labels} == {int}
    assert table.split is not None
    assert table.split.tolist() == ["train"] * 3 + ["validation"] * 2 + ["test"] * 2
    assert table.ids.tolist() == [str(id) for id in range(1, 8)]
    with ItemReader(table.folder) as reader:
        assert reader.image(table.items["image"][0]).size == (6, 8)


def test_the_first_phase_of_hateful_memes(memes: Path) -> None:
    (memes / "dev_seen.jsonl").rename(memes / "dev.jsonl")
    (memes / "test_seen.jsonl").unlink()
    write_memes(memes / "test.jsonl", [meme(6), meme(7)])
    with pytest.warns(
        UserWarning, match=r"2 of 2 memes in test\.jsonl have no label: .* for prediction only"
    ) as caught:
        table = load("hateful_memes", memes)
    assert Path(caught[0].filename).name == Path(__file__).name
    assert table.labels is not None
    assert table.labels.tolist() == [0, 1, 0, 1, 0, None, None]
    assert check_labels(table).tolist() == [True] * 5 + [False] * 2


def test_a_mirror_of_hateful_memes_without_some_pictures(memes: Path) -> None:
    (memes / "img" / "00005.png").unlink()
    with pytest.raises(InputError, match=r"1 of 7 pictures are missing: img/00005\.png\."):
        load("hateful_memes", memes)
    with pytest.warns(UserWarning, match="1 of 7 pictures"):
        table = load("hateful_memes", memes, allow_partial=True)
    assert len(table) == 7
    assert table.present[:, 0].tolist() == [True] * 4 + [False] + [True] * 2


def test_hateful_memes_that_are_damaged(memes: Path) -> None:
    write_memes(memes / "train.jsonl", [meme(1, label=0), meme(2, label=3), meme(3, label=0)])
    with pytest.raises(InputError, match=r"label of the meme '2' in line 2 of .* is 3; expected 0"):
        load("hateful_memes", memes)
    write_memes(memes / "train.jsonl", [meme(1, label=0), meme(1, label=0), meme(3, label=0)])
    with pytest.raises(InputError, match="Id '1' stands in rows 0 and 1"):
        load_dataset("hateful_memes", memes)
    write_memes(memes / "train.jsonl", [{"id": 1, "image": "a.png", "text": "t"}])
    with pytest.raises(InputError, match=r"train\.jsonl has no field 'img'. Did you mean 'image'"):
        load("hateful_memes", memes)
    (memes / "train.jsonl").write_text('{"id": 1, "img": "img/0')
    with pytest.raises(InputError, match=r"Line 1 of train\.jsonl is not JSON"):
        load("hateful_memes", memes)


def test_labels_of_hateful_memes_as_text(memes: Path) -> None:
    rows = [meme(1, label=0), meme(2, label=1), meme(3, label=0)]
    write_memes(memes / "train.jsonl", [{**row, "label": str(row["label"])} for row in rows])
    table = load("hateful_memes", memes)
    assert table.labels is not None
    assert table.labels.tolist()[:3] == [0, 1, 0]


# --- Ferramenta -------------------------------------------------------------------------------

TOOLS = {
    "train": [
        ("12/1.jpg", 'Martello 5", rosso', "12"),
        ("12/2.jpg", "", "12"),
        ("7/1.jpg", "x", "7"),
    ],
    "test": [("12/9.jpg", "Martello, blu", "12"), ("7/9.jpg", "Vite", "7")],
}


@pytest.fixture(params=["tables renamed", "as published", "paths from the root"])
def tools(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ferramenta, "COUNTS", {"train": (3,), "test": (7, 2)})
    published = request.param == "as published"
    for split, rows in TOOLS.items():
        part = "val" if published and split == "test" else split
        name = f"text-image-{part}.csv" if published else f"{part}.csv"
        folder = f"images-{part}" if published else part
        written = f"{folder}/" if request.param == "paths from the root" else ""
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if request.param == "tables renamed":
                writer.writerow(["image_path", "text", "class"])
            for image, title, label in rows:
                writer.writerow([written + image, title, label])
                picture(tmp_path / folder / image)
    return tmp_path


def test_ferramenta(tools: Path) -> None:
    table = load("ferramenta", tools)
    expected = ['Martello 5", rosso', None, "x", "Martello, blu", "Vite"]
    assert table.items["text"].tolist() == expected
    assert table.labels is not None
    assert table.labels.tolist() == ["12", "12", "7", "12", "7"]
    assert table.split is not None
    assert table.split.tolist() == ["train"] * 3 + ["test"] * 2
    assert table.present[:, 0].all()
    with ItemReader(table.folder) as reader:
        assert {reader.image(item).size for item in table.items["image"]} == {(6, 8)}


def test_a_partial_ferramenta(tools: Path) -> None:
    lost = next(tools.rglob("7/9.jpg"))
    lost.unlink()
    with pytest.raises(InputError, match=r"1 of 5 pictures are missing: \S+/7/9\.jpg\."):
        load("ferramenta", tools)
    with pytest.warns(UserWarning, match="1 of 5 pictures"):
        table = load("ferramenta", tools, allow_partial=True)
    assert table.present.tolist()[-1] == [False, True]


def test_both_published_sizes_of_the_ferramenta_test(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ferramenta, "COUNTS", {"train": (3,), "test": (21_869, 2_186)})
    with pytest.raises(InputError, match=r"There are 2 rows in \S+, published are 21,869 or 2,186"):
        load("ferramenta", tools)


# --- VoxCeleb1 --------------------------------------------------------------------------------

SPLIT_LINES = """\
1 id10001/aaaaaaaaaaa/00001.wav
1 id10001/aaaaaaaaaaa/00002.wav
2 id10001/bbbbbbbbbbb/00001.wav
3 id10001/ccccccccccc/00001.wav
1 id10002/ddddddddddd/00001.wav
1 id10002/ddddddddddd/00002.wav
3 id10002/eeeeeeeeeee/00001.wav
"""
META = (
    "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n"
    "id10001\tA.J._Buckley_Jr.\tm\tIreland\tdev\n"
    "id10002\tBeyoncé_K\tf\tUSA\tdev\n"
)


@pytest.fixture
def vox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(voxceleb1, "COUNTS", {"train": 4, "validation": 1, "test": 2})
    (tmp_path / "iden_split.txt").write_text(SPLIT_LINES)
    (tmp_path / "vox1_meta.csv").write_text(META, encoding="utf-8")
    for line in SPLIT_LINES.splitlines():
        sound(tmp_path / "wav" / line.split()[1], rate=16_000)
    return tmp_path


def faces(vox: Path, first: str, second: str, level: str = "", top: str = "faces") -> None:
    """Faces of all videos but e…, and of a video f… in which nobody speaks."""
    pictures = {f"{first}/{level}aaaaaaaaaaa": ["0000025.jpg", "0000050.jpg", "0000075.jpg"]}
    pictures[f"{first}/{level}bbbbbbbbbbb"] = ["10.jpg", "9.jpg", "._9.jpg", "readme.txt"]
    pictures[f"{first}/{level}ccccccccccc"] = ["1.jpg"]
    pictures[f"{second}/{level}ddddddddddd"] = ["1.jpg"]
    pictures[f"{second}/{level}fffffffffff"] = ["1.jpg"]
    for folder, names in pictures.items():
        for name in names:
            path = vox / top / folder / name
            picture(path) if name.endswith(".jpg") else path.write_text("")


@pytest.mark.parametrize(
    ("first", "second", "level", "top"),
    [
        ("id10001", "id10002", "", "faces"),
        ("A.J._Buckley_Jr.", "Beyoncé_K", "1.6/", "faces"),
        ("A.J._Buckley_Jr", "Beyonce_K", "1.6/", "unzippedFaces"),  # as unpacking may change them
    ],
)
def test_voxceleb1(vox: Path, first: str, second: str, level: str, top: str) -> None:
    faces(vox, first, second, level, top)
    table = load("voxceleb1", vox)
    assert table.kinds == {"face": "face", "audio": "voice"}
    assert table.items["audio"].tolist() == [
        f"wav/{n.split()[1]}" for n in SPLIT_LINES.splitlines()
    ]
    one, two = f"{top}/{first}/{level}", f"{top}/{second}/{level}"
    assert table.items["face"].tolist() == [
        f"{one}aaaaaaaaaaa/0000025.jpg",
        f"{one}aaaaaaaaaaa/0000075.jpg",
        f"{one}bbbbbbbbbbb/10.jpg",  # the middle one of 9.jpg, 10.jpg
        f"{one}ccccccccccc/1.jpg",
        f"{two}ddddddddddd/1.jpg",
        f"{two}ddddddddddd/1.jpg",
        None,  # an utterance with no face of its video; that of f… belongs to no split
    ]
    assert table.labels is not None
    assert table.labels.tolist() == ["id10001"] * 4 + ["id10002"] * 3
    assert table.split is not None
    assert table.split.tolist() == [
        *["train"] * 2,
        "validation",
        "test",
        *["train"] * 2,
        "test",
    ]
    assert table.ids[0] == "id10001/aaaaaaaaaaa/00001"
    with ItemReader(table.folder) as reader:
        assert reader.image(table.items["face"][0]).size == (6, 8)
        assert reader.read_bytes(table.items["audio"][0]).startswith(b"RIFF")


@pytest.mark.parametrize("prefix", ["", "faces/"])
def test_voxceleb1_in_zips(vox: Path, prefix: str) -> None:
    faces(vox, "id10001", "id10002")
    expected = load("voxceleb1", vox)
    zip_folder(vox / "faces", prefix)
    zip_folder(vox / "wav", "wav/")
    table = load("voxceleb1", vox)
    for name in ("face", "audio"):
        assert table.items[name].tolist() == expected.items[name].tolist()
    with ItemReader(table.folder) as reader:
        assert reader.image(table.items["face"][0]).size == (6, 8)


def test_a_partial_voxceleb1(vox: Path) -> None:
    faces(vox, "id10001", "id10002")
    for line in SPLIT_LINES.splitlines():
        if "id10002" in line:
            (vox / "wav" / line.split()[1]).unlink()
    zip_folder(vox / "faces" / "id10002")  # a zip in its place is as good
    with pytest.raises(InputError) as error:
        load("voxceleb1", vox)
    message = str(error.value)
    assert "3 of 7 utterances are missing: wav/id10002/ddddddddddd/00001.wav, " in message
    with pytest.warns(UserWarning, match="3 of 7 utterances"):
        table = load("voxceleb1", vox, allow_partial=True)
    # A face with no utterance stays; an instance with neither is left out.
    assert table.present.tolist() == [[True, True]] * 4 + [[True, False]] * 2


def test_speakers_without_any_face(vox: Path) -> None:
    faces(vox, "id10001", "Nobody_Known")
    expected = r"1 of 2 speakers' faces are missing: faces/id10002\."
    with pytest.raises(InputError, match=expected):
        load("voxceleb1", vox)
    (vox / "vox1_meta.csv").unlink()
    with pytest.raises(InputError, match=rf"There is no vox1_meta\.csv in .*{expected}"):
        load("voxceleb1", vox)
    with pytest.warns(UserWarning, match=expected):
        table = load("voxceleb1", vox, allow_partial=True)
    assert table.present.tolist() == [[True, True]] * 4 + [[False, True]] * 3


def test_voxceleb1_without_faces(vox: Path) -> None:
    with pytest.raises(InputError, match="There is no faces/ in "):
        load("voxceleb1", vox)
    with pytest.warns(UserWarning, match="There is no faces/ in "):
        table = load("voxceleb1", vox, allow_partial=True)
    assert table.present.tolist() == [[False, True]] * 7


def test_a_damaged_list_of_voxceleb1(vox: Path) -> None:
    faces(vox, "id10001", "id10002")
    (vox / "iden_split.txt").write_text(SPLIT_LINES + "1 id10003/fff")
    with pytest.raises(InputError, match=r"Line 8 of .*iden_split\.txt is '1 id10003/fff'; expect"):
        load("voxceleb1", vox)
    (vox / "iden_split.txt").write_text(SPLIT_LINES[: SPLIT_LINES.index("1 id10002")])
    with pytest.raises(InputError, match=r"There are 2 train utterances .*, published are 4"):
        load("voxceleb1", vox)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["train", "validation", "test"]), st.integers(0, 2))),
    st.lists(st.integers(0, 8), min_size=3, max_size=3),
    st.randoms(use_true_random=False),
)
def test_pairing_faces(
    parts: list[tuple[str, int]], n_pictures: list[int], random: np.random.RandomState
) -> None:
    utterances = [
        Utterance(split, f"s/{video}/{k:05}.wav", "s", str(video))
        for k, (split, video) in enumerate(parts)
    ]
    pictures = {("s", str(v)): [f"{v}/{k:03}" for k in range(n)] for v, n in enumerate(n_pictures)}
    paired = pair_faces(utterances, pictures)
    used: dict[str, set[str]] = {}
    for utterance, face in zip(utterances, paired, strict=True):
        if face is not None:
            assert face.startswith(f"{utterance.video}/")  # of the same video
            used.setdefault(face, set()).add(utterance.split)
    assert all(len(splits) == 1 for splits in used.values())  # in no two splits
    for video, n in enumerate(n_pictures):
        own = [k for k, part in enumerate(parts) if part[1] == video]
        if len({parts[k][0] for k in own}) == 1:
            faces = [paired[k] for k in own]
            assert all((face is None) == (n == 0) for face in faces)
            order = [face for face in faces if face is not None]
            assert order == sorted(order)
            assert n < len(own) or len(set(order)) == len(order)  # each once, if they suffice
            counts = Counter(order).values()
            assert not counts or max(counts) - min(counts) <= 1 or n > len(own)
    shuffled = list(range(len(utterances)))
    random.shuffle(shuffled)
    again = pair_faces([utterances[k] for k in shuffled], pictures)
    assert again == [paired[k] for k in shuffled]  # the order of the list does not matter


# --- faces and voices, spoken and written digits ----------------------------------------------


def test_a_small_face_voice40(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_voice40, "COUNTS", {"face": 12, "voice": 11})
    lines = ["identity,modality,file,source,segment"]
    for identity in (0, 1):
        for k in range(1, 7):
            file = f"faces/id{identity:02}_{k:02}.pgm"
            (tmp_path / "faces").mkdir(exist_ok=True)
            Image.new("L", (4, 5)).save(tmp_path / file)
            lines.append(f"{identity},face,{file},s1,")
        for k in range(6 - identity):
            file = f"voices/id{identity:02}_{k:02}.wav"
            sound(tmp_path / file)
            lines.append(f"{identity},voice,{file},x.flac,{k}")
    (tmp_path / "meta.csv").write_text("\n".join(lines))
    table = load("face_voice40", tmp_path)
    assert table.ids.tolist()[:2] == ["id00_01", "id00_02"]
    assert table.split is not None
    assert table.split.tolist() == (["train"] * 5 + ["test"]) * 2
    assert table.present.tolist() == [[True, True]] * 11 + [[True, False]]
    (tmp_path / "voices" / "id00_03.wav").unlink()
    with pytest.raises(InputError, match=r"1 of 11 voices are missing: voices/id00_03\.wav"):
        load("face_voice40", tmp_path)
    (tmp_path / "meta.csv").write_text("\n".join([*lines[:-1], "1,voice,voices/x.wav,x,last"]))
    with pytest.raises(InputError, match=r"Line 24 of .*meta\.csv is not understood"):
        load("face_voice40", tmp_path)
    (tmp_path / "meta.csv").write_text("\n".join(lines[:-3]))
    with pytest.raises(InputError, match=r"There are 8 voices in meta\.csv, published are 11"):
        load("face_voice40", tmp_path)
    (tmp_path / "meta.csv").write_text("identity,kind,file,segment\n0,face,a_1.pgm,\n")
    with pytest.raises(InputError, match=r"meta\.csv has no column 'modality'"):
        load("face_voice40", tmp_path)


def test_the_real_face_voice40() -> None:
    table = load("face_voice40", real("face_voice40"))
    assert table.kinds == {"face": "face", "audio": "voice"}
    assert table.labels is not None
    assert table.split is not None
    assert Counter(table.split) == {"train": 200, "test": 200}
    assert Counter(table.labels) == {f"id{k:02}": 10 for k in range(40)}
    assert table.present.sum(axis=0).tolist() == [400, 379]
    assert table.present[table.split == "train"].all()
    for name in table.modalities:  # both items of a row are of its identity, and none is twice
        items = [item for item in table.items[name] if item is not None]
        assert len(set(items)) == len(items)
        assert all(
            item is None or f"/{label}_" in item
            for item, label in zip(table.items[name], table.labels, strict=True)
        )
    with ItemReader(table.folder) as reader:
        assert reader.image(table.items["face"][0]).size == (92, 112)
        assert reader.read_bytes(table.items["audio"][0]).startswith(b"fLaC")


def test_a_small_av_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av_digits, "_CLIPS", 1)
    with pytest.raises(InputError, match=r"There is no recordings\.zip or recordings/ in .*https"):
        load("av_digits", tmp_path)
    for digit in range(10):
        for speaker in av_digits.SPEAKERS:
            sound(tmp_path / "recordings" / f"{digit}_{speaker}_0.wav")
    assert len(load("av_digits", tmp_path)) == 60
    (tmp_path / "recordings" / "3_theo_0.wav").unlink()
    with pytest.raises(InputError, match=r"1 of 60 recordings are missing: recordings/3_theo_0"):
        load("av_digits", tmp_path)


def test_the_real_av_digits() -> None:
    table = load("av_digits", real("fsdd"))
    assert len(table) == 3_000
    assert table.present.all()
    assert table.labels is not None
    assert table.split is not None
    assert Counter(table.labels) == {str(digit): 300 for digit in range(10)}
    assert Counter(table.split) == {"train": 2_000, "test": 1_000}
    speakers = np.array([id.split("_")[1] for id in table.ids])
    assert set(speakers[table.split == "test"]) == {"theo", "yweweler"}
    assert set(speakers[table.split == "train"]) == {"george", "jackson", "lucas", "nicolas"}
    train, test = (set(table.items["image"][table.split == part]) for part in ("train", "test"))
    assert not train & test
    assert len(train) + len(test) == 1_797  # every picture of scikit-learn is used
    again = load("av_digits", real("fsdd"))
    assert again.items["image"].tolist() == table.items["image"].tolist()
    with ItemReader(table.folder) as reader:
        assert reader.read_bytes(table.items["audio"][0]).startswith(b"RIFF")
        image = reader.image(table.items["image"][0])
        assert image.size == (8, 8)
        assert np.asarray(image).max() > 200
        assert np.asarray(image).min() == 0


def test_the_written_digit_is_that_of_the_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.datasets import load_digits

    monkeypatch.setattr(av_digits, "_CLIPS", 2)
    for digit in range(10):
        for speaker in av_digits.SPEAKERS:
            for k in range(2):
                sound(tmp_path / "recordings" / f"{digit}_{speaker}_{k}.wav")
    table = load("av_digits", tmp_path)
    assert table.labels is not None
    pictures, classes = load_digits(return_X_y=True)
    known = {
        np.rint(drawn * 255 / 16).astype(np.uint8).tobytes(): digit
        for drawn, digit in zip(pictures, classes, strict=True)
    }
    for item, label in zip(table.items["image"], table.labels, strict=True):
        with Image.open(io.BytesIO(item)) as image:
            assert str(known[image.convert("L").tobytes()]) == label
    first = table.items["image"][:8].tolist()  # the train clips of a digit take pictures in turn
    assert len(set(first)) == 8
    assert all(a != b for a, b in pairwise(first))
