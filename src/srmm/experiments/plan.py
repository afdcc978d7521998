"""The plan of an experiment on one data set: all that has to be trained and looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from srmm.errors import InputError, did_you_mean
from srmm.experiments.catalogue import EXPERIMENTS, IMBALANCE, variants_for
from srmm.experiments.cells import Cell, Outcome, read_outcome
from srmm.experiments.data import ExperimentData
from srmm.experiments.spec import Experiment, Setting, Variant, expand, roles_of
from srmm.methods import find_method
from srmm.recipe import defaults

METRICS = {"hateful_memes": "auroc"}
"""The name of the data → its metric (paper IV); accuracy elsewhere."""

_MOST = 1_000_000  # trainings of one method, or epochs of one


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


def chosen_variants(
    experiment: Experiment,
    modalities: tuple[str, ...],
    dropped: str | None,
    methods: Sequence[str],
) -> tuple[Variant, ...]:
    """The columns for data with these modalities; `InputError` for an unknown method or role."""
    roles_of(modalities, dropped)
    variants = variants_for(experiment, modalities)
    names = list(dict.fromkeys(n for v in variants for n in (v.column, v.method)))
    for method in methods:
        if method not in names:
            raise InputError(
                f"{experiment.name} has no method {method!r} for the modalities "
                f"{', '.join(modalities)}. {did_you_mean(method, names)}"
            )
    if not methods:
        return variants
    return tuple(v for v in variants if v.method in methods or v.column in methods)


def _trained_for(variant: Variant, max_epochs: int) -> Variant:
    """The same column, its network trained for so many epochs; others as they are."""
    own = defaults(find_method(variant.method)[0].classifier)
    if not own.keys() & {"recipe", "max_epochs"}:
        return variant
    return replace(variant, parameters={**variant.parameters, "max_epochs": max_epochs})


def check_seeds(seeds: int) -> None:
    """Raise `InputError` unless there can be so many seeds."""
    _check_count("seeds", seeds)


def check_max_epochs(max_epochs: int | None) -> None:
    """Raise `InputError` unless networks can be trained for so many epochs."""
    if max_epochs is not None:
        _check_count("max_epochs", max_epochs)


def check_names(names: Sequence[str]) -> None:
    """Raise `InputError` for data sets that share a name, or whose name can be in no file's."""
    for name in names:
        if not name or name in (".", "..") or Path(name).name != name or "\\" in name:
            raise InputError(
                f"A data set called {name!r} could not be part of the names of files: give it one "
                "without slashes, NAME=FOLDER (--data)."
            )
        if names.count(name) > 1:
            raise InputError(f"Two data sets are called {name!r}; name one of them: NAME=FOLDER.")


def _check_count(what: str, number: int) -> None:
    if not 1 <= number <= _MOST:
        raise InputError(f"{what} must be from 1 to {_MOST:,}, got {number}.")


def plan(
    experiment: Experiment,
    data: ExperimentData,
    cells: Path,
    *,
    seeds: int,
    dropped: str | None,
    methods: Sequence[str],
    max_epochs: int | None,
) -> Run:
    """The run of an experiment on one data set; the choices as in `reproduce`."""
    check_seeds(seeds)
    check_max_epochs(max_epochs)
    modalities = data.embeddings.modalities
    roles = roles_of(modalities, dropped)
    variants = chosen_variants(experiment, modalities, dropped, methods)
    if max_epochs is not None:
        variants = tuple(_trained_for(variant, max_epochs) for variant in variants)
    if experiment.view == "imbalance":
        kept, gone = roles["kept"], roles["dropped"]
        settings = tuple(
            Setting(train={m: 1 - s for m, s in ((kept, a), (gone, b)) if s < 1})
            for a in IMBALANCE
            for b in IMBALANCE
        )
    else:
        settings = expand(experiment.settings, modalities, dropped)
    numbers = range(1 if experiment.view in ("tsne", "parameters") else seeds)
    return Run(experiment, data, variants, settings, tuple(numbers), roles, cells)
