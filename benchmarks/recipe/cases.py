"""The data that the default was chosen and measured on: sets, and what is made to lack in them.

A case is a data set, how much of it is for training, and which share of a modality training keeps.
Every case has an outer split, of which the test part is looked at once, at the end, and an inner
one, inside the training part, on which everything was chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits

import srmm
from srmm.data.labels import known_labels
from srmm.data.split import held_out_split

TEST_SHARE = 0.25
_MOST_TEST = 5_000  # instances; more say nothing new and cost time


@dataclass(frozen=True)
class Case:
    name: str
    """What tables call it."""
    data: str
    """A store's name, or a data set whose features are published; "fashion:season" is a target."""
    train: int | None = None
    """Training instances, drawn at random; None: all."""
    keep: dict[str, float] = field(default_factory=dict)
    """Modality → share of training instances that keep it."""
    groups: bool = False
    """Whether the method is told who belongs together, and no group is on both sides."""


CASES = (
    Case("HTAD", "htad"),
    Case("HTAD, 30 % of audio", "htad", keep={"audio": 0.3}),
    Case("HTAD, 30 % of motion", "htad", keep={"motion": 0.3}),
    Case("HTAD, a tenth of both", "htad", keep={"audio": 0.1, "motion": 0.1}),
    Case("OpenMoji", "openmoji"),
    Case("OpenMoji, 30 % of texts", "openmoji", keep={"text": 0.3}),
    Case("spoken digits", "av_digits"),
    Case("spoken digits, speakers known", "av_digits", groups=True),
    Case("MOSI", "mosi", groups=True),
    Case("faces and voices", "face_voice40"),
    Case("openclipart", "openclipart"),
    Case("openclipart, titles apart", "openclipart", groups=True),
    Case("article types, 1,000", "fashion", train=1_000),
    Case("article types, 3,000", "fashion", train=3_000),
    Case("article types, 12,000", "fashion", train=12_000),
    Case("article types, all", "fashion"),
    Case("seasons, 3,000", "fashion:season", train=3_000),
    Case("halves of digits", "halves"),
    Case("breast cancer", "breast"),
    Case("image segments", "segments"),
    Case("numerals", "mfeat"),
    Case("leaves", "leaves"),
    Case("cells", "cells"),
    Case("proteins", "proteins"),
    Case("churn", "churn"),
    Case("credit", "credit"),
)

_FOUR_FIFTHS = {"image": 0.8, "text": 0.8}
STRANGERS = tuple(
    Case(f"{name}, 3,000", f"fashion:{column}", train=3_000, keep=_FOUR_FIFTHS)
    for name, column in {
        "colours": "baseColour",
        "genders": "gender",
        "uses": "usage",
        "kinds": "subCategory",
        "years": "year",
    }.items()
)
"""Labels that nobody had looked at when the default was made; on no page, measured by name only."""


