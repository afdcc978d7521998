"""Formats on the whole way: fit, predict and evaluate on folders, databases and workbooks."""

from __future__ import annotations

import json
import sqlite3
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from srmm.cli import run

pytestmark = pytest.mark.workflow
SMALL = [
    "--setting",
    "hidden_dim=32",
    "--setting",
    "max_epochs=3",
    "--quiet",
    "--method",
    "srmm-paper",
]


def picture(shade: int, rng: np.random.Generator) -> Image.Image:
    return Image.fromarray(np.clip(rng.normal(shade, 30, (12, 12, 3)), 0, 255).astype(np.uint8))


def class_folders(folder: Path, n: int) -> Path:
    rng = np.random.default_rng(0)
    for label, shade in [("dark", 60), ("light", 200)]:
        for split in ("train", "test"):
            place = folder / split / label
            place.mkdir(parents=True)
            for k in range(n):
                picture(shade, rng).save(place / f"{k}.png")
    return folder


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


def test_a_folder_of_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop, model = class_folders(tmp_path / "shop", 6), tmp_path / "m"
    assert run(["fit", str(shop), "-o", str(model), *SMALL, "--json"]) == 0
    fitted = said(capsys)
    assert fitted["rows"] == {"train": 12, "test": 12}
    assert "Taken from shop itself" in fitted["notes"][0]
    origin = json.loads((model / "config.json").read_text())["origin"]
    assert origin["roles"] == {"label": "label", "id": "file_name", "split": "split"}
    out = tmp_path / "p.csv"
    assert run(["predict", str(model), str(shop / "test" / "dark"), "-o", str(out), "-q"]) == 0
    assert sorted(pd.read_csv(out)["id"]) == [f"{k}.png" for k in range(6)]
    report = tmp_path / "r.html"
    assert run(["evaluate", str(model), str(class_folders(tmp_path / "other", 3)), "-o",
                str(report), "--no-baselines", "-q"]) == 0  # fmt: skip
    assert json.loads(report.with_suffix(".json").read_text())["data"]["splits"]["test"] == 6


def test_a_database_and_its_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = class_folders(tmp_path / "files", 6)
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE goods (sku TEXT, photo BLOB, kind TEXT, n REAL)")
        connection.execute("CREATE TABLE other (a TEXT)")
        rows = [
            (str(file.relative_to(shop)), file.read_bytes(), file.parent.name, k)
            for k, file in enumerate(sorted(shop.rglob("*.png")))
        ]
        connection.executemany("INSERT INTO goods VALUES (?, ?, ?, ?)", rows)
    connection.close()
    model, source = tmp_path / "m", f"sqlite:///{tmp_path / 'shop.db'}"
    chosen = ["--image", "photo", "--label", "kind", "--id", "sku"]
    assert run(["fit", source, *chosen, "-o", str(model), *SMALL]) == 1
    assert "Choose with a query" in " ".join(capsys.readouterr().err.split())
    query = ["--query", "SELECT * FROM goods ORDER BY sku"]
    assert run(["fit", source, *chosen, *query, "-o", str(model), *SMALL]) == 0
    assert json.loads((model / "config.json").read_text())["origin"]["query"] == query[1]
    out = tmp_path / "p.csv"
    assert run(["predict", str(model), source, *query, "-o", str(out), "-q"]) == 0
    assert len(pd.read_csv(out)) == 24

    from srmm.workflows.pictures import open_noted

    table = open_noted(tmp_path / "m.embeddings")
    assert table is not None
    assert table.items["image"][0] == rows[0][1]


@pytest.mark.filterwarnings("ignore:Query string argument")  # SQLite knows no password
def test_no_password_lies_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sqlalchemy")
    frame = pd.DataFrame({"a": range(24), "b": [0.5] * 24, "y": ["u", "v"] * 12})
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        frame.to_sql("goods", connection, index=False)
    connection.close()
    source = f"sqlite+pysqlite:///{tmp_path / 'shop.db'}?password=hunter2"
    chosen = ["--features", "f=a", "--features", "g=b", "--label", "y"]
    assert run(["fit", source, *chosen, "-o", str(tmp_path / "m"), *SMALL]) == 0
    assert run(["evaluate", str(tmp_path / "m"), "-o", str(tmp_path / "r"), "--no-baselines"]) == 0
    assert run(["fit", source, *chosen, "--set", "a=b", "-o", str(tmp_path / "n"), *SMALL]) == 1
    more = ["--methods", "logreg,extratrees", "--seeds", "1", "-q"]
    assert run(["compare", source, *chosen, "-o", str(tmp_path / "c"), *more]) == 0
    shown = capsys.readouterr()
    assert "hunter2" not in shown.out + shown.err
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or b"hunter2" not in file.read_bytes()


def test_addresses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = class_folders(tmp_path / "shop", 6)
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(shop))) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        start = f"http://127.0.0.1:{server.server_port}/train"
        names = [*sorted(f"{f.parent.name}/{f.name}" for f in shop.glob("train/*/*.png")), "no.png"]
        rows = "".join(f"{start}/{name},{name.split('/')[0]},{k}\n" for k, name in enumerate(names))
        table = tmp_path / "t.csv"
        table.write_text("photo,kind,n\n" + rows.replace(",no.png,", ",dark,"))
        fit = ["fit", str(table), "--image", "photo", "--features", "n", "--label", "kind",
               "-o", str(tmp_path / "m"), "--download", str(tmp_path / "got"),
               "--private-addresses", *SMALL, "--json"]  # fmt: skip
        assert run(fit) == 0
        server.shutdown()
    fitted = said(capsys)
    assert fitted["notes"] == [
        "1 of the 13 addresses of 'image' could not be fetched and count as absent: "
        "404 File not found (1). The same command tries them again."
    ]
    (broken,) = fitted["summary"]["unreadable"]
    assert broken["reason"] == "could not be fetched: 404 File not found"
    assert len(list((tmp_path / "got").iterdir())) == 12
    assert run([*fit, "--overwrite"]) == 0  # the server is gone, its pictures are here
    assert said(capsys)["summary"]["modalities"]["image"]["present"] == 12
    noted = json.loads((tmp_path / "m.embeddings" / "_source.json").read_text())
    assert not {"download", "allow_private"} & set(noted["columns"])


def test_a_sheet_of_a_workbook(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"a": range(24), "b": [0.5] * 24, "y": ["u", "v"] * 12})
    frame.to_excel(tmp_path / "goods.xlsx", sheet_name="Now", index=False)
    source = f"{tmp_path / 'goods.xlsx'}#Now"
    model, out = tmp_path / "m", tmp_path / "p.csv"
    fit = ["fit", source, "--features", "f=a,b", "--label", "y", "-o", str(model), *SMALL]
    assert run(fit) == 0
    assert run(["predict", str(model), source, "-o", str(out), "-q"]) == 0
    assert len(pd.read_csv(out)) == 24
