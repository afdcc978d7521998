"""Outputs that would destroy something, or cannot be written, are refused before any work."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import srmm
from srmm.cli import run
from srmm.data.embeddings import Embeddings
from srmm.errors import InputError
from srmm.files import json_ready, write_json
from srmm.report import write_report
from srmm.workflows import evaluate_workflow, fit_workflow, made_by, predict_workflow
from srmm.workflows.evaluate import check_report
from srmm.workflows.places import check_file, check_not_inside, check_own, check_place
from tests.report.simulated_report import make_report


def anything(_: Path) -> bool:
    return True


def test_nothing_is_written_into_what_is_ours(model: Path, tmp_path: Path) -> None:
    store = model.parent / "m.embeddings"
    (tmp_path / "link").symlink_to(model)
    (tmp_path / "x.partial").mkdir()
    (tmp_path / "x.partial" / "in-use.txt").write_text("")
    before = (model / "config.json").read_bytes()
    for place, said in (
        (model / "config.html", "a model"),
        (model / "deep" / "er.html", "a model"),
        (store / "manifest.html", "a store of embeddings"),
        (tmp_path / "link" / "config.html", "a model"),
        (tmp_path / "x.partial" / "r.html", "unfinished work"),
    ):
        with pytest.raises(InputError, match=f"lies inside .*, which is .*{said}"):
            evaluate_workflow(model, place, baselines=False, overwrite=True)
        assert not place.exists()
    with pytest.raises(InputError, match=r"lies inside .* which is a model"):
        predict_workflow(model, str(model.parent / "t.csv"), model / "rows.parquet")
    with pytest.raises(InputError, match=r"lies inside .* which is a store"):
        fit_workflow(str(store), store / "m", method="logreg")
    assert (model / "config.json").read_bytes() == before


def test_a_damaged_model_is_still_a_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"lies inside .* which is a model"):
        check_place(tmp_path / "p.csv")


def test_nothing_is_written_into_an_exported_model(tmp_path: Path) -> None:
    """It would go with the next export, which replaces the folder."""
    (tmp_path / "srmm.json").write_text('{\n "format": "srmm-onnx"}')
    with pytest.raises(InputError, match=r"lies inside .* which is an exported model"):
        check_place(tmp_path / "labels.csv")
    check_place(tmp_path)


def test_places_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    for place, said in (
        (tmp_path / "file" / "p.csv", "file is a file, so there can be no"),
        (tmp_path / "dangling", "dangling is a link to .*nowhere, which does not exist"),
        (tmp_path / "dangling" / "p.csv", "dangling is a link to .*nowhere"),
        (tmp_path / "a" / "p.csv", "link"),
        (tmp_path / "pipe", "is a device or a pipe"),
        (Path("/dev/null"), "is a device or a pipe"),
        (tmp_path / ("x" * 256), "has 256 bytes, and a file system takes 255"),
        (tmp_path / ("ж" * 128), "has 256 bytes"),
        (tmp_path / Path(*["x" * 200] * 22), "is a path of 4,.* bytes"),
        ("p\0.csv", "zero byte"),
    ):
        with pytest.raises(InputError, match=said):
            check_place(place)
    check_place(tmp_path / ("x" * 255))
    check_place(tmp_path / "new" / "folders" / "p.csv")


def test_a_file_is_replaced_only_by_what_made_it(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    check_file(path, lambda _: False)
    path.write_bytes(b"")
    check_file(path, lambda _: False)  # nothing would be lost
    path.write_text("x")
    check_file(path, anything)
    check_file(path, lambda _: False, overwrite=True)
    with pytest.raises(InputError, match=r"notes\.csv exists, and this command did not make it"):
        check_file(path, lambda _: False)
    with pytest.raises(InputError, match="is a folder"):
        check_file(tmp_path, anything, overwrite=True)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_predictions_are_replaced_and_tables_are_not(
    model: Path, tmp_path: Path, ending: str
) -> None:
    source, output = str(model.parent / "t.csv"), tmp_path / f"p.{ending}"
    predict_workflow(model, source, output, keep=["all"], probabilities=True)
    predict_workflow(model, source, output, explain=True)  # other columns, the same command
    if ending in ("csv", "tsv"):
        frame = pd.read_csv(output, sep="\t" if ending == "tsv" else ",")
        frame["checked"] = "by hand"
        frame.to_csv(output, index=False, sep="\t" if ending == "tsv" else ",")
    elif ending == "jsonl":
        output.write_text('{"id": 1, "label": "by hand"}\n')
    elif ending == "parquet":
        pd.read_parquet(output).to_parquet(output)
    else:
        pd.read_excel(output).to_excel(output)
    before = output.read_bytes()
    with pytest.raises(InputError, match="did not make it, or it was changed since"):
        predict_workflow(model, source, output)
    assert output.read_bytes() == before
    predict_workflow(model, source, output, overwrite=True)
    predict_workflow(model, source, output)


def test_reports_are_replaced_and_other_pages_are_not(tmp_path: Path) -> None:
    page, numbers = tmp_path / "r.html", tmp_path / "r.json"
    write_json(numbers, json_ready(make_report(3, ["a", "b"])))
    write_report(make_report(3, ["a", "b"]), page)
    assert check_report(tmp_path / "r.html") == (page, numbers)
    numbers.write_text('{"settings": {"format": "srmm-report"}}')
    with pytest.raises(InputError, match=r"r\.json exists"):
        check_report(page)
    numbers.unlink()
    page.write_text("<html><head><title>Mine</title></head></html>")
    with pytest.raises(InputError, match=r"r\.html exists"):
        check_report(tmp_path / "r.html")
    check_report(page, overwrite=True)
    assert not made_by.page_of("srmm compare")(page)


@pytest.mark.workflow
@pytest.mark.slow
def test_a_page_is_overwritten_on_demand(model: Path, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    page.write_text("<html><head><title>Mine</title></head></html>")
    command = ["evaluate", str(model), "-o", str(page), "-q", "--no-baselines"]
    assert run(command) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert run([*command, "--overwrite"]) == 0
    check_report(page)


def test_a_page_that_only_quotes_ours_is_not_ours(tmp_path: Path) -> None:
    quoted = '<pre><meta name="generator" content="srmm evaluate"></pre>'
    (tmp_path / "r.html").write_text(f"<head><style></style></head><body>{quoted}")
    assert not made_by.page_of("srmm evaluate")(tmp_path / "r.html")


def test_a_model_does_not_replace_the_table_it_is_made_from(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    srmm.from_pretrained(model).save_pretrained(folder)
    (folder / "t.csv").write_bytes((model.parent / "t.csv").read_bytes())
    with pytest.raises(InputError, match=r"t\.csv is read, and lies in .*m, which would be replac"):
        fit_workflow(str(folder / "t.csv"), folder, columns={"label": "y"}, overwrite=True)
    assert (folder / "t.csv").exists()
    check_not_inside(folder, "sqlite:///x.db#t", None, tmp_path)


def store_at(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    embeddings = Embeddings.from_arrays(
        {"a": rng.normal(size=(40, 2)), "b": rng.normal(size=(40, 2))},
        labels=np.repeat(["x", "y"], 20),
    )
    return srmm.save_embeddings(embeddings, folder)


def test_a_store_that_lay_there_before_is_somebody_elses(tmp_path: Path) -> None:
    check_own(tmp_path / "embeddings", tmp_path / "cells")
    store_at(tmp_path / "embeddings")
    check_own(tmp_path / "embeddings", tmp_path / "cells")
    (tmp_path / "cells").rmdir()
    with pytest.raises(InputError, match="did not make it"):
        check_own(tmp_path / "embeddings", tmp_path / "cells")


@pytest.mark.parametrize(
    "command",
    [
        lambda folder, store: ["compare", store, "-o", folder, "--methods", "logreg,extratrees"],
        lambda folder, store: ["reproduce", "table6", "-o", folder, "--data", store],
        lambda folder, store: ["demo", "-o", folder],
    ],
)
def test_folders_of_others_are_left_alone(
    tmp_path: Path,
    model: Path,
    command: Callable[[str, str], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, mine = tmp_path / "out", "mine"
    folder.mkdir()
    names = ("comparison.json", "results.md", "report.json")
    for name in names:
        (folder / name).write_text(mine)
    srmm.from_pretrained(model).save_pretrained(folder / "model")
    arguments = command(str(folder), str(store_at(tmp_path / "store")))
    assert run([*arguments, "-q"]) == 1
    assert "did not make it" in capsys.readouterr().err
    for name in names:
        assert (folder / name).read_text() == mine
        (folder / name).unlink()
    if arguments[0] == "demo":
        assert run([*arguments, "-q"]) == 1
        assert "holds another model" in capsys.readouterr().err
    assert len(list(folder.iterdir())) == 1


def test_what_is_written_has_the_modes_of_the_umask(model: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    for folder in (model, model.parent / "m.embeddings"):
        for path in [folder, *folder.rglob("*")]:
            wanted = (0o777 if path.is_dir() else 0o666) & ~mask
            assert path.stat().st_mode & 0o777 == wanted, path
