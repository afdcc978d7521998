"""How near prediction and reports come to what the machine can do: ratios within one run.

    python benchmarks/prediction.py [--tiny] [--classes 101] [--rows 4000] [--json FILE]
    python benchmarks/prediction.py --many-classes [--json FILE]

Embeddings are drawn (2 × 768 numbers, a tenth of the items absent), the models trained for two
epochs: what they say does not matter here. Everything is measured in turns, in processor time, and
given as its median and as a ratio to what it cannot go below:

- many rows: the share of this machine's peak (float32 products of matrices, in the same run) at
  which the networks' products are made, and at which all are, those of discriminants and trust
  with them;
- one row: to the paper's bare network (a call of the module and a softmax) on the same row;
- the report of the paper's method, without t-SNE and baselines: to passes of its network.

With --many-classes nothing but whole reports, page and JSON, of 20,000 rows of 2 × 64 numbers and
10,000 classes, each in a process of its own: wall and processor time, and the peak of its memory.

With --tiny, seconds instead of minutes, and numbers that mean nothing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import command, described, use_clock, write

import srmm
from srmm.ensemble.distil import distil

TURNS = 5
NOISE_PASSES = 19
"""Passes that a report cannot do without: three draws of three sizes in two scales, and one."""


def drawn(n: int, n_classes: int, size: int, seed: int = 0) -> srmm.Embeddings:
    """Instances of two modalities, a tenth of whose items are absent."""
    centres = np.random.default_rng(1).normal(size=(2, n_classes, size)).astype(np.float32)
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    arrays = {
        name: 0.15 * centres[m][y] + rng.standard_normal((n, size), dtype=np.float32)
        for m, name in enumerate(("image", "text"))
    }
    present = rng.random((n, 2)) > 0.1
    present[~present.any(axis=1)] = True
    return srmm.Embeddings.from_arrays(arrays, present=present, labels=y)


def tensors(rows: srmm.Embeddings) -> dict[str, torch.Tensor]:
    """The items that are there, as the network takes them."""
    return {name: torch.tensor(rows.items(name)[1]) for name in rows.modalities}


def bare(network: Any, items: dict[str, torch.Tensor]) -> Callable[[], object]:
    """A call of the network and a softmax, and nothing else."""

    def call() -> object:
        with torch.inference_mode():
            return network(items).softmax(dim=1)

    return call


def in_turns(calls: dict[str, Callable[[], object]], times: int, turns: int) -> dict[str, float]:
    """Median processor seconds of each, one after the other in every turn."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(turns):
        for name, call in calls.items():
            start = time.process_time()
            for _ in range(times):
                call()
            seconds[name].append((time.process_time() - start) / times)
    return {name: float(np.median(found)) for name, found in seconds.items()}


def products(model: Any, test: srmm.Embeddings) -> float:
    """Multiplications and additions of the products that the networks of a prediction need."""
    items, h, C = int(test.present.sum()), model.hidden_dim, len(model.classes_)
    size = next(iter(test.embedding_dims.values()))
    if isinstance(model, srmm.PaperClassifier):
        return 2.0 * items * (size * h + h * h + h * C)
    pairs, K = int(test.present.all(axis=1).sum()), model.n_folds
    streams = len(test) if K == 1 else items + pairs  # distilled: one stream an instance
    return 2.0 * K * (items * size * h + streams * h * h + len(test) * h * C)


def all_products(model: Any, test: srmm.Embeddings) -> float:
    """The same, with those of the default's discriminants, and of its trust in each item."""
    needed = products(model, test)
    if not isinstance(model, srmm.PaperClassifier):
        for name, size in test.embedding_dims.items():
            lines = model.discriminants_.weight.get(name)
            familiar = model.trust_.familiar.get(name) if model.trust_.steepness.get(name) else None
            columns = 0 if lines is None else lines.shape[-1]
            columns += 0 if familiar is None else 2 * familiar.axes.shape[1]  # to them and back
            needed += 2.0 * len(test.places(name)[0]) * size * columns
    return needed


