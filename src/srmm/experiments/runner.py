"""Run one experiment on one or several data sets, and write its folder."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from srmm.errors import InputError, damage_explained
from srmm.experiments.cells import Progress, run_cells
from srmm.experiments.data import ExperimentData, draw_mask, mask_digest, split_for
from srmm.experiments.plan import Run, check_names, find_experiment, plan
from srmm.experiments.run_check import check_run
from srmm.experiments.views import VIEWS
from srmm.files import followed, json_ready, only_writer, read_json, replacing_file, write_json
from srmm.version import versions

FORMAT = "srmm-experiment"
VERSION = 1
_BY_DATA = (
    ("masks", "safetensors"),
    *((kind, ending) for kind in ("curves", "tsne") for ending in ("svg", "png")),
)
"""What is written for each data set, to KIND-NAME.ENDING."""
_FIRST, _LAST, _MAKING = "config.json", "results.json", ".results-"
_ORDER = {_FIRST: -1, _LAST: 1}
CHOICES = ("seeds", "dropped", "methods", "max_epochs")
"""What a person chose of a run beside its data, as in its configuration."""


def reproduce(
    name: str,
    datas: Sequence[ExperimentData],
    output: Path,
    *,
    seeds: int = 5,
    dropped: str | None = None,
    methods: Sequence[str] = (),
    max_epochs: int | None = None,
    jobs: int = 1,
    cells: Path | None = None,
    progress: Progress = lambda done, of, what: None,
) -> Path:
    """Run an experiment and write `output`: results.md, results.json, figures, config, masks.

    Parameters
    ----------
    name : str
        A key of `EXPERIMENTS`.
    seeds : int
        How many: 0, 1, …; each has its own split (where the data has none), masks and weights.
    dropped : str, optional
        The modality that goes missing; by default text, or else the last.
    methods : sequence of str, optional
        Only these columns.
    max_epochs : int, optional
        Of every network, in place of its recipe's: for large data, where an epoch has many steps.
    jobs : int
        Cells trained at the same time.
    cells : path, optional
        Where finished cells are kept, by default `output`/../cells, which experiments share.
    """
    experiment = find_experiment(name)
    check_names([data.name for data in datas])
    folder = cells or output.parent / "cells"
    chosen: dict[str, Any] = {
        "seeds": seeds,
        "dropped": dropped,
        "methods": list(methods),
        "max_epochs": max_epochs,
    }
    runs = [plan(experiment, data, folder, **chosen) for data in datas]
    for run in runs:
        run_cells(run.cells(), run.data, folder, jobs=jobs, progress=progress)
    config = _config(name, runs, chosen)
    with _replacing_run(output) as made:
        config["masks"] = {run.data.name: _write_masks(run, made) for run in runs}
        write_json(made / _FIRST, json_ready(config))
        written = VIEWS[experiment.view](runs, made)
        heading = [f"# {experiment.title}", ""]
        if experiment.note:
            heading += [experiment.note, ""]
        _write(made / "results.md", "\n".join(heading + written.markdown) + "\n")
        write_json(made / _LAST, json_ready({"experiment": name, "results": written.numbers}))
    return output


@contextlib.contextmanager
def _replacing_run(output: Path) -> Iterator[Path]:
    """Yield a folder for the files of a run; at its end they take the place of an earlier run's.

    No file of one run ever lies beside one of the other: first the earlier ones go, but for the
    configuration, which tells a run from somebody else's folder. Whoever is killed in between
    leaves a folder without `_LAST`, that is, no finished run; the same command makes it whole.
    """
    output = followed(output)
    output.mkdir(parents=True, exist_ok=True)
    with only_writer(output):
        for left in output.glob(f"{_MAKING}*"):
            shutil.rmtree(left, ignore_errors=True)
        made = Path(tempfile.mkdtemp(dir=output, prefix=_MAKING))
        try:
            yield made
            for path in [output / _LAST, output / "results.md", *_earlier_files(output)]:
                path.unlink(missing_ok=True)
            for file in sorted(made.iterdir(), key=lambda file: _ORDER.get(file.name, 0)):
                file.replace(output / file.name)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _earlier_files(output: Path) -> list[Path]:
    """Masks and figures of the run that lies there, which may have been of other data."""
    try:
        names = [about["name"] for about in read_config(output)["data"]]
        check_names(names)
    except InputError:  # there is none, or it is damaged
        return []
    places = [output / f"{kind}-{name}.{ending}" for name in names for kind, ending in _BY_DATA]
    return [path for path in places if path.exists()]


def check_same_plan(config: Mapping[str, Any], datas: Sequence[ExperimentData]) -> None:
    """Raise `InputError` if the experiment means something else now than in a finished run."""
    experiment = find_experiment(config["experiment"])
    for data in datas:
        run = plan(experiment, data, Path(), **choices_of(config))
        for what, now in (("variants", run.variants), ("settings", run.settings)):
            if json_ready([asdict(one) for one in now]) != config[what][data.name]:
                raise InputError(
                    f"The {what} of {experiment.name} are others in this version of srmm than in "
                    f"the one that made the run (srmm {config['versions']['srmm']}, revision "
                    f"{config.get('revision')}). Install that one to run it again exactly."
                )


def choices_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen of the run with this configuration."""
    return {choice: config.get(choice) for choice in CHOICES}


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a finished run, for running it again."""
    config = read_json(
        folder / _FIRST,
        format=FORMAT,
        version=VERSION,
        what="the configuration of a finished `srmm reproduce`",
        remedy="Name the folder that it wrote.",
    )
    with damage_explained(folder / _FIRST, "Run the experiment again by its name."):
        check_run(config)
    return config


def _config(name: str, runs: Sequence[Run], chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "experiment": name,
        **chosen,
        "data": [
            {
                "name": run.data.name,
                "store": str(run.data.store.resolve()),
                "limit": run.data.limit,
                "key": run.data.key,
                "instances": len(run.data.y),
                "classes": len(run.data.classes),
                "encoders": run.data.embeddings.encoders,
            }
            for run in runs
        ],
        "variants": {run.data.name: [asdict(v) for v in run.variants] for run in runs},
        "settings": {run.data.name: [asdict(s) for s in run.settings] for run in runs},
        "versions": versions(),
        "revision": git_revision(),
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def git_revision() -> str | None:
    """The commit that srmm runs from, "-dirty" if files changed; None if it is installed."""
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        tracked = subprocess.run(
            ["git", "-C", str(here), "ls-files", "--error-unmatch", __file__],
            capture_output=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() if tracked.returncode == 0 else None


def _write_masks(run: Run, output: Path) -> dict[str, str]:
    """The masks of training, validation and the single test draws as bits; name → digest."""
    arrays: dict[str, np.ndarray] = {}
    digests: dict[str, str] = {}
    present = run.data.embeddings.present
    for seed in run.seeds:
        part = split_for(run.data, seed)
        for setting in run.settings:
            for split, rows, rates in (
                ("train", part.train, setting.train),
                ("validation", part.validation, setting.train),
                ("test", part.test, setting.test),
            ):
                if not rates or rows is None:
                    continue
                said = ",".join(f"{m}={r:g}" for m, r in sorted(rates.items()))
                mask = draw_mask(present[rows], run.modalities, rates, split, seed)
                name = f"{split}/{said}/seed={seed}"
                arrays[name], digests[name] = np.packbits(mask), mask_digest(mask)
                arrays[f"{split}/rows/seed={seed}"] = rows
    if arrays:
        with replacing_file(output / f"masks-{run.data.name}.safetensors") as temporary:
            save_file(arrays, temporary, metadata={"modalities": json.dumps(run.modalities)})
    return digests


def _write(path: Path, text: str) -> None:
    with replacing_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
