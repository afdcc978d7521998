"""The encoder of columns as people write them."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from srmm.data.blocks import Cells
from srmm.data.broken import UnreadableItem
from srmm.data.table import read_table
from srmm.encoders import load_encoder
from srmm.encoders.columns import ColumnsEncoder
from srmm.encoders.identity import IdentityEncoder
from srmm.encoding.encode import encode
from srmm.encoding.transformer import Encode
from srmm.errors import InputError


def items_of(columns: dict[str, list[Any]]) -> list[Cells]:
    rows = zip(*columns.values(), strict=True)
    return [Cells(tuple(columns), tuple(row)) for row in rows]


def fitted(columns: dict[str, list[Any]]) -> ColumnsEncoder:
    encoder = ColumnsEncoder()
    encoder.fit(items_of(columns))
    return encoder


def vectors(columns: dict[str, list[Any]], of: dict[str, list[Any]] | None = None) -> np.ndarray:
    return fitted(columns).encode(items_of(of or columns))


def features(encoder: ColumnsEncoder) -> list[str]:
    return list(encoder.settings["features"])


def test_numbers_blanks_and_junk() -> None:
    encoder = fitted({"price": ["1,5", "2,5", None, "4,5 €", "abc", "0,5"]})
    assert features(encoder) == ["price", "price is blank"]
    new = items_of({"price": ["7,5", None, "rubbish"]})
    np.testing.assert_array_equal(encoder.encode(new)[0], [7.5, 0])
    assert np.isnan(encoder.encode(new)[1:]).all()  # nothing else in these rows
    assert "decimal comma, in €" in encoder.notes[0]
    assert "2 blank training cells, taken as the median 2" in encoder.notes[0]
    (said,) = encoder.notes_on(new)
    assert "1 cell that cannot be read as numbers in € (the first, 'rubbish')" in said


def test_lists_of_words_that_a_text_file_holds_are_tags() -> None:
    cells = ["['red', 'blue']", '["blue"]', "[]", "['red']"] * 2
    table = read_table(pd.DataFrame({"tags": cells}), features="tags")
    encoder = ColumnsEncoder()
    encoder.fit([item for item in table.items["features"] if item is not None])
    assert features(encoder) == ["tags has red", "tags has blue"]
    with pytest.raises(InputError, match="not a list of numbers"):
        read_table(pd.DataFrame({"tags": ["[1, 2]", "[3, 4]"]}), features="tags")


@pytest.mark.parametrize(
    "cells",
    [
        ["('red', 'blue')", "('blue',)", "()", "('red',)"],
        ["{'red', 'blue'}", "{'blue'}", "{}", "{'red'}"],
        ["{red,blue}", "{blue}", "{}", "{red}"],
        ["[red, blue]", "[blue]", "[]", "[red]"],
    ],
    ids=["tuples", "sets", "PostgreSQL's arrays", "bare words"],
)
def test_lists_of_words_are_tags_however_a_program_writes_them(cells: list[str]) -> None:
    table = read_table(pd.DataFrame({"tags": cells * 2, "n": range(8)}), features="tags,n")
    encoder = ColumnsEncoder()
    encoder.fit(list(table.items["features"]))
    assert set(features(encoder)) == {"tags has red", "tags has blue", "tags is blank", "n"}


@pytest.mark.parametrize("unit", ["[kg]", "[m/s]", "[-]", "{a: 1}", '{"a": 1}', "[0, 5)"])
def test_a_text_in_brackets_is_no_vector(unit: str) -> None:
    frame = pd.DataFrame({"weight": [unit, *map(str, range(9))], "n": range(10)})
    table = read_table(frame, features="weight,n")
    encoder = ColumnsEncoder()
    encoder.fit(list(table.items["features"]))
    assert "weight: numbers; 1 blank training cell" in encoder.notes[0]


@pytest.mark.parametrize("vector", ["[1, 2]", "[1. 2.]", "[-1e-3 nan]", "[[1, 2]]", "[1 ... 2]"])
def test_a_vector_written_as_a_text_is_refused(vector: str) -> None:
    with pytest.raises(InputError, match="holds vectors, which stand beside no other columns"):
        read_table(pd.DataFrame({"v": [vector] * 4, "n": range(4)}), features="v,n")


def test_cells_with_another_decimal_sign_than_in_training_are_said() -> None:
    encoder = fitted({"price": ["1,5", "2,5", "1.204,5", "0,5"]})
    (said,) = encoder.notes_on(items_of({"price": ["0.5", "2.75", "1.234"]}))
    assert said.startswith("price: 2 cells with a decimal point, where training had a comma: ")
    assert "what could be 1.234 or 1234 (1 cell) is read as in training" in said
    assert encoder.encode(items_of({"price": ["1.234"]}))[0] == 1234
    assert encoder.notes_on(items_of({"price": ["0,5", "1.234"]})) == ()
    assert encoder.notes_on(items_of({"price": ["0.5", "2.75"]})) == ()  # read as what they are


def test_cells_without_the_unit_of_training_are_said() -> None:
    encoder = fitted({"share": ["12 %", "15 %", "60 %", "75 %", "9"] * 4})
    (said,) = encoder.notes_on(items_of({"share": ["0.12", 0.6, "75 %"]}))
    assert said == (
        "share: 2 cells without %, in which the column was in training, taken to be in it: 0.5 is "
        "0.5 %, not a half."
    )
    assert not encoder.notes_on(items_of({"share": ["12 %", "60 %", "75"]}))


def test_numbers_of_a_column_that_lost_its_unit_are_said() -> None:
    encoder = fitted({"weight": ["1.2 kg", "2.5 kg", "3 kg", "0.4 kg"] * 3})
    assert encoder.notes_on(items_of({"weight": ["1.2 kg", "3", "0.4 kg"]})) == ()
    (said,) = encoder.notes_on(items_of({"weight": [1200, "2500", None]}))
    assert (
        said == "weight: 2 cells without kg, which every cell had in training, taken to be in it."
    )
    mixed = fitted({"weight": ["1.2 kg", "2.5", "3", "0.4 kg"] * 3})
    assert mixed.notes_on(items_of({"weight": ["1200", 3]})) == ()


def test_numbers_in_several_units_are_left_out_for_that_reason() -> None:
    weights = [f"{n} kg" if n % 2 else f"{n}00 g" for n in range(1, 21)]
    note = fitted({"weight": weights, "n": list(range(20))}).notes[0]
    assert "left out: its numbers are in several units, kg (10), g (10); bring them to one" in note


@pytest.mark.parametrize("infinite", [np.inf, "-inf", "∞", "Infinity"])
def test_a_column_of_numbers_with_many_infinities_is_one_of_numbers(infinite: Any) -> None:
    encoder = fitted({"ratio": [0.1, 0.2, infinite, 0.4, infinite, 0.6, infinite, 0.8]})
    assert "ratio: numbers; 3 blank training cells" in encoder.notes[0]
    (said,) = encoder.notes_on(items_of({"ratio": [0.1, infinite]}))
    assert "1 cell that cannot be read as numbers (the first, " in said
    assert "left out" in fitted({"ratio": [infinite, infinite], "n": [1, 2]}).notes[0]


@pytest.mark.parametrize(
    ("trained", "given", "first", "other"),
    [
        (["13/3/2024", "5/4/2024", "28/5/2023"], ["3/13/2024", "4/5/2024"], "day", "month"),
        (["3-13-2024", "4-5-2024", "5-28-2023"], ["13-3-2024", "5-4-2024"], "month", "day"),
    ],
)
def test_dates_in_the_other_order_than_in_training_are_said(
    trained: list[str], given: list[str], first: str, other: str
) -> None:
    """Those after the twelfth of a month cannot be read; the others are other days."""
    encoder = fitted({"added": trained * 2})
    notes = " ".join(encoder.notes_on(items_of({"added": given})))
    assert (
        f"added: 1 cell with the {other} first, where training had the {first}: what could be "
        "either (1 cell) is read as in training, and may be another day."
    ) in notes
    assert not encoder.notes_on(items_of({"added": trained}))
    assert "may be another day" not in " ".join(encoder.notes_on(items_of({"added": ["x"]})))


def test_a_blank_beside_something_is_the_median_of_training() -> None:
    columns = {"a": ["1", "3", "x y", "5", "7", "9"], "b": ["u", "u", "v", "v", "u", "v"]}
    out = vectors(columns, {"a": [None, "100"], "b": ["u", None]})
    np.testing.assert_array_equal(out, [[5, 1, 1, 0], [100, 0, 0, 0]])


def test_yes_or_no_in_several_languages_and_types() -> None:
    for yes, no in [("Yes", "no"), ("ja", "Nein"), ("TRUE", "False"), (True, False), ("✓", "✗")]:
        encoder = fitted({"sale": [yes, no, yes, yes]})
        assert encoder.columns[0].kind == "yes or no"
        assert encoder.encode(items_of({"sale": [yes, no, "1"]})).ravel().tolist() == [1, 0, 1]
    assert fitted({"a": ["1", "0", "1", "0"]}).columns[0].kind == "number"
    assert fitted({"a": ["no", "se", "no", "se"]}).columns[0].kind == "category"


@pytest.mark.parametrize("codes", ["n o t", "t f n", "N S O", "NO SI NE"])
def test_codes_that_are_words_for_yes_somewhere_stay_apart(codes: str) -> None:
    """Of mushrooms, rings are n, o or t: none, one, two. As yes or no two of them were the same."""
    encoder = fitted({"rings": codes.split() * 3})
    assert encoder.columns[0].kind == "category"
    vectors = encoder.encode(items_of({"rings": codes.split()}))
    assert len({tuple(vector) for vector in vectors.tolist()}) == 3


@pytest.mark.parametrize("words", ["yes Y no N 1 0", "TRUE t False f", "si sí no", "ja yes no"])
def test_long_and_short_words_for_yes_are_one(words: str) -> None:
    assert fitted({"sale": words.split() * 3}).columns[0].kind == "yes or no"


def test_categories_with_rare_and_unseen_ones() -> None:
    columns = {"colour": ["red", "Red ", "blue", "blue", "teal", None]}
    encoder = fitted(columns)
    assert features(encoder) == [
        "colour=red", "colour=blue", "colour=(other)", "colour is blank",
    ]  # fmt: skip
    new = {"colour": ["RED", "pink", None], "more": ["1", "1", "1"]}
    out = encoder.encode(items_of(new))
    np.testing.assert_array_equal(out[:2], [[1, 0, 0, 0], [0, 0, 1, 0]])
    assert "3 categories, 1 rare ones as 'other'" in encoder.notes[0]
    unused, unseen = encoder.notes_on(items_of(new))
    assert "more: not used" in unused
    assert "1 cell with categories that are rare or not in the training rows" in unseen
    # Without a rare one nothing was learnt of "other": an unseen one is none of the known.
    plain = fitted({"colour": ["red", "red", "blue", "blue"]})
    assert plain.encode(items_of({"colour": ["pink"]})).tolist() == [[0, 0]]


def test_what_is_one_category_in_several_spellings_is_said_to_be() -> None:
    encoder = fitted({"unit": ["m", "M", "m"], "n": ["1", "2", "3"]})
    assert "unit: left out: 'm' in all training rows, in several spellings." in encoder.notes


@pytest.mark.parametrize("never", ["1900-01-01", "1970-01-01 00:00:00", "2099-12-31"])
def test_days_that_stand_for_none_are_said(tmp_path: Path, never: str) -> None:
    days = [never, "2024-03-01", "2023-05-02", never, "2022-06-03"]
    (note,) = fitted({"sold": days}).notes
    assert f"; 2 cells of {never}, far from all others: if that stands for no date" in note
    lines = "".join(f"{day},a\n" for day in days)
    (tmp_path / "t.csv").write_text(f"sold,y\n{lines}")
    table = read_table(tmp_path / "t.csv", features="sold", missing=f"auto,{never}")
    assert [item is None for item in table.items["features"]] == [True, False, False, True, False]


@pytest.mark.parametrize(
    "days",
    [
        ["1900-01-01", "1950-02-03", "2024-03-01"] * 2,
        ["1970-01-01", "1970-01-02"] * 2,
        ["1900-01-01", "2024-03-01", "2023-05-02"],
    ],
)
def test_days_among_others_are_days(days: list[str]) -> None:
    assert "far from all others" not in fitted({"sold": days}).notes[0]


def test_tags_in_texts_and_in_lists() -> None:
    texts = ["red; cotton", "blue;wool", "Red; wool ;", "odd; cotton", None]
    lists = [["red", "cotton"], ["blue", "wool"], ["red", "wool"], ["odd", "cotton"], None]
    for tags in (texts, lists):
        encoder = fitted({"tags": tags, "n": ["1", "2", "3", "4", "5"]})
        assert encoder.columns[0].kind == "tags"
        names = [name.replace("Red", "red") for name in features(encoder)]
        assert names[:4] == [
            "tags has red", "tags has cotton", "tags has wool", "tags has (other)",
        ]  # fmt: skip
        assert names[4] == "tags is blank"
        new = items_of({"tags": ["cotton; silk", None], "n": ["1", "1"]})
        np.testing.assert_array_equal(
            encoder.encode(new)[:, :5], [[0, 1, 0, 1, 0], [0, 0, 0, 0, 1]]
        )
    towns = {"town": ["Bern, CH", "Rome, IT", "Bern, CH", "Rome, IT"]}
    assert fitted(towns).columns[0].kind == "category"


def test_dates_as_texts_and_as_dates() -> None:
    texts = ["1.2.2024", "14.2.2024", "3.5.2024", "30.11.2024"]
    typed = [datetime.datetime.strptime(text, "%d.%m.%Y").date() for text in texts]
    encoder = fitted({"added": texts})
    out = encoder.encode(items_of({"added": texts}))
    np.testing.assert_array_equal(out, vectors({"added": typed}))
    assert features(encoder)[0] == "added: days"
    assert np.diff(out[:2, 0]) == 13
    assert "dates from 2024-02-01 to 2024-11-30" in encoder.notes[0]
    compact = fitted({"day": ["20240201", "20240214", "20240503"]})
    assert compact.columns[0].kind == "date"
    assert fitted({"year": ["2019", "2024", "2020"]}).columns[0].kind == "number"


def test_dates_that_no_training_cell_wrote_are_kept_and_read_from_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"at": pd.date_range("2024-01-01 10:30", periods=6, freq="31h")})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    typed = list(read_table(tmp_path / "t.parquet", features="at").items["features"])
    encoder = ColumnsEncoder()
    encoder.fit(typed)
    again = ColumnsEncoder(encoder.save(tmp_path / "kept"))
    written = list(read_table(tmp_path / "t.csv", features="at").items["features"])
    assert not again.notes_on(written)
    np.testing.assert_array_equal(again.encode(written), encoder.encode(typed))


def test_dates_in_other_zones_are_read_in_utc_and_it_is_said() -> None:
    typed = list(pd.date_range("2024-07-01", periods=4, tz="Europe/Berlin"))
    for cells in (typed, [str(cell) for cell in typed]):
        encoder = fitted({"at": cells})
        assert "dates from 2024-06-30 to 2024-07-03" in encoder.notes[0]
        assert encoder.notes[0].endswith("in UTC, though cells are in other zones.")
    for cells in ([cell.tz_convert("UTC") for cell in typed], ["2024-07-01 10:00:00+00:00"] * 2):
        assert "zones" not in fitted({"at": [*cells, "2024-07-02"]}).notes[0]


def test_times_in_other_zones_than_in_training_are_said() -> None:
    plain, zoned = "2024-07-01 10:00:00", "2024-07-01 10:00:00+02:00"
    naive = fitted({"at": [plain, "2024-07-02 11:30:00"] * 3})
    (said,) = naive.notes_on(items_of({"at": [zoned, plain]}))
    assert said.startswith("at: 1 cell in another zone than UTC, and read in UTC; in training no ")
    for same in (plain, f"{plain}Z", pd.Timestamp(plain, tz="UTC"), "2024-07-03"):
        assert naive.notes_on(items_of({"at": [same]})) == ()
    aware = fitted({"at": [zoned, "2024-07-02 11:30:00+02:00", plain] * 3})
    for other in (plain, pd.Timestamp(plain), "2024-07-03"):
        (said,) = aware.notes_on(items_of({"at": [other]}))
        assert said.startswith("at: 1 cell without a zone, taken for UTC; in training cells had ")
    for same in (zoned, f"{plain}Z", pd.Timestamp(plain, tz="UTC"), None):
        assert aware.notes_on(items_of({"at": [same]})) == ()


def test_new_days_that_stand_for_none_are_said() -> None:
    encoder = fitted({"sold": ["2024-03-01", "2023-05-02", "2022-06-03"] * 2})
    (said,) = encoder.notes_on(items_of({"sold": ["1970-01-01", "2024-01-01", "1900-01-01"]}))
    assert said.startswith("sold: 2 cells of days that stand for no date elsewhere (the first, '19")
    assert encoder.notes_on(items_of({"sold": ["2031-01-02", "1999-12-31"]})) == ()
    of_old = fitted({"born": ["1965-03-01", "1972-05-02", "1980-06-03"] * 2})
    assert of_old.notes_on(items_of({"born": ["1970-01-01"]})) == ()


def test_years_of_two_digits_are_said_to_be_of_a_century() -> None:
    said = "; years of two digits are taken for 1969 to 2068."
    assert fitted({"born": ["13.3.24", "5.4.99", "28.5.41"]}).notes[0].endswith(said)
    assert said not in fitted({"born": ["13.3.2024", "5.4.1999", "28.5.1941"]}).notes[0]


def test_compact_days_are_days_beside_holes_too() -> None:
    days = [20240201, 20240214, 20240503]
    whole = fitted({"day": days})
    for cells in ([float(day) for day in days], [f"{day}.0" for day in days]):
        assert not whole.notes_on(items_of({"day": cells}))
        np.testing.assert_array_equal(
            whole.encode(items_of({"day": cells})), vectors({"day": days})
        )
        assert fitted({"day": [*cells, None]}).columns[0].kind == "date"


def test_spans_and_times_of_day_are_seconds_in_every_kind_of_cell() -> None:
    seconds = [90, -3600, 68050, 2 * 86400, 7]
    spans = [datetime.timedelta(seconds=s) for s in seconds]
    kinds = {
        "python": spans,
        "pandas": pd.Series(pd.to_timedelta(seconds, unit="s")).astype(object).tolist(),
        "numpy": [*(np.timedelta64(s, "s") for s in seconds[:2]),
                  np.timedelta64(68050, "s"), np.timedelta64(2, "D"), np.timedelta64(7000, "ms")],
        "texts": [str(span) for span in spans],
    }  # fmt: skip
    for name, cells in kinds.items():
        encoder = fitted({"length": cells})
        assert encoder.columns[0].kind == "time", name
        assert encoder.encode(items_of({"length": cells}))[:, 0].tolist() == seconds, name
    assert encoder.notes == ("length: times, in seconds; a time of day from midnight on.",)
    assert encoder.notes_on(items_of({"length": ["soon"]})) == (
        "length: 1 cell that cannot be read as times such as 18:54:10 (the first, 'soon'), counted "
        "as blank.",
    )
    clock = [datetime.time(h, 5, 0, 500_000) for h in range(4)]
    assert vectors({"open": clock})[:, 0].tolist() == [h * 3600 + 300.5 for h in range(4)]
    scores = fitted({"score": ["1:0", "2:1", "1:0", "2:1"]})  # nor "12:30", which may be one
    assert scores.columns[0].kind == "category"


def test_times_of_tables_are_read_alike_in_every_format(tmp_path: Path) -> None:
    frame = pd.DataFrame({"length": pd.to_timedelta([90, None, 68050, 7], unit="s")})
    frame["open"] = [datetime.time(9), datetime.time(18, 30), None, datetime.time(9)]
    frame["n"] = [1, 2, 3, 4]
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = []
    for source in (frame, tmp_path / "t.parquet", tmp_path / "t.csv"):
        items = list(read_table(source, features="length,open,n").items["features"])
        encoder = ColumnsEncoder()
        encoder.fit(items)
        assert [column.kind for column in encoder.columns] == ["time", "time", "number"]
        found.append(encoder.encode(items).tolist())
    assert found[0] == found[1] == found[2]
    lists = pd.DataFrame({"v": [np.array([5, 6], dtype="timedelta64[s]")] * 2})
    with pytest.raises(InputError, match="not a list of numbers"):
        read_table(lists, features="v")


def test_typed_cells_of_frames_and_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3, 4], dtype="Int64"),
            "kind": pd.Categorical(["a", "b", "a", "b"]),
            "day": pd.date_range("2024-01-01", periods=4, tz="UTC"),
            "sale": pd.array([True, None, False, True], dtype="boolean"),
            "tags": [["x", "y"], ["x"], None, ["y"]],
            "only": [None, 7.0, 7.0, None],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    found = []
    for source in (frame, tmp_path / "t.parquet"):
        items = list(read_table(source, features="whole,kind,day,sale,tags,only").items["features"])
        encoder = ColumnsEncoder()
        encoder.fit(items)
        kinds = ["number", "category", "date", "yes or no", "tags", "number"]
        assert [column.kind for column in encoder.columns] == kinds
        assert "only whether a cell is blank is used" in encoder.notes[-1]
        found.append((items, encoder.encode(items)))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])
    assert found[0][1][:, 0].tolist() == [1, 3, 3, 4]


def test_what_is_left_out_is_said() -> None:
    n = 20
    encoder = fitted(
        {
            "sku": [f"sku-{i * 7}x" for i in range(n)],
            "same": ["a"] * n,
            "empty": [None] * n,
            "zip": ["01234", "12345"] * (n // 2),
        }
    )
    assert features(encoder) == ["zip=01234", "zip=12345"]
    sku, same, empty, _ = encoder.notes
    assert "sku: left out: nearly every cell is another text" in sku
    assert "same: left out: 'a' in all training rows" in same
    assert "empty: left out: blank in all training rows" in empty
    with pytest.raises(InputError, match=r"nothing to learn from.*same: left out"):
        fitted({"same": ["a"] * n})


def test_other_columns_tell_how_a_column_is_to_be_read() -> None:
    encoder = fitted({"price": ["1.234,50", "2,5", "3,5"], "stock": ["1.200", "2.300", "1.200"]})
    assert encoder.encode(items_of({"price": ["1,5"], "stock": ["4.500"]})).tolist() == [
        [1.5, 4500]
    ]
    assert "is read as 1200, as the other columns have it" in encoder.notes[1]


def test_what_was_fitted_is_saved_as_json_and_gives_the_same_bits(tmp_path: Path) -> None:
    columns = {
        "price": ["1,5", "2,5", None],
        "added": ["1.2.2024", "2.2.2024", "3.2.2024"],
        "colour": ["Grün", "grün", "rot"],
    }
    encoder = fitted(columns)
    with pytest.raises(InputError, match="has not been fitted"):
        ColumnsEncoder().save(tmp_path / "no")
    encoder.save(tmp_path / "kept")
    loaded = load_encoder(f"columns:{tmp_path / 'kept'}", "features")
    assert isinstance(loaded, ColumnsEncoder)
    assert loaded.settings == {**encoder.settings, "spec": loaded.settings["spec"]}
    items = items_of(columns)
    assert loaded.encode(items).tobytes() == encoder.encode(items).tobytes()
    content = json.loads((tmp_path / "kept" / "columns.json").read_text(encoding="utf-8"))
    content["columns"][0]["kind"] = "magic"
    (tmp_path / "kept" / "columns.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"no fitted columns that can be read.*magic"):
        ColumnsEncoder(tmp_path / "kept")


def test_a_row_does_not_depend_on_its_batch() -> None:
    rng = np.random.default_rng(0)
    columns = {
        "n": [f"{x:.2f}" if rng.random() > 0.1 else None for x in rng.normal(size=50)],
        "c": rng.choice(["a", "b", "c", "-"], size=50).tolist(),
    }
    encoder, items = fitted(columns), items_of(columns)
    alone = np.vstack([encoder.encode([item]) for item in items])
    np.testing.assert_array_equal(encoder.encode(items), alone)


def test_columns_are_found_by_name() -> None:
    encoder = fitted({"a": ["1", "2", "3,5"], "b": ["5", "6", None]})
    swapped = Cells(("b", "a"), ("6", "2"))
    np.testing.assert_array_equal(encoder.encode([swapped]), [[2, 6, 0]])
    alone = [Cells(("a",), ("2",))]
    np.testing.assert_array_equal(encoder.encode(alone), [[2, 5.5, 1]])
    assert encoder.notes_on(alone) == (
        "b: the table has no such column, so it is blank in every row.",
    )


def test_vectors_and_cells_are_not_mixed_up() -> None:
    with pytest.raises(InputError, match="reads the cells of columns, got ndarray"):
        ColumnsEncoder().fit([np.zeros(2)])  # type: ignore[list-item]
    identity = IdentityEncoder()
    np.testing.assert_array_equal(identity.prepare(Cells(("a", "b"), ("1", 2))), [1, 2])
    with pytest.raises(UnreadableItem, match="'b' is blank"):
        identity.prepare(Cells(("a", "b"), ("1", None)))


def test_encoding_fits_on_training_rows_alone_and_says_what_it_found(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "price": ["1,5", "2,5", "3,5", "900,5", None, "?"],
            "split": ["train", "train", "train", "test", "test", "test"],
        }
    )
    table = read_table(frame, features="price", split="split")
    assert table.present.ravel().tolist() == [True] * 4 + [False] * 2
    result = encode(table, output=tmp_path / "store")
    np.testing.assert_array_equal(
        result.embeddings.values["features"][:, 0], [1.5, 2.5, 3.5, 900.5]
    )
    assert result.summary.notes == ("price: numbers with decimal comma.",)
    spec = result.embeddings.encoders["features"]["spec"]
    assert spec == f"columns:{(tmp_path / 'store' / '_encoders' / 'features').resolve()}"
    again = encode(table, output=tmp_path / "store")
    assert again.summary.modalities["features"].reused == 4


def test_a_row_that_holds_nothing_readable_is_unreadable() -> None:
    cells = ["1,5", "2,5", "3,5", "4,5", "5,5", "abc"]
    table = read_table(pd.DataFrame({"price": cells, "split": ["train"] * 6}), features="price",
                       split="split")  # fmt: skip
    result = encode(table)
    assert result.embeddings.present.ravel().tolist() == [True] * 5 + [False]
    assert "no cell that can be read" in result.summary.unreadable[0].reason


def test_plain_numbers_stay_vectors_unless_columns_is_asked_for() -> None:
    frame = pd.DataFrame({"size": [1, 2, 3, 4], "split": ["train"] * 4})
    table = read_table(frame, features="size", split="split")
    assert encode(table).embeddings.encoders["features"]["spec"] == "identity"
    step = Encode({"size": "columns"}).fit(frame)
    holes = pd.DataFrame({"size": [None, 7, "8,5"]})
    found = step.transform(holes)
    assert found.present.ravel().tolist() == [False, True, True]
    assert found.values["size"].tolist() == [[7], [8.5]]
