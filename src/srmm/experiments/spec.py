"""Experiments as data: which methods learn from what, and what they are tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from srmm.errors import InputError, did_you_mean

DROPPED, KEPT = "dropped", "kept"
"""Roles of modalities in a setting. The paper drops text, or audio, and keeps the picture."""

Rates = Mapping[str, float]
"""Missing rate in [0, 1] per role or modality."""


@dataclass(frozen=True)
class Setting:
    """One setting: missing rates in training and in test (paper Tables VI–VIII), and noise.

    Parameters
    ----------
    train, test : dict of role or modality to missing rate
    sigma : float
        Standard deviation of the noise on all test embeddings (paper Table IX).
    """

    train: Rates = field(default_factory=dict)
    test: Rates = field(default_factory=dict)
    sigma: float = 0.0

    def resolved(self, roles: Mapping[str, str]) -> Setting:
        """The setting with modalities in place of roles."""
        return Setting(_resolved(self.train, roles), _resolved(self.test, roles), self.sigma)


COMPLETE = Setting()


@dataclass(frozen=True)
class Variant:
    """A method as an experiment runs it: its name, parameters, and the column it stands in."""

    method: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    label: str = ""

    @property
    def column(self) -> str:
        return self.label or self.method


@dataclass(frozen=True)
class Published:
    """Published figures of one data set: (their name of the method, setting) → value in %.

    A row of `values` is a column of the paper's table: one figure per setting of the experiment,
    None where the paper prints none.
    """

    dataset: str
    metric: str
    values: Mapping[str, tuple[float | None, ...]]
    source: str


@dataclass(frozen=True)
class Experiment:
    """One table or figure of the paper, or one analysis beyond it, as data.

    Parameters
    ----------
    name : str
        What `srmm reproduce` calls it.
    title, note : str
        A heading, and what a reader has to know.
    variants : tuple of Variant
        In the order of the columns.
    settings : tuple of Setting
        In the order of the rows; "each" as a role stands for every modality in turn.
    published : tuple of Published
    view : str
        How it is written: a key of `srmm.experiments.views.VIEWS`.
    """

    name: str
    title: str
    variants: tuple[Variant, ...]
    settings: tuple[Setting, ...] = (COMPLETE,)
    published: tuple[Published, ...] = ()
    view: str = "table"
    note: str = ""


def roles_of(modalities: tuple[str, ...], dropped: str | None = None) -> dict[str, str]:
    """(dropped, kept): the modality that goes missing; by default text, or else the last.

    >>> roles_of(("image", "text"))
    {'dropped': 'text', 'kept': 'image'}
    """
    if len(modalities) < 2:
        raise InputError(
            f"There is one modality only, {modalities[0]!r}: experiments on missing modalities "
            "need at least two."
        )
    if dropped is None:
        dropped = "text" if "text" in modalities else modalities[-1]
    if dropped not in modalities:
        raise InputError(
            f"There is no modality {dropped!r} to drop. {did_you_mean(dropped, modalities)}"
        )
    return {DROPPED: dropped, KEPT: next(name for name in modalities if name != dropped)}


def expand(
    settings: tuple[Setting, ...], modalities: tuple[str, ...], dropped: str | None
) -> tuple[Setting, ...]:
    """The settings with modalities in place of roles; "each" becomes one setting per modality."""
    roles = roles_of(modalities, dropped)
    order = (roles[DROPPED], *(name for name in modalities if name != roles[DROPPED]))
    out: list[Setting] = []
    for setting in settings:
        each = "each" in setting.train or "each" in setting.test
        for name in order if each else (roles[DROPPED],):
            out.append(setting.resolved({**roles, "each": name}))
    return tuple(out)


def _resolved(rates: Rates, roles: Mapping[str, str]) -> dict[str, float]:
    return {roles.get(name, name): float(rate) for name, rate in rates.items() if rate}
