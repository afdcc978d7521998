"""Tables: what every format means by empty, how columns become modalities, what each error says."""

from __future__ import annotations

import csv
import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from srmm.data.blocks import Cells
from srmm.data.embeddings import Embeddings
from srmm.data.sources import is_empty
from srmm.data.table import Table, check_labels, read_table
from srmm.errors import InputError


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


PRODUCTS = "sku,photo,title,kind\nx1,a.jpg,Red shoe,shoe\nx2,,Blue hat,hat\nx3,c.jpg,  ,\n"


@pytest.fixture
def products(tmp_path: Path) -> Path:
    return write(tmp_path / "products.csv", PRODUCTS)


# --- what is read ---------------------------------------------------------------------------


def test_a_csv_with_holes(products: Path) -> None:
    table = read_table(products, image="photo", text="title", label="kind", id="sku")
    assert table.modalities == ("image", "text")
    assert table.kinds == {"image": "image", "text": "text"}
    assert table.items["image"].tolist() == ["a.jpg", None, "c.jpg"]
    assert table.items["text"].tolist() == ["Red shoe", "Blue hat", None]
    assert table.present.tolist() == [[True, True], [False, True], [True, False]]
    assert table.labels is not None
    assert table.labels.tolist() == ["shoe", "hat", None]
    assert table.ids.tolist() == ["x1", "x2", "x3"]
    assert table.split is None
    assert (table.folder, table.name, table.first_line) == (products.parent, "products.csv", 2)
    assert len(table) == 3
    assert "image: 2" in repr(table)


@pytest.mark.parametrize("text", ["NA", "null", "007", "nan", "None", "1e5", "TRUE", " x ", "-"])
def test_text_in_csv_stays_text(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "t.csv", f"id,title,label\n{text},{text},{text}\n")
    table = read_table(path, text="title", id="id", label="label", missing="none")
    assert table.items["text"][0] == table.ids[0] == text
    assert table.labels is not None
    assert table.labels[0] == text.strip()


@given(cells=st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=6))
@example(cells=["\u00ad", " x\u200b"])
def test_any_text_survives_csv(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["title", "other"])
        writer.writerows([cell, "here"] for cell in cells)
    table = read_table(path, text=["title", "other"], missing="none")
    assert table.items["title"].tolist() == [None if is_empty(c) else c for c in cells]


def test_byte_order_mark_crlf_and_gzip_change_nothing(tmp_path: Path) -> None:
    plain = read_table(write(tmp_path / "a.csv", PRODUCTS), image="photo", id="sku")
    marked = write(tmp_path / "b.csv", "\ufeff" + PRODUCTS.replace("\n", "\r\n"))
    zipped = tmp_path / "c.csv.gz"
    zipped.write_bytes(gzip.compress(PRODUCTS.encode(), mtime=0))
    for path in (marked, zipped):
        table = read_table(path, image="photo", id="sku")
        assert table.items["image"].tolist() == plain.items["image"].tolist()
        assert table.ids.tolist() == plain.ids.tolist()


def test_tsv_and_a_cell_beyond_the_limit_of_the_csv_module(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    long = "word, " * 100_000
    table = read_table(write(tmp_path / "t.tsv", f"title\tn\n{long}\t1\n"), text="title")
    assert table.items["text"][0] == long
    assert csv.field_size_limit() == limit


def test_json_lines_keeps_types_and_null(tmp_path: Path) -> None:
    rows = [
        {"t": "a", "v": [1, 2.5], "y": True},
        {"t": None, "v": [3, 4], "y": False},
        {"t": "", "y": None, "v": None},
        {"v": [float("nan"), float("nan")], "t": "d"},
    ]
    text = "\n\n".join(json.dumps(row) for row in rows)
    path = write(tmp_path / "t.jsonl", text)
    table = read_table(path, text="t", features="motion=v", label="y")
    assert table.items["text"].tolist() == ["a", None, None, "d"]
    assert [v if v is None else v.tolist() for v in table.items["motion"]] == [
        [1, 2.5],
        [3, 4],
        None,
        None,
    ]
    assert table.items["motion"][0].dtype == np.float32
    assert table.labels is not None
    assert table.labels.tolist() == [True, False, None, None]
    assert table.where(1) == "row 1 (line 3 of t.jsonl)"  # blank lines are counted


def test_parquet_and_frame_give_the_same(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "sku": [7, 8, 9],
            "photo": [{"bytes": b"x", "path": None}, {"bytes": None, "path": None}, None],
            "title": ["a", None, " "],
            "v": [[1.0, 2.0], None, [3.0, 4.0]],
            "kind": pd.array([1, None, 2], dtype="Int64"),
            "part": ["train", "test", None],
        }
    )
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    roles = {"label": "kind", "id": "sku", "split": "part"}
    for source in (frame, path):
        table = read_table(source, image="photo", text="title", features="v", **roles)
        assert table.present.tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 1]]
        assert table.items["image"][0]["bytes"] == b"x"
        assert table.labels is not None
        assert table.split is not None
        assert table.labels.tolist() == [1, None, 2]
        assert [type(label) for label in table.labels] == [int, type(None), int]
        assert table.ids.tolist() == [7, 8, 9]
        assert table.split.tolist() == ["train", "test", None]
        assert table.first_line is None
    assert table.name == "t.parquet"
    assert table.where(1) == "row 1 of t.parquet (id 8)"