def _halves(folder: Path | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
    digits = load_digits()
    parts = {"left": digits.images[:, :, :4], "right": digits.images[:, :, 4:]}
    return {name: part.reshape(len(part), -1) for name, part in parts.items()}, digits.target


def _breast(folder: Path | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
    cells = load_breast_cancer()
    parts = {"mean": slice(0, 10), "error": slice(10, 20), "worst": slice(20, 30)}
    return {name: cells.data[:, part] for name, part in parts.items()}, cells.target


def _segments(folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    table = pd.read_csv(folder / "segment.csv")
    numbers = table.drop(columns="category").to_numpy(float)
    return {"place": numbers[:, :9], "colour": numbers[:, 9:]}, table["category"].to_numpy(str)


def _numerals(folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    views = {
        name: pd.read_csv(folder / f"mfeat-{name}.csv").to_numpy(float)
        for name in ("fou", "zer", "mor")
    }
    return {name: view[:, :-1] for name, view in views.items()}, views["fou"][:, -1].astype(int)


def _numbers(table: pd.DataFrame) -> np.ndarray:
    """Numbers as they are, holes filled with the median; a column per value of all others."""
    numbers = table.select_dtypes("number")
    others = table.drop(columns=[*numbers]).fillna("none").astype(str)
    parts = [numbers.fillna(numbers.median()).to_numpy(float)]
    if len(others.columns):
        parts.append(pd.get_dummies(others).to_numpy(float))
    return np.hstack(parts)


def _leaves(folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    table = pd.read_csv(folder / "leaf_id_flavia.csv")
    species = table.pop("species").to_numpy(str)
    looks = table.select_dtypes(exclude="number")
    colours = table.filter(regex="red|green|blue|correlation|contrast|entropy|inverse")
    shapes = table.drop(columns=[*looks, *colours])
    parts = {"look": looks, "shape": shapes, "colour": colours}
    return {name: _numbers(part) for name, part in parts.items()}, species


def _cells(folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    table = pd.read_csv(folder / "cells.csv")
    parts = {f"channel {k}": table.filter(regex=f"_ch_{k}$") for k in range(1, 5)}
    return {name: _numbers(part) for name, part in parts.items()}, table["class"].to_numpy(str)


def _proteins(folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    table = pd.read_csv(folder / "ad_data.csv")
    labels = table.pop("Class").to_numpy(str)
    person = table[["Genotype", "male", "age"]]
    others = table.drop(columns=[*person])
    parts = {"person": person, "first": others.iloc[:, :60], "rest": others.iloc[:, 60:]}
    return {name: _numbers(part) for name, part in parts.items()}, labels


def _churn(folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    table = pd.read_csv(folder / "mlc_churn.csv")
    labels = table.pop("churn").to_numpy(str)
    use = table.filter(regex="^total")
    return {"use": _numbers(use), "plan": _numbers(table.drop(columns=[*use]))}, labels


def _credit(folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    table = pd.read_csv(folder / "credit_data.csv")
    labels = table.pop("Status").to_numpy(str)
    person = table[["Seniority", "Home", "Age", "Marital", "Records", "Job"]]
    return {"person": _numbers(person), "loan": _numbers(table.drop(columns=[*person]))}, labels


TABLES = {
    "halves": _halves, "breast": _breast, "segments": _segments, "mfeat": _numerals,
    "leaves": _leaves, "cells": _cells, "proteins": _proteins, "churn": _churn, "credit": _credit,
}  # fmt: skip
"""Sets of numbers alone, which the default was not made on: two come with scikit-learn; the UCI
sets Image Segmentation (as `segment.csv`) and Multiple Features (the three of its six views that
say least, as `mfeat-*.csv` with a last column for the class) lie in a folder of `root`, as do the
last five, tables of the R package modeldata, each as CSV under its name there."""


@cache
def open_data(data: str, stores: Path, root: Path | None) -> srmm.Embeddings:
    """The labelled instances of a data set: from a store, or as published."""
    name, _, target = data.partition(":")
    folder = root and root / name
    if name in TABLES:
        numbers, labels = TABLES[name](folder)
        return srmm.Embeddings.from_arrays(numbers, labels=labels.astype(str))
    if name in ("htad", "mosi"):
        return srmm.load_dataset(name, **({"root": folder} if name == "mosi" else {}))
    embeddings = srmm.load_embeddings(stores / name)
    if target:
        table = srmm.load_dataset(name, root=folder, target=target)
        labels = dict(zip(table.ids.tolist(), table.labels.tolist(), strict=True))
        wanted = [labels.get(id) for id in embeddings.ids.tolist()]
        embeddings.labels = np.array(wanted, dtype=object)
    embeddings = embeddings[known_labels(embeddings.labels) & embeddings.present.any(axis=1)]
    names, counts = np.unique(embeddings.labels.astype(str), return_counts=True)
    common = set(names[counts >= 8].tolist())  # a rarer class has nobody to be tested on
    return embeddings[np.array([str(label) in common for label in embeddings.labels])]


def outer_split(case: Case, data: srmm.Embeddings, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(training, test) rows: the data set's own, or a quarter held out, stratified."""
    if data.split is not None and {"train", "test"} <= set(data.split.tolist()):
        return np.flatnonzero(data.split != "test"), np.flatnonzero(data.split == "test")
    groups = data.groups if case.groups else None
    return held_out_split(_codes(data), TEST_SHARE, groups, np.random.default_rng([seed, 75]))


def parts(
    case: Case, data: srmm.Embeddings, seed: int, *, inner: bool
) -> tuple[srmm.Embeddings, srmm.Embeddings]:
    """(training, evaluation) instances of one seed; with `inner` no test row is among them."""
    rng = np.random.default_rng([seed, 76])
    train, test = outer_split(case, data, seed)
    if inner:
        mine = data[train]
        kept, held = held_out_split(_codes(mine), TEST_SHARE, mine.groups, rng)
        train, test = train[kept], train[held]
    if case.train is not None:
        train = np.sort(rng.permutation(train)[: case.train])
    learnt = data[train]
    if case.keep:
        present = np.ones(learnt.present.shape, dtype=bool)
        for name, share in case.keep.items():
            m = learnt.modalities.index(name)
            present[:, m] = rng.random(len(learnt)) < share
        learnt = learnt.mask(present)
        learnt = learnt[learnt.present.any(axis=1)]
    if not case.groups:
        learnt.groups = None
    test = np.sort(rng.permutation(test)[:_MOST_TEST])
    known = np.isin(data.labels[test].astype(str), learnt.labels.astype(str))
    return learnt, data[test[known]]


def by_name(names: list[str]) -> tuple[Case, ...]:
    """The cases of these names; all without names."""
    known = {case.name: case for case in CASES + STRANGERS}
    for name in names:
        if name not in known:
            raise SystemExit(f"There is no case {name!r}: {', '.join(map(repr, known))}.")
    return tuple(known[name] for name in names) if names else CASES


def _codes(data: srmm.Embeddings) -> np.ndarray:
    return np.unique(data.labels.astype(str), return_inverse=True)[1]
