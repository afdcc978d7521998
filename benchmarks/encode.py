"""The encoding job against the bare network, and ONNX Runtime against PyTorch.

    python benchmarks/encode.py [--fashion FOLDER] [--repeats 5] [--engine onnx]
    python benchmarks/encode.py --memory [--rows 200000]

"job" is `srmm.encode` of a table to a store: finding equal items, reading, decoding, tokenising,
the network, chunks on the disk, the store. "bare" is the network alone, in the same engine with
the same threads, fed from memory with the very batches that the job made. Both run in turns, in
one process; medians over the repeats, and the median of each repeat's ratio. Loading the encoder
(and exporting it, once) comes before. The same ratio in processor time is what the job could reach
where nothing else runs: on a machine without idle cores, preparing items is taken from the network.

Pictures are those of OpenMoji, drawn at 512 × 512 pixels and saved as JPEG; with --fashion also
the product photos (60 × 80 pixels). Texts are pairs of OpenMoji's names.

--memory encodes synthetic texts of three words, all different, and prints the peak of resident
memory as the rows go by.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import os
import re
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import srmm
from srmm.data.items import ItemReader
from srmm.data.table import Table
from srmm.encoders import default_encoder, load_encoder
from srmm.encoders.engines import engine_of, with_engine

PIXELS = 512

WORDS = (
    "red blue green black white grey brown pink gold silver dark light small large long short old "
    "new soft hard warm cold thin thick round square plain fine sweet clean shoe shirt bag watch "
    "hat coat dress belt ring cup lamp chair table door book pen clock glass plate knife spoon box "
    "ball car bike boat tree stone bread cake"
)
"""60 words, a token each: 216,000 different texts of three."""


def openmoji_photos(n: int, folder: Path) -> Table:
    """OpenMoji's pictures as JPEG files of 512 × 512 pixels."""
    table = srmm.load_dataset("openmoji")
    names = []
    with ItemReader(table.folder) as reader:
        for item in table.items["image"][:n]:
            names.append(f"{Path(item).stem}.jpg")
            picture = reader.image(item).resize((PIXELS, PIXELS))
            picture.save(folder / names[-1], quality=90)
    return srmm.read_table(pd.DataFrame({"photo": names}), image="photo", folder=folder)


def openmoji_texts(n: int) -> Table:
    """Two names each, all different."""
    names = srmm.load_dataset("openmoji").items["text"].tolist()
    pairs = (f"{a}, {b}" for a, b in itertools.product(names[::50], names))
    texts = list(itertools.islice(dict.fromkeys(pairs), n))
    return srmm.read_table(pd.DataFrame({"title": texts}), text="title")


def fashion_photos(n: int, root: Path, folder: Path) -> Table:
    """The first product photos, as files."""
    names = []
    with zipfile.ZipFile(root / "images.zip") as archive:
        for item in srmm.load_dataset("fashion", root).items["image"][:n]:
            names.append(Path(item).name)
            members = (item, names[-1])  # the archive may have a folder of its own, or none
            member = next(member for member in members if member in archive.NameToInfo)
            (folder / names[-1]).write_bytes(archive.read(member))
    return srmm.read_table(pd.DataFrame({"photo": names}), image="photo", folder=folder)


class Recorder:
    """A network that keeps what it is called with."""

    engine = "recorder"

    def __init__(self, network: Any) -> None:
        self.network, self.calls = network, []

    def __call__(self, **arrays: np.ndarray) -> np.ndarray:
        self.calls.append(arrays)
        return self.network(**arrays)


def seconds(work: Callable[[], object]) -> np.ndarray:
    """(seconds by the clock, seconds of processor time in all threads)."""
    started = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - started[0], time.process_time() - started[1]])


