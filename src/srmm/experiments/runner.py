"""Run one experiment on one or several data sets, and write its folder."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from srmm.about import json_ready
from srmm.atomic import replacing_file
from srmm.errors import InputError, did_you_mean
from srmm.experiments.catalogue import EXPERIMENTS, IMBALANCE, variants_for
from srmm.experiments.cells import Cell, Outcome, read_outcome, run_cells
from srmm.experiments.data import ExperimentData, draw_mask, mask_digest, split_for
from srmm.experiments.spec import Experiment, Setting, Variant, expand, roles_of

FORMAT = "srmm-experiment"
METRICS = {"hateful_memes": "auroc"}
"""The name of the data → its metric (paper IV); accuracy elsewhere."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Run:
    """An experiment on one data set, ready to be looked at.

    Parameters
    ----------
    settings : tuple of Setting
        With modalities in place of roles.
    seeds : tuple of int
    """

    experiment: Experiment
    data: ExperimentData
    variants: tuple[Variant, ...]
    settings: tuple[Setting, ...]
    seeds: tuple[int, ...]
    roles: dict[str, str]
    cells_folder: Path

    @property
    def modalities(self) -> tuple[str, ...]:
        return self.data.embeddings.modalities

    @property
    def metric(self) -> str:
        return METRICS.get(self.data.name, "accuracy")

    @property
    def comparable(self) -> bool:
        """Whether the modality that goes missing is the one that the paper drops."""
        return self.roles == roles_of(self.modalities)

    def cell(self, variant: Variant, seed: int, setting: Setting) -> Cell:
        return Cell(
            self.data.key,
            variant.method,
            seed,
            dict(variant.parameters),
            dict(setting.train),
            embed=self.experiment.view == "tsne",
        )

    def cells(self) -> list[Cell]:
        """All cells it needs, each once, seed by seed so that what is there is balanced."""
        wanted = {
            (cell := self.cell(variant, seed, setting)).name: cell
            for seed in self.seeds
            for variant in self.variants
            for setting in self.settings
        }
        return list(wanted.values())

    def outcome(self, variant: Variant, seed: int, setting: Setting) -> Outcome:
        return read_outcome(self.cells_folder, self.cell(variant, seed, setting))


def find_experiment(name: str) -> Experiment:
    """The experiment of that name; `InputError` with the nearest ones for another."""
    if name not in EXPERIMENTS:
        raise InputError(f"There is no experiment {name!r}. {did_you_mean(name, EXPERIMENTS)}")
    return EXPERIMENTS[name]


def reproduce(
    name: str,
    datas: Sequence[ExperimentData],
    output: Path,
    *,
    seeds: int = 5,
    dropped: str | None = None,
    methods: Sequence[str] = (),
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
    jobs : int
        Cells trained at the same time.
    cells : path, optional
        Where finished cells are kept, by default `output`/../cells, which experiments share.
    """
    from srmm.experiments.views import VIEWS

    experiment = find_experiment(name)
    names = [data.name for data in datas]
    twice = sorted({one for one in names if names.count(one) > 1})
    if twice:
        raise InputError(f"Two data sets are called {twice[0]!r}; name one of them: NAME=FOLDER.")
    folder = cells or output.parent / "cells"
    runs = [plan(experiment, data, seeds, dropped, methods, folder) for data in datas]
    for run in runs:
        run_cells(run.cells(), run.data, folder, jobs=jobs, progress=progress)
    output.mkdir(parents=True, exist_ok=True)
    written = VIEWS[experiment.view](runs, output)
    heading = [f"# {experiment.title}", ""]
    if experiment.note:
        heading += [experiment.note, ""]
    _write(output / "results.md", "\n".join(heading + written.markdown) + "\n")
    _write_json(output / "results.json", {"experiment": name, "results": written.numbers})
    config = _config(name, runs, seeds, dropped, methods)
    config["masks"] = {run.data.name: _write_masks(run, output) for run in runs}
    _write_json(output / "config.json", config)
    return output


def chosen_variants(
    experiment: Experiment,
    modalities: tuple[str, ...],
    dropped: str | None,
    methods: Sequence[str],
) -> tuple[Variant, ...]:
    """The columns for data with these modalities; `InputError` for an unknown method or role."""
    roles_of(modalities, dropped)
    variants = variants_for(experiment, modalities)
    names = [variant.column for variant in variants]
    for method in methods:
        if method not in names and method not in [variant.method for variant in variants]:
            raise InputError(
                f"{experiment.name} has no method {method!r} for the modalities "
                f"{', '.join(modalities)}. {did_you_mean(method, names)}"
            )
    if not methods:
        return variants
    return tuple(v for v in variants if v.method in methods or v.column in methods)


def plan(
    experiment: Experiment,
    data: ExperimentData,
    seeds: int,
    dropped: str | None,
    methods: Sequence[str],
    cells: Path,
) -> Run:
    """What has to be trained and looked at for one data set."""
    modalities = data.embeddings.modalities
    roles = roles_of(modalities, dropped)
    variants = chosen_variants(experiment, modalities, dropped, methods)
    if experiment.view == "imbalance":
        kept, gone = roles["kept"], roles["dropped"]
        settings = tuple(
            Setting(train={m: 1 - s for m, s in ((kept, a), (gone, b)) if s < 1})
            for a in IMBALANCE
            for b in IMBALANCE
        )
    else:
        settings = expand(experiment.settings, modalities, dropped)
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, got {seeds}.")
    numbers = range(1 if experiment.view in ("tsne", "parameters") else seeds)
    return Run(experiment, data, variants, settings, tuple(numbers), roles, cells)


def check_same_plan(config: Mapping[str, Any], datas: Sequence[ExperimentData]) -> None:
    """Raise `InputError` if the experiment means something else now than in a finished run."""
    experiment = find_experiment(config["experiment"])
    for data in datas:
        run = plan(experiment, data, config["seeds"], config["dropped"], config["methods"], Path())
        for what, now in (("variants", run.variants), ("settings", run.settings)):
            if json_ready([asdict(one) for one in now]) != config[what][data.name]:
                raise InputError(
                    f"The {what} of {experiment.name} are others in this version of srmm than in "
                    f"the one that made the run (srmm {config['versions']['srmm']}, revision "
                    f"{config['revision']}). Install that one to run it again exactly."
                )


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a finished run, for running it again."""
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder} is no folder of `srmm reproduce`: it has no config.json.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not readable JSON ({error}).") from None
    if config.get("format") != FORMAT:
        raise InputError(f"{path} is no configuration of `srmm reproduce`.")
    return config


def _config(
    name: str, runs: Sequence[Run], seeds: int, dropped: str | None, methods: Sequence[str]
) -> dict[str, Any]:
    import sklearn
    import torch

    from srmm import __version__

    return {
        "format": FORMAT,
        "experiment": name,
        "seeds": seeds,
        "dropped": dropped,
        "methods": list(methods),
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
        "versions": {
            "srmm": __version__,
            "torch": torch.__version__,
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
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


def _write_json(path: Path, content: Any) -> None:
    _write(path, json.dumps(json_ready(content), indent=1, ensure_ascii=False) + "\n")
