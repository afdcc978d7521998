"""Frames and series of Polars, as tables, as embeddings and as labels."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from srmm import Embeddings, InputError
from srmm.classifier import PaperClassifier
from srmm.data.arrays import as_column
from srmm.data.table import read_table
from srmm.encoding.encode import encode
from srmm.encoding.transformer import Encode

pl = pytest.importorskip("polars")
_N = 12


@pytest.fixture(scope="module")
def frame() -> Any:
    rows = range(_N)
    vectors = [None if i % 4 == 0 else [float(i), 1.0] for i in rows]
    return pl.DataFrame(
        {
            "id": [f"r{i}" for i in rows],
            "title": [None if i == 0 else f"shoe {i}" for i in rows],
            "colour": pl.Series([("red", "blue", None)[i % 3] for i in rows], dtype=pl.Categorical),
            "size": pl.Series([("s", "m")[i % 2] for i in rows], dtype=pl.Enum(["s", "m"])),
            "count": pl.Series([None if i == 1 else i for i in rows], dtype=pl.UInt16),
            "price": pl.Series(
                [decimal.Decimal(i) / 4 for i in rows], dtype=pl.Decimal(precision=10, scale=2)
            ),
            "day": [datetime.date(2024, 1, 1 + i) for i in rows],
            "length": [datetime.timedelta(seconds=i) for i in rows],
            "tags": [["new", "cheap"] if i % 2 else ["old"] for i in rows],
            "listed": vectors,
            "fixed": pl.Series(vectors, dtype=pl.Array(pl.Float32, 2)),
            "kind": pl.Series(["a" if i % 2 else "b" for i in rows], dtype=pl.Categorical),
        }
    )


def test_columns_of_every_kind_are_read(frame: Any) -> None:
    block = "colour,size,count,price,day,length,tags"
    table = read_table(frame, id="id", text="title", features=block, label="kind")
    assert table.items["text"][:2].tolist() == [None, "shoe 1"]
    assert table.labels is not None
    assert table.labels.tolist() == ["b", "a"] * 6
    table = read_table(frame, id="id", features=block, label="kind")
    learnt = encode(table).embeddings.encoders["features"]["learnt"]
    assert learnt == (
        "colour: category; size: category; count: number; price: number; day: date; "
        "length: time; tags: tags"
    )


def test_vectors_are_embeddings_however_they_are_given(frame: Any) -> None:
    present = [i % 4 != 0 for i in range(_N)]
    for made in (
        Embeddings.from_arrow(frame),
        Embeddings.from_frame(frame.select("listed", "fixed")),
        Embeddings.from_arrays({name: frame[name] for name in ("listed", "fixed")}),
    ):
        assert made.embedding_dims == {"listed": 2, "fixed": 2}
        np.testing.assert_array_equal(made.present, np.column_stack([present, present]))
    assert Embeddings.from_arrow(frame).ids.tolist()[:2] == ["r0", "r1"]


def test_series_are_labels_weights_and_groups(frame: Any) -> None:
    X = {
        "count": frame.select("price").cast(pl.Float64),
        "size": frame.select(pl.col("day").dt.day()),
    }
    model = PaperClassifier(max_epochs=1, hidden_dim=4, random_state=0)
    model.fit(X, frame["kind"], sample_weight=frame["price"], groups=frame["size"].cast(str))
    assert model.classes_.tolist() == ["a", "b"]
    assert model.predict(X).shape == (_N,)
    whole = as_column("y", frame["count"])
    assert whole is not None
    assert whole.tolist()[:3] == [0, None, 2]
    assert type(whole[2]) is int


def test_what_arrow_cannot_hold_is_named(frame: Any) -> None:
    wide = frame.with_columns(wide=pl.lit(1, dtype=pl.Int128))
    with pytest.raises(InputError, match="column 'wide' of the table holds what Arrow cannot"):
        read_table(wide, text="title")
    with pytest.raises(InputError, match=r"LazyFrame. Call its .collect\(\) first"):
        read_table(frame.lazy(), text="title")
    with pytest.raises(InputError, match="has no rows"):
        read_table(frame.head(0), text="title")


def test_a_parquet_file_of_polars_is_a_table(frame: Any, tmp_path: Path) -> None:
    frame.write_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", text="title", features="listed", label="kind")
    same = read_table(frame, text="title", features="listed", label="kind")
    np.testing.assert_array_equal(table.present, same.present)
    assert (table.labels == same.labels).all()


def test_a_pipeline_reads_frames_and_arrow_tables_as_those_of_pandas(frame: Any) -> None:
    chosen = frame.select("price", "colour")
    encoder = Encode({"price": "columns", "colour": "columns"})
    expected = encoder.fit_transform(chosen.to_pandas())
    for held in (chosen, chosen.to_arrow()):
        for found in (encoder.fit_transform(held), encoder.transform(held)):
            np.testing.assert_array_equal(found.present, expected.present)
            np.testing.assert_array_equal(found.to_array("price"), expected.to_array("price"))
        with pytest.warns(UserWarning, match="There is no 'colour': absent in all rows"):
            assert encoder.transform(held.select(["price"])).modalities == ("price",)
    with pytest.raises(InputError, match=r"a frame or an Arrow table, .* got ndarray"):
        encoder.fit(chosen.to_numpy())
