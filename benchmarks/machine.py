"""What the scripts that measure speed share: the machine, its peak, and the file they write."""

from __future__ import annotations

import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

import srmm

CLOCKS = {"wall": time.perf_counter, "process": time.process_time}
clock_name = "wall"


def described() -> dict[str, Any]:
    """The machine as far as it decides speed, and how busy it was."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "clock": clock_name,
        "load when started": round(os.getloadavg()[0], 1),
        "bfloat16 in the processor": has_bfloat16(),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "srmm": srmm.__version__,
    }


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself; else it is slower than float32."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if os.name == "posix" else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def peak(size: int = 2048, times: int = 5, device: str = "cpu") -> float:
    """GFLOP/s of a product of two large float32 matrices, the median of some."""
    a = torch.randn(size, size, device=device)
    return 2 * size**3 / statistics.median(timed(lambda: a @ a, device) for _ in range(times)) / 1e9


def timed(work: Callable[[], object], device: str = "cpu") -> float:
    """Seconds, of wall time or of the processor (`CLOCKS`)."""
    clock = CLOCKS[clock_name]
    _wait(device)
    start = clock()
    work()
    _wait(device)
    return clock() - start


def use_clock(name: str) -> None:
    """Which of `CLOCKS` decides. On cores that others use, too, take "process" and one thread."""
    global clock_name
    clock_name = name


def write(content: dict[str, Any], file: Path | None) -> None:
    """Write what was measured as JSON, from which `performance.py` makes the page."""
    if file:
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def command() -> str:
    """What was typed, without the paths of this machine."""
    words = Path(sys.argv[0]).name, *sys.argv[1:]
    paths = {i + 1 for i, word in enumerate(words) if word in ("--json", "--against")}
    kept = [word if i not in paths else "…" for i, word in enumerate(words)]
    return shlex.join(["benchmarks/" + kept[0], *kept[1:]]).replace("'…'", "…")


def table(title: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A table of the page; printed, too."""
    print(f"\n{title}")
    for row in rows:
        print("  " + ", ".join(f"{name}: {value}" for name, value in row.items()), flush=True)
    return {"title": title, "rows": rows}


def processes(first: int) -> list[psutil.Process]:
    """A process and all that it started."""
    process = psutil.Process(first)
    return [process, *process.children(recursive=True)]


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
