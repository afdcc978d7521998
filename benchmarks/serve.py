"""How fast `srmm serve` answers, and whether it grows: against `predict` in a loop of one process.

    python benchmarks/serve.py [--store STORE] [--seconds 2] [--rounds 3] [--clients 1 8 64]
                               [--workers 1] [--memory 50000] [--json FILE]

A model of pictures and texts is fitted to the store of OpenMoji (STORE, or encoded first: some
minutes), and served in a process of its own, on this machine's loopback alone. Requests have one
row each: its embeddings, or the picture's file (PNG, 72 × 72 pixels) and the text. The clients are
one thread of this process, which says what it takes of the processor, and what the server does.

In each round come, one after the other and for `--seconds` each: `Predictor.predict_proba` on the
same rows, one by one, in this process; of raw items the encoders alone, called directly in
batches of their own size; a server of the same kind that reads the same bodies and answers each
with the same 1,000 bytes, which is as fast as HTTP gets here; and the server with each number of
clients. The ratios are of one round; shown is the median of rounds. The loop says less than the
server: that adds what each modality says alone, shares and prediction sets.

With --memory, so many requests follow from eight clients, one in 64 with a picture and a text, and
the server's memory as they go by (its own and that of the process in which it decodes pictures);
five minutes at most.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from light_client import ask, resident

import srmm
from srmm.data.items import ItemReader
from srmm.encoders.engines import with_engine
from srmm.workflows import fit_workflow
from srmm.workflows.predictor import Predictor

ROWS = 64
"""Different rows that are asked for, in turns."""
MOST = 20_000
"""Requests of one line of a round, however much time is left."""
LONGEST = 300
"""Seconds that the memory is watched."""
EMBEDDINGS, RAW = "embeddings", "picture and text"


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


ECHO = """
import sys, uvicorn
async def app(scope, receive, send):
    while scope["type"] == "http" and (await receive()).get("more_body"): pass
    length = [(b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": b"." * 1000})
uvicorn.run(app, port=int(sys.argv[1]), access_log=False, lifespan="off",
            http="srmm.serving.heads:BoundedProtocol")
"""
SERVE = "import sys; from srmm.cli import main; main(sys.argv[1:])"


@contextmanager
def started(code: str, *words: str) -> Iterator[tuple[int, int]]:
    """(process, port) of a server that is ready; "PORT" among its words is the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", code, *(str(port) if w == "PORT" else w for w in words)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            until = time.monotonic() + 240
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
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def bare_encoders(predictor: Predictor, raw: list[dict[str, str]]) -> Callable[[int], None]:
    """A function that encodes some rows, 64 at a time, by the encoders alone."""
    encoders = {name: with_engine(predictor.encoder(name), "auto")[0] for name in raw[0]}
    contents = {"image": [Path(row["image"]).read_bytes() for row in raw],
                "text": [row["text"] for row in raw]}  # fmt: skip
    reader = ItemReader(None)
    opened = {"image": reader.image, "text": reader.text}

    def encode(_: int) -> None:
        for name, encoder in encoders.items():
            for start in range(0, len(raw), encoder.batch_size):
                items = contents[name][start : start + encoder.batch_size]
                encoder.encode([encoder.prepare(opened[name](item)) for item in items])

    return encode


def loop(work: Callable[[int], Any], seconds: float, rows: int = 1) -> dict[str, float]:
    """Rate of rows, and the processor's milliseconds for each, of calls one after the other."""
    work(0)
    n, mine, started = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - started < seconds and n < MOST:
        work(n % ROWS)
        n += 1
    return {
        "rate": n * rows / (time.perf_counter() - started),
        "server_ms": (time.process_time() - mine) / (n * rows) * 1000,
    }


def asked(process: int, port: int, bodies: list[bytes], clients: int, seconds: float) -> Any:
    """What `loop` gives, of clients of a server, and how long they waited."""
    load = ask(process, port, bodies, clients=clients, seconds=seconds, most=MOST)
    middle, late = np.percentile(load.seconds, [50, 99]) * 1000 if load.seconds else (0.0, 0.0)
    return {"rate": load.rate, "server_ms": load.server_ms, "client_ms": load.client_ms,
            "p50_ms": middle, "p99_ms": late, "refused": load.refused}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", type=Path, help="a store of OpenMoji, as srmm encode writes it")
    parser.add_argument("--model", type=Path, help="one that was fitted to it before")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--memory", type=int, default=0, help="requests to watch memory over")
    parser.add_argument("--json", type=Path, help="a file for the figures of every round")
    given = parser.parse_args()
    found: dict[str, Any] = {"cores": os.cpu_count(), "load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        model = given.model or fitted(Path(folder), given.store)
        raw = raw_rows(ROWS, Path(folder))
        words = [str(model), "--port", "PORT", "--queue", "256", "--workers", str(given.workers)]
        with started(SERVE, "serve", *words) as server, started(ECHO, "PORT") as echo:
            found |= measure(srmm.load(model), raw, server, echo, given)
            found["load_after"] = os.getloadavg()[0]
            print(f"\n{found['cores']} cores, load {found['load_before']:.1f} before, "
                  f"{found['load_after']:.1f} after")  # fmt: skip
            if given.memory:
                found["memory"] = watch_memory(*server, found.pop("bodies"), given.memory)
    found.pop("bodies", None)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


def measure(
    predictor: Predictor,
    raw: list[dict[str, str]],
    server: tuple[int, int],
    echo: tuple[int, int],
    given: argparse.Namespace,
) -> dict[str, Any]:
    """Run the rounds, and print what came of them."""
    vectors, seconds = vector_rows(predictor, raw), given.seconds
    rows: dict[str, list[Any]] = {EMBEDDINGS: vectors, RAW: raw}
    bodies = {EMBEDDINGS: [vector_body(row) for row in vectors], RAW: [raw_body(r) for r in raw]}
    encoders, most = bare_encoders(predictor, raw), max(given.clients)
    rounds: list[dict[str, dict[str, float]]] = []
    for _ in range(given.rounds):
        one: dict[str, dict[str, float]] = {}
        for name, own in rows.items():
            one[f"{name}: loop over predict_proba"] = loop(
                lambda i, own=own: predictor.predict_proba(own[i]), seconds
            )
            if name == RAW:
                one[f"{name}: encoders alone"] = loop(encoders, seconds, ROWS)
            one[f"{name}: bare HTTP, {most} clients"] = asked(*echo, bodies[name], most, seconds)
            for n in given.clients:
                one[f"{name}: {n} clients"] = asked(*server, bodies[name], n, seconds)
        rounds.append(one)
    show_lines(rounds)
    last = f"{most} clients"
    ratios = {
        f"{EMBEDDINGS}, {last}: server / loop": ratio(rounds, EMBEDDINGS, last,
                                                     "loop over predict_proba"),
        f"{EMBEDDINGS}, {last}: server / bare HTTP": ratio(rounds, EMBEDDINGS, last,
                                                          f"bare HTTP, {last}"),
        f"{RAW}, {last}: server / encoders alone": ratio(rounds, RAW, last, "encoders alone"),
        f"{RAW}, {last}: server / loop": ratio(rounds, RAW, last, "loop over predict_proba"),
    }  # fmt: skip
    print("\n| ratio | of rates | of processor time |\n| --- | --- | --- |")
    for name, (rate, time_) in ratios.items():
        print(f"| {name} | {rate:.2f} | {time_:.2f} |")
    mixed = [*bodies[EMBEDDINGS][1:], bodies[RAW][0]]
    return {"rounds": rounds, "ratios": ratios, "bodies": mixed}


def ratio(rounds: list[Any], name: str, server: str, other: str) -> tuple[float, float]:
    """Medians of rounds: how often faster the server is, and how often less it takes."""
    pairs = [(one[f"{name}: {server}"], one[f"{name}: {other}"]) for one in rounds]
    return (
        median(s["rate"] / o["rate"] for s, o in pairs),
        median(o["server_ms"] / s["server_ms"] if s["server_ms"] else np.nan for s, o in pairs),
    )


def show_lines(rounds: list[dict[str, dict[str, float]]]) -> None:
    names = {"rate": "per second", "server_ms": "processor, ms each", "client_ms": "the client's",
             "p50_ms": "p50, ms", "p99_ms": "p99, ms", "refused": "refused"}  # fmt: skip
    print(f"| what | {' | '.join(names.values())} |\n{'| --- ' * (len(names) + 1)}|")
    for what in rounds[0]:
        cells = []
        for name in names:
            values = [one[what][name] for one in rounds if name in one[what]]
            digits = 0 if name in ("rate", "refused") else 1 if name[0] == "p" else 2
            cells.append(f"{median(values):,.{digits}f}" if values else "")
        print(f"| {what} | {' | '.join(cells)} |", flush=True)


def watch_memory(process: int, port: int, bodies: list[bytes], requests: int) -> Any:
    """Print the server's memory at tenths of so many requests."""
    print("\n| further requests | server, MB |\n| --- | --- |")
    found = [(0, resident(process))]
    until = time.monotonic() + LONGEST
    while found[-1][0] < requests and time.monotonic() < until:
        load = ask(process, port, bodies, clients=8, seconds=until - time.monotonic(),
                   most=requests // 10)  # fmt: skip
        found.append((found[-1][0] + len(load.seconds) + load.refused, resident(process)))
        print(f"| {found[-1][0]:,} | {found[-1][1]:,.0f} |", flush=True)
    return found


if __name__ == "__main__":
    main()
