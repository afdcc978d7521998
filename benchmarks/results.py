"""Every experiment on the real data sets: what docs/results/ is made of.

    python benchmarks/results.py runs [--root FOLDER] [--seeds 5] [--only small] [--write]

FOLDER holds the data sets that have to be downloaded, one folder each, by name (fashion, mosi, …;
see `srmm datasets`); without it OpenMoji and HTAD remain. Finished trainings are kept in
runs/cells, so it can be stopped at any moment and goes on from there. With --write, docs/results/
is written from what the experiments wrote: index.md, and a page and its pictures per experiment.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.stats import rankdata

import srmm
from srmm.data.split import stratified_split
from srmm.data.store import is_store
from srmm.experiments.catalogue import (
    BRANCHES,
    DEFAULT,
    EXPERIMENTS,
    IMPUTERS,
    SIMPLE,
    SRMM,
    TBN_PAPER,
    TRANSFORMERS,
)
from srmm.experiments.markdown import best_in_bold, grid, said
from srmm.experiments.spec import Experiment, Setting
from srmm.report.words import mean_sd
from srmm.workflows.reproduce import reproduce_workflow

IN_PACKAGES = ("openmoji", "htad")
FEW = ("srmm-paper", "srmm", "tbn-early", "router", "logreg", "unimodal:image", "unimodal:text")
FASHION = (
    *FEW, "logreg-concat", "extratrees", "TBN early (paper)", "tbn-mid", "modality-dropout",
    "vilt-tokens", "lee2023-input", "kim2024",
)  # fmt: skip
"""One of each kind, to stay within the time."""


@dataclass(frozen=True)
class Task:
    """One experiment on some data sets. `part` is what --only selects."""

    part: str
    experiment: str
    data: tuple[str, ...]
    seeds: int = 5
    target: str = ""
    limit: int | None = None
    methods: tuple[str, ...] = ()
    max_epochs: int | None = None

    @property
    def folder(self) -> str:
        size = "-subset" if self.limit else ""
        return "-".join(filter(None, [self.experiment, self.part, self.target])) + size


ALL_COLUMNS = ("table2", "table6", "table7", "table9", "parameters")
"""The experiments with every method; of the others only columns of their own are asked."""


def tasks(
    part: str, data: tuple[str, ...], seeds: int, table8_seeds: int = 1,
    more: tuple[str, ...] = (), columns: tuple[str, ...] = (), **others: Any,
) -> tuple[Task, ...]:  # fmt: skip
    """All experiments on some data sets; what trains on masked data has fewer seeds."""
    trained_whole = (
        "table1", *ALL_COLUMNS, "table11", "fig4", "missingness", "calibration", *more,
    )  # fmt: skip
    methods = dict.fromkeys(ALL_COLUMNS, columns)
    return (
        *(Task(part, name, data, seeds, methods=methods.get(name, ()), **others)
          for name in trained_whole),
        Task(part, "fig5", data, 1, **others),  # a picture of one network each
        Task(part, "table8", data, table8_seeds, **others),
        Task(part, "imbalance", data, 1, **others),  # nine trainings per method
    )  # fmt: skip


_SUBSET: dict[str, Any] = {"columns": FASHION, "limit": 12_000, "max_epochs": 10}
TASKS = (
    *tasks("small", ("openmoji", "htad"), seeds=5, table8_seeds=3),
    Task("small", "table10", ("openmoji-minilm", "openmoji-doc2vec"), seeds=5),
    *tasks("speech", ("av_digits", "face_voice40"), seeds=5),
    Task("speech", "table5", ("face_voice40",)),
    *tasks("mosi", ("mosi",), seeds=5, more=("mosi", "several")),
    *tasks("fashion", ("fashion",), seeds=3, target="season", **_SUBSET),
    *tasks("fashion", ("fashion",), seeds=3, target="articleType", **_SUBSET),
    Task("all", "table6", ("fashion",), 1, target="season", methods=FEW, max_epochs=10),
    Task("all", "table6", ("fashion",), 1, target="articleType", methods=FEW, max_epochs=10),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--root", type=Path, help="folder of the downloaded data sets")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="parts (small, speech, …) or folders")
    parser.add_argument("--but", nargs="*", default=[], help="experiments to leave out")
    parser.add_argument("--seeds", type=int, default=5, help="at most so many")
    parser.add_argument("--write", action="store_true", help="write docs/results/")
    arguments = parser.parse_args()
    started = time.perf_counter()
    for task in TASKS:
        if arguments.only and not {task.part, task.folder} & set(arguments.only):
            continue
        if task.experiment in arguments.but:
            continue
        task = replace(task, seeds=min(task.seeds, arguments.seeds))
        run(task, arguments.runs, arguments.root, arguments.jobs)
        print(f"{task.folder}: {(time.perf_counter() - started) / 60:.1f} min", flush=True)
    if arguments.write:
        write(arguments.runs, Path(__file__).parents[1] / "docs" / "results")


def two_text_encoders(stores: Path) -> list[str]:
    """OpenMoji with MiniLM and with Doc2Vec, which is fitted on the training rows of one split."""
    table = srmm.load_dataset("openmoji")
    codes = np.unique(table.labels.astype(str), return_inverse=True)[1]
    split = np.full(len(table), "train", dtype=object)
    split[stratified_split(codes, 0.25, np.random.default_rng(0))[1]] = "test"
    for name in ("minilm", "doc2vec"):
        store = stores / f"openmoji-{name}"
        srmm.encode(replace(table, split=split), {"text": name}, output=store)
    return [str(stores / f"openmoji-{name}") for name in ("minilm", "doc2vec")]


def source(name: str, target: str, stores: Path, root: Path | None) -> str:
    """A data set for `--data`: the store made of it before, a package's own, or a folder."""
    label = f"{name}-{target}" if target else name
    if is_store(stores / label):
        return f"{label}={stores / label}"
    return name if name.startswith(IN_PACKAGES) else f"{name}={root and root / name}"


