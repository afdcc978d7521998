"""Formats of tables: separators, encodings, workbooks, databases, folders, `datasets`."""

from __future__ import annotations

import bz2
import csv
import datetime
import gzip
import json
import lzma
import shlex
import sqlite3
import subprocess
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from srmm.data.embeddings import Embeddings
from srmm.data.inputs import as_embeddings
from srmm.data.sources import kept_name, names_a_table, open_source
from srmm.data.sources.typed import arrow_cells
from srmm.data.table import read_table
from srmm.errors import InputError


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def cells(source: object, *columns: str, query: str | None = None) -> list[list[object]]:
    """What a source has in these columns (by default in all), without any use for it."""
    table = open_source(source, query=query)
    loaded = table.read(columns or table.columns)
    return [loaded.cells[column].tolist() for column in columns or table.columns]


# --- separators -------------------------------------------------------------------------------

GOODS = [
    ["sku", "title", "price"],
    ["x1", "Red, blue", "1,5"],
    ["x2", "a;b|c", ""],
    ["x3", "", "3"],
]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize(
    ("separator", "shown"), [(",", ""), (";", "';'"), ("\t", "tabs"), ("|", "'|'")]
)
def test_the_separator_is_seen_and_said(
    tmp_path: Path, separator: str, shown: str, quoting: int
) -> None:
    with (tmp_path / "goods.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=separator, quoting=quoting).writerows(GOODS)  # type: ignore[arg-type]
    table = open_source(tmp_path / "goods.csv")
    assert table.columns == ("sku", "title", "price")
    assert cells(tmp_path / "goods.csv", "title") == [["Red, blue", "a;b|c", None]]
    said = (f"goods.csv is separated by {shown}, and is read as such.",) if shown else ()
    assert table.notes == said
    assert read_table(tmp_path / "goods.csv", text="title").notes == said


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("title\nred\nblue\n", ("title",)),
        ('title\n"red; blue; green"\n"a | b"\n', ("title",)),  # one column of texts
        ("title; more\nred\nblue; green\nwhite\n", ("title; more",)),
        ("id,tags\n1,a;b\n2,c;d\n", ("id", "tags")),
        ("id,a;b\n1,x;y\n2,x\n", ("id", "a;b")),
        ("w;h\n1,5;2,5\n1,25;3,0\n", ("w", "h")),  # decimal commas
        ("name;price, EUR;kind\nshoe;19,90;a\nhat;5;b\n", ("name", "price, EUR", "kind")),
        ("sep=;\na;b\n1;2\n", ("a", "b")),  # as Excel writes
        ("a;b\n" + "1;2\n" * 20 + "1;2;3\n", ("a", "b")),  # and the last line is an error
        ("id;note\n1;a, b\n2;c\n3;d; e\n", ("id", "note")),  # so is this last line
        ("t;u\n", ("t;u",)),  # nothing to go by
    ],
)
def test_what_stands_in_texts_is_no_separator(
    tmp_path: Path, text: str, columns: tuple[str, ...]
) -> None:
    assert open_source(write(tmp_path / "t.csv", text)).columns == columns


def test_lines_are_counted_whatever_separates(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "sep=|\na|b\n\n1|2\n")
    assert read_table(path, text="a").where(0) == "row 0 (line 4 of t.csv)"
    ragged = write(tmp_path / "r.csv", "a;b\n" + "1;2\n" * 20 + "1;2;3\n")
    with pytest.raises(InputError, match=r"Line 22 of r.csv has 3 cells, the header has 2"):
        cells(ragged)
    commas = write(tmp_path / "t.tsv", "a,b\n1,2\n")
    assert open_source(commas).notes == ("t.tsv is separated by ',', and is read as such.",)


def test_a_quotation_mark_that_swallows_rows_is_said(tmp_path: Path) -> None:
    rows = [f"{i},title {i},hat" for i in range(12)]
    fine = ['12,"two lines,\nof text",hat', '13,"one\nand, two\n",hat']
    path = write(tmp_path / "t.csv", "\n".join(["id,t,y", *rows, *fine, ""]))
    whole = read_table(path, text="t", label="y")
    assert (len(whole), whole.notes) == (14, ())
    rows[3], rows[7] = '3,"wide shoe,hat', '7,5",hat'
    path = write(tmp_path / "t.csv", "\r\n".join(["id,t,y", *rows, *fine, ""]))
    table = read_table(path, text="t", label="y")
    assert len(table) == 10
    assert "Lines 5–9 of t.csv are read as one row each" in table.notes[0]
    # A line alone is said where no other cell has several.
    short = 'id,t,y\n1,"a,x\n2,b",x\n3,c,y\n'
    table = read_table(write(tmp_path / "t.csv", short), text="t", label="y")
    assert "Lines 2–3 of t.csv" in table.notes[0]
    reviews = 't,y\n"good, fine\nI say",x\n"bad\nand ugly\n",y\n"so\nso",y\n'
    assert not read_table(write(tmp_path / "t.csv", reviews), text="t", label="y").notes