def test_whole_numbers_that_pandas_made_floats_are_whole_again() -> None:
    frame = pd.DataFrame({"n": [15970, None], "title": ["a", "b"], "y": [1, None]})
    table = read_table(frame, image="images/{n}.jpg", text="title", label="y")
    assert table.items["image"].tolist() == ["images/15970.jpg", None]
    assert table.labels is not None
    assert table.labels.tolist() == [1, None]
    assert isinstance(table.labels[0], int)


def test_pictures_in_a_frame_stay_pictures() -> None:
    picture = Image.new("RGB", (3, 2))
    frame = pd.DataFrame({"photo": pd.Series([picture, None, picture], dtype=object)})
    table = read_table(frame, image="photo", folder="somewhere")
    assert table.items["image"][0] is picture
    assert table.present.tolist() == [[True], [False], [True]]
    assert table.folder == Path("somewhere")


def test_only_the_columns_that_are_used_must_be_sound(tmp_path: Path) -> None:
    frame = pd.DataFrame([["a", 1, 2]], columns=["title", "twice", "twice"])
    assert len(read_table(frame, text="title")) == 1
    with pytest.raises(InputError, match="'twice' stands 2 times in the frame"):
        read_table(frame, text="twice")


# --- columns, templates, patterns -------------------------------------------------------------


def test_names_of_modalities(products: Path) -> None:
    assert read_table(products, text="title").modalities == ("text",)
    assert read_table(products, text=["title", "kind"]).modalities == ("title", "kind")
    assert read_table(products, text=["title", "what=kind"]).modalities == ("title", "what")
    assert read_table(products, image="front=photo").modalities == ("front",)
    assert read_table(products, image="photo", face="photo").modalities == ("image", "face")


def test_a_column_may_have_an_equals_sign_or_braces_in_its_name() -> None:
    frame = pd.DataFrame({"a=b": ["x"], "{c}": ["y"]})
    assert read_table(frame, text="a=b").items["text"].tolist() == ["x"]
    assert read_table(frame, text="note={c}").items["note"].tolist() == ["y"]


def test_templates(products: Path) -> None:
    table = read_table(
        products,
        image="images/{kind}/{sku}.jpg",
        text="what={title} ({kind})",
        id="sku",
    )
    assert table.items["image"].tolist() == ["images/shoe/x1.jpg", "images/hat/x2.jpg", None]
    assert table.items["what"].tolist() == ["Red shoe (shoe)", "Blue hat (hat)", None]
    two = read_table(products, image=["front={sku}.jpg", "back={sku}_b.jpg"])
    assert two.modalities == ("front", "back")
    with pytest.raises(InputError, match=r"'\{sku\}_b\.jpg' needs a name"):
        read_table(products, image=["photo", "{sku}_b.jpg"])
    with pytest.raises(InputError, match=r"'skuu' is not in products.csv. Did you mean 'sku'"):
        read_table(products, image="images/{skuu}.jpg")


NUMBERS = "v2_a,v2_b,v2_y,t\n1,2.5,u,x\n,,w,x\n 3,-4e2,u,x\n"


def test_a_pattern_over_numeric_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "n.csv", NUMBERS)
    table = read_table(path, features="motion=v2_*", text="t", label="v2_y")
    assert table.kinds["motion"] == "features"
    vectors = table.items["motion"]
    assert vectors[1] is None
    np.testing.assert_array_equal(np.stack([vectors[0], vectors[2]]), [[1, 2.5], [3, -400]])


