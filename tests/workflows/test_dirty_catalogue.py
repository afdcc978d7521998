"""A catalogue as shops have it: all done with its dirt has a line, and costs no accuracy."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from srmm.cli import run

pytestmark = pytest.mark.usefixtures("brief_training")

FASHION = Path(__file__).resolve().parents[3] / "shared" / "data" / "fashion"
COLOURS = {"shirt": "red", "hat": "blue", "shoe": "green"}
CHOICE = ["--image", "photo", "--text", "title", "--label", "kind", "--id", "sku", "-q"]


def made_up(folder: Path, n: int = 90) -> pd.DataFrame:
    """A clean catalogue of three classes; its pictures in folder/images."""
    (folder / "images").mkdir()
    rows = []
    for i, kind in enumerate([*COLOURS] * (n // 3)):
        picture = Image.new("RGB", (24, 24), COLOURS[kind])
        picture.paste("white", (i % 10, i // 10, i % 10 + 5, i // 10 + 5))  # each its own
        picture.save(folder / "images" / f"{i}.png")
        title = f"a {COLOURS[kind]} {kind}, number {i}"
        rows.append({"sku": f"p{i}", "photo": f"images/{i}.png", "title": title, "kind": kind})
    return pd.DataFrame(rows)


def fashion(folder: Path, n: int = 300) -> pd.DataFrame:
    """Products of the six largest classes."""
    styles = pd.read_csv(FASHION / "styles.csv", usecols=range(10), on_bad_lines="skip")
    frame = styles.rename(columns={"articleType": "kind", "productDisplayName": "title"})
    frame = frame.dropna(subset=["title", "kind"])
    largest = frame["kind"].value_counts().index[:6]
    frame = frame[frame["kind"].isin(largest)].sample(n, random_state=0)
    frame["sku"] = "p" + frame["id"].astype(str)
    frame["photo"] = "images/" + frame["id"].astype(str) + ".jpg"
    with zipfile.ZipFile(FASHION / "images.zip") as archive:
        there = set(archive.namelist())
        frame = frame[frame["photo"].isin(there)].reset_index(drop=True)
        for member in frame["photo"]:
            archive.extract(member, folder)
    return frame[["sku", "photo", "title", "kind"]]


def soiled(clean: pd.DataFrame, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(dirty, cleaned): what a shop has, and the same as a careful person would have written it."""
    cleaned, dirty = clean.copy(), clean.copy()
    n = len(clean)
    markers = ["nan", "N/A", "-", "TBD", "NULL", "?"]
    titles, photos = np.arange(0, n, 9), np.arange(4, n, 9)
    dirty.loc[titles, "title"] = [markers[i % 6] for i in range(len(titles))]
    dirty.loc[photos, "photo"] = [markers[i % 6] for i in range(len(photos))]
    cleaned.loc[titles, "title"] = None
    cleaned.loc[photos, "photo"] = None
    backslashes, absolute, gone = np.arange(5, n, 9), np.arange(6, n, 18), np.arange(7, n, 30)
    dirty.loc[backslashes, "photo"] = clean["photo"][backslashes].str.replace("/", "\\")
    dirty.loc[absolute, "photo"] = str(folder) + "/" + clean["photo"][absolute]
    dirty.loc[gone, "photo"] = "old/" + clean["photo"][gone]
    cleaned.loc[gone, "photo"] = None
    blanks = np.arange(8, n, 9)
    dirty.loc[blanks, "kind"] += " "
    again = dirty.iloc[[1, 2]].assign(sku=["again1", "again2"])
    alone = dirty.iloc[[3, 10]].assign(sku=["alone1", "alone2"], kind=["vase", "SHIRT"])
    alone["title"] = ["a vase", "a shirt in capitals"]
    dirty = pd.concat([dirty, again, alone], ignore_index=True)
    return dirty, cleaned


