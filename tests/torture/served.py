"""A server as a process of its own: what it serves, what it should say, and what it holds."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import psutil
from PIL import Image

from tests.torture.hashing import install

ROOT = Path(__file__).parents[2]
_COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200)}
_COMMAND = "import sys; from srmm.cli import main; main(sys.argv[1:])"
PREDICT = "/predict?explain=false&top=all&coverage=none"


class Shop(NamedTuple):
    """A model, the environment that its encoder needs, and rows whose answers are known."""

    model: Path
    environment: dict[str, str]
    rows: list[dict[str, Any]]
    """Bodies of requests, of one row each."""
    expected: np.ndarray
    """(rows, classes): what `srmm predict` says of them."""
    classes: list[str]


def make_shop(folder: Path, n: int = 40) -> Shop:
    """Fit a small model of photo, title, and price and size, and predict `n` rows with holes."""
    folder.mkdir(parents=True)
    paths = [install(folder / "plug-in"), ROOT, ROOT / "src"]
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1", "SRMM_CACHE": str(folder / "cache"),
    }  # fmt: skip
    train = [_row(folder, i) for i in range(60)]
    pd.DataFrame(train).to_csv(folder / "train.csv", index=False)
    columns = ["--image", "photo", "--text", "title", "--features", "info=price,size"]
    _run(environment, "fit", folder / "train.csv", *columns, "--label", "colour", "--id", "sku",
         "--encoder", "image=hash", "--encoder", "text=hash", "--method", "logreg",
         "-o", folder / "model")  # fmt: skip
    asked = [_row(folder, i) for i in range(100, 100 + n)]
    for i, row in enumerate(asked):
        row.pop("colour")
        for name in ("photo", "title", "price", "size"):
            if (i * 7 + len(name) * 3) % 5 < 2:
                row[name] = None
        row["title"] = row["title"] or f"shoe {i}"  # each has something
    pd.DataFrame(asked).to_csv(folder / "asked.csv", index=False)
    _run(environment, "predict", folder / "model", folder / "asked.csv", "--probabilities",
         "-o", folder / "said.csv")  # fmt: skip
    said = pd.read_csv(folder / "said.csv")
    classes = sorted(_COLOURS)
    expected = said[[f"probability:{name}" for name in classes]].to_numpy()
    bodies = [_body(folder, row) for row in asked]
    return Shop(folder / "model", environment, bodies, expected, classes)


def _run(environment: Mapping[str, str], *arguments: object) -> None:
    command = [sys.executable, "-c", _COMMAND, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def _row(folder: Path, i: int) -> dict[str, Any]:
    colour = list(_COLOURS)[i % 2]
    pixels = np.random.default_rng(i).integers(-30, 30, (12, 12, 3)) + _COLOURS[colour]
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
    return {"sku": f"p{i}", "photo": f"{i}.png", "title": f"a {colour} shoe, {i % 7}",
            "price": f"{10 + 40 * (i % 2) + i % 5},50", "size": "SML"[i % 3],
            "colour": colour}  # fmt: skip


def _body(folder: Path, row: Mapping[str, Any]) -> dict[str, Any]:
    body = {"text": row["title"], "info": {"price": row["price"], "size": row["size"]}}
    if row["photo"] is not None:
        body["image"] = base64.b64encode((folder / row["photo"]).read_bytes()).decode()
    return body


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    """An even picture, which is far smaller as a file than as pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (9, 9, 9)).save(buffer, kind)
    return buffer.getvalue()


class Holding(NamedTuple):
    """What a server and the processes below it hold."""

    memory_mb: float
    files: int
    threads: int
    processes: int
    temporary: int
    """Files and folders in its folder for temporary ones."""


@dataclass
class Server:
    """A running `srmm serve`."""

    process: subprocess.Popen[bytes]
    port: int
    temporary: Path
    log: Path

    def ask(self, row: Any, path: str = PREDICT) -> tuple[int, Any]:
        """(status, answer) of a request on a connection of its own."""
        return post(self.port, json.dumps(row).encode(), path)

    def get(self, path: str, seconds: float = 30) -> tuple[int, bytes]:
        """(status, content)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def processes(self) -> list[int]:
        """The server's process and all below it."""
        return family(self.process.pid)

    def holds(self) -> Holding:
        """What it holds now."""
        total = np.zeros(3)
        processes = self.processes()
        for process in processes:
            total += _holds(process)
        left = sum(1 for _ in self.temporary.rglob("*"))
        return Holding(total[0] / 1e6, int(total[1]), int(total[2]), len(processes), left)

    def said(self) -> str:
        """What it wrote to its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def is_ready(self) -> bool:
        try:
            return self.get("/ready", 10)[0] == 200
        except OSError:
            return False


def post(port: int, body: bytes, path: str = PREDICT, kind: str = "application/json",
         **headers: str) -> tuple[int, Any]:  # fmt: skip
    """(status, answer) of a request; raises `OSError` if the connection is lost."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        # Where it is refused before all of it was sent, the answer may be there all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", path, body, {"Content-Type": kind, **headers})
        response = connection.getresponse()
        content = response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from None
    finally:
        connection.close()
    return response.status, json.loads(content) if content[:1] in b"{[" else content.decode()


@contextmanager
def serving(shop: Shop, room: Path, *options: str) -> Iterator[Server]:
    """A server that is ready; ended by a signal afterwards, when nothing of it may be left."""
    (room / "tmp").mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", _COMMAND, "serve", str(shop.model), "--port", str(port)]
    environment = {**shop.environment, "TMPDIR": str(room / "tmp")}
    log = room / "log.txt"
    with log.open("wb") as file:
        process = subprocess.Popen([*command, *options], stdout=file, stderr=file, env=environment)
    server, seen = Server(process, port, room / "tmp", log), set[int]()
    try:
        wait_until(lambda: server.is_ready() or process.poll() is not None, 180)
        assert process.poll() is None, server.said()
        seen = set(server.processes())
        yield server
    finally:
        everyone = seen | set(server.processes())
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            process.kill()
    wait_until(lambda: not any(map(_lives, everyone)), 20)
    left = [process for process in everyone if _lives(process)]
    assert not left, f"processes {left} outlive the server"
    if process.returncode != -signal.SIGKILL:
        assert not list(server.temporary.iterdir()), "the server left temporary files"


def wait_until(is_so: Any, seconds: float) -> bool:
    """Whether it came to be so."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.1)
    return bool(is_so())


def family(process: int) -> list[int]:
    """A process and all below it that live."""
    try:
        first = psutil.Process(process)
        found = [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    return [one.pid for one in found if _lives(one.pid)]


def command_of(process: int) -> str:
    """The command line of a process; nothing where it is gone."""
    try:
        return " ".join(psutil.Process(process).cmdline())
    except psutil.Error:
        return ""


def _lives(process: int) -> bool:
    try:
        return psutil.Process(process).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def _holds(process: int) -> np.ndarray:
    """Bytes of memory that are its own, open files, threads."""
    try:
        of = psutil.Process(process)
        memory = of.memory_info()
        return np.array([memory.rss - memory.shared, of.num_fds(), of.num_threads()])
    except psutil.Error:
        return np.zeros(3)
