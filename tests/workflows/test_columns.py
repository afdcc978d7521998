"""A table of columns as people write them: fit, predict, evaluate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from srmm.cli import main
from srmm.data.store import load_embeddings
from srmm.learning.saving import read_config

pytestmark = pytest.mark.usefixtures("brief_training")


def run(*arguments: object) -> int:
    """The exit status of the command."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def german(number: float) -> str:
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,")) + " €"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three types of product, told by price and colour, with holes, and a model of them."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 3, 90)
    prices = np.array([800, 1600, 2400])[kinds] + rng.normal(0, 60, 90)
    frame = pd.DataFrame(
        {
            "price": [german(price) if rng.random() > 0.1 else "" for price in prices],
            "colour": [["red", "blue", "green"][kind] for kind in kinds],
            "added": [f"{1 + i % 28}.{1 + i % 12}.2024" for i in range(90)],
            "wide": np.round(kinds + rng.normal(size=90), 2),
            "type": [["shoe", "shirt", "hat"][kind] for kind in kinds],
        }
    )
    frame.loc[3, "price"] = "on request"
    frame.loc[4, ["price", "colour", "added"]] = ["NA", "", "-"]
    frame.to_csv(folder / "products.csv", index=False)
    chosen = ["--features", "info=price,colour,added", "--features", "wide", "--label", "type"]
    table, model = folder / "products.csv", folder / "model"
    assert run("fit", table, *chosen, "-o", model, "--method", "logreg", "-q") == 0
    return folder


@pytest.mark.workflow
def test_fit_says_what_it_took_the_columns_for_and_keeps_it(shop: Path) -> None:
    config = read_config(shop / "model")
    notes = config["origin"]["notes"]
    assert any(note.startswith("price: numbers with decimal comma, in €") for note in notes)
    assert "colour: 3 categories" in " ".join(notes)
    assert any("(the first, 'on request'), counted as blank" in note for note in notes)
    assert config["inputs"]["info"]["encoder"].startswith("columns:")
    assert config["inputs"]["wide"]["encoder"] == "identity"
    assert "price" in config["encoders"]["info"]["features"]
    store = load_embeddings(shop / "model.embeddings")
    assert store.present.sum(axis=0).tolist() == [89, 90]
    # Learnt from the training rows and from no others.
    kept = json.loads((shop / "model" / "encoders" / "info" / "columns.json").read_text())
    price = kept["columns"][0]
    place = config["encoders"]["info"]["features"].index("price")
    values = store.to_array("info")[:, place]
    rows = pd.read_parquet(shop / "model" / "rows.parquet")
    given = pd.read_csv(shop / "products.csv")["price"].str.contains("€").fillna(False).to_numpy()
    training = (rows["split"] == "train").to_numpy() & given
    np.testing.assert_allclose(np.median(values[training]), price["fill"][0], rtol=1e-6)


@pytest.mark.workflow
def test_predict_reads_other_rows_as_the_model_learnt_to(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = pd.DataFrame(
        {
            "price": ["800", "cheap", "2.400,5", None],
            "colour": ["red", "BLUE", "mauve", None],
            "wide": [0.0, 1.0, None, 2.0],
        }
    )
    new.to_csv(shop / "new.csv", index=False)
    assert run("predict", shop / "model", shop / "new.csv", "-o", shop / "out.csv", "-q") == 0
    said = capsys.readouterr().out
    assert "note: added: the table has no such column" in said
    assert "price: 1 cell that cannot be read as numbers in € (the first, 'cheap')" in said
    assert "colour: 1 cell with categories that are rare or not in the training rows" in said
    out = pd.read_csv(shop / "out.csv")
    assert out["label"].tolist()[:2] == ["shoe", "shirt"]
    assert out["info_present"].tolist() == [True, True, True, False]
    assert out["wide_present"].tolist() == [True, True, False, True]


@pytest.mark.workflow
def test_a_model_of_plain_numbers_meets_a_cell_that_is_none(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = pd.DataFrame({"price": ["800", "900"], "colour": ["red", "red"], "wide": ["0.5", "?!"]})
    new.to_csv(shop / "odd.csv", index=False)
    assert run("predict", shop / "model", shop / "odd.csv", "-o", shop / "odd-out.csv", "-q") == 0
    assert "'wide' is '?!', no finite number" in capsys.readouterr().out
    assert pd.read_csv(shop / "odd-out.csv")["wide_present"].tolist() == [True, False]


@pytest.mark.slow
@pytest.mark.workflow
def test_evaluate_knows_the_held_out_rows(shop: Path) -> None:
    for source in ([], [shop / "products.csv"]):
        arguments = ["evaluate", shop / "model", *source, "-o", shop / "report.html", "-q"]
        assert run(*arguments) == 0
        report = json.loads((shop / "report.json").read_text())
        assert report["data"]["splits"]["test"] in (22, 23)
        assert report["patterns"][0]["accuracy"] > 0.8


@pytest.mark.workflow
def test_another_split_fits_the_columns_again(shop: Path) -> None:
    chosen = ["--features", "info=price,colour", "--label", "type", "--method", "logreg", "-q"]
    medians = []
    for seed in (1, 2):
        arguments = ["-o", shop / "again", "--overwrite", "--seed", seed]
        assert run("fit", shop / "products.csv", *chosen, *arguments) == 0
        kept = json.loads((shop / "again" / "encoders" / "info" / "columns.json").read_text())
        medians.append(kept["columns"][0]["fill"])
    assert medians[0] != medians[1]