def accuracy(model: Path, capsys: pytest.CaptureFixture[str]) -> tuple[float, int]:
    """Of all test rows together, by their most complete pattern; and how many there are."""
    report = model.with_suffix(".html")
    assert run(["evaluate", str(model), "--no-baselines", "-q", "-o", str(report)]) == 0
    capsys.readouterr()
    entry = json.loads(report.with_suffix(".json").read_text())["patterns"][0]
    return entry["accuracy"], entry["n"]


def check(
    clean: pd.DataFrame, folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[float, float]:
    """The accuracy on the dirty table and on the cleaned one, once all lines were found."""
    dirty, cleaned = soiled(clean, folder)
    dirty.to_csv(folder / "dirty.csv", index=False)
    cleaned.to_csv(folder / "cleaned.csv", index=False)
    fit = ["--method", "logreg", *CHOICE]
    table, model = str(folder / "dirty.csv"), str(folder / "dirty")
    assert run(["fit", table, "-o", model, *fit]) == 1
    assert "'SHIRT', 'vase'" in capsys.readouterr().err  # before anything is encoded
    assert run(["fit", table, "-o", model, *fit, "--rare", "drop"]) == 0
    said = capsys.readouterr().out
    n = len(clean)
    titles = len(range(0, n, 9))
    photos = len(range(4, n, 9)) - len(set(range(4, n, 9)) & set(range(7, n, 30)))
    for line in (
        f"note: Column 'title': {titles} cells count as absent, 'nan' (",
        f"note: Column 'photo': {photos} cells count as absent, ",
        "paths are read with slashes for backslashes",
        "missing files",
        "The first missing image file is ",
        "/old/images/",
        f"note: Column 'kind': blanks around {len(range(8, n, 9))} labels were taken off",
        "note: 2 classes have fewer than 2 rows: 'vase' (1), 'SHIRT' (1). Their 2 rows are left",
        "note: 2 rows repeat the items of another row exactly",
        "rows left out: 2 of a rare class",
        "classes, from ",
    ):
        assert line in said, line
    notes = [line for line in said.splitlines() if line.startswith("note: ")]
    prior = ["--when-nothing", "prior", "-q"]
    assert run(["predict", model, table, "-o", str(folder / "p.csv"), *prior]) == 0
    again = [x for x in capsys.readouterr().out.splitlines() if x.startswith("note: ")]
    of_labels = ("fewer than", "repeat", "Column 'kind'")  # which prediction does not read
    assert again == [x for x in notes if not any(part in x for part in of_labels)]
    # The same table through pandas' own reading: the same predictions.
    pd.read_csv(table).to_csv(folder / "pandas.csv", index=False)
    through_pandas = [str(folder / "pandas.csv"), "-o", str(folder / "q.csv"), *prior]
    assert run(["predict", model, *through_pandas]) == 0
    capsys.readouterr()
    pd.testing.assert_frame_equal(pd.read_csv(folder / "p.csv"), pd.read_csv(folder / "q.csv"))

    assert run(["fit", str(folder / "cleaned.csv"), "-o", str(folder / "clean"), *fit]) == 0
    assert "cells count as absent" not in capsys.readouterr().out
    (first, n_first), (second, n_second) = (
        accuracy(folder / m, capsys) for m in ("dirty", "clean")
    )
    noise = 3 * np.sqrt(0.25 / n_first + 0.25 / n_second)
    assert abs(first - second) < noise
    return first, second


@pytest.mark.slow
@pytest.mark.workflow
def test_a_made_up_catalogue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = check(made_up(tmp_path), tmp_path, capsys)
    assert first == second == 1.0  # colours and words say it all


@pytest.mark.slow
@pytest.mark.workflow
@pytest.mark.skipif(not FASHION.is_dir(), reason="the fashion catalogue is not there")
def test_real_products(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = check(fashion(tmp_path), tmp_path, capsys)
    assert min(first, second) > 0.8
