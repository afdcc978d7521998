"""How often `srmm check MODEL DATA` gives an alarm: for nothing, and for something.

    python benchmarks/watch.py [DRAWS [MOSI]]

Every draw makes new training rows, a model of them, and rows to check, all of one distribution:
three classes, two modalities of 32 correlated numbers with heavy tails, a fifth of the rows without
the second. Then the rows are spoilt in some way, or not. With the folder MOSI of the data set mosi,
its rows are shuffled instead, and 300 that the model has not seen are checked. The figures are in
docs/watching.md.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.labels import known_labels
from srmm.datasets import load_dataset
from srmm.evaluation.answers import Judged, answers_of
from srmm.evaluation.sides import NewRows, Reference, Sample
from srmm.evaluation.watch import compare
from srmm.fusion import pattern_counts
from srmm.methods import make_method

NAMES = ("first", "second")
SIZE = 32
MIXING = {name: np.random.default_rng(i).normal(size=(SIZE, SIZE)) for i, name in enumerate(NAMES)}
CENTRES = {
    name: np.random.default_rng(9 + i).normal(size=(3, SIZE)) for i, name in enumerate(NAMES)
}


def draw(n: int, rng: np.random.Generator, *, lacks: float = 0.2) -> Embeddings:
    """n rows; a share `lacks` of them has not the second modality."""
    y = rng.integers(3, size=n)
    arrays = {
        name: (1.2 * CENTRES[name][y] + rng.standard_t(4, size=(n, SIZE)) @ MIXING[name] / 4)
        for name in NAMES
    }
    present = np.stack([np.ones(n, dtype=bool), rng.random(n) >= lacks], axis=1)
    return Embeddings.from_arrays(arrays, present=present, labels=y)


def spoilt(how: str, n: int, rng: np.random.Generator) -> Embeddings:
    """n new rows with something wrong with the second modality."""
    if how.startswith("dropped to"):
        return draw(n, rng, lacks=1 - float(how.split()[2]) / 100)
    rows = draw(n, rng)
    values = rows.values["second"]
    if how == "shuffled":
        rows.values["second"] = values[rng.permutation(len(values))]
    if how.startswith("noise"):
        scale = float(how.split()[1]) * values.std(axis=0)
        rows.values["second"] = (values + scale * rng.normal(size=values.shape)).astype(np.float32)
    if how.startswith("moved"):
        moved = values + float(how.split()[1]) * values.std(axis=0)
        rows.values["second"] = moved.astype(np.float32)
    return rows


def training_side(rows: Embeddings) -> tuple[Reference, object]:
    """A model of these training rows, a quarter of which is held out."""
    n, names = len(rows), rows.modalities
    test = np.arange(n) % 4 == 0
    model = make_method("logreg", random_state=0, when_nothing_present="prior").fit(rows[~test])
    present, held = np.asarray(rows.present), rows[test]
    scorer, there = model.scorer(held), np.asarray(held.present)
    answers, y = answers_of(scorer, there), np.searchsorted(model.classes_, held.labels.tolist())
    before = Reference(
        names, n, dict(zip(names, present.sum(axis=0).tolist(), strict=True)),
        {int(code): k for code, k in pattern_counts(present).items()}, "store", rows,
        Judged(scorer, there, y, model.class_prior_), answers, int((answers.predicted == y).sum()),
    )  # fmt: skip
    return before, model


def new_side(model: object, rows: Embeddings, rng: np.random.Generator) -> NewRows:
    """What a check keeps of new rows."""
    present, n, names = np.asarray(rows.present), len(rows), rows.modalities
    answers = answers_of(model.scorer(rows), present)
    samples = {}
    for name in names:
        where, vectors = rows.items(name)
        samples[name] = Sample(2_000)
        if len(where):
            numbers = where.tolist()
            samples[name].add(rng.random(len(where)), numbers, numbers, numbers, vectors)
    y = np.searchsorted(model.classes_, rows.labels.tolist())
    return NewRows(
        names, n, dict(zip(names, present.sum(axis=0).tolist(), strict=True)),
        Counter({int(code): k for code, k in pattern_counts(present).items()}), samples, answers,
        n, int((answers.predicted == y).sum()),
    )  # fmt: skip


def main(draws: int) -> None:
    cases = [("as training", n, n_train, draws)
             for n, n_train in ((20, 1_000), (200, 1_000), (2_000, 1_000), (200, 200))]  # fmt: skip
    for how in ("dropped to 60", "dropped to 70", "shuffled", "noise 0.5", "noise 1", "moved 0.5"):
        cases += [(how, n, 1_000, max(20, draws // 5)) for n in (50, 200)]
    for how, n, n_train, times in cases:
        seen: Counter[str] = Counter()
        any_at: Counter[float] = Counter()
        for k in range(times):
            rng = np.random.default_rng([k, n, len(how)])
            before, model = training_side(draw(n_train, rng))
            new = new_side(model, spoilt(how, n, rng), rng)
            found = compare(new, before, [0, 1, 2], {}, level=0.01, seed=k)
            seen.update({alarm["kind"] for alarm in found["alarms"]})
            any_at["alarm"] += bool(found["alarms"])
            any_at["significant"] += smallest(found) < 0.01
        kinds = ", ".join(f"{kind} {100 * k / times:.0f} %" for kind, k in sorted(seen.items()))
        print(
            f"{how:<14} {n:>5} rows, {n_train:>5} training: alarm in {any_at['alarm']} of {times}, "
            f"significant in {any_at['significant']} ({kinds or 'none'})",
            flush=True,
        )


def on_mosi(draws: int, folder: str) -> None:
    """Alarms on 300 rows of CMU-MOSI, of as many as `draws` shuffles of all rows."""
    data, alarms = load_dataset("mosi", Path(folder)), 0
    data = data[np.flatnonzero(known_labels(data.labels) & data.present.any(axis=1))]
    for k in range(draws):
        rng = np.random.default_rng([k, 5])
        rows = rng.permutation(len(data))
        before, model = training_side(data[rows[300:]])
        new = new_side(model, data[rows[:300]], rng)
        alarms += bool(compare(new, before, list(model.classes_), {}, level=0.01, seed=k)["alarms"])
    print(f"mosi: alarm in {alarms} of {draws}", flush=True)


def smallest(found: dict) -> float:
    """The lowest p after Holm's correction of a check."""
    tests = [*found["presence"], *found["patterns"], *found["shift"]]
    tests += [test for test in found["prediction"].values() if isinstance(test, dict)]
    tests += [found["accuracy"][part] for part in ("expected", "observed")]
    return min(test["p_holm"] for test in tests if test.get("p_holm") is not None)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        on_mosi(int(sys.argv[1]), sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