def test_numeric_columns_one_by_one_and_several_with_commas(tmp_path: Path) -> None:
    path = write(tmp_path / "n.csv", NUMBERS)
    table = read_table(path, features=["one=v2_a", "both=v2_b, v2_[ab]"], label="v2_y")
    np.testing.assert_array_equal(np.stack(table.items["one"][[0, 2]]), [[1], [3]])
    assert table.items["one"][1] is None
    np.testing.assert_array_equal(table.items["both"][0], [2.5, 1])  # in the order that was asked
    with pytest.raises(InputError, match=r"The features column 'v2_c' is not in n.csv"):
        read_table(path, features="v2_a,v2_c")
    with pytest.raises(InputError, match="both the label and the features 'features'"):
        read_table(path, features="v2_a,v2_y", label="v2_y")


@pytest.mark.parametrize("cell", ["", "abc", "inf", "1e300", "1,5", "2020_21"])
def test_a_block_that_is_not_all_numbers_keeps_its_cells(tmp_path: Path, cell: str) -> None:
    quoted = f'"{cell}"' if "," in cell else cell
    path = write(tmp_path / "n.csv", NUMBERS.replace("2.5", quoted))
    items = read_table(path, features="motion=v2_[ab]").items["motion"]
    assert items[0] == Cells(("v2_a", "v2_b"), ("1", cell or None))
    assert items[1] is None
    assert items[2].values == (" 3", "-4e2")


def test_sets_are_lists_of_tags_in_one_order() -> None:
    frame = pd.DataFrame({"tags": [{"b", "a", "c"}, None, frozenset(("x", "b"))]})
    items = read_table(frame, features="tags").items["features"]
    assert [item and item.values for item in items] == [(["a", "b", "c"],), None, (["b", "x"],)]


def test_blanks_by_whole_rows_leave_vectors_and_cells_are_kept_where_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "n.csv", NUMBERS.replace(",,w,x", "NA,-,w,x"))
    vectors = read_table(path, features="v2_a,v2_b").items["features"]
    assert vectors[1] is None
    np.testing.assert_array_equal(vectors[2], np.array([3, -400], dtype=np.float32))
    assert vectors[2].dtype == np.float32
    cells = read_table(path, features="v2_a,v2_b", as_cells=["features"]).items["features"]
    assert cells[1] is None
    assert cells[2].values == (" 3", "-4e2")


def test_vectors_stand_beside_no_other_column_and_an_id_is_no_feature(tmp_path: Path) -> None:
    frame = pd.DataFrame({"v": [[1, 2], [3, 4]], "w": [1, 2], "id": [7, 8]})
    with pytest.raises(InputError, match=r"Column 'v' of row 0 of the frame .*holds vectors"):
        read_table(frame, features="w,v")
    mixed = pd.DataFrame({"v": pd.Series([3, [4]], dtype=object), "w": [1, 2]})
    with pytest.raises(InputError, match=r"Column 'v' of row 1 of the frame .*holds vectors"):
        read_table(mixed, features="w,v")
    with pytest.raises(InputError, match="'id' cannot be both the id and the features 'features'"):
        read_table(frame, features="w,id", id="id")


def test_columns_of_vectors_must_be_vectors_of_one_length(tmp_path: Path) -> None:
    for cells, says in [
        ([[1, 2], [3]], "row 1 of the frame.*has 1 numbers, the rows before have 2"),
        ([[1, 2], [3, np.nan]], "row 1 of the frame.*partly empty"),
        ([[1, 2], "3, 4"], "row 1 of the frame.*'3, 4'.*not a list of numbers"),
        ([[1, 2], [[3], [4]]], "row 1 of the frame.*not a list of numbers"),
    ]:
        with pytest.raises(InputError, match=says):
            read_table(pd.DataFrame({"v": cells}), features="v")
    path = write(tmp_path / "v.csv", 'v\n"[1, 2]"\n')
    with pytest.raises(InputError, match="need JSON Lines, Parquet or a frame"):
        read_table(path, features="v")


# --- rows and messages ------------------------------------------------------------------------


def test_where_names_row_line_and_id(products: Path, tmp_path: Path) -> None:
    named = read_table(products, text="title", id="sku")
    assert named.where(2) == "row 2 (line 4 of products.csv, id 'x3')"
    assert read_table(products, text="title").where(2) == "row 2 (line 4 of products.csv)"
    assert named[[2, 0]].where(0) == "row 0 (line 4 of products.csv, id 'x3')"
    broken = write(tmp_path / "b.csv", 't,n\n"one\ntwo",1\n\nthree,2\n')
    table = read_table(broken, text="t")
    assert table.where(0) == "row 0 (line 2 of b.csv)"
    assert table.where(1) == "row 1 (line 5 of b.csv)"
    assert read_table(pd.DataFrame({"t": ["a"]}), text="t").where(0) == "row 0 of the frame"


