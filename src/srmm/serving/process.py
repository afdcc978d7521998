"""Running the server: one process or several, the last request answered before the end."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from srmm.errors import InputError, MissingExtraError, SrmmError
from srmm.serving.address import check_address
from srmm.serving.limits import Limits

KEYS = "SRMM_API_KEYS"
"""The variable that holds the API keys, separated by commas."""
_SETTINGS = "SRMM_SERVE_SETTINGS"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
_SHORTEST_KEY = 16


@dataclass(frozen=True)
class Settings:
    """What a process of the server is started with; JSON values but for the paths."""

    model: Path
    store: Path | None = None
    root: Path | None = None
    report: Path | None = None
    engine: str = "auto"
    device: str | None = None
    when_nothing: str | None = None
    hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    log_requests: bool = False


def serve_model(
    settings: Settings, *, host: str = "127.0.0.1", port: int = 8000, workers: int = 1
) -> int:
    """Serve a model until a signal ends it; returns the exit code.

    What was accepted is answered first. Several `workers` are processes that each load the model.

    Raises
    ------
    MissingExtraError
        Without the extra `srmm[serve]`.
    InputError
        If the model, report or store cannot be served, nothing can listen at the address, or an
        API key is too short.
    """
    try:
        import fastapi  # noqa: F401
        import httptools  # noqa: F401
        import orjson  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise MissingExtraError(str(error.name), "serve", "srmm serve") from None
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}.")
    api_keys()
    check_address(host, port)
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "log_level": "info",
        "log_config": _log_config(uvicorn.config.LOGGING_CONFIG),
        "access_log": settings.log_requests,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": 10,
        "limit_concurrency": 256 + 4 * settings.limits.queue,
        "http": "srmm.serving.heads:BoundedProtocol",
    }
    try:
        with _environment_put_back():
            return _run(settings, workers, options)
    except SystemExit as stop:  # of uvicorn, which has said why, with a code that means an alarm
        return int(bool(stop.code))


def _run(settings: Settings, workers: int, options: dict[str, Any]) -> int:
    import uvicorn

    application = application_of(settings)  # of several processes, too: what is wrong is said once
    for note in application.app.state.desk.notes:
        print(f"note: {note}", file=sys.stderr)
    if workers == 1:
        server = uvicorn.Server(uvicorn.Config(application, **options))
        with _ends_well(server):
            server.run()
        return 0 if server.started else 1
    del application
    from srmm.serving.counts import counting_together
    from srmm.serving.workers import run_workers

    with counting_together():
        os.environ[_SETTINGS] = _packed(settings)
        # Processes that each take all cores slow one another down.
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
        config = uvicorn.Config(
            "srmm.serving.process:application_of_worker",
            factory=True,
            workers=workers,
            timeout_worker_healthcheck=120,
            **options,
        )
        run_workers(config)
    return 0


@contextlib.contextmanager
def _ends_well(server: Any) -> Iterator[None]:
    """The signal that ended a server is heeded once: uvicorn sends it again when all is answered,
    and it would end the process as one that was killed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }

    def heed(number: int, frame: FrameType | None) -> None:
        handler = before[number]
        if server.started:
            return
        if callable(handler):
            handler(number, frame)
        elif handler is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, heed)
    hang_up = getattr(signal, "SIGHUP", None)  # the terminal is closed; not under `nohup`
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        before[hang_up] = signal.signal(hang_up, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _environment_put_back() -> Iterator[None]:
    """What is set for the server, and those it starts, ends with it."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _log_config(uvicorns: dict[str, Any]) -> dict[str, Any]:
    """uvicorn's log, in which srmm writes, too: what a start waits for, and what failed."""
    ours = {"handlers": ["default"], "level": "INFO", "propagate": False}
    # It warns of every form that is none, with pieces of it: the client hears that, not the log.
    forms = {"level": "ERROR"}
    return {
        **uvicorns, "loggers": {**uvicorns["loggers"], "srmm": ours, "python_multipart": forms}
    }  # fmt: skip


def application_of(settings: Settings) -> Any:
    """The ASGI application, with the keys of the environment."""
    from srmm.serving.application import make_application
    from srmm.workflows.predictor import load

    # Where `srmm.data.limits` looks, and the processes that decode apart.
    os.environ["SRMM_MAX_PIXELS"] = str(int(settings.limits.megapixels * 1e6))
    predictor = load(
        settings.model,
        device=settings.device,
        engine=settings.engine,
        when_nothing_present=settings.when_nothing,
    )
    application = make_application(
        predictor,
        limits=settings.limits,
        report=settings.report,
        store=settings.store,
        root=settings.root,
        keys=api_keys(),
        hosts=settings.hosts,
    )
    application.app.state.desk.warmed = leave_at_rest
    return application


def leave_at_rest() -> None:
    """Take what is loaded by now out of the collections of garbage to come.

    It lives as long as the process, and looking through it, a million objects of libraries, halts
    every request for some tenths of a second. With 64 requests under way, garbage was else looked
    for at every sixth of them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000)


def application_of_worker() -> Any:
    """The application of one of several processes, whose settings are in the environment."""
    from srmm.serving.workers import begin_worker

    begin_worker()
    packed = json.loads(os.environ[_SETTINGS])
    paths = {n: packed[n] and Path(packed[n]) for n in ("model", "store", "root", "report")}
    limits = Limits(**packed.pop("limits"))
    settings = Settings(**{**packed, **paths, "hosts": tuple(packed["hosts"]), "limits": limits})
    try:
        return application_of(settings)
    except SrmmError as error:  # the model is another one than at the start
        sys.exit(f"error: {error}")


def api_keys() -> list[str]:
    """The keys of the environment; `InputError` for one that could be guessed."""
    keys = [key.strip() for key in os.environ.get(KEYS, "").split(",") if key.strip()]
    if any(len(key) < _SHORTEST_KEY for key in keys):
        raise InputError(
            f"A key in {KEYS} has fewer than {_SHORTEST_KEY} characters and could be guessed. "
            "Make one with: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return keys


def allowed_hosts(host: str, named: Sequence[str]) -> tuple[str, ...]:
    """The names by which the server may be called: those given, else, on this machine alone, its
    own; every name where it listens to others."""
    if named:
        return tuple(named)
    return _LOOPBACK if is_local(host) else ()


def is_local(host: str) -> bool:
    """Whether only this machine can reach the address."""
    return host in _LOOPBACK or host.startswith("127.")


def _packed(settings: Settings) -> str:
    return json.dumps(asdict(settings), default=str)
