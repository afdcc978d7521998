"""How fast `srmm serve` answers, and whether it grows: against `predict` in a loop of one process.

    python benchmarks/serve.py [--store STORE] [--seconds 5] [--clients 1 8 64] [--memory 4000]

A model of pictures and texts is fitted to the store of OpenMoji (STORE, or encoded first: some
minutes), and served in a process of its own, on this machine's loopback alone. Requests have one
row each: its embeddings, or the picture's file (PNG, 72 × 72 pixels) and the text. Each number of
clients asks for so many seconds, each client again as soon as it is answered, on a connection that
stays open. The clients are threads of this process: they take a share of the same cores. The loop
hands the same rows to `Predictor.predict_proba`, one by one, which is less than the server says:
it adds what each modality says alone, shares and prediction sets.

Two loops and two lines for each number of clients, `--seconds` each. With --memory, so many
requests of both kinds follow from eight clients, and the server's memory as they go by (its own
and that of the process in which it decodes pictures); two minutes at most.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import srmm
from srmm.data.items import ItemReader
from srmm.workflows import fit_workflow
from srmm.workflows.predictor import Predictor

ROWS = 64
"""Different rows that are asked for, in turns."""
MOST = 20_000
"""Requests of one line of the table, however much time is left."""


def fitted(folder: Path, store: Path | None) -> Path:
    """The folder of a model of OpenMoji."""
    source = str(store) if store else "openmoji"
    fit_workflow(source, folder / "model", method="logreg")
    return folder / "model"


def raw_rows(n: int, folder: Path) -> list[dict[str, str]]:
    """The first pictures and texts of OpenMoji, the picture as a file's path."""
    table, rows = srmm.load_dataset("openmoji"), []
    with ItemReader(table.folder) as reader:
        for i, text in enumerate(table.items["text"][:n]):
            picture = reader.image(table.items["image"][i]).convert("RGB").resize((72, 72))
            picture.save(folder / f"{i}.png")
            rows.append({"image": str(folder / f"{i}.png"), "text": text})
    return rows


def raw_body(row: dict[str, str]) -> bytes:
    """A picture and a text as the body of a request."""
    picture = base64.b64encode(Path(row["image"]).read_bytes()).decode()
    return json.dumps({"image": picture, "text": row["text"]}).encode()


def vector_rows(predictor: Predictor, rows: list[dict[str, str]]) -> list[dict[str, np.ndarray]]:
    """The same as embeddings: of each row and modality an array (1, d)."""
    read = srmm.read_table(pd.DataFrame(rows), image="image", text="text")
    made, _ = predictor.encode(read)
    vectors = {name: made.items(name)[1] for name in made.modalities}
    return [{name: v[i : i + 1] for name, v in vectors.items()} for i in range(len(rows))]


def vector_body(row: dict[str, np.ndarray]) -> bytes:
    """Embeddings as the body of a request."""
    return json.dumps({name: vector[0].tolist() for name, vector in row.items()}).encode()


@contextmanager
def served(model: Path) -> Iterator[tuple[int, int]]:
    """(process, port) of `srmm serve`, which is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import sys; from srmm.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "serve", str(model), "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([*command, "--queue", "256"], stdout=log, stderr=log)
        try:
            until = time.monotonic() + 180
            while not is_ready(port):
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    sys.exit(f"The server did not start:\n{log.read().decode()}")
                time.sleep(0.2)
            yield process.pid, port
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class Load:
    """So many clients that ask at once, for so long.

    After `run`: `times`, seconds of each answer; `refused`, how many were no answer.
    """

    def __init__(self, port: int, bodies: list[bytes], most: int = MOST) -> None:
        self.port, self.bodies, self.most = port, bodies, most
        self.times: list[float] = []
        self.refused = 0
        self._turns = itertools.count()

    def run(self, clients: int, seconds: float) -> float:
        """Requests that were answered per second."""
        started = time.perf_counter()
        self._until = started + seconds
        threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(self.times) / (time.perf_counter() - started)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        while time.perf_counter() < self._until and (turn := next(self._turns)) < self.most:
            before = time.perf_counter()
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/predict", self.bodies[turn % len(self.bodies)], headers)
            response = connection.getresponse()
            response.read()
            if response.status == 200:
                self.times.append(time.perf_counter() - before)
            else:
                self.refused += 1
        connection.close()


def loop(work: Callable[[int], Any], seconds: float) -> tuple[float, list[float]]:
    """(rows per second, seconds of each) of one row after the other in this process."""
    work(0)
    times: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds and len(times) < MOST:
        before = time.perf_counter()
        work(len(times) % ROWS)
        times.append(time.perf_counter() - before)
    return len(times) / (time.perf_counter() - started), times


def resident(process: int) -> float:
    """Memory of a process and of those it started, in MB."""
    total = 0
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    for one in [str(process), *children]:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{one}/status").read_text())
        total += int(found[1]) if found else 0
    return total / 1000


def line(what: str, rate: float, times: list[float], refused: int, memory: str) -> None:
    middle, late = np.percentile(times, [50, 99]) * 1000 if times else (np.nan, np.nan)
    print(
        f"| {what} | {len(times):,} | {rate:,.0f} | {middle:,.1f} | {late:,.1f} | {refused} "
        f"| {memory} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", type=Path, help="a store of OpenMoji, as srmm encode writes it")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--memory", type=int, default=0, help="requests to watch memory over")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        model = fitted(Path(folder), given.store)
        raw = raw_rows(ROWS, Path(folder))
        measure(model, raw, given.clients, given.seconds, min(given.memory, MOST))
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


def measure(
    model: Path, raw: list[dict[str, str]], clients: list[int], seconds: float, watched: int
) -> None:
    """Print the tables."""
    predictor = srmm.load(model)
    vectors = vector_rows(predictor, raw)
    asked: dict[str, tuple[list[Any], list[bytes]]] = {
        "embeddings": (vectors, [vector_body(row) for row in vectors]),
        "picture and text": (raw, [raw_body(row) for row in raw]),
    }
    print("| what | answered | per second | p50, ms | p99, ms | refused | server, MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, (rows, _) in asked.items():
        rate, times = loop(lambda i, rows=rows: predictor.predict_proba(rows[i]), seconds)
        line(f"{name}, loop in one process", rate, times, 0, "")
    with served(model) as (process, port):
        print(f"| server, ready | | | | | | {resident(process):,.0f} |")
        for name, (_, bodies) in asked.items():
            for count in clients:
                load = Load(port, bodies)
                rate, memory = load.run(count, seconds), f"{resident(process):,.0f}"
                line(f"{name}, {count} clients", rate, load.times, load.refused, memory)
        if watched:
            watch_memory(process, port, [body for _, bodies in asked.values() for body in bodies],
                         watched)  # fmt: skip


def watch_memory(process: int, port: int, bodies: list[bytes], requests: int) -> None:
    """Print the server's memory at eighths of so many requests."""
    print("\n| further requests | server, MB |\n| --- | --- |")
    print(f"| 0 | {resident(process):,.0f} |", flush=True)
    answered, until = 0, time.monotonic() + 120
    for _ in range(8):
        load = Load(port, bodies, most=requests // 8)
        load.run(8, until - time.monotonic())
        answered += len(load.times)
        print(f"| {answered:,} | {resident(process):,.0f} |", flush=True)


if __name__ == "__main__":
    main()
