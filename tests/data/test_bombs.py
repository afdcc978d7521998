"""Small files that become large: tables, workbooks, arrays, members of zips."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sqlite3
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from srmm.data import bombs
from srmm.data.broken import UnreadableItem
from srmm.data.embeddings import Embeddings
from srmm.data.items import ItemReader
from srmm.data.sources import open_source
from srmm.errors import InputError

MEGABYTE = 1 << 20
BOMB = "taken for a decompression bomb.*SRMM_MAX_UNPACKED_BYTES"


@pytest.fixture(autouse=True)
def _little_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRMM_MAX_UNPACKED_BYTES", str(MEGABYTE))


def read(path: Path) -> Any:
    opened = open_source(path)
    return opened.read(opened.columns)


@pytest.mark.parametrize(("ending", "module"), [("gz", gzip), ("bz2", bz2), ("xz", lzma)])
def test_compressed_tables(tmp_path: Path, ending: str, module: Any) -> None:
    path = tmp_path / f"t.csv.{ending}"
    with module.open(path, "wb") as file:
        file.write(b"a,b\n")
        for _ in range(12):
            file.write(b"0" * MEGABYTE)
    with pytest.raises(InputError, match=BOMB):
        read(path)
    rows = "".join(f"{k},{k * 7919 % 10007}\n" for k in range(100_000))
    with module.open(path, "wb") as file:
        file.write(f"a,b\n{rows}".encode())
    assert read(path).n == 100_000  # over the limit, and no bomb


def test_the_limit_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"a\n" + b"x" * (3 * MEGABYTE) + b"\n")
    with pytest.raises(InputError, match=BOMB):
        read(path)
    monkeypatch.setenv("SRMM_MAX_UNPACKED_BYTES", "1_000_000_000")
    assert read(path).n == 1


def test_a_zipped_table(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("t.csv", b"a\n" + b"\n" * (8 * MEGABYTE))
    with pytest.raises(InputError, match=BOMB):
        read(tmp_path / "t.csv.zip")


def with_false_size(path: Path, claimed: int) -> None:
    """Make a zip's directory say that its first member unpacks to so many bytes."""
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + place
        data[at : at + 4] = claimed.to_bytes(4, "little")
    path.write_bytes(data)


def test_a_directory_that_lies(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("1.png", bytes(64 * MEGABYTE))
    with_false_size(path, 100)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableItem, match=r"is in a\.zip, where it cannot be read"):
            ItemReader(tmp_path).image("a/1.png")
        with pytest.raises(InputError, match=BOMB):
            bombs.check_archive(path)
        assert tracemalloc.get_traced_memory()[1] < 16 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_workbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active["CV9"] = 1
    book.save(path)
    assert read(path).n == 1
    monkeypatch.setenv("SRMM_MAX_CELLS", "101")
    with pytest.raises(InputError, match="more than 101 cells, empty ones counted"):
        read(path)
    monkeypatch.delenv("SRMM_MAX_CELLS")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/sharedStrings2.xml", b" " * (9 * MEGABYTE))
    with pytest.raises(InputError, match=BOMB):
        read(path)


def test_a_workbook_whose_row_is_far_out(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    path, far = tmp_path / "t.xlsx", tmp_path / "far.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["a"])
    book.active.append([1])
    book.save(path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(far, "w") as new:
        for name in old.namelist():
            content = old.read(name).replace(b'r="2"', b'r="99999999999"').replace(b"A2", b"A9")
            new.writestr(name, content)
    with pytest.raises(InputError, match="more than 1,048,576 rows"):
        read(far)


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path, compression="zstd")
    return path


def test_parquet(tmp_path: Path) -> None:
    rows, rng = 50_000, np.random.default_rng(0)
    once = ["x" * 1_000] * rows
    nested = pa.array([["y" * 1_000] * 100] * 500)
    for name, column in {
        "repeated": once,
        "numbers": np.zeros(2_000_000),
        "long": ["z" * (4 * MEGABYTE)],
        "nested": nested,
        "structs": pa.array([{"text": text} for text in once]),
        "vectors": pa.array([[0.0] * 1_000_000]),
    }.items():
        with pytest.raises(InputError, match=BOMB):
            read(parquet(tmp_path / f"{name}.parquet", a=column))
    fine = [f"{number:x}" * 3 for number in rng.integers(1 << 40, size=rows)]
    path = parquet(tmp_path / "t.parquet", text=fine, kind=["hat", "shoe"] * (rows // 2))
    assert read(path).n == rows
    opened = open_source(tmp_path / "repeated.parquet")
    assert opened.chunks is not None
    with pytest.raises(InputError, match=BOMB):
        next(opened.chunks(["a"], 10))


def test_only_columns_that_are_read_count(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", a=["x" * 1_000] * 50_000, b=[None, "y"] * 25_000)
    assert open_source(path).read(["b"]).n == 50_000


def test_vectors(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "t.npz", image=np.zeros((500, 600)))
    with pytest.raises(InputError, match=BOMB):
        Embeddings.from_numpy(tmp_path / "t.npz")
    columns = {"image": pa.array([[0.0] * 100] * 20_000)}
    with pytest.raises(InputError, match=BOMB):
        Embeddings.from_parquet(parquet(tmp_path / "t.parquet", **columns))


def test_a_view_without_end(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "t.db") as database:
        database.execute(
            "CREATE VIEW t AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
            "SELECT x, 'a long text that takes room' AS title FROM c"
        )
    database.close()
    with pytest.raises(InputError, match=BOMB):
        read(tmp_path / "t.db")


def test_a_gif_without_end_is_its_first_picture() -> None:
    from PIL import Image

    buffer = io.BytesIO()
    frames = [Image.new("L", (8, 8), shade % 256) for shade in range(500)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert ItemReader().image(buffer.getvalue()).size == (8, 8)