# --- encodings and compressions ----------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_marked_utf_16_is_read(tmp_path: Path, encoding: str) -> None:
    for name, text in [("t.csv", "t,u\ncafé,b\n"), ("t.jsonl", '{"t": "café", "u": "b"}\n')]:
        path = write(tmp_path / name, "\ufeff" + text, encoding)
        assert cells(path, "t") == [["café"]]
        assert f"{name} is {encoding[:6].upper()} text" in open_source(path).notes[0]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_remedy_for_another_encoding_works(tmp_path: Path, encoding: str, packed: bool) -> None:
    path = write(tmp_path / "the goods.csv", "title,u\nhat,a\ncafé,b\n", encoding)
    if packed:
        subprocess.run(["gzip", str(path)], check=True)
        path = path.with_name(path.name + ".gz")
    with pytest.raises(InputError, match="Save it as UTF-8") as caught:
        read_table(path, text="title")
    command = str(caught.value).partition("e.g. with: ")[2]
    subprocess.run(command, shell=True, check=True)
    assert cells(path.with_name("utf8-the goods.csv"), "title") == [["hat", "café"]]


def test_damaged_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("t,u\na,b\n".encode("utf-16")[:-1])
    with pytest.raises(InputError, match="starts like UTF-16 text but is damaged"):
        cells(path)


def test_compressed_texts(tmp_path: Path) -> None:
    text = b"t;u\na;b\n"
    (tmp_path / "a.csv.bz2").write_bytes(bz2.compress(text))
    (tmp_path / "a.csv.xz").write_bytes(lzma.compress(text))
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("inner.csv", text)
        archive.writestr("__MACOSX/._inner.csv", b"")
    for ending in ("bz2", "xz", "zip"):
        assert cells(tmp_path / f"a.csv.{ending}") == [["a"], ["b"]]
        (tmp_path / f"broken.csv.{ending}").write_bytes(b"t,u\n")
        with pytest.raises(InputError, match="is damaged or not"):
            cells(tmp_path / f"broken.csv.{ending}")
    with zipfile.ZipFile(tmp_path / "two.csv.zip", "w") as archive:
        archive.writestr("a.csv", text)
        archive.writestr("b.csv", text)
    with pytest.raises(InputError, match="holds 2 files"):
        cells(tmp_path / "two.csv.zip")
    with pytest.raises(InputError, match=r"unknown extension '.gz'"):
        cells(write(tmp_path / "a.parquet.gz", "x"))


# --- workbooks ----------------------------------------------------------------------------------


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Stock"
    for row in [
        [],
        ["sku", "title", "n", "sold", "day", "kind"],
        ["x1", "Red", 7, True, datetime.date(2024, 3, 1), "shoe"],
        ["x2", None, 2.5, False, datetime.datetime(2024, 3, 1, 12, 30), "#N/A"],
        [None] * 9,
        ["x3", " ", None, None, None, "=1+1", None, None],
    ]:
        sheet.append(row)
    sheet["H2"] = " "  # white space is nothing
    sheet["D6"].font = openpyxl.styles.Font(bold=True)  # a cell that only looks like something
    book.create_sheet("Old").append(["a"])
    book["Old"].append(["b"])
    book.save(tmp_path / "goods.xlsx")
    return tmp_path / "goods.xlsx"