def compare(name: str, table: Table, engine: str, repeats: int) -> None:
    """One row of each of the two tables."""
    (modality,) = table.modalities
    kind = table.kinds[modality]
    eager = load_encoder(default_encoder(kind), kind)
    chosen, note = with_engine(eager, engine)
    if note:
        print(f"{name}: {note}")

    def job(encoder: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            # "torch" leaves an encoder as it is, whatever runs it.
            srmm.encode(table, {modality: encoder}, Path(folder) / "store", engine="torch")

    def bare(encoder: Any) -> None:
        for arrays in calls:
            encoder.network(**arrays)

    recording = copy.copy(chosen)
    recording.network = Recorder(chosen.network)
    job(recording)
    calls = recording.network.calls
    works = [lambda: job(chosen), lambda: bare(chosen), lambda: bare(eager)]
    times = np.array([[seconds(work) for work in works] for _ in range(repeats)])  # (r, 3, 2)
    n = len(table)
    rates = " | ".join(f"{n / t:,.0f}" for t in np.median(times[:, :, 0], axis=0))
    ratio, processor = (np.sort(times[:, 1, k] / times[:, 0, k]) for k in (0, 1))
    gain = np.median(times[:, 2, 0] / times[:, 1, 0])
    print(
        f"| {name} | {engine_of(chosen)} | {n:,} | {rates} "
        f"| {np.median(ratio):.2f} ({ratio[0]:.2f} to {ratio[-1]:.2f}) "
        f"| {np.median(processor):.2f} | {gain:.1f} × |",
        flush=True,
    )


def resident() -> tuple[float, float]:
    """(now, at most so far) in GB."""
    status = Path("/proc/self/status").read_text()
    return tuple(int(re.search(rf"{key}:\s+(\d+)", status)[1]) / 1e6 for key in ("VmRSS", "VmHWM"))


def memory(rows: int, engine: str) -> None:
    """Print resident memory of this process as `rows` texts are encoded."""
    texts = [
        " ".join(words)
        for words in itertools.islice(itertools.product(WORDS.split(), repeat=3), rows)
    ]
    table = srmm.read_table(pd.DataFrame({"title": texts}), text="title")
    marks = iter(sorted({rows // 8, rows // 4, rows // 2, rows}))
    mark = next(marks)
    started = time.perf_counter()

    def report(_: str, done: int, total: int) -> None:
        nonlocal mark
        if done >= mark:
            now, peak = resident()
            rate = done / (time.perf_counter() - started)
            print(f"| {done:,} | {now:.2f} | {peak:.2f} | {rate:,.0f} |", flush=True)
            mark = next(marks, total + 1)

    print("| rows | resident, GB | peak, GB | rows/s |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        result = srmm.encode(table, None, Path(folder) / "store", engine=engine, progress=report)
        now, peak = resident()
        print(f"| store written | {now:.2f} | {peak:.2f} | {rows / result.summary.seconds:,.0f} |")
    print(result.summary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", default="auto", choices=["auto", "torch", "onnx"])
    parser.add_argument("--fashion", type=Path, help="folder of the data set 'fashion'")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--texts", type=int, default=1500)
    parser.add_argument("--only", help="a word in the name of the comparison to make")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--rows", type=int, default=200_000)
    given = parser.parse_args()
    if given.memory:
        memory(given.rows, given.engine)
        return
    import torch

    print(f"{os.cpu_count()} cores, {torch.get_num_threads()} threads\n")
    print(
        "| items | engine | n | job, items/s | bare, items/s | bare in PyTorch, items/s "
        "| job / bare | processor time, bare / job | bare / PyTorch |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        sources = {
            "texts": lambda: openmoji_texts(given.texts),
            f"pictures, {PIXELS} × {PIXELS}": lambda: openmoji_photos(given.images, Path(folder)),
        }
        if given.fashion:
            sources["photos, 60 × 80"] = lambda: fashion_photos(
                given.images, given.fashion, Path(folder)
            )
        for name, make in sources.items():
            if given.only in (None, *name.replace(",", "").split()):
                compare(name, make(), given.engine, given.repeats)


if __name__ == "__main__":
    main()
