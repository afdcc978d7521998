"""`srmm serve` as a process: started, asked, and ended by a signal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from srmm.cli import run
from srmm.workflows import fit_workflow
from tests.torture.served import command_of, family, wait_until
from tests.torture.service import described, slow

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numbers")
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["u", "v", "w"])
    frame["y"] = np.where(frame["u"] > 0, "yes", "no")
    frame.to_csv(folder / "t.csv", index=False)
    columns = {"features": ["a=u,v", "b=w"], "label": "y"}
    fit_workflow(str(folder / "t.csv"), folder / "model", columns=columns, method="logreg")
    return folder / "model"


@contextmanager
def serving(model: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import sys; from srmm.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "serve", str(model), "--port", str(port), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            assert process.poll() is None, process.stderr and process.stderr.read()
            try:
                ask(f"{address}/ready")
                break
            except OSError:
                time.sleep(0.1)
        yield process, address
    finally:
        process.kill()
        process.wait()


def ask(address: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        content = response.read().decode()
    return json.loads(content) if content[:1] == "{" else content


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_was_accepted_is_answered_before_the_end(model: Path, sign: signal.Signals) -> None:
    with serving(model, "--wait-ms", "1500") as (process, address):
        answers: list[Any] = []
        row = {"a": {"u": 3.0, "v": 0.0}}
        asking = threading.Thread(target=lambda: answers.append(ask(f"{address}/predict", row)))
        asking.start()
        time.sleep(0.5)
        process.send_signal(sign)
        asking.join(20)
        assert answers[0]["predictions"][0]["label"] == "yes"
        assert process.wait(20) == 0
        assert process.stderr
        assert "error" not in process.stderr.read()


@pytest.mark.parametrize("asks", [True, False])
def test_who_has_just_come_can_ask_before_the_end(model: Path, asks: bool) -> None:
    with serving(model) as (process, address):
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            time.sleep(0.3)  # until it is accepted
            process.send_signal(signal.SIGTERM)
            if asks:
                time.sleep(0.3)  # until the end has begun
                client.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 200")
            assert process.wait(20) == 0


def test_an_address_is_looked_at_before_the_model_is_loaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for options, words in [
            (["--port", str(port)], f"Port {port} of 127.0.0.1 is in use by another program"),
            (["--port", str(port), "--workers", "2"], "is in use by another program"),
            (["--host", "203.0.113.1"], "'203.0.113.1' is no address of this machine"),
        ]:
            assert run(["serve", "nowhere", *options]) == 1
            assert words in capsys.readouterr().err


def test_several_processes_count_together(model: Path) -> None:
    with serving(model, "--workers", "2") as (process, address):
        for _ in range(12):
            ask(f"{address}/predict", {"b": 1.0, "a": [1.0, 2.0]})
        assert "srmm_rows_total 12.0" in ask(f"{address}/metrics")
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_a_worker_that_is_killed_is_replaced_and_none_outlives_the_server(model: Path) -> None:
    with serving(model, "--workers", "2") as (process, address):
        first = _workers(process.pid)
        os.kill(first[0], signal.SIGKILL)  # perhaps while it still loads the model
        assert wait_until(lambda: len(set(_workers(process.pid)) - set(first)) == 1, 30)
        assert ask(f"{address}/predict", {"b": 1.0})["predictions"][0]["label"] in ("yes", "no")
        last = _workers(process.pid)
        process.kill()
        assert wait_until(lambda: not any(Path(f"/proc/{one}").exists() for one in last), 60)


def test_a_model_is_loaded_anew_while_it_is_asked(model: Path, tmp_path: Path) -> None:
    served = tmp_path / "model"
    shutil.copytree(model, served)
    row = {"a": {"u": 3.0, "v": 0.0}}

    def labels() -> set[str]:
        found = [ask(f"{address}/predict", row) for _ in range(8)]
        return {one["predictions"][0]["label"] for one in found}

    with serving(served, "--workers", "2") as (process, address):
        assert labels() == {"yes"}
        frame = pd.read_csv(model.parent / "t.csv").replace({"y": {"yes": "ja", "no": "nein"}})
        frame.to_csv(tmp_path / "t.csv", index=False)
        columns = {"features": ["a=u,v", "b=w"], "label": "y"}
        fit_workflow(str(tmp_path / "t.csv"), served, columns=columns, method="logreg",
                     overwrite=True)  # fmt: skip
        first = _workers(process.pid)
        process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: not labels() - {"ja"}, 60)
        assert wait_until(lambda: not set(first) & set(_workers(process.pid)), 60)
        (served / "model.safetensors").write_bytes(b"")
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert labels() == {"ja"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr
        said = process.stderr.read()
    assert "Traceback" not in said
    assert "model.safetensors is damaged: it has 0 bytes" in said


def test_the_counts_of_a_server_that_was_killed_go_with_the_next(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serving(model, "--workers", "2") as (process, _):
        workers = _workers(process.pid)
    (left,) = tmp_path.glob("srmm-serve-*")  # `serving` ends its server as nobody should
    assert wait_until(lambda: not any(Path(f"/proc/{one}").exists() for one in workers), 60)
    with serving(model, "--workers", "2") as (process, _):
        (new,) = tmp_path.glob("srmm-serve-*")
        assert new != left
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert not new.exists()


def _workers(process: int) -> list[int]:
    return [one for one in family(process) if "spawn_main" in command_of(one)]


def test_a_client_that_keeps_a_connection_for_nothing_loses_it(model: Path) -> None:
    with serving(model, "--body-seconds", "1") as (_, address):
        done = slow(int(address.rpartition(":")[2]), 1, patience=1)
        assert done.total() == 5


def test_the_description_is_kept(model: Path, tmp_path: Path) -> None:
    """By requests that schemathesis makes from it, right ones and wrong ones."""
    with serving(model) as (_, address):
        assert described(int(address.rpartition(":")[2]), tmp_path, 3).total() > 50


def test_a_folder_that_is_no_model_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", str(tmp_path), "--port", "0", "--workers", "2"]) == 1
    assert "config.json" in capsys.readouterr().err
    assert run(["serve", str(tmp_path), "--queue", "0"]) != 0
    assert "SRMM_MAX_PIXELS" not in os.environ, "what is set for a server ends with it"