def test_characters_that_excel_writes_as_codes(workbook: Path) -> None:
    """A line's end in a cell is "_x000D_" in the file, and a text like that is "_x005F_x000D_"."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(workbook)
    book["Stock"]["B3"], book["Stock"]["B4"] = "Red_x000D_\nshoe", "_x005F_x000D_ _x _xy_"
    book.save(workbook)
    cells = open_source(workbook).read(["title"]).cells["title"].tolist()
    assert cells == ["Red\r\nshoe", "_x000D_ _x _xy_", None]


def test_a_strict_workbook_is_said_to_be_one(workbook: Path, tmp_path: Path) -> None:
    namespaces = {
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main": (
            b"http://purl.oclc.org/ooxml/spreadsheetml/main"
        ),
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships": (
            b"http://purl.oclc.org/ooxml/officeDocument/relationships"
        ),
    }
    with (
        zipfile.ZipFile(workbook) as read,
        zipfile.ZipFile(tmp_path / "strict.xlsx", "w") as written,
    ):
        for name in read.namelist():
            content = read.read(name)
            for usual, strict in namespaces.items():
                content = content.replace(usual, strict)
            written.writestr(name, content)
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(InputError, match="saved as Strict Open XML"),
    ):
        open_source(tmp_path / "strict.xlsx")


def test_a_workbook(workbook: Path) -> None:
    table = open_source(workbook)
    assert table.columns == ("sku", "title", "n", "sold", "day", "kind")
    assert table.notes == (
        "goods.xlsx has 2 sheets; 'Stock' is read, and not 'Old': "
        "'goods.xlsx#SHEET' names another.",
    )
    loaded = table.read(table.columns)
    assert loaded.lines is not None
    assert loaded.lines.tolist() == [3, 4, 6]
    assert [column.tolist() for column in loaded.cells.values()] == [
        ["x1", "x2", "x3"],
        ["Red", None, None],
        [7, 2.5, None],
        [True, False, None],
        ["2024-03-01", "2024-03-01 12:30:00", None],
        ["shoe", None, None],
    ]
    errors, formulas = loaded.notes
    assert "hold an Excel error count as empty: #N/A (1)" in errors
    assert "1 cell of column 'kind' of goods.xlsx#Stock is a formula with no result" in formulas
    assert table.read(["sku"]).notes == ()
    assert read_table(workbook, text="sku").where(2) == "row 2 (line 6 of goods.xlsx#Stock)"


def test_rows_that_a_filter_hides_are_said_to_be_read(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["a"], *([n] for n in range(9))):
        sheet.append(row)
    for hidden in (3, 5, 40):  # of the last there is nothing
        sheet.row_dimensions[hidden].hidden = True
    sheet.column_dimensions["A"].hidden = True
    book.save(tmp_path / "t.xlsx")
    loaded = open_source(tmp_path / "t.xlsx").read(["a"])
    assert len(loaded.cells["a"]) == 9
    assert loaded.notes == (
        "2 rows are hidden in t.xlsx#Sheet, as a filter does it, and read like all others. Delete "
        "what is not meant.",
    )


def test_a_sheet_by_name(workbook: Path) -> None:
    assert cells(f"{workbook}#Old") == [["b"]]
    assert open_source(f"{workbook}#Old").notes == ()
    assert names_a_table(f"{workbook}#Old")
    with pytest.raises(InputError, match=r"has no sheet 'old'. Did you mean 'Old'"):
        open_source(f"{workbook}#old")
    with pytest.raises(InputError, match="does not exist"):
        open_source(f"{workbook.with_name('no.xlsx')}#Old")


def test_cells_that_are_merged_are_said_to_have_their_value_once(workbook: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(workbook)
    sheet = book["Stock"]
    for row in (["x4", "Blue", None, None, None, "hat"], ["x5", "Grey"], ["x6", "Pink"]):
        sheet.append(row)
    sheet.merge_cells("F7:F9")
    sheet.merge_cells("A1:F1")  # a title
    book.save(workbook)
    (note,) = (
        note for note in open_source(workbook).read(["title", "kind"]).notes if "merged" in note
    )
    assert note.startswith("2 empty cells of column 'kind' of goods.xlsx#Stock are parts of merged")
    assert open_source(workbook).read(["sku"]).notes == ()


def test_no_workbook(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    with pytest.raises(InputError, match=r"a.xlsx is no readable Excel workbook"):
        open_source(write(tmp_path / "a.xlsx", "PK"))
    with pytest.raises(InputError, match=r"Excel's old format: save it as .xlsx"):
        open_source(write(tmp_path / "a.xls", "x"))


# --- databases ----------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "the shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute('CREATE TABLE "pro""ducts" (sku TEXT, n NUMERIC, photo BLOB)')
        connection.executemany(
            'INSERT INTO "pro""ducts" VALUES (?, ?, ?)',
            [("x1", 7, b"\x89PNG"), ("x2", 2.5, None), ("", None, b"y")],
        )
    connection.close()
    return path


def test_a_database_with_one_table(shop: Path) -> None:
    for source in (shop, str(shop), f"sqlite:///{shop}"):
        table = open_source(source)
        assert (table.columns, table.folder) == (("sku", "n", "photo"), shop.parent)
        assert table.notes == ()
        assert cells(source) == [["x1", "x2", None], [7, 2.5, None], [b"\x89PNG", None, b"y"]]
    unnamed = shop.rename(shop.with_name("data.bin"))  # by its content
    assert cells(unnamed, "n") == [[7, 2.5, None]]


def test_a_query(shop: Path) -> None:
    query = '-- which\n SELECT n * 2 AS twice, sku FROM "pro""ducts" WHERE n > 3 ORDER BY sku'
    assert cells(shop, query=query) == [[14], ["x1"]]
    table = read_table(shop, text="sku", query='select * from "pro""ducts"')
    assert table.items["text"].tolist() == ["x1", "x2", None]
    assert "has no ORDER BY" in table.notes[0]


def test_several_tables_need_a_query(shop: Path) -> None:
    with sqlite3.connect(shop) as connection:
        connection.execute("CREATE VIEW dear AS SELECT 1 AS one")
    connection.close()
    with pytest.raises(InputError, match=r"2 tables: 'dear', 'pro\"ducts'. Choose with a query"):
        open_source(shop)
    assert cells(shop, query="SELECT one FROM dear") == [[1]]


def test_the_query_that_is_proposed_can_be_run(tmp_path: Path) -> None:
    path = tmp_path / "two.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("""CREATE TABLE "a's 'best' order" (n INTEGER)""")
        connection.execute("CREATE VIEW b AS SELECT 1 AS n")
    connection.close()
    with pytest.raises(InputError) as caught:
        open_source(path)
    proposed = str(caught.value).partition("--query ")[2].partition(" (query=")[0]
    assert cells(path, query=shlex.split(proposed)[0]) == [[]]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("DROP TABLE x", "begins with no SELECT"),
        ("SELECT no FROM such", "did not answer the query 'SELECT no FROM such': no such table"),
        ('WITH a AS (SELECT 1) DELETE FROM "pro""ducts"', "readonly database"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
    ],
)
def test_queries_that_are_refused(shop: Path, query: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        cells(shop, query=query)
    assert len(cells(shop, "sku")[0]) == 3


def test_what_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a.db did not answer a query: file is not a database"):
        open_source(write(tmp_path / "a.db", "text that is long enough to be none " * 9))
    with pytest.raises(InputError, match=r"goods.csv is none: 'SELECT 1' would change"):
        open_source(write(tmp_path / "goods.csv", "t\na\n"), query="SELECT 1")
    with pytest.raises(InputError, match="does not exist"):
        open_source(f"sqlite:///{tmp_path / 'no.sqlite'}")
    with pytest.raises(InputError, match="is a URL, not a table that lies here"):
        open_source("https://shop.org/goods.csv")


@pytest.mark.parametrize(
    "address",
    ["sqlite:///{}", "sqlite:///{}?timeout=5", "sqlite+pysqlite:///{}", "duckdb:///{}",
     "sqlite:///file:{}?uri=true"],
)  # fmt: skip
def test_no_database_is_made_where_none_is(tmp_path: Path, address: str) -> None:
    """The drivers make an empty file, which then "has no table"."""
    with pytest.raises(InputError, match=r"no.db does not exist: it should be the database's file"):
        open_source(address.format(tmp_path / "no.db"))
    assert not list(tmp_path.iterdir())


def test_an_address_of_sqlalchemy(shop: Path) -> None:
    pytest.importorskip("sqlalchemy")
    address = f"sqlite+pysqlite:///{shop}"
    assert cells(address) == [["x1", "x2", None], [7, 2.5, None], [b"\x89PNG", None, b"y"]]
    assert cells(address, query="SELECT 5 AS n, '10:30 %s :x' AS t ORDER BY 1") == [
        [5],
        ["10:30 %s :x"],
    ]
    with pytest.raises(InputError, match=r"did not answer.*no such table"):
        cells(address, query="SELECT * FROM such")


@pytest.mark.parametrize(
    "address",
    [
        "nosuchbase://ann:hunter2@host/shop",
        "postgresql+nosuchdriver://ann:hunter2@host/shop",
        "postgresql://ann:hun@ter2:hunter2@host:x/shop",
        "https://ann:hunter2@host/shop.csv",
    ],
)
def test_no_password_in_a_message(address: str) -> None:
    pytest.importorskip("sqlalchemy")
    with pytest.raises(InputError) as caught:
        open_source(address)
    assert "host" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("postgresql://ann:pa/ss@host/shop", "postgresql://ann@host/shop"),
        ("postgresql://ann:pa?ss@host/shop", "postgresql://ann@host/shop"),
        ("postgresql://host/shop?user=a@b", "postgresql://host/shop?user=a@b"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dx&a=b", "mssql+pyodbc:///?a=b"),
        ("mysql://h/d?ssl_key=k&password=x", "mysql://h/d"),
        ("sqlite:////a@b/shop.db?password=x&timeout=5", "sqlite:////a@b/shop.db?timeout=5"),
        ("sqlite+pysqlcipher://:pass@//a@b/shop.db", "sqlite+pysqlcipher:////a@b/shop.db"),
    ],
)
def test_no_password_is_kept(address: str, kept: str) -> None:
    assert kept_name(address) == kept


def test_a_kept_name_opens_the_same_from_elsewhere(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.parent)
    names = [kept_name(shop.name), kept_name(f"sqlite:///{shop.name}")]
    names.append(kept_name(f"sqlite+pysqlite:///{shop.name}"))
    monkeypatch.chdir("/")
    assert all(cells(name, "n") == [[7, 2.5, None]] for name in names)


# --- folders of classes ------------------------------------------------------------------------


def files(folder: Path, *names: str) -> Path:
    for name in names:
        write(folder / name, "x")
    return folder


def test_a_folder_of_classes(tmp_path: Path) -> None:
    shop = files(tmp_path / "shop", "hat/1.jpg", "hat/2.PNG", "shoe/1.jpg", "new.jpg",
                 "hat/._1.jpg", "shoe/.DS_Store", "shoe/notes.txt")  # fmt: skip
    table = read_table(shop)
    assert table.kinds == {"image": "image"}
    assert table.items["image"].tolist() == ["hat/1.jpg", "hat/2.PNG", "new.jpg", "shoe/1.jpg"]
    assert table.labels is not None
    assert table.labels.tolist() == ["hat", "hat", None, "shoe"]
    assert table.ids.tolist() == table.items["image"].tolist()
    assert (table.split, table.folder, table.name) == (None, shop, "shop")
    left_out, taken = table.notes
    assert left_out == "Files of shop that are no images are left out: 1 .txt."
    assert "image 'image', id 'file_name', label 'label'" in taken
    assert table.assumed == {"image": "image", "id": "file_name", "label": "label"}
    chosen = read_table(shop, image="image", label="label")
    assert chosen.ids.tolist() == [0, 1, 2, 3]
    assert chosen.notes == (left_out,)


def test_folders_of_splits(tmp_path: Path) -> None:
    shop = files(tmp_path / "s", "train/a/1.wav", "train/b/1.wav", "Test/a/1.wav", "val/b/2.flac")
    table = read_table(shop, audio="audio", label="label")  # its split is not passed over
    assert table.split is not None
    assert table.split.tolist() == ["test", "train", "train", "validation"]
    assert table.notes == ("Taken from s itself, as nothing else was chosen: split 'split'.",)
    assert read_table(shop, audio="audio", split="label" if False else "split").notes == ()
    alone = files(tmp_path / "alone", "train/a/1.jpg", "train/b/1.jpg")
    assert read_table(alone).split is None  # it would hold nothing out
    assert "split" in open_source(alone).columns
    mixed = read_table(files(tmp_path / "mixed", "train/1.jpg", "plane/1.jpg", "test/x/1.jpg"))
    assert mixed.labels is not None
    assert mixed.labels.tolist() == ["plane", "test", "train"]
    assert "'test', 'train' are classes like the others" in mixed.notes[0]
    assert "1 file of mixed lies deeper" in mixed.notes[1]


def test_metadata_beside_the_files(tmp_path: Path) -> None:
    shop = files(tmp_path / "s", "train/a/1.jpg", "train/b/2.jpg", "test/a/3.jpg")
    write(shop / "train/metadata.csv", "file_name;title\na/1.jpg;Red\na/gone.jpg;Blue\n;None\n")
    write(shop / "test/metadata.jsonl", '{"file_name": "a/3.jpg", "title": "Dark", "label": "z"}\n')
    table = read_table(shop, image="image", text="title", label="label", id="file_name")
    assert dict(zip(table.ids, table.items["text"], strict=True)) == {
        "test/a/3.jpg": "Dark", "train/a/1.jpg": "Red", "train/a/gone.jpg": "Blue",
        "train/b/2.jpg": None, "train/row 2 of metadata.csv": None,
    }  # fmt: skip
    assert table.items["image"].tolist()[2:] == ["train/a/gone.jpg", "train/b/2.jpg", None]
    assert table.labels is not None
    assert table.labels.tolist() == ["z", "a", "a", "b", None]
    assert table.split is not None
    assert table.split.tolist() == ["test", *["train"] * 4]
    said = " ".join(table.notes)
    assert "separated by ';'" in said
    assert "The label is what test/metadata.jsonl says" in said
    assert "1 file that train/metadata.csv names is not in s" in said
    write(shop / "train/metadata.csv", "file_name,title\nA\\1.JPG,Red\nb/2.jpg,Blue\n")
    write(shop / "test/metadata.jsonl", '{"file_name": 3, "title": "Dark"}\n')
    table = read_table(shop, image="image", text="title")  # as Windows writes them, and a number
    assert table.items["image"].tolist() == [
        "test/3", "test/a/3.jpg", "train/a/1.jpg", "train/b/2.jpg"
    ]  # fmt: skip
    assert table.items["text"].tolist() == ["Dark", None, "Red", "Blue"]
    write(shop / "train/metadata.csv", "file_name,title\na/1.jpg,Red\na/1.jpg,Blue\n")
    with pytest.raises(InputError, match=r"names 'train/a/1.jpg' in rows 0 and 1"):
        read_table(shop)
    write(shop / "train/metadata.csv", "file_name,title\na/1.jpg,Red\n")
    write(shop / "test/metadata.jsonl", '{"file": "a/3.jpg"}\n')
    with pytest.raises(InputError, match="has no column 'file_name'"):
        read_table(shop)


def test_what_a_system_leaves_in_a_folder_is_no_class_and_no_table(tmp_path: Path) -> None:
    for name in ("hat/1.jpg", "shoe/1.jpg", "Thumbs.db", "__MACOSX/hat/._1.jpg", "hat/desktop.ini"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    (tmp_path / "__MACOSX" / "1.jpg").touch()
    table = read_table(tmp_path)
    assert table.labels is not None
    assert table.labels.tolist() == ["hat", "shoe"]
    assert len(table.notes) == 1  # what was taken from the folder


def test_folders_that_are_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder, with no pictures or sounds in it"):
        read_table(files(tmp_path / "a", "x.txt"))
    with pytest.raises(InputError, match=r"is a folder with a table in it: name .*goods.csv"):
        read_table(files(tmp_path / "b", "goods.csv", "images/1.jpg"))
    with pytest.raises(InputError, match=r"pictures \(1\) and sounds \(1\)"):
        read_table(files(tmp_path / "c", "a/1.jpg", "a/1.wav"))


def test_a_linked_class_is_read_and_a_loop_is_not(tmp_path: Path) -> None:
    real = files(tmp_path / "real", "1.jpg")
    shop = files(tmp_path / "shop", "a/1.jpg")
    (shop / "b").symlink_to(real)
    (shop / "a" / "loop").symlink_to(shop)
    assert read_table(shop).items["image"].tolist() == ["a/1.jpg", "b/1.jpg"]


def test_a_link_beside_the_class_that_it_leads_to_does_not_take_its_place(tmp_path: Path) -> None:
    shop = files(tmp_path / "shop", "hat/1.jpg", "shoe/1.jpg")
    (shop / "cap").symlink_to("hat")
    table = read_table(shop)
    assert table.items["image"].tolist() == ["hat/1.jpg", "shoe/1.jpg"]
    said = "Links in shop to a folder that is read already are passed over: 'cap'."
    assert said in table.notes


# --- datasets ------------------------------------------------------------------------------------


def test_hugging_face_data_sets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "photo": datasets.Image(),
            "sound": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
            "title": datasets.Value("string"),
            "v": datasets.List(datasets.Value("float32")),
            "kind": datasets.ClassLabel(names=["hat", "shoe"]),
        }
    )
    sound = {"bytes": b"RIFF", "path": None}
    rows = {
        "photo": [Image.new("RGB", (3, 2)), None, Image.new("RGB", (2, 2))],
        "sound": [None, sound, sound],
        "title": ["a", None, ""],
        "v": [[1, 2], None, [3, 4]],
        "kind": [1, -1, 0],
    }
    data = datasets.Dataset.from_dict(rows, features=features)
    data = data.cast_column("sound", datasets.Audio())
    table = read_table(data, image="photo", audio="sound", text="title", features="v", label="kind")
    assert table.present.tolist() == [[1, 1, 0, 1], [0, 0, 1, 0], [1, 0, 1, 1]]
    assert table.items["image"][0]["bytes"].startswith(b"\x89PNG")
    assert table.items["audio"][1]["bytes"] == b"RIFF"
    assert table.labels is not None
    assert table.labels.tolist() == ["shoe", None, "hat"]
    assert table.notes == ("1 cells of column 'kind' are −1, an unknown class: empty here.",)

    chosen = data.select([2, 0])  # rows are those of the view, not of the file
    assert cells(chosen, "kind") == [["hat", "shoe"]]
    both = datasets.DatasetDict({"train": data, "test": chosen})
    both.save_to_disk(tmp_path / "saved")
    for source in (both, tmp_path / "saved"):
        table = read_table(source, text="title", label="kind")
        assert table.split is not None
        assert table.split.tolist() == ["train"] * 3 + ["test"] * 2
        assert any("split 'split'" in note for note in table.notes)
    odd = datasets.DatasetDict({"train": data, "unsupervised": chosen})
    assert read_table(odd, text="title").split is None
    assert "decides nothing unless it is chosen" in read_table(odd, text="title").notes[0]
    with pytest.raises(InputError, match="streamed data set"):
        open_source(data.to_iterable_dataset())


def test_classes_of_a_data_set_of_vectors_have_their_names_too() -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "v": datasets.List(datasets.Value("float32")),
            "label": datasets.ClassLabel(names=["hat", "shoe"]),
        }
    )
    rows = {"v": [[1, 2], None, [3, 4]], "label": [1, -1, 0]}
    data = datasets.Dataset.from_dict(rows, features=features)
    for embeddings in (Embeddings.from_huggingface(data), as_embeddings(data)):
        assert embeddings.labels is not None
        assert embeddings.labels.tolist() == ["shoe", None, "hat"]
    for read in (Embeddings.from_huggingface, as_embeddings):
        with pytest.raises(InputError, match=r"the splits 'train'. Choose one, .*'train'"):
            read(datasets.DatasetDict({"train": data}))
    with pytest.raises(InputError, match="A streamed one"):
        Embeddings.from_huggingface(data.to_iterable_dataset())


# --- pictures in cells ----------------------------------------------------------------------------


def test_pictures_as_arrays_and_in_nested_lists(tmp_path: Path) -> None:
    from srmm.data.items import ItemReader

    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    frame = pd.DataFrame({"photo": pd.Series([pixels, None], dtype=object)})
    nested = pd.DataFrame({"photo": [pixels.tolist(), None]})
    nested.to_parquet(tmp_path / "t.parquet")
    for source in (frame, nested, tmp_path / "t.parquet"):
        table = read_table(source, image="photo")
        assert table.present.tolist() == [[True], [False]]
        with ItemReader() as reader:
            np.testing.assert_array_equal(np.asarray(reader.image(table.items["image"][0])), pixels)


class LikePolars:
    """A frame of another library: it has columns, and gives an Arrow stream."""

    def __init__(self, table: pa.Table) -> None:
        self.table, self.columns = table, list(range(table.num_columns))

    def __arrow_c_stream__(self, schema: object = None) -> object:
        return self.table.__arrow_c_stream__(schema)


def test_tables_in_memory_are_read_whoever_holds_them() -> None:
    rows = {"t": ["a", None, "b"], "n": [1, None, 3], "v": [[1.0, 2.0], None, [3.0, 4.0]]}
    table = pa.table({**rows, "d": pa.array(["x", "y", "x"]).dictionary_encode()})
    for source in (table, table.to_batches()[0], LikePolars(table)):
        text, number, vector, coded = cells(source, "t", "n", "v", "d")
        assert (text, number, coded) == (rows["t"], rows["n"], ["x", "y", "x"])
        assert [None if v is None else list(v) for v in vector] == rows["v"]
        assert read_table(source, text="t", features="v").present.tolist() == [
            [True, True], [False, False], [True, True]
        ]  # fmt: skip


def test_a_blank_line_of_one_column_is_an_empty_cell(tmp_path: Path) -> None:
    file = tmp_path / "texts.csv"
    file.write_text('\ntext\n\n"two\n\nlines"\n\n\nlast\n\n\n', encoding="utf-8")
    table = read_table(file, text="text")
    assert [item or None for item in table.items["text"]] == [
        None, "two\n\nlines", None, None, "last",
    ]  # fmt: skip
    assert table.where(3) == "row 3 (line 8 of texts.csv)"
    file.write_text("text,n\n\none,1\n\ntwo,2\n", encoding="utf-8")  # of two it can be none
    assert list(read_table(file, text="text").items["text"]) == ["one", "two"]


def test_tensors_and_series_in_cells_of_a_frame_are_arrays() -> None:
    import torch

    vectors = [[1.0, 2.0], None, [3.0, 4.0]]
    for hold in (np.array, pd.Series, torch.tensor, lambda v: torch.tensor(v, requires_grad=True)):
        frame = pd.DataFrame({"v": [None if v is None else hold(v) for v in vectors]})
        items = read_table(frame, features="v").items["features"]
        assert [None if item is None else item.tolist() for item in items] == vectors
    masked = pd.Series([torch.tensor(1), np.array("a"), np.ma.masked], dtype=object)
    assert cells(pd.DataFrame({"c": masked}), "c") == [[1, "a", None]]


def test_vectors_of_fixed_size_may_be_null_in_parquet(tmp_path: Path) -> None:
    vectors, days = [[1.0, 2.0], None, [3.0, 4.0]], [datetime.timedelta(days=2), None, None]
    table = pa.table({"v": pa.array(vectors, pa.list_(pa.float32(), 2)), "d": days, "y": ["a"] * 3})
    path = tmp_path / "t.parquet"
    pq.write_table(table, path)
    whole = open_source(path).read(["v", "d"])
    chunks = open_source(path).chunks
    assert chunks is not None
    for column, expected in {"v": vectors, "d": days}.items():
        parts = [loaded.cells[column] for loaded in chunks(["v", "d"], 2)]
        for found in (whole.cells[column], np.concatenate(parts)):
            assert [list(c) if column == "v" and c is not None else c for c in found] == expected
    embeddings = Embeddings.from_parquet(path, modalities=["v"], label="y")
    assert embeddings.present[:, 0].tolist() == [True, False, True]


@pytest.mark.parametrize("form", ["records", "split", "columns", "index", "table", "lines", "list"])
@pytest.mark.parametrize("ending", [".json", ".json.gz"])
def test_json_is_read_in_every_form_that_pandas_writes(
    tmp_path: Path, form: str, ending: str
) -> None:
    frame = pd.DataFrame({"title": ["ä", None, "c"], "n": [1, 2, 3], "w": [0.5, None, 2.0]})
    path = tmp_path / f"t{ending}"
    if form == "list":
        text = json.dumps({"title": ["ä", None, "c"], "n": [1, 2, 3], "w": [0.5, None, 2.0]})
        data = text.encode()
        path.write_bytes(gzip.compress(data, mtime=0) if ending.endswith("gz") else data)
    elif form == "lines":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_json(path, orient=form)  # type: ignore[call-overload]
    opened = open_source(path)
    wanted = ["title", "n", "w"]
    assert [column for column in opened.columns if column != "index"] == wanted
    cells = opened.read(wanted).cells
    assert [cells[column].tolist() for column in wanted] == [
        ["ä", None, "c"],
        [1, 2, 3],
        [0.5, None, 2.0],
    ]


def test_objects_of_json_may_lack_names_and_hold_lists(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('[{"t": "a", "v": [1, 2]}, {"v": [3, 4], "u": {"x": 1}}]', encoding="utf-8")
    table = read_table(path, text="t", features="v")
    assert table.items["text"].tolist() == ["a", None]
    assert [item.tolist() for item in table.items["features"]] == [[1, 2], [3, 4]]


def test_one_object_is_a_row_and_rows_may_stand_under_a_name(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"t": "a", "n": 1}', encoding="utf-8")
    assert cells(tmp_path / "one.json") == [["a"], [1]]
    (tmp_path / "api.json").write_text('{"data": [{"t": "a"}, {"t": "b"}]}', encoding="utf-8")
    opened = open_source(tmp_path / "api.json")
    assert opened.notes == ("The rows of api.json are what it has under 'data'.",)
    assert cells(tmp_path / "api.json") == [["a", "b"]]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None, 2**60 + 1]),
        pa.array([2**64 - 1, None], pa.uint64()),
        pa.array([0.1, None, float("nan"), -0.0], pa.float32()),
        pa.array([1.5, None], pa.float16()),
        pa.array([None, None], pa.float64()),
        pa.array([9, 1, None, 3], pa.int8())[1:],
        pa.chunked_array([pa.array([1.0]), pa.array([None, 2.5])]),
        pa.chunked_array([], pa.int32()),
    ],
    ids=lambda column: f"{type(column).__name__}-{column.type}-{len(column)}",
)
def test_numbers_of_arrow_become_the_cells_that_python_makes_of_them(column: Any) -> None:
    found = arrow_cells(column)
    expected = [None if cell is None or cell != cell else cell for cell in column.to_pylist()]
    assert found.dtype == object
    assert found.tolist() == expected
    assert list(map(type, found)) == list(map(type, expected))