def measured(rows: int, n_classes: int, size: int, turns: int) -> dict[str, Any]:
    """All figures."""
    train, test = drawn(max(n_classes * 2, 400), n_classes, size), drawn(rows, n_classes, size, 1)
    default = srmm.SingleBranchClassifier(max_epochs=2, random_state=0).fit(train)
    models = {
        "paper": srmm.PaperClassifier(max_epochs=2, random_state=0).fit(train),
        "default": default,
        "distilled": distil(default, train),
    }
    network, square = models["paper"].network_, torch.randn(2048, 2048)
    calls: dict[str, Callable[[], object]] = {
        "peak": lambda: square @ square,
        "bare": bare(network, tensors(test)),
    }
    calls |= {name: lambda m=model: m.predict_proba(test) for name, model in models.items()}
    many = in_turns(calls, 1, turns)
    peak = 2 * 2048**3 / many["peak"]
    one = drawn(1, n_classes, size, 2).mask(np.ones((1, 2), dtype=bool))
    arrays = {name: one.to_array(name) for name in one.modalities}
    calls = {"bare": bare(network, tensors(one))}
    calls |= {name: lambda m=model: m.predict_proba(arrays) for name, model in models.items()}
    single = in_turns(calls, 20, 3 * turns)
    calls = {
        "bare": bare(network, tensors(test)),
        "report": lambda: srmm.evaluate(models["paper"], test, projection=False),
    }
    report = in_turns(calls, 1, 1 if turns < TURNS else 3)
    return {
        "rows": rows,
        "classes": n_classes,
        "peak_gflops": peak / 1e9,
        "many_rows": {
            name: {
                "rows_per_second": rows / many[name],
                "share_of_peak": products(model, test) / many[name] / peak,
                "share_of_all_products": all_products(model, test) / many[name] / peak,
            }
            for name, model in models.items()
        },
        "one_row": {
            name: {"milliseconds": 1e3 * single[name], "times_bare": single[name] / single["bare"]}
            for name in single
        },
        "report": {
            "seconds": report["report"],
            "passes": report["report"] / report["bare"],
            "times_needed": report["report"] / report["bare"] / NOISE_PASSES,
        },
        "peak_memory_gb": peak_memory(),
    }


def whole_report(kind: str, rows: int, n_classes: int) -> dict[str, Any]:
    """A report without t-SNE and baselines, from the fitted model to the page: time and memory."""
    train, test = drawn(n_classes * 2, n_classes, 64), drawn(rows, n_classes, 64, 1)
    model: Any = {"paper": srmm.PaperClassifier, "default": srmm.SingleBranchClassifier}[kind]
    model = model(max_epochs=1, random_state=0).fit(train)
    before, wall, start = peak_memory(), time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        report = srmm.evaluate(model, test, projection=False)
        evaluated = time.process_time() - start
        report.to_json(Path(folder) / "report.json")
        page = Path(folder) / "report.html"
        report.to_html(page)
        size = page.stat().st_size
    return {
        "model": kind,
        "wall seconds": time.perf_counter() - wall,
        "processor seconds": time.process_time() - start,
        "of which evaluation": evaluated,
        "peak memory after fit, GB": before,
        "peak memory, GB": peak_memory(),
        "page, MB": size / 1e6,
    }


def peak_memory() -> float:
    """Of this process, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def many_classes(rows: int, n_classes: int) -> dict[str, Any]:
    """`whole_report` of the paper's method and the default, each in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        given = [(kind, rows, n_classes) for kind in ("paper", "default")]
        reports = pool.starmap(whole_report, given, chunksize=1)
    return {"rows": rows, "classes": n_classes, "reports": reports}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--classes", type=int, default=101)
    parser.add_argument("--many-classes", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    use_clock("process")
    if asked.many_classes:
        found = many_classes(*((60, 30) if asked.tiny else (20_000, 10_000)))
    elif asked.tiny:
        found = measured(60, 3, 16, 1)
    else:
        found = measured(asked.rows, asked.classes, 768, TURNS)
    print(json.dumps(found, indent=2))
    write({"machine": described(), "command": command(), **found}, asked.json)


if __name__ == "__main__":
    main()
