"""`make fuzz`: every reader gets damaged bytes for as long as told; what none may do is listed."""

from __future__ import annotations

import argparse
import faulthandler
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random

from tests.fuzzing.targets import TARGETS, Target, attempt

AT_LEAST = 25
"""Inputs of a target that is slow: drawing a whole report takes seconds."""
SLOW = 90.0
"""Seconds for an input of a few kilobytes that are a finding, too."""


def main() -> int:
    """Run; the number of findings is the exit code, up to 99."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--seconds", type=float, default=240, help="for all targets together")
    parser.add_argument("--inputs", type=int, help="of each target, whatever that takes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[*TARGETS], choices=[*TARGETS])
    parser.add_argument("--keep", type=Path, help="folder for the inputs that were not stood")
    parser.add_argument("--atheris", action="store_true", help="let atheris guide one target")
    given = parser.parse_args()
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as folder:
        if given.atheris:
            return _guided(TARGETS[given.only[0]], Path(folder), int(given.seconds))
        return _all(given, Path(folder))


def _all(given: argparse.Namespace, folder: Path) -> int:
    found: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    share = given.seconds / len(given.only)
    for name in given.only:
        target, random = TARGETS[name], Random(f"{given.seed} {name}")
        examples = target.examples(folder)
        end = time.monotonic() + share
        wanted = given.inputs or AT_LEAST
        while tried[name] < wanted or (not given.inputs and time.monotonic() < end):
            whole = tried[name] < len(examples)  # first what is no way damaged
            data = (
                examples[tried[name]] if whole else target.change(random.choice(examples), random)
            )
            tried[name] += 1
            (folder / "last").write_bytes(data)  # what a crash of the interpreter leaves behind
            where = _tried(target, data, folder)
            if where is not None:
                found[f"{name}: {where}"] += 1
                if given.keep and found[f"{name}: {where}"] == 1:
                    given.keep.mkdir(parents=True, exist_ok=True)
                    (given.keep / f"{name}-{len(found)}").write_bytes(data)
        print(f"{name:<16}{tried[name]:>8,} inputs", flush=True)
    print(f"{sum(tried.values()):,} inputs, {len(found)} findings")
    for where, times in found.most_common():
        print(f"{times:>6} × {where}")
    return min(len(found), 99)


def _tried(target: Target, data: bytes, folder: Path) -> str | None:
    """What came out that may not, in a line; None if nothing did."""
    started = time.monotonic()
    try:
        attempt(target, data, folder)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "/srmm/" in frame.filename] or frames
        last = ours[-1]
        said = " ".join(str(error).split())[:90]
        return f"{type(error).__name__}: {said} ({Path(last.filename).name}:{last.lineno})"
    seconds = time.monotonic() - started
    return f"takes {seconds:.0f} s" if seconds > SLOW else None


def _guided(target: Target, folder: Path, seconds: int) -> int:
    """One target, its bytes chosen by atheris for the code they reach (`srmm[fuzz]`)."""
    import atheris

    examples = folder / "examples"
    examples.mkdir()
    for n, example in enumerate(target.examples(folder)):
        (examples / str(n)).write_bytes(example)
    atheris.instrument_all()
    options = [f"-max_total_time={seconds}", "-max_len=20000", str(examples)]
    atheris.Setup([sys.argv[0], *options], lambda data: attempt(target, data, folder))
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
