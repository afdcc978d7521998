"""`srmm serve` among rude clients: only honest answers, nothing kept, nothing let out."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.torture import rude, served
from tests.torture.served import PREDICT, ROOT, Server, Shop, post, serving, wait_until

FAIR = {200, 400, 401, 403, 404, 405, 408, 413, 415, 421, 422, 503}
"""What may be answered: whoever asked is told what is wrong with it, or to come again."""
NOISE = 1e-6
"""By how much an answer may differ from what `srmm predict` writes: float noise of a batch."""
PATIENCE = 3.0
"""`--body-seconds` of the servers that are tortured."""
MEMORY_MB, FILES, THREADS = 120, 10, 8
"""What a server may hold more at the end than before: caches of libraries, idle threads."""
HEALTH = 15.0
"""Seconds within which a probe is answered, whatever else is asked, on a busy machine."""


def fair(status: int, answer: Any, what: str) -> str:
    """The status as text; `AssertionError` for an answer that no client should get."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    assert status in FAIR, f"{what}: answered with {status}, {text[:300]}"
    for leak in ("Traceback", 'File \\"', str(ROOT), "site-packages"):
        assert leak not in text, f"{what}: the answer tells {leak!r}: {text[:500]}"
    assert status == 200 or not isinstance(answer, dict) or "error" in answer, f"{what}: {text}"
    return str(status)


def right(shop: Shop, place: int, answer: Any) -> None:
    """Raise `AssertionError` if the answer is not what `srmm predict` says of the row."""
    (said,) = answer["predictions"]
    found = {entry["label"]: entry["probability"] for entry in said["probabilities"]}
    for label, expected in zip(shop.classes, shop.expected[place], strict=True):
        difference = abs(found[label] - expected)
        assert difference <= NOISE, f"row {place}: {label} is off by {difference}"


class Asking:
    """Well-behaved clients, in the background: what they are answered is right, or 503."""

    def __init__(self, server: Server, shop: Shop, clients: int = 2) -> None:
        self.server, self.shop, self.done = server, shop, Counter[str]()
        self.slowest = 0.0
        self._ends, self._may_lose = threading.Event(), False
        self._turns = itertools.count()
        self._pool = ThreadPoolExecutor(clients + 1)
        self._jobs = [self._pool.submit(self._ask) for _ in range(clients)]
        self._jobs.append(self._pool.submit(self._probe))

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._pool.shutdown()
        for job in self._jobs:
            job.result()

    def may_lose_connections(self) -> None:
        """From now on, as processes are killed."""
        self._may_lose = True

    def _ask(self) -> None:
        while not self._ends.wait(0.02):
            place = next(self._turns) % len(self.shop.rows)
            try:
                status, answer = self.server.ask(self.shop.rows[place])
            except OSError:
                assert self._may_lose, "a request that was fair lost its connection"
                self.done["lost with their process"] += 1
                continue
            assert status in (200, 503), f"a fair request was answered with {status}: {answer}"
            if status == 200:
                right(self.shop, place, answer)
            self.done["right" if status == 200 else "told to come again"] += 1

    def _probe(self) -> None:
        while not self._ends.wait(0.2):
            started = time.monotonic()
            try:
                status, _ = self.server.get("/health", 120)
            except OSError:
                assert self._may_lose, "a probe lost its connection"
                continue
            assert status in (200, 503)
            self.slowest = max(self.slowest, time.monotonic() - started)


