"""Seeded damages of stores, chunks, models, cells and notes: never another number in silence.

A damaged file is refused by name or reads exactly as before. Nothing else may happen.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

import srmm
from srmm.encoding.chunks import Chunk, read_chunk, write_chunk
from srmm.errors import SrmmError
from srmm.files import load_tensors, save_tensors
from srmm.workflows.pictures import noted_reading, open_noted
from tests.torture.commands import READERS

HOWS = ("bit", "byte", "zeros", "cut", "longer", "swap", "empty")


def damage(path: Path, how: str, rng: np.random.Generator) -> None:
    """Change a file as disks and transfers do."""
    data = bytearray(path.read_bytes())
    if not data:
        data += b"\0"
    at = int(rng.integers(len(data)))
    if how == "bit":
        data[at] ^= 1 << int(rng.integers(8))
    elif how == "byte":
        data[at] = int(rng.integers(256))
    elif how == "zeros":
        data[at : at + 512] = bytes(len(data[at : at + 512]))
    elif how == "cut":
        del data[at:]
    elif how == "longer":
        data += bytes(int(rng.integers(1, 100)))
    elif how == "swap":
        other = int(rng.integers(len(data)))
        data[at : at + 8], data[other : other + 8] = data[other : other + 8], data[at : at + 8]
    else:
        data.clear()
    path.write_bytes(bytes(data))


def damage_often(
    folder: Path, read: Callable[[Path], str], n: int, rng: np.random.Generator, *, but: str = ""
) -> Counter[str]:
    """Damage a random file of the folder `n` times; raise if anything else is read than before."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != but)
    expected = read(folder)
    outcomes: Counter[str] = Counter()
    for k in range(n):
        path = files[int(rng.integers(len(files)))]
        before, how = path.read_bytes(), HOWS[k % len(HOWS)]
        damage(path, how, rng)
        if path.read_bytes() == before:
            continue
        try:
            found = read(folder)
        except SrmmError as error:
            if str(folder) not in str(error):
                raise AssertionError(f"{path.name}, {how}: no name in {error}") from error
            outcomes["refused"] += 1
        else:
            assert found == expected, f"{path.name}, {how}: read {found}, not {expected}"
            outcomes["read as before"] += 1
        path.write_bytes(before)
    return outcomes


def read_all_of_a_store(folder: Path) -> str:
    """Its numbers, labels and rows, and how its table was read."""
    return READERS["store"](folder) + str(noted_reading(folder)) + str(open_noted(folder) is None)


def read_all_of_a_model(folder: Path) -> str:
    """What it predicts, and the rows it knows."""
    from srmm.learning.saving import open_saved

    saved = open_saved(folder)
    rows = "" if saved.rows is None else saved.rows.to_csv()
    return READERS["model"](folder) + str(saved.config["inputs"]) + rows


def read_chunks(folder: Path) -> str:
    """All chunks of an unfinished job."""
    found = [read_chunk(file) for file in sorted(folder.iterdir())]
    return str([(c.values.tobytes(), c.row.tolist(), c.failures, c.cut.tolist()) for c in found])


def read_cells(folder: Path) -> str:
    """All finished trainings of an experiment."""
    found = [load_tensors(file, "Delete it.") for file in sorted(folder.iterdir())]
    return str([({k: v.tobytes() for k, v in t.items()}, about) for t, about in found])


def read_report(folder: Path) -> str:
    """The numbers of a report."""
    return str(srmm.RobustnessReport.from_json(folder / "report.json").content)


def main(room: Path, workshop: Path, n: int = 3000) -> Counter[str]:
    """All of it, `n` damages in all."""
    rng = np.random.default_rng(14)
    done: Counter[str] = Counter()
    room.mkdir(parents=True)
    for name in ("store", "model", "default"):
        shutil.copytree(workshop / name, room / name)
    (room / "chunks").mkdir()
    (room / "cells").mkdir()
    values = rng.normal(size=(30, 8)).astype(np.float32)
    row = np.where(np.arange(32) < 30, np.arange(32), -1)
    write_chunk(Chunk(values, row, {30: "is broken", 31: None}), room / "chunks" / "a.safetensors")
    cell = {"y": np.arange(9), "outputs": rng.random((4, 9, 3)).astype(np.float32)}
    save_tensors(room / "cells" / "a.safetensors", cell, {"seconds": 1.5, "cell": {"seed": 3}})
    kinds = {
        "store": (read_all_of_a_store, 4), "model": (read_all_of_a_model, 3),
        "default": (read_all_of_a_model, 1), "chunks": (read_chunks, 1), "cells": (read_cells, 1),
    }  # fmt: skip
    for name, (read, share) in kinds.items():
        found = damage_often(room / name, read, n * share // 10, rng, but="README.md")
        done += Counter({f"{name}: {outcome}": times for outcome, times in found.items()})
    return done