def run(task: Task, runs: Path, root: Path | None, jobs: int) -> None:
    names = [name for name in task.data if root or name.startswith(IN_PACKAGES)]
    if not names:
        return
    options = {"target": task.target} if task.target else {}
    if task.experiment == "table10":
        data = two_text_encoders(runs / "stores")
    else:
        data = [source(name, task.target, runs / "stores", root) for name in names]
        if all(is_store(Path(one.partition("=")[2])) for one in data):
            options = {}

    def progress(done: int, of: int, what: str) -> None:
        if done % 10 == 0:
            print(f"  {task.folder}: {done}/{of} {what}", file=sys.stderr, flush=True)

    reproduce_workflow(
        task.experiment, runs / task.folder, data=data, options=options, limit=task.limit,
        seeds=task.seeds, methods=task.methods, max_epochs=task.max_epochs, jobs=jobs,
        progress=progress,
    )  # fmt: skip


def how(folder: Path, task: Task) -> str:
    """The options that the run in this folder was made with."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = [about["name"] for about in config["data"]]
    needs = [n if n.startswith(IN_PACKAGES) else f"{n}=DATA/{n}" for n in names]
    if task.target:
        needs = [f"fashion=DATA/fashion --set target={task.target}"]
    options = "".join(f" --data {name}" for name in needs)
    limit = config["data"][0]["limit"]
    options += f" --limit {limit}" if limit else ""
    options += "".join(f" --method {shlex.quote(method)}" for method in config["methods"])
    options += f" --max-epochs {config['max_epochs']}" if config.get("max_epochs") else ""
    return f"{options} --seeds {config['seeds']}"


Found = dict[str, dict[str, dict[str, list[float]]]]
"""Data set → setting → method → its values over seeds."""


def found_in(runs: Path, experiment: str) -> Found:
    found: Found = {}
    for folder in dict.fromkeys(runs / t.folder for t in TASKS if t.experiment == experiment):
        if not (folder / "results.json").is_file():
            continue
        for one in json.loads((folder / "results.json").read_text(encoding="utf-8"))["results"]:
            settings = found.setdefault(one["data"], {})
            of = settings.setdefault(said(Setting(test=one["test"])), {})
            of[one["method"]] = one["values"]
    return found


def families_beside_srmm(found: Found) -> list[str]:
    """SRMM beside the best of each family of methods: a line per data set and setting."""
    families = {
        "simple": {v.column for v in SIMPLE},
        "two branches": {v.column for v in (*TBN_PAPER, *BRANCHES)},
        "transformer or imputing": {v.column for v in (*TRANSFORMERS, *IMPUTERS)},
    }
    rows = []
    for data, settings in found.items():
        for setting, of in settings.items():
            families["simple"] |= {name for name in of if name.startswith("unimodal:")}
            best = {SRMM.column: SRMM.column, DEFAULT.column: DEFAULT.column}
            for family, names in families.items():
                best[family] = max(sorted(names & of.keys()), key=lambda name: np.mean(of[name]))
            cells = [
                mean_sd(of[name]) + ("" if name == family else f" ({name})")
                for family, name in best.items()
            ]
            means = [float(np.mean(of[name])) for name in best.values()]
            rows.append([data, setting, *best_in_bold(cells, means)])
    heads = [SRMM.column, DEFAULT.column, *(f"best {family}" for family in families)]
    return grid(["data", "available", *heads], rows)


def one_method_for_all(found: Found) -> list[str]:
    """Methods that ran on every data set, by their mean rank over data sets.

    What is ranked is the mean accuracy over settings: everything there, and each modality absent.
    """
    means = {
        data: {
            method: float(np.mean([np.mean(of[method]) for of in settings.values()]))
            for method in next(iter(settings.values()))
        }
        for data, settings in found.items()
    }
    methods = sorted(set.intersection(*(set(of) for of in means.values())))
    values = np.array([[of[method] for of in means.values()] for method in methods])
    ranks = rankdata(-values.round(3), axis=0)
    columns = [best_in_bold([f"{100 * v:.1f}" for v in of], of) for of in values.T]
    mean_ranks, mean = ranks.mean(axis=1), values.mean(axis=1)
    rows = [
        [methods[i], f"{mean_ranks[i]:.1f}", f"{100 * mean[i]:.1f}", *(of[i] for of in columns)]
        for i in np.lexsort([-mean, mean_ranks.round(3)])
    ]
    return grid(["method", "mean rank", "mean", *means], rows)


WHERE = "[All results](index.md) and [how to read them](reading.md)."
"""Stands at the head of every page."""


def write(runs: Path, folder: Path) -> None:
    """The summary index.md, and a page per experiment, of the runs that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    contents: list[str] = []
    for experiment in EXPERIMENTS.values():
        there = [t for t in TASKS if t.experiment == experiment.name]
        there = [t for t in there if (runs / t.folder / "results.md").is_file()]
        if there:
            parts = [f"# {experiment.title}", experiment.note, WHERE]
            parts += [part(runs / task.folder, task, experiment, folder) for task in there]
            text = "\n\n".join(filter(None, parts)) + "\n"
            (folder / f"{experiment.name}.md").write_text(text, encoding="utf-8")
            contents.append(f"- [{experiment.title}]({experiment.name}.md)")
    found = found_in(runs, "table7")
    intro = (Path(__file__).parent / "results_intro.md").read_text(encoding="utf-8")
    for name, lines in (
        ("FAMILIES", families_beside_srmm(found)),
        ("RANKS", one_method_for_all(found)),
        ("CONTENTS", contents),
    ):
        intro = intro.replace(name, "\n".join(lines))
    (folder / "index.md").write_text(intro.rstrip() + "\n", encoding="utf-8")
    subprocess.run(["git", "diff", "--stat", "--", str(folder)], check=False)


def part(run: Path, task: Task, experiment: Experiment, folder: Path) -> str:
    """What one run says: its command, tables and pictures; the pictures are put in `folder`."""
    text = (run / "results.md").read_text(encoding="utf-8")
    for picture in sorted(run.glob("*.svg")):
        name = f"{task.folder}-{picture.name}"
        if experiment.view == "tsne":  # thousands of points are smaller as a bitmap
            name = str(Path(name).with_suffix(".png"))
            with Image.open(picture.with_suffix(".png")) as bitmap:
                bitmap.convert("RGB").quantize(64).save(folder / name, optimize=True)
        else:
            (folder / name).write_bytes(picture.read_bytes())
        text = text.replace(f"({picture.stem}.png)", f"({name})")
    text = text.removeprefix(f"# {experiment.title}\n\n").removeprefix(experiment.note)
    stores = " (stores that this benchmark makes)" if task.experiment == "table10" else ""
    return f"`srmm reproduce {task.experiment}{how(run, task)}`{stores}\n\n{text.strip()}"


if __name__ == "__main__":
    main()
