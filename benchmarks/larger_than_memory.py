"""A store larger than memory: how fast it is learnt from, and how much memory that takes.

    python benchmarks/larger_than_memory.py FOLDER [--gb 30] [--tiny] [--json FILE]

A store of that size is generated in FOLDER and stays there for the next call: delete it afterwards.
Every training is one epoch in a process of its own, with one thread. *Anonymous* memory is what the
process has made (at most 1 GB is asked); *resident* has the pages of the store on top that happen
to be there, which the system takes back whenever it wants. The rates are of a part of the store in
three ways, in turns: in memory and made once, in memory and made per batch, and from the store.
Rates are of processor time, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import command, described, table, write

import srmm
from srmm.data.embeddings import Embeddings
from srmm.learning import gathered

CLASSES, ABSENT = 101, 0.1
METHODS = {"default": srmm.SingleBranchClassifier, "paper": srmm.PaperClassifier}
WAYS = ("in memory, made once", "in memory, per batch", "store, per batch")


class Generated:
    """Vectors (n, d) that are made when they are asked for, each near the centre of its class."""

    def __init__(self, n: int, d: int, dtype: str, seed: int) -> None:
        self.shape, self.dtype, self.seed = (n, d), np.dtype(dtype), seed
        self.centres = np.random.default_rng(seed).standard_normal((CLASSES, d), dtype=np.float32)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng([self.seed, int(rows[0])])
        made = rng.standard_normal((len(rows), self.shape[1]), dtype=np.float32)
        made += 0.15 * self.centres[rows % CLASSES]
        return made.astype(self.dtype)


def generated(folder: Path, gb: float, width: int, dtype: str) -> Path:
    """The store of two modalities; made, if it is not there yet."""
    n = int(gb * 1e9 / (2 * width * np.dtype(dtype).itemsize))
    store = folder / f"store-{n}-{width}-{dtype}"
    if not store.exists():
        rng = np.random.default_rng(0)
        values: Any = {name: Generated(n, width, dtype, m) for m, name in enumerate("ab")}
        position = np.repeat(np.arange(n)[:, None], 2, axis=1)
        absent = np.flatnonzero(rng.random(n) < ABSENT)
        position[absent, rng.integers(2, size=len(absent))] = -1
        names = np.array([f"class {c}" for c in range(CLASSES)], dtype=object)
        labels = names[np.arange(n) % CLASSES]
        srmm.save_embeddings(Embeddings(values, position, labels=labels), store)
    return store


class Memory:
    """The most memory that this process takes while this is open, in MB."""

    def __enter__(self) -> Memory:
        self.most = {"RssAnon": 0, "VmRSS": 0}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
                name, _, value = line.partition(":")
                if name in self.most:
                    self.most[name] = max(self.most[name], int(value.split()[0]) // 1000)


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Learn for an epoch, or predict or evaluate with what was learnt; in this process."""
    torch.set_num_threads(1)
    spent: list[float] = []

    def timed(epochs: Iterable[int]) -> Iterator[int]:
        for epoch in epochs:
            start = time.process_time()
            yield epoch
            spent.append(time.process_time() - start)

    gathered.MADE_ONCE = 1 << 50 if job["way"] == WAYS[0] else 0
    start = time.perf_counter()
    with Memory() as memory:
        embeddings = srmm.load_embeddings(job["store"])
        if job["rows"]:
            embeddings = embeddings[np.random.default_rng(0).permutation(len(embeddings))]
            embeddings = embeddings[: job["rows"]]
        if job["way"] in WAYS[:2]:
            arrays = {name: embeddings.to_array(name) for name in embeddings.modalities}
            embeddings = Embeddings.from_arrays(arrays, labels=embeddings.labels)
        if job["task"] == "fit":
            model = METHODS[job["method"]](max_epochs=1, random_state=0, progress=timed)
            model.fit(embeddings).save_pretrained(job["model"], overwrite=True)
        elif job["task"] == "predict":
            srmm.from_pretrained(job["model"]).predict_proba(embeddings)
        else:
            srmm.evaluate(srmm.from_pretrained(job["model"]), embeddings, projection=False)
    items = int(embeddings.present.sum())
    rate = round(items / spent[0]) if spent else None
    return {
        "rows": len(embeddings), "items": items, "items/s of the epoch": rate,
        "seconds of all": round(time.perf_counter() - start, 1),
        "anonymous MB": memory.most["RssAnon"], "resident MB": memory.most["VmRSS"],
    }  # fmt: skip


def apart(job: dict[str, Any]) -> dict[str, Any]:
    """`work` in a process of its own."""
    ran = subprocess.run(
        [sys.executable, __file__, "--job", json.dumps(job)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    print(f"  {job['method']} {job['task']}, {job['way']}: {found}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where the store is generated")
    parser.add_argument("--gb", type=float, default=30, help="of vectors")
    parser.add_argument("--width", type=int, default=768, help="numbers of an embedding")
    parser.add_argument("--dtype", choices=("float16", "float32"), default="float16")
    parser.add_argument("--part", type=int, default=40_000, help="rows that rates are compared on")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=[*METHODS])
    parser.add_argument("--tiny", action="store_true", help="seconds, to see that it runs")
    parser.add_argument("--json", type=Path, help="write what was measured here")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        print(json.dumps(work(json.loads(given.job))))
        return
    if given.tiny:
        given.gb, given.width, given.part, given.rounds = 0.0005, 64, 500, 1
        given.methods = ["default"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        store = generated(folder, given.gb, given.width, given.dtype)
        tables = measured(given, store, Path(scratch))
    write({"machine": described(), "command": command(), "tables": tables}, given.json)


def measured(given: argparse.Namespace, store: Path, scratch: Path) -> list[dict[str, Any]]:
    """The tables: rates of a part, and memory of the whole."""
    rates, whole = [], []
    run = work if given.tiny else apart  # a process more takes longer than what is tiny
    for method in given.methods:
        job = {"store": str(store), "method": method, "model": str(scratch / method)}
        found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
        for _ in range(given.rounds):
            for way in WAYS:
                found[way].append(run({**job, "task": "fit", "way": way, "rows": given.part}))
        speeds = {
            way: [one["items/s of the epoch"] for one in every] for way, every in found.items()
        }
        for way, every in found.items():
            turns = zip(speeds[way], speeds[WAYS[0]], strict=True)
            rates.append({
                "method": method, "way": way, "rows": every[0]["rows"],
                "items/s": round(statistics.median(speeds[way])),
                "of made once": round(statistics.median(a / b for a, b in turns), 3),
                "anonymous MB": max(one["anonymous MB"] for one in every),
            })  # fmt: skip
        for task, rows in (("fit", 0), ("predict", given.part), ("evaluate", given.part)):
            start = apart if task == "fit" else run
            one = start({**job, "task": task, "way": WAYS[2], "rows": rows})
            whole.append({"method": method, "task": task, **one})
    size = sum(file.stat().st_size for file in store.iterdir()) / 1e9
    about = f"2 × {given.width} numbers of {given.dtype}, {size:,.2f} GB"
    return [
        table(f"A part of a store ({about}), one epoch", rates),
        table(f"All of that store ({about})", whole),
    ]


if __name__ == "__main__":
    main()
