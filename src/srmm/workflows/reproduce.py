"""The workflow of `srmm reproduce`: find all data first, then run the experiment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from srmm.data.embeddings import Embeddings
from srmm.data.store import is_store, load_embeddings, save_embeddings
from srmm.data.table import Table
from srmm.encoding.encode import encode
from srmm.errors import InputError, did_you_mean
from srmm.experiments.cells import Progress, check_jobs
from srmm.experiments.data import ExperimentData, check_experiment_data, open_experiment_data
from srmm.experiments.plan import (
    check_max_epochs,
    check_names,
    check_seeds,
    chosen_variants,
    find_experiment,
)
from srmm.experiments.runner import FORMAT as EXPERIMENT
from srmm.experiments.runner import check_same_plan, choices_of, read_config, reproduce
from srmm.workflows.data import open_data
from srmm.workflows.made_by import json_of
from srmm.workflows.places import check_file, check_own, check_place

IN_PACKAGES = ("openmoji", "htad")
"""The data sets that need no download."""


def reproduce_workflow(
    name: str,
    output: Path | str,
    *,
    data: Sequence[Path | str] = IN_PACKAGES,
    root: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    limit: int | None = None,
    seeds: int = 5,
    dropped: str | None = None,
    methods: Sequence[str] = (),
    max_epochs: int | None = None,
    jobs: int = 1,
    cells: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, of, what: None,
    show: bool = False,
) -> Path:
    """Run the experiment `name` on each of `data`; see `srmm.experiments.runner.reproduce`.

    Parameters
    ----------
    data : sequence of str
        Stores or names of data sets, the latter optionally with a folder of their own:
        "food101=FOLDER". A store may be given a name: "openmoji=STORE".
    root, options
        Of the data sets that have no folder of their own, as in `load_dataset`.

    Raises
    ------
    InputError
        If one of the data sets is not there, before any work starts: it says what to download. If
        something else than a finished run lies at `output`, unless to `overwrite` it.
    """
    output, cells = Path(output), None if cells is None else Path(cells)
    _check_output(output, cells, overwrite)
    # Whatever can be wrong without looking at the items is said before hours of encoding.
    experiment = find_experiment(name)
    check_seeds(seeds)
    check_max_epochs(max_epochs)
    check_jobs(jobs)
    opened = [_opened(os.fspath(source), root, options or {}) for source in data]
    check_names([label for label, _ in opened])
    for label, what in opened:
        found = load_embeddings(what) if isinstance(what, Path) else what
        check_experiment_data(found, what if isinstance(what, Path) else label, limit)
        chosen_variants(experiment, tuple(found.modalities), dropped, methods)
    stores = (cells or output.parent / "cells").parent / "stores"
    ready = [_as_store(label, what, stores, limit, show) for label, what in opened]
    return reproduce(
        name, ready, output, seeds=seeds, dropped=dropped, methods=methods, max_epochs=max_epochs,
        jobs=jobs, cells=cells, progress=progress,
    )  # fmt: skip


def reproduce_again(
    folder: Path | str,
    output: Path | str,
    *,
    stores: Sequence[str] = (),
    jobs: int = 1,
    cells: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, of, what: None,
) -> Path:
    """Run what is in `folder` again, exactly: the same data, methods, seeds and masks.

    Everything is trained anew, in `output`/cells, unless `cells` names finished trainings; `stores`
    ("NAME=FOLDER") says where stores are that have been moved. Raises `InputError` if a store is no
    longer there or no longer holds the same data, or if the experiment has changed since.
    """
    folder, output = Path(folder), Path(output)
    cells = None if cells is None else Path(cells)
    _check_output(output, cells, overwrite)
    config = read_config(folder)
    moved = dict(one.partition("=")[::2] for one in stores)
    known = [about["name"] for about in config["data"]]
    for name in moved:
        if name not in known:
            raise InputError(
                f"{folder} was made from no store {name!r}. {did_you_mean(name, known)}"
            )
    ready = []
    for about in config["data"]:
        store = Path(moved.get(about["name"], about["store"]))
        if not is_store(store):
            raise InputError(
                f"The store {store} that {folder} was made from is not there any more. If it was "
                f"moved, say where: --data {about['name']}=STORE."
            )
        data = open_experiment_data(store, about["name"], about["limit"])
        if data.key != about["key"]:
            raise InputError(
                f"The store {store} is not as it was when {folder} was made: its items, labels, "
                f"split or encoders are others ({data.key}, then {about['key']})."
            )
        ready.append(data)
    check_same_plan(config, ready)
    cells = cells or output / "cells"  # trained anew, not read from where the first run left them
    return reproduce(
        config["experiment"], ready, output, jobs=jobs, cells=cells, progress=progress,
        **choices_of(config),
    )  # fmt: skip


def _check_output(output: Path, cells: Path | None, overwrite: bool) -> None:
    """`InputError` if files lie where results go that no run of `reproduce` wrote."""
    if cells is not None:
        check_place(cells, "--cells")
    made = json_of(EXPERIMENT)(output / "config.json")
    names = ["config.json", "results.md", "results.json"]
    for pattern in ("masks-*", "curves-*", "tsne-*"):
        names += [path.name for path in sorted(output.glob(pattern))]
    for name in names:
        check_file(output / name, lambda _: made, overwrite=overwrite)


def _opened(
    source: str, root: Path | str | None, options: Mapping[str, Any]
) -> tuple[str, Path | Table | Embeddings]:
    """(name, a store's path or what was loaded)."""
    from srmm.datasets import DATASETS

    name, sign, place = source.partition("=")
    if sign and is_store(Path(place)):
        return name, Path(place)
    if not sign and is_store(Path(source)):
        return Path(source).name, Path(source)
    table = place if sign else name
    if Path(table).is_file():
        raise InputError(
            f"--data takes data sets and embedding stores, and {table} is a table. Make a store "
            f"of it first, `srmm encode {table} …`, and name that."
        )
    if sign and name not in DATASETS:
        raise InputError(
            f"--data {source}: {place!r} is no embedding store, and {name!r} no data set, whose "
            f"folder it could be. {did_you_mean(name, DATASETS)}"
        )
    if sign and not DATASETS[name].needs_root:
        raise InputError(
            f"--data {source}: {place!r} is no embedding store, and the data set {name!r} comes in "
            f"a package: it lies in no folder. Name the store, or leave ={place} out."
        )
    found = open_data(name, root=place if sign else root, options=options)
    return "-".join([name, *map(str, options.values())]), found


def _as_store(
    name: str, what: Path | Table | Embeddings, stores: Path, limit: int | None, show: bool
) -> ExperimentData:
    if isinstance(what, Path):
        return open_experiment_data(what, name, limit)
    store = stores / name
    check_own(store, stores.parent / "cells")
    if isinstance(what, Table):
        encode(what, output=store, progress=show, prune=True)
    else:
        save_embeddings(what, store, overwrite=True)
    return open_experiment_data(store, name, limit)
