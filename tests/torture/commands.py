"""The commands that are ended at every moment: what each starts from and what it leaves."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

import srmm
from srmm.cli import run
from srmm.errors import SrmmError
from srmm.files import load_tensors, standing

COLUMNS = ["--features", "a=a1,a2", "--features", "b=b1,b2,b3", "--label", "y"]
GONE = "is not there"


@dataclass(frozen=True)
class Command:
    """A command, run in a folder that holds `start`'s content.

    Parameters
    ----------
    name : str
    arguments : function of the folder
        The command line.
    outputs : dict of name to kind
        What it writes: "store", "model", "table", "report" or "json".
    start : tuple of str
        Which names of the workshop are there before; an output among them is replaced.
    instead : dict of str to value
        What is set to another value while it runs, so that it has more files to write, or less
        to do between them.
    """

    name: str
    arguments: Callable[[Path], list[object]]
    outputs: dict[str, str]
    start: tuple[str, ...]
    instead: dict[str, object] = field(default_factory=dict)

    def run(self, folder: Path) -> int:
        """Run it; what it prints is kept in `folder`/../said.txt."""
        said = folder.parent / "said.txt"
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(said.open("w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(file))
            stack.enter_context(contextlib.redirect_stderr(file))
            for name, value in self.instead.items():
                stack.enter_context(mock.patch(name, value))
            return run([*map(str, self.arguments(folder))])

    def prepare(self, workshop: Path, folder: Path) -> None:
        """Make `folder` what the command starts from."""
        folder.mkdir(parents=True)
        for name in self.start:
            source = workshop / name
            if source.is_dir():
                shutil.copytree(source, folder / name)
            else:
                shutil.copy(source, folder / name)

    def look(self, folder: Path) -> dict[str, str]:
        """A fingerprint of each output as a reader finds it."""
        return {name: READERS[kind](folder / name) for name, kind in self.outputs.items()}


def _store(path: Path) -> str:
    if not standing(path).exists():
        return GONE
    return _digest(*_numbers_of_store(path))


def _numbers_of_store(path: Path) -> list[object]:
    found = srmm.load_embeddings(path, check=True)
    values = [found.values[name].tobytes() for name in found.modalities]
    return [*values, found.position.tobytes(), found.ids.tolist(), str(found.labels)]


def _model(path: Path) -> str:
    if not standing(path).exists():
        return GONE
    model = srmm.from_pretrained(path)
    rng = np.random.default_rng(0)
    asked = srmm.Embeddings.from_arrays(
        {name: rng.normal(size=(20, dim)) for name, dim in model.embedding_dims_.items()}
    )
    return _digest(model.predict_proba(asked).tobytes(), model.classes_.tolist())


def _table(path: Path) -> str:
    return GONE if not path.exists() else _digest(pd.read_csv(path).to_csv())


def _folder(path: Path) -> str:
    path = standing(path)
    return GONE if not path.exists() else _digest(pd.read_parquet(path).to_csv())


def _report(path: Path) -> str:
    if not path.exists():
        return GONE
    text = path.read_text(encoding="utf-8")
    return "whole" if text.rstrip().endswith("</html>") else "half"


def _json(path: Path) -> str:
    if not path.exists():
        return GONE
    content = json.loads(path.read_text(encoding="utf-8"))
    return "whole" if content else "empty"


def _cells(path: Path) -> str:
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else []
    for file in files:
        load_tensors(file, "")
    return f"{len(files)} whole"


READERS: dict[str, Callable[[Path], str]] = {
    "store": _store, "model": _model, "table": _table, "folder": _folder, "report": _report,
    "json": _json, "cells": _cells,
}  # fmt: skip


def _digest(*parts: object) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part if isinstance(part, bytes) else repr(part).encode())
    return whole.hexdigest()[:16]


def _predict(folder: Path) -> list[object]:
    return ["predict", folder / "model", folder / "table.csv", "--when-nothing", "prior"]


def _not_drawn(*_: object) -> str:
    """In place of a figure, which takes a third of a second and touches no file."""
    return ""


COMMANDS = (
    Command("encode", lambda f: ["encode", f / "table.csv", *COLUMNS, "-o", f / "store"],
            {"store": "store"}, ("table.csv",)),
    Command("encode, new rows", lambda f: ["encode", f / "table.csv", *COLUMNS, "-o", f / "store"],
            {"store": "store"}, ("table.csv", "store")),
    Command("fit", lambda f: ["fit", f / "table.csv", *COLUMNS, "--method", "logreg", "-o",
                              f / "model", "--overwrite"],
            {"model": "model", "model.embeddings": "store"}, ("table.csv",)),
    Command("fit, replacing", lambda f: ["fit", f / "table.csv", *COLUMNS, "--method",
                                         "logreg-concat", "-o", f / "model", "--overwrite"],
            {"model": "model", "model.embeddings": "store"},
            ("table.csv", "model", "model.embeddings")),
    Command("predict", lambda f: [*_predict(f), "-o", f / "out.csv"],
            {"out.csv": "table", "model": "model"}, ("table.csv", "model")),
    Command("predict, Parquet",
            lambda f: [*_predict(f), "-o", f / "out.parquet"],
            {"model": "model"}, ("table.csv", "model")),
    Command("predict, in parts", lambda f: [*_predict(f), "-o", f / "out.csv"],
            {"out.csv": "table", "model": "model"}, ("table.csv", "model"),
            {"srmm.workflows.predict.PART_ROWS": 16}),
    Command("predict, in parts, a folder", lambda f: [*_predict(f), "-o", f / "out"],
            {"out": "folder", "model": "model"}, ("table.csv", "model"),
            {"srmm.workflows.predict.PART_ROWS": 16}),
    Command("evaluate", lambda f: ["evaluate", f / "model", "-o", f / "report.html",
                                   "--no-baselines"],
            {"report.html": "report", "report.json": "json", "model": "model"},
            ("model", "model.embeddings"),
            {f"srmm.report.{name}.to_svg": _not_drawn for name in ("figures", "trust_figures")}),
    Command("compare", lambda f: ["compare", f / "store", "--methods", "logreg,logreg-concat",
                                  "--seeds", "1", "-o", f / "compared"],
            {"compared/comparison.json": "json", "compared/comparison.html": "report",
             "compared/cells": "cells"}, ("store",)),
    Command("check", lambda f: ["check", f / "model", f / "table.csv", "-o", f / "watch.html"],
            {"watch.html": "report", "watch.json": "json", "model": "model"},
            ("table.csv", "model", "model.embeddings")),
    Command("reproduce", lambda f: ["reproduce", "table6", "--data", f / "store", "--methods",
                                    "logreg,logreg-concat", "--seeds", "1", "-o", f / "runs/six"],
            {"runs/six/results.json": "json", "runs/cells": "cells"}, ("store",)),
    Command("distil", lambda f: ["distil", f / "default", "-o", f / "small", "--overwrite"],
            {"small": "model"}, ("default", "default.embeddings")),
)  # fmt: skip


def table(n: int, seed: int = 0) -> pd.DataFrame:
    """A small table of two feature modalities with holes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    numbers = {f"a{k}": y + rng.normal(size=n) for k in (1, 2)}
    numbers |= {f"b{k}": -y + rng.normal(size=n) for k in (1, 2, 3)}
    frame = pd.DataFrame(numbers).round(6)
    frame.loc[::7, ["a1", "a2"]] = np.nan
    frame.loc[3::11, ["b1", "b2", "b3"]] = np.nan
    frame["y"] = np.array(["cat", "dog", "owl"])[y]
    return frame


def make_workshop(folder: Path) -> Path:
    """What the commands start from: a table, a store of its first rows, two models."""
    folder.mkdir(parents=True, exist_ok=True)
    table(60).iloc[:45].to_csv(folder / "table.csv", index=False)
    fit = ["fit", folder / "table.csv", *COLUMNS, "-o"]
    for arguments in (
        ["encode", folder / "table.csv", *COLUMNS, "-o", folder / "store"],
        [*fit, folder / "model", "--method", "logreg"],
        [*fit, folder / "default", "--setting", "max_epochs=2", "--setting", "hidden_dim=8"],
    ):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            code = run([*map(str, arguments)])
        if code:
            raise SrmmError(f"{arguments[0]} of the workshop ended with {code}.")
    table(60).to_csv(folder / "table.csv", index=False)
    return folder
