"""Loading a model and a store while another process replaces them: one version, never two."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np

import srmm
from srmm.methods import make_method


def version(k: int) -> tuple[srmm.Embeddings, list[str]]:
    """A data set all of whose numbers and labels say which version it is."""
    rng = np.random.default_rng(k)
    y = np.array([f"version {k}, {c}" for c in np.arange(12) % 2], dtype=object)
    arrays = {name: np.full((12, 3), k, dtype=np.float32) + rng.normal(size=(12, 3)) / 100
              for name in ("a", "b")}  # fmt: skip
    return srmm.Embeddings.from_arrays(arrays, labels=y), sorted(set(y))


def write_for_ever(folder: Path) -> None:
    """Replace the model and the store by ever other versions."""
    versions = [version(k) for k in (1, 2)]
    models = [make_method("logreg", random_state=0).fit(data) for data, _ in versions]
    while True:
        for (data, _), model in zip(versions, models, strict=True):
            srmm.save_embeddings(data, folder / "store", overwrite=True)
            model.save_pretrained(folder / "model", overwrite=True)


def check_store(folder: Path) -> None:
    """All of it is of one version."""
    found = srmm.load_embeddings(folder / "store")
    k = int(found.labels[0].split(",")[0].removeprefix("version "))
    assert all(label.startswith(f"version {k},") for label in found.labels)
    for name in found.modalities:
        assert np.abs(found.values[name] - k).max() < 0.5, f"labels of {k}, {name} of another"


def check_model(folder: Path, expected: dict[str, np.ndarray]) -> None:
    """It predicts as one of the two does."""
    model = srmm.from_pretrained(folder / "model")
    name = model.classes_[0].split(",")[0]
    data, _ = version(int(name.removeprefix("version ")))
    assert np.array_equal(model.predict_proba(data), expected[name]), "classes and weights differ"


def read_often(folder: Path, n: int, *, seconds: float = 1e9) -> Counter[str]:
    """Load both `n` times against a writer that never rests."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for k in (1, 2):
        data, _ = version(k)
        expected[f"version {k}"] = (
            make_method("logreg", random_state=0).fit(data).predict_proba(data)
        )
    srmm.save_embeddings(version(1)[0], folder / "store", overwrite=True)
    make_method("logreg", random_state=0).fit(version(1)[0]).save_pretrained(
        folder / "model", overwrite=True
    )
    writer = os.fork()
    if writer == 0:
        try:
            write_for_ever(folder)
        finally:
            os._exit(1)
    done: Counter[str] = Counter()
    until = time.monotonic() + seconds
    try:
        while done.total() < n and time.monotonic() < until:
            check_store(folder)
            check_model(folder, expected)
            done += Counter({"stores loaded": 1, "models loaded": 1})
        assert os.waitpid(writer, os.WNOHANG) == (0, 0), "the writer has ended"
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    # What the kill left is removed by the next writer, and was no hindrance to readers.
    check_store(folder)
    check_model(folder, expected)
    srmm.save_embeddings(version(1)[0], folder / "store", overwrite=True)
    make_method("logreg", random_state=0).fit(version(1)[0]).save_pretrained(
        folder / "model", overwrite=True
    )
    assert sorted(path.name for path in folder.iterdir()) == ["model", "store"]
    return done
