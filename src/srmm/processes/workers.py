"""Daft's workers: several processes on this machine, or actors in a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import uuid
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from srmm.errors import InputError, MissingExtraError
from srmm.processes.worker import NAMESPACE, TaskWorker

_QUIET = {
    # Nobody is told that, or how, Daft and Ray are used here.
    "DAFT_ANALYTICS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DAFT_PROGRESS_BAR": "0",
    "RAY_DISABLE_DASHBOARD": "1",  # Daft then does not look for it, with a warning
}


@dataclass(frozen=True)
class Workers:
    """The workers of one job: how many, and where."""

    count: int
    gpus: int
    """GPUs that each one needs for itself."""
    on_ray: bool


def check_daft(address: str | None, engine: str) -> None:
    """Raise `MissingExtraError` without Daft; `InputError` for a cluster with another engine."""
    if engine == "daft":
        if find_spec("daft") is None:
            raise MissingExtraError("daft", "daft", "The engine 'daft'")
    elif address is not None:
        raise InputError(
            f"address is {address!r}, a cluster for engine='daft', but engine is {engine!r}."
        )


@contextmanager
def open_workers(count: int | None, address: str | None) -> Iterator[Workers]:
    """Daft, ready to run: on the Ray cluster at `address`, or on this machine.

    A process has one runner of Daft for good. Where this process has it run on Ray already, that
    is where it runs without an address too.

    Raises `MissingExtraError` without Ray where it is needed, `InputError` if there is no such
    cluster or it is too small.
    """
    with _environment(_QUIET):
        import daft  # not before: importing it is what it would report

        if address is not None:
            _connect(address)
        if daft.get_or_infer_runner_type() == "ray":
            yield _on_ray(count)
            return
        cores = os.cpu_count() or 1
        count = count or max(1, cores // 2)
        # Without this every worker starts a thread per core, and they all wait for each other.
        threads = {
            "OMP_NUM_THREADS": str(max(1, cores // count)),
            "OMP_WAIT_POLICY": "passive",
        }
        with _environment(threads):
            yield Workers(count, 0, on_ray=False)


def run_tasks(
    workers: Workers, task: bytes, packed: list[tuple[int, bytes]]
) -> Generator[tuple[int, Any], None, None]:
    """Number and outcome of each piece of work, as they come; see `TaskWorker`.

    Raises whatever Daft does if a worker is lost on this machine; Ray starts another by itself.
    """
    import daft

    class Udf(TaskWorker):
        run = daft.method.batch(return_dtype=daft.DataType.binary(), batch_size=1)(TaskWorker.run)

    frame = daft.from_pydict({"number": [n for n, _ in packed], "work": [w for _, w in packed]})
    count = min(workers.count, len(packed))
    with contextlib.ExitStack() as stack:
        lives = None
        if workers.on_ray:
            # A partition is what is returned at a time, and what is lost with a machine.
            frame = frame.into_partitions(len(packed))
            lives = stack.enter_context(_counting_lives())
            udf = daft.cls(
                Udf,
                cpus=1,
                gpus=workers.gpus,
                max_concurrency=count,
                ray_options={"max_restarts": -1, "max_task_retries": -1},
            )
        else:
            udf = daft.cls(Udf, use_process=True, max_concurrency=count)
        outcome = udf(task, lives).run(frame["number"], frame["work"])
        rows = iter(frame.select(outcome.alias("outcome")).iter_rows())
        # In order, a slow piece would keep back those that are done, to be lost by a kill.
        with daft.execution_config_ctx(maintain_order=False):
            row = next(rows, None)
        while row is not None:
            yield pickle.loads(row["outcome"])
            row = next(rows, None)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set what is not set, for this process and those it starts; take it back at the end."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _connect(address: str) -> None:
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "ray", "A Ray cluster") from None
    import daft

    if not ray.is_initialized():
        try:
            ray.init(
                address,
                namespace=NAMESPACE,
                logging_level=logging.WARNING,
                log_to_driver=False,
                runtime_env={"env_vars": _QUIET},
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(
                f"There is no Ray cluster at {address!r} ({error}). Give the address of its head, "
                "such as 'ray://head:10001', or 'auto' on one of its machines; `ray start --head` "
                "starts one."
            ) from None
    daft.set_runner_ray(noop_if_initialized=True)
    if daft.get_or_infer_runner_type() != "ray":
        raise InputError(
            "Daft runs on this machine already, and cannot change to a Ray cluster in the same "
            "process. Start a new one."
        )


def _on_ray(count: int | None) -> Workers:
    import ray

    there = ray.cluster_resources()
    gpus, cpus = int(there.get("GPU", 0)), int(there.get("CPU", 0))
    slots = gpus or cpus
    if count is not None and count > slots:
        unit = "GPUs" if gpus else "CPUs"
        raise InputError(
            f"workers is {count}, but the Ray cluster has {slots} {unit}, one for each worker."
        )
    return Workers(count or slots, min(gpus, 1), on_ray=True)


@contextmanager
def _counting_lives() -> Iterator[str]:
    """Yield the name of an actor that counts how often each piece of work is begun."""
    import ray

    class Lives:
        def __init__(self) -> None:
            self.begun: Counter[int] = Counter()

        def begin(self, number: int) -> int:
            self.begun[number] += 1
            return self.begun[number]

    name = f"lives-{uuid.uuid4().hex}"
    actor = ray.remote(num_cpus=0)(Lives).options(name=name, namespace=NAMESPACE).remote()
    try:
        yield name
    finally:
        ray.kill(actor)