def uploads(server: Server, shop: Shop, n: int) -> Counter[str]:
    """`n` broken uploads from four clients."""
    done: Counter[str] = Counter()

    def send(seed: int) -> Counter[str]:
        found: Counter[str] = Counter()
        made = rude.broken_uploads(shop.rows, seed)
        for path, kind, body in itertools.islice(made, n // 4):
            status, answer = post(server.port, body, path, kind)
            found[f"broken uploads, {fair(status, answer, repr((kind, body[:300])))}"] += 1
        return found

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(send, range(4)):
            done += found
    return done


def cuts(server: Server, shop: Shop, n: int) -> Counter[str]:
    """`n` connections that are gone in the middle, or before the answer."""
    dice = random.Random(3)
    for _ in range(n):
        row = {**dice.choice(shop.rows), "text": "a shoe " * 3000}
        body = rude.form(row) if dice.random() < 0.5 else json.dumps(row).encode()
        kind = f"multipart/form-data; boundary={rude.BOUNDARY}"
        message = rude.head(PREDICT, len(body), kind if body[:2] == b"--" else "application/json")
        message += body
        at = dice.choice([dice.randrange(len(message)), len(message)])
        rude.cut(server.port, message, at, abruptly=dice.random() < 0.5)
    return Counter({"cut connections": n})


def slow(port: int, n: int, patience: float = PATIENCE) -> Counter[str]:
    """`n` clients of each slow kind at once: none holds its connection for long."""
    body = json.dumps({"text": "a shoe " * 500}).encode()
    start, end = rude.head(PREDICT, len(body)), body
    longest = patience * 2 + HEALTH

    def body_drips(_: int) -> None:
        found, _ = rude.drip(port, end, longest, first=start)
        assert b" 408 " in found.split(b"\r\n")[0], found[:200]

    def head_drips(_: int) -> None:
        found, _ = rude.drip(port, start * 20, longest)
        assert b" 200 " not in found

    def refused_drips(_: int) -> None:
        """It was refused at once, and goes on all the same."""
        first = rude.head(PREDICT, 99_000_000)
        found, _ = rude.drip(port, b"x" * 99_000, longest, first=first)
        assert b" 413 " in found.split(b"\r\n")[0], found[:200]

    def says_nothing(_: int) -> None:
        with rude.connected(port, longest) as connection:
            assert rude.everything(connection) == b""

    def is_deaf(_: int) -> None:
        seconds = rude.deaf(port, "/page/app.js", 400, longest)
        assert seconds < longest, "a client that reads nothing is still served"

    kinds = (body_drips, head_drips, refused_drips, says_nothing, is_deaf)
    with ThreadPoolExecutor(n * len(kinds)) as pool:
        jobs = [pool.submit(kind, i) for kind in kinds for i in range(n)]
        for job in jobs:
            job.result()
    return Counter({"slow clients": n * len(kinds)})


def bombs(server: Server) -> Counter[str]:
    """Each bomb once."""
    done: Counter[str] = Counter()
    for name, kind, headers, body in rude.bombs():
        status, answer = post(server.port, body, "/predict", kind, **headers)
        done[f"bombs, {fair(status, answer, name)}"] += 1
    return done


def described(port: int, room: Path, examples: int) -> Counter[str]:
    """What schemathesis makes of the server's own description."""
    command = [sys.executable, "-m", "schemathesis.cli", "run",
               f"http://127.0.0.1:{port}/openapi.json", "--max-examples", str(examples),
               "--seed", "15", "--checks", "all", "--exclude-checks", "positive_data_acceptance",
               "--workers", "1", "--no-color"]  # fmt: skip
    done = subprocess.run(command, cwd=room, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    (tried,) = re.findall(r"(\d+) generated", done.stdout)
    return Counter({"requests of schemathesis": int(tried)})


def kills(server: Server, shop: Shop, n: int) -> Counter[str]:
    """Kill one of two workers, `n` times, while others ask; it is replaced."""
    dice = random.Random(1)
    with Asking(server, shop) as asking:
        asking.may_lose_connections()
        for _ in range(n):
            victim = dice.choice(workers(server))
            time.sleep(dice.random())
            os.kill(victim, signal.SIGKILL)
            assert wait_until(lambda gone=victim: gone not in workers(server), 60)
            assert wait_until(lambda: len(workers(server)) == 2, 60), "it is not replaced"
            assert wait_until(lambda: _answer_all(server), 120), "a worker does not answer"
    assert asking.done["right"] > 0
    assert wait_until(lambda: _waiting(server) == 0, 120), "the dead are said to wait"
    return Counter({"killed workers": n, "answers meanwhile": asking.done["right"],
                    "lost with their process": asking.done["lost with their process"]})  # fmt: skip


def workers(server: Server) -> list[int]:
    """The processes that answer."""
    return [one for one in server.processes() if "spawn_main" in served.command_of(one)]


def _waiting(server: Server) -> float:
    """How many requests all workers together say are waiting."""
    lines = server.get("/metrics")[1].decode().splitlines()
    (value,) = [line.split()[1] for line in lines if line.startswith("srmm_requests_waiting ")]
    return float(value)


def _answer_all(server: Server) -> bool:
    """Whether requests are answered, ten in a row."""
    try:
        return all(server.get("/ready", 20)[0] == 200 for _ in range(10))
    except OSError:
        return False


def _keeps_nothing(server: Server, work: Sequence[Callable[[], Counter[str]]]) -> Counter[str]:
    """Do the work; raise if the server then holds more than before, or has failed at anything."""
    before, done = server.holds(), Counter[str]()
    for one in work:
        done += one()
    wait_until(lambda: server.holds().files <= before.files + 2, PATIENCE + 15)
    after = server.holds()
    grown = f"before {before}, after {after}"
    assert after.memory_mb < before.memory_mb + MEMORY_MB, grown
    assert after.files <= before.files + FILES, grown
    assert after.threads <= before.threads + THREADS, grown
    assert after.temporary == before.temporary, grown
    return done


def main(room: Path, n: int = 10_000) -> Counter[str]:
    """All of it: `n` broken uploads, fewer of what takes longer."""
    shop = served.make_shop(room / "shop")
    one = torture_one(room, shop, n, examples=max(5, n // 250))
    return one + torture_several(room, shop, max(2, n // 1500))


def torture_one(room: Path, shop: Shop, n: int, examples: int) -> Counter[str]:
    """A server of one process."""
    with serving(shop, room / "one", "--body-seconds", str(PATIENCE)) as server:
        done = bombs(server)  # first: it starts the process that decodes, and fills its caches
        uploads(server, shop, max(40, n // 50))
        with Asking(server, shop) as asking:
            done += _keeps_nothing(
                server,
                [lambda: slow(server.port, max(2, n // 500)), lambda: cuts(server, shop, n // 10),
                 lambda: uploads(server, shop, n), lambda: bombs(server)],
            )  # fmt: skip
        assert asking.slowest < HEALTH, f"a probe waited {asking.slowest:.1f} s"
        done += described(server.port, room, examples)
        assert server.is_ready()
        assert "Traceback" not in server.said(), server.said()[-6000:]
    return done + Counter({f"meanwhile {what}": times for what, times in asking.done.items()})


def torture_several(room: Path, shop: Shop, n: int) -> Counter[str]:
    """A server of two processes, which are killed; in the end their parent is."""
    with serving(shop, room / "two", "--workers", "2") as server:
        done = kills(server, shop, n)
        assert "Traceback" not in server.said(), server.said()[-6000:]
    with serving(shop, room / "orphans", "--workers", "2") as server:
        server.process.kill()  # `serving` then sees that none outlives it
    return done