def test_selecting_rows(products: Path) -> None:
    table = read_table(products, image="photo", text="title", label="kind", id="sku")
    for rows in ([2, 0], np.array([2, 0])):
        assert table[rows].ids.tolist() == ["x3", "x1"]
    mask = np.array([False, True, True])
    for part in (table[1:], table[mask]):
        assert part.items["image"].tolist() == [None, "c.jpg"]
        assert part.labels is not None
        assert part.labels.tolist() == ["hat", None]
        assert part.present.tolist() == [[False, True], [True, False]]
    assert len(table[1]) == 1
    assert table[[]].present.shape == (0, 2)


@pytest.mark.parametrize("word", ["Train", "TRAINING", " train "])
def test_split_words(tmp_path: Path, word: str) -> None:
    text = f"t,part\na,{word}\nb,dev\nc,VALID\nd,val\ne,Validation\nf,test\ng,\n"
    split = read_table(write(tmp_path / "s.csv", text), text="t", split="part").split
    assert split is not None
    assert split.tolist() == ["train", *["validation"] * 4, "test", None]
    with pytest.raises(InputError, match=r"row 1 \(line 3 of s.csv\) is 'devv'.*Did you mean"):
        read_table(write(tmp_path / "s.csv", text.replace("dev", "devv")), text="t", split="part")


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({}, "No modality chosen.*products.csv has: 'sku', 'photo', 'title', 'kind'"),
        ({"image": "phto"}, "image column 'phto' is not in products.csv. Did you mean 'photo'"),
        ({"text": "title", "label": "kinds"}, "label column 'kinds'.*Did you mean 'kind'"),
        ({"text": "title", "id": "ski"}, "id column 'ski'.*Did you mean 'sku'"),
        ({"text": "title", "split": "part"}, "split column 'part' is not in products.csv"),
        ({"text": "title", "label": "title"}, "'title' cannot be both the label and the text"),
        ({"text": "a {kind}", "label": "kind"}, "'kind' cannot be both the label and the text"),
        ({"text": "title", "label": "sku", "id": "sku"}, "both the label and the id"),
        ({"text": "title", "image": "title"}, "both the image 'image' and the text 'text'"),
        ({"text": ["a=title", "a=kind"]}, "'a' is given more than once.*'name=column'"),
        ({"text": ["T=title", "t=kind"]}, "'T' and 't' differ by.*'name=column'"),
        ({"text": "ti/tle=title"}, "'ti/tle' cannot name a modality"),
        ({"features": "v_*"}, "features 'v_\\*' match no column of products.csv"),
        ({"text": "title", "id": "photo"}, "id of row 1 .line 3 of products.csv.*is empty"),
    ],
)
def test_errors_name_the_thing_and_the_remedy(
    products: Path, choices: dict[str, str], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        read_table(products, **choices)


def test_paths_may_be_made_of_any_column_and_ids_be_items(products: Path) -> None:
    table = read_table(products, image="{kind}/{sku}.jpg", label="kind", id="sku")
    assert table.items["image"][0] == "shoe/x1.jpg"
    assert read_table(products, text="sku", id="sku").items["text"][0] == "x1"


def test_duplicate_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", "id,t\nx1,a\nx2,b\nx1,c\n")
    with pytest.raises(InputError, match=r"Id 'x1'.*row 0 \(line 2 .*row 2 \(line 4 .*unique"):
        read_table(path, text="t", id="id")
    mixed = pd.DataFrame({"id": [1, "1"], "t": ["a", "b"]})
    with pytest.raises(InputError, match="Id '1'"):
        read_table(mixed, text="t", id="id")


@pytest.mark.parametrize("ids", [[-1, 2**63, 2**63 + 1], [2**70, 1, 2]])
def test_ids_of_more_digits_than_numpy_has_stay_what_they_are(ids: list[int]) -> None:
    frame = pd.DataFrame({"id": pd.Series(ids, dtype=object), "t": ["a", "b", "c"]})
    assert read_table(frame, text="t", id="id").ids.tolist() == list(map(str, ids))
    assert Embeddings.from_arrays({"x": np.eye(3)}, ids=ids).ids.tolist() == ids
    for same in ([1.0, 2.0, 3.0], [Decimal("1.00"), Decimal(2), Decimal(3)], [b"1", b"2", b"3"]):
        plain = read_table(frame.assign(id=same, g=same), text="t", id="id", group="g")
        assert plain.ids.tolist() == plain.groups.tolist() == ["1", "2", "3"]  # as in a CSV


def test_labels_of_parquet_are_the_classes_that_other_files_have() -> None:
    for held, classes in (
        ([b"hat", None, b"sho\xc3\xa9"], ["hat", None, "sho\u00e9"]),
        ([Decimal("1.00"), None, Decimal(2)], [1, None, 2]),
    ):
        table = read_table(pd.DataFrame({"t": ["a", "b", "c"], "y": held}), text="t", label="y")
        assert table.labels is not None
        assert table.labels.tolist() == classes


@pytest.mark.parametrize("holder", ["csv", "parquet", "xlsx", "frame", "numpy"])
def test_dates_are_called_the_same_in_every_kind_of_table(tmp_path: Path, holder: str) -> None:
    days = pd.Series(pd.to_datetime(["2024-03-01", "2024-03-02", None]))
    frame = pd.DataFrame({"n": [1, 2, 3], "day": days, "at": days.dt.date})
    frame["moment"] = days + pd.Timedelta(hours=10)
    held: object = tmp_path / f"t.{holder}"
    if holder == "numpy":
        held = frame.assign(day=pd.Series([*days.to_numpy()[:2], None], dtype=object))
    elif holder == "frame":
        held = frame
    else:
        {"csv": frame.to_csv, "parquet": frame.to_parquet, "xlsx": frame.to_excel}[holder](
            held, index=False
        )
    expected = ["2024-03-01", "2024-03-02", None]
    table = read_table(held, text="at", label="day", group="moment")
    assert table.labels is not None and table.groups is not None  # noqa: PT018
    assert table.items["text"].tolist() == table.labels.tolist() == expected
    assert table.groups.tolist() == ["2024-03-01 10:00:00", "2024-03-02 10:00:00", None]
    assert "the labels are dates, such as '2024-03-01'" in " ".join(table.notes)
    table = read_table(held, image="{day}/{n}.png", label="at", group="day")
    assert table.labels is not None and table.groups is not None  # noqa: PT018
    assert table.items["image"].tolist() == ["2024-03-01/1.png", "2024-03-02/2.png", None]
    assert table.labels.tolist() == table.groups.tolist() == expected


@pytest.mark.parametrize(
    ("name", "line", "more"),
    [("a.csv", b'"t","u"\n', b'"a","b"\n'), ("a.jsonl", b'{"t":"a","u":"b"}\n', b"")],
)
def test_marks_of_files_that_were_put_together(
    tmp_path: Path, name: str, line: bytes, more: bytes
) -> None:
    mark = b"\xef\xbb\xbf"
    (tmp_path / name).write_bytes(mark + mark + line + mark + (more or line))
    table = read_table(tmp_path / name, text="t", label="u")
    assert table.items["text"].tolist()[-1] == "a"
    assert table.labels is not None
    assert table.labels.tolist()[-1] == "b"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "a.csv is empty"),
        ("a.csv", b"\n \n", "'t' is not in a.csv"),
        ("a.csv", b"t,u\n", "a.csv has no rows"),
        ("a.csv", b"t,u\n,x\n ,y\n", "No row of a.csv has an item: 't' is empty in all 2 rows"),
        ("a.csv", b"t,u\na,b\nc,d,e\n", "Line 3 of a.csv has 3 cells, the header has 2"),
        ("a.csv", b"t,u\na,b\n\nc\n", "Line 4 of a.csv has 1 cells, the header has 2"),
        ("a.csv", b"t,u\na,b\nt,u\nc,d\n", "Line 3 of a.csv is the header again"),
        ("a.csv", b"\xef\xbb\xbft,u\na,b\n" * 2, "Line 3 of a.csv is the header again"),
        ("a.csv", "t,u\na,b\n".encode("utf-16") * 2, "Line 3 of a.csv is the header again"),
        ("a.csv", b't,u\na,b\n"c,d\ne,f\n', "starts at line 3 of a.csv is not well quoted"),
        ("a.csv", b't,u\n"a"b,c\n', "starts at line 2 of a.csv is not well quoted"),
        ("a.csv", "t,u\na,b\né,x\n".encode("latin-1"), "not UTF-8 text .byte 0xe9 in line 3"),
        ("a.csv", "t,u\na,я\n".encode("cp1251"), "WINDOWS-1250 or -1251 from the east.*iconv -f"),
        ("a.csv", "t,u\né,b\n".encode() + b"\xe9,x\n", "in line 3.. The lines before are, so it m"),
        ("a.csv", "t,u\na,b\n".encode("utf-16-le"), "UTF-16 text without the mark"),
        ("a.csv", b"t;u\nonly\nthis\n", "separated by ';'"),
        ("a.csv.gz", b"t,u\na,b\n", "damaged or not gzipped"),
        ("a.csv.gz", gzip.compress(b"t,u\na,b\n" * 99, mtime=0)[:-9], "damaged or not gzipped"),
        (
            "a.csv",
            gzip.compress(b"t,u\na,b\n", mtime=0),
            "by its first bytes it is compressed by gzip. Add",
        ),
        (
            "a.jsonl",
            b"PK\x03\x04" + bytes(99),
            "a.jsonl is no text: .* an Excel workbook, or a zip",
        ),
        ("a.csv", b"<!DOCTYPE html><p>Not, here</p>\n", "a.csv is not a table but a web page"),
        ("a.csv", b"version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
        ("a.csv", b" T ,u\na,b\n", "Did you mean ' T '. Available: ' T ', 'u'"),
        ("a.jsonl", b"", "'t' is not in a.jsonl. None are available"),
        ("a.jsonl", b'{"t": "a"}\n{"t": \n', "Line 2 of a.jsonl is not JSON"),
        ("a.jsonl", b'{"t": 1, "u": {"v": 2, "v": 2}}\n', "'v' stands twice in one object"),
        ("a.jsonl", b'["t"]\n', "Line 1 of a.jsonl must be a JSON object.*got list"),
        ("a.parquet", b"PAR1 no", "a.parquet is not a readable Parquet file"),
        ("a.ods", b"PK", "unknown extension '.ods'.*.csv"),
        ("a.tar.gz", b"", r"unknown extension '.tar' .unpack it"),
        ("a.feather", b"ARROW1", r"unknown extension '.feather' .write it as .parquet"),
        ("a.csv.zst", b"", r"unknown extension '.zst' .unpack it"),
        ("a.csv", b"ARROW1\0\0abc", "an Arrow or Feather file. Write it as .parquet"),
        ("a.csv", b"\x28\xb5\x2f\xfd\4", "compressed by Zstandard. Unpack it"),
        (
            "a.csv.gz",
            gzip.compress(
                b"t.csv".ljust(257, b"\0") + b"ustar".ljust(255, b"\0") + b"t,u\na,b\n", mtime=0
            ),
            "a.csv.gz is a tar archive. Unpack it, and name the table",
        ),
        ("a.json", b"[]", "'t' is not in a.json. None are available"),
        ("a.json", b"7", "a.json holds 7, which is no table. Expected a list of objects"),
        ("a.json", b'[{"t": 1}, 2]', "Entry 1 of a.json is 2, which is no row"),
        ("a.json", b'{"t": [1, 2], "u": [1]}', "lists of several lengths, 1 to 2 cells"),
        ("a.json", b'{"t": [1], "u": 1}', "is an object of 't', 'u', whose values are no columns"),
        ("a.json", b'{"columns": ["t", "t"], "data": []}', "names, each once, and a list of rows"),
        ("a.json", b'{"columns": ["t"], "data": [[1, 2]]}', "expected a list of 1 cells"),
        ("a.json", b'{"t": [1], "t": [2]}', "a.json is not JSON .*'t' stands twice"),
        ("a.json", b'{"t": ', "a.json is not JSON"),
        ("a.json", b"[" * 100_000, "a.json is nested too deeply"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_table(tmp_path / name, text="t")


def test_a_column_that_looks_the_same_is_told_by_its_letters(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "cafe\u0301,u\na,b\n")
    with pytest.raises(InputError, match=r"'caf\u00e9' is not in a.csv. Did you mean 'cafe.u0301'"):
        read_table(path, text="caf\u00e9")
    wide = pd.DataFrame([range(3000)], columns=[f"c{i}" for i in range(3000)])
    with pytest.raises(InputError, match=r"'c49' and 2,950 more\.$"):
        read_table(wide, text="title")


def test_a_table_that_is_not_there(products: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not exist. Did you mean 'products.csv'"):
        read_table(tmp_path / "product.csv", text="title")
    with pytest.raises(InputError, match="nor does its folder"):
        read_table(tmp_path / "no" / "product.csv", text="title")
    with pytest.raises(InputError, match="is a folder"):
        read_table(tmp_path, text="title")
    with pytest.raises(InputError, match=r"got dict. Make it a frame: pandas.DataFrame"):
        read_table({"title": ["a"]}, text="title")  # type: ignore[arg-type]


def test_after_an_error_the_next_table_still_opens(products: Path, tmp_path: Path) -> None:
    """The csv module's limit is guarded by a lock, which an error must not keep."""
    with pytest.raises(InputError) as kept:
        read_table(write(tmp_path / "a.csv", "t,u\na,b,c\n"), text="t")
    assert len(read_table(products, text="title")) == 3
    assert kept.value.args


# --- labels -----------------------------------------------------------------------------------


def labelled(labels: list[object], texts: list[str | None] | None = None) -> Table:
    frame = pd.DataFrame({"t": texts or ["x"] * len(labels), "y": pd.Series(labels, dtype=object)})
    return read_table(frame, text="t", label="y")


def test_check_labels_says_which_rows_to_learn_from() -> None:
    table = labelled(["a", "b", None, "a", "b", "b"], ["x", "x", "x", "x", "x", None])
    assert check_labels(table).tolist() == [True, True, False, True, True, False]
    assert check_labels(np.array([0, 1, 0, 1])).all()
    assert check_labels([True, False, True, False]).all()
    embeddings = Embeddings.from_arrays({"a": np.eye(4)}, labels=["u", "v", "u", "v"])
    assert check_labels(embeddings).all()


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([None, None], "No row has both a label and an item in the frame"),
        (["a", "a", None], "All 2 labelled rows in the frame have the one class 'a'"),
        (["Shoe", "a", "a"], "Class 'Shoe' has one row in the frame; .* at least 2 to be split"),
        (list("aabcdefgh"), r"7 classes have one row \('b', 'c', 'd', 'e', 'f', …\)"),
        (["a", "a", 1, 1], "mix numbers and text"),
        ([0.37, 1.5, 2.0], "label 0.37 in the frame is a measurement"),
    ],
)
def test_labels_nobody_can_learn_from(labels: list[object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_labels(labelled(labels))


def test_a_row_with_nothing_in_it_does_not_count() -> None:
    with pytest.raises(InputError, match="Class 'b' has one row"):
        check_labels(labelled(["a", "a", "b", "b"], ["x", "x", "x", None]))
    with pytest.raises(InputError, match="There are no labels in the frame"):
        check_labels(read_table(pd.DataFrame({"t": ["a"]}), text="t"))


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", " \u00a0\u2060", "\u00ad", "\u2800"])
def test_a_text_of_characters_that_nobody_sees_is_blank(tmp_path: Path, unseen: str) -> None:
    rows = {"t": ["a", unseen, "b"], "y": ["u", "v", unseen]}
    file = write(tmp_path / "x.csv", pd.DataFrame(rows).to_csv(index=False))
    for source in (pd.DataFrame(rows), file):
        table = read_table(source, text="t", label="y")
        assert table.present[:, 0].tolist() == [True, False, True]
        assert table.labels is not None
        assert table.labels.tolist() == ["u", "v", None]


def test_a_joined_emoji_is_a_text() -> None:
    table = read_table(pd.DataFrame({"t": ["👩\u200d🔬", "\u200bred"]}), text="t")
    assert table.items["text"].tolist() == ["👩\u200d🔬", "\u200bred"]


@pytest.mark.parametrize("role", ["group", "features", "label", "id"])
def test_half_a_character_is_refused_by_row(tmp_path: Path, role: str) -> None:
    """JSON can hold it, and no file that names the row can."""
    rows = [{"t": "x", "c": "blue"}, {"t": "y", "c": "\ud800"}]
    file = write(tmp_path / "x.jsonl", "\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match=r"'c' of row 1 \(line 2 of x.jsonl.* not valid Unicode"):
        read_table(file, text="t", **{role: "c"})


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"text": 0}, "The text is chosen by 0 of type int.*e.g. '0'"),
        ({"text": [0]}, "The text is chosen by 0"),
        ({"text": "0", "label": 1}, "The label is chosen by 1 of type int"),
        ({"text": "0", "features": b"1"}, "The features is chosen by b'1'"),
    ],
)
def test_columns_are_named_by_text(chosen: dict[str, object], says: str) -> None:
    frame = pd.DataFrame([["a", "x"], ["b", "y"]])  # whose columns are 0 and 1
    with pytest.raises(InputError, match=says):
        read_table(frame, **chosen)
    assert read_table(frame, text="0", image=None).modalities == ("text",)


def test_all_columns_that_a_name_may_mean_are_named() -> None:
    frame = pd.DataFrame({"title": ["a"], "Title ": ["b"], "TITLE": ["c"]})
    with pytest.raises(InputError, match=r"mean 'title' or 'Title ' or 'TITLE'\? Available"):
        read_table(frame, text="Title")


def test_what_is_in_the_index_of_a_frame_is_said_to_be_there() -> None:
    frame = pd.DataFrame({"t": ["a", "b"], "y": ["u", "v"], "k": [1, 2]}).set_index(["y", "k"])
    with pytest.raises(InputError, match=r"label column 'y' is not in the frame. It names the fr"):
        read_table(frame, text="t", label="y")
    assert read_table(frame.reset_index(), text="t", label="y").labels is not None


# --- texts that are held as bytes -----------------------------------------------------------------


def as_bytes(path: Path) -> Path:
    """A Parquet file whose texts have no type, as some programs write them."""
    texts = {
        "id": ["a1", "a2", "a3", "a4"],
        "title": ["red shoe", "n/a", " ", "été"],
        "price": ["1,5", "2", "-", "3"],
        "part": ["train", "Test", "-", "train"],
        "kind": ["shoe", "hat", "hat", "shoe"],
        "tone": ["red", "blue", "blue", "red"],
    }
    cells = {
        name: pa.array([t.encode() for t in held], pa.binary()) for name, held in texts.items()
    }
    pq.write_table(pa.table(cells | {"raw": pa.array([b"\xff\x00"] * 4)}), path)
    pd.DataFrame(texts).to_csv(path.with_suffix(".csv"), index=False)
    return path


def test_texts_without_a_type_are_texts(tmp_path: Path) -> None:
    """A marker among them was a text, a number a category, and a split unknown."""
    path = as_bytes(tmp_path / "t.parquet")
    chosen: Any = {"text": "title", "image": "{id}.jpg", "features": ["n=price", "m=price,tone"]}
    roles = {"label": "kind", "id": "id", "split": "part"}
    one, other = (read_table(p, **chosen, **roles) for p in (path, path.with_suffix(".csv")))
    assert one.items["text"].tolist() == ["red shoe", None, None, "été"]
    for name in one.items:
        assert repr(list(one.items[name])) == repr(list(other.items[name]))
    for role in ("split", "labels", "ids"):
        assert getattr(one, role).tolist() == getattr(other, role).tolist()


def test_bytes_of_a_picture_are_no_path(tmp_path: Path) -> None:
    """A server is sent them by anybody: a path among them would read the server's own files."""
    (tmp_path / "red.png").write_bytes(b"")
    frame = pd.DataFrame({"photo": [b"red.png"]})
    table = read_table(frame, image="photo", folder=tmp_path)
    assert table.items["image"][0] == b"red.png"


def test_bytes_are_no_features(tmp_path: Path) -> None:
    """They were names of categories."""
    path = as_bytes(tmp_path / "t.parquet")
    for features in ("raw", "v=price,raw"):
        with pytest.raises(InputError, match=r"'raw' of row 0 of t.parquet holds 2 bytes that are"):
            read_table(path, features=features)


def test_what_a_mask_hides_in_a_cell_is_absent() -> None:
    hidden = np.ma.array([1e6, 1e6], mask=True)
    cells = [np.ma.array([1.0, 2.0]), hidden, [3.0, 4.0]]
    table = read_table(pd.DataFrame({"v": cells}), features="v")
    assert [item is None for item in table.items["features"]] == [False, True, False]
    numbers = [np.ma.array(1.0), np.ma.array(1e6, mask=True), 2.0]
    table = read_table(pd.DataFrame({"n": numbers}), features="n")
    assert [item is None for item in table.items["features"]] == [False, True, False]
    cells[1] = np.ma.array([1e6, 1.0], mask=[True, False])
    with pytest.raises(InputError, match=r"row 1 of the frame .* is partly masked"):
        read_table(pd.DataFrame({"v": cells}), features="v")


def test_a_column_in_another_spelling_that_is_not_read_is_said(tmp_path: Path) -> None:
    rows = [{"x" if row % 3 else "X": row, "y": "ab"[row % 2]} for row in range(12)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table = read_table(tmp_path / "t.jsonl", features="x", label="y")
    assert "Column 'X' is not read, and 'x' is: they differ only in case" in table.notes[0]
    both = read_table(tmp_path / "t.jsonl", features="x,X", label="y")
    assert not any("is not read" in note for note in both.notes)
