"""How fast networks are trained, against the machine's peak and against others.

    python benchmarks/training.py [--tiny] [--json FILE] [--device cuda] [--against SRC]
        [--part steps fits] [--clock process]

Every figure is a ratio within one run: the peak (a product of large float32 matrices), srmm and the
peers take turns, and medians are printed. Arithmetic is that of the matrix products, forwards and
backwards (none for the gradient of the inputs, which nobody needs). The peers:

- plain: the paper's network and nothing else, in a loop that gathers its batches by index;
- the same in bfloat16, as srmm's two, where the processor multiplies it;
- the same network in skorch's and Lightning's loops, as their users write them;
- scikit-learn's `MLPClassifier` with the same layers, on items of both modalities;
- for whole fits, one logistic regression per modality, and scikit-learn's default one.

With --against SRC, the `src` folder of another checkout, that one and this one are measured in
turns, each in a process of its own: what a change has brought.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import CLOCKS, command, described, has_bfloat16, peak, table, timed, use_clock, write
from peers import Data, Epoch, OnePerModality, flops_of_branch, peers, plain, quietly

from srmm import PaperClassifier, SingleBranchClassifier
from srmm.ensemble.training import usual_step
from srmm.methods.logreg import PerModalityLogisticRegression

PARTS = ("steps", "fits")


def generated(n: int, dims: dict[str, int], n_classes: int) -> tuple[Data, np.ndarray]:
    """Embeddings (n, d) per modality around their class's centre, and the classes (n,)."""
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n)
    X = {}
    for name, d in dims.items():
        centres = rng.standard_normal((n_classes, d), dtype=np.float32)
        X[name] = 0.15 * centres[y] + rng.standard_normal((n, d), dtype=np.float32)
    return X, y


def paper(X: Data, y: np.ndarray, device: str, precision: str = "float32") -> Epoch:
    """Recipe "paper" as it is: its batches of 128, its held-out tenth, judged after the epoch."""

    def epoch() -> tuple[int, float, float]:
        model = PaperClassifier(max_epochs=1, random_state=0, device=device, precision=precision)
        seconds = trained(model, X, y, device)
        items = round(0.9 * len(y)) * len(X)
        d = next(iter(X.values())).shape[1]
        return items, seconds, items * flops_of_branch(d, 768, len(set(y)))

    return epoch


def default(X: Data, y: np.ndarray, device: str, precision: str = "float32") -> Epoch:
    """The default: five networks at once, each on four fifths, as many instances a step as usual.

    An item counts once for each network that learns from it; the fused stream is arithmetic.
    """

    def epoch() -> tuple[int, float, float]:
        given: dict[str, Any] = {"random_state": 0, "device": device, "precision": precision}
        model = SingleBranchClassifier(max_epochs=1, **given)
        seconds = trained(model, X, y, device)
        h, k, C = model.hidden_dim, model.n_folds, len(set(y))
        rows = k * round(len(y) * (k - 1) / k)
        first = sum(2 * 2 * x.shape[1] * h for x in X.values())
        later = (len(X) + 1) * 2 * 3 * (h * h + h * C)
        return rows * len(X), seconds, rows * (first + later)

    return epoch


def trained(model: Any, X: Data, y: np.ndarray, device: str) -> float:
    """Fit it; the seconds of its training loop, by the clock in use."""
    start = time.perf_counter()
    spent = timed(lambda: model.fit(X, y), device)
    return float(model.history_.seconds * spent / (time.perf_counter() - start))


def steps(tiny: bool, rounds: int, device: str, only: str) -> list[dict[str, Any]]:
    """Items/s and % of the peak of one epoch, in turns."""
    n, C = (600, 5) if tiny else (16_000, 101)
    X, y = generated(n, {"image": 768, "text": 768}, C)
    more, dims, kinds = (700, {"image": 96, "text": 64}, 5) if tiny else (
        32_000, {"image": 1280, "text": 384}, 70)  # fmt: skip
    Z, z = generated(more, dims, kinds)
    few = 600 if tiny else 12_000
    Q, q = {name: x[:few] for name, x in Z.items()}, z[:few]
    runs: dict[str, Epoch] = {"srmm, recipe paper (batch 128)": paper(X, y, device)}
    for some, of in ((Q, q), (Z, z)):
        step = f"5 × {usual_step(len(of) * 4 // 5)} instances"
        runs[f"srmm, the default, {len(of):,} rows ({step})"] = default(some, of, device)
    runs |= {
        "plain loop, batch 128": plain(X, y, device, 128, torch.float32),
        "plain loop, batch 256": plain(X, y, device, 256, torch.float32),
    }
    if device != "cpu" or has_bfloat16():
        runs["srmm, recipe paper, bfloat16"] = paper(X, y, device, "bfloat16")
        runs[f"srmm, the default, {more:,} rows, bfloat16"] = default(Z, z, device, "bfloat16")
        runs["plain loop, batch 256, bfloat16"] = plain(X, y, device, 256, torch.bfloat16)
    if device == "cpu":
        runs |= peers(X, y)
    runs = {name: epoch for name, epoch in runs.items() if only in name}
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, epoch in runs.items():
            top = peak(256 if tiny else 2048, device=device)
            items, seconds, flops = epoch()
            seen[name].append((items / seconds, flops / seconds / 1e9 / top))
    return [
        {
            "training": name,
            "items/s": round(statistics.median(rate for rate, _ in some)),
            "% of the peak": round(100 * statistics.median(share for _, share in some)),
        }
        for name, some in seen.items()
    ]


def fits(tiny: bool, rounds: int, device: str, only: str) -> list[dict[str, Any]]:
    """Whole fits: seconds, how many logistic regressions that is, and accuracy on other rows."""
    n, dims, C = (400, {"image": 40, "text": 24}, 4) if tiny else (
        12_000, {"image": 1280, "text": 384}, 70)  # fmt: skip
    X, y = generated(n + n // 6, dims, C)
    train, test = {k: x[:n] for k, x in X.items()}, {k: x[n:] for k, x in X.items()}
    few = {"max_epochs": 2} if tiny else {}
    methods: dict[str, Callable[[], Any]] = {
        "logistic regression per modality (srmm's: 3 strengths, chosen on held-out rows)": lambda: (
            PerModalityLogisticRegression(random_state=0)
        ),
        "scikit-learn LogisticRegression per modality, scaled, its defaults": lambda: None,
        "srmm, the default": lambda: SingleBranchClassifier(random_state=0, device=device, **few),
        "srmm, recipe paper": lambda: PaperClassifier(random_state=0, device=device, **few),
    }
    methods = {name: make for name, make in methods.items() if only in name}
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    accuracy = {}
    for _ in range(1 if tiny else max(1, rounds // 3)):
        for name, make in methods.items():
            model = make() or OnePerModality()
            fit = model.fit
            seconds[name].append(timed(lambda fit=fit: quietly(fit, train, y[:n]), device))
            accuracy[name] = float(np.mean(model.predict(test) == y[n:]))
    first = statistics.median(next(iter(seconds.values())))
    return [
        {
            "fit": name,
            "seconds": round(statistics.median(some), 1),
            "ratio to the first": round(statistics.median(some) / first, 2),
            "accuracy in %": round(100 * accuracy[name], 1),
        }
        for name, some in seconds.items()
    ]


def against(other: Path, arguments: list[str], rounds: int) -> list[dict[str, Any]]:
    """This checkout and another in turns: medians of both, side by side."""
    seen: dict[str, dict[str, list[float]]] = {"before": {}, "now": {}}
    here = os.environ.get("PYTHONPATH", "")
    for _ in range(rounds):
        for name, path in (("before", str(other)), ("now", here)):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "measured.json"
                subprocess.run(
                    [sys.executable, __file__, *arguments, "--rounds", "1", "--json", str(file)],
                    env={**os.environ, "PYTHONPATH": path},
                    stdout=subprocess.DEVNULL,
                    check=True,
                )
                content = json.loads(file.read_text(encoding="utf-8"))
            for one in (row for part in content["tables"] for row in part["rows"]):
                label, unit = list(one)[:2]
                seen[name].setdefault(f"{one[label]}: {unit}", []).append(one[unit])
                if "% of the peak" in one:
                    share = seen[name].setdefault(f"{one[label]}: % of the peak", [])
                    share.append(one["% of the peak"])
    return [
        {"what": what, **{name: statistics.median(some[what]) for name, some in seen.items()}}
        for what in seen["now"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="seconds, to see that it runs")
    parser.add_argument("--json", type=Path, help="write what was measured here")
    parser.add_argument("--device", default="cpu", help='"cpu" or "cuda"')
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--only", default="", help="a word in the names of what is measured")
    parser.add_argument("--against", type=Path, help="the src folder of another checkout")
    given = parser.parse_args()
    if given.device != "cpu" and not torch.cuda.is_available():
        print("No GPU here: nothing is measured.")
        return
    use_clock(given.clock)
    rounds = 1 if given.tiny else given.rounds
    content: dict[str, Any] = {"machine": described(), "command": command(), "tables": []}
    if given.against:
        arguments = ["--device", given.device, "--clock", given.clock, "--part", *given.part]
        arguments += ["--only", given.only]
        arguments += ["--tiny"] if given.tiny else []
        rows = against(given.against, arguments, rounds)
        content["tables"].append(table("Training, before and now", rows))
    else:
        content["machine"]["peak, GFLOP/s"] = round(peak(device=given.device))
        titles = {"steps": "Training, an epoch", "fits": "Whole fits"}
        for part in given.part:
            measure = {"steps": steps, "fits": fits}[part]
            rows = measure(given.tiny, rounds, given.device, given.only)
            content["tables"].append(table(titles[part], rows))
    write(content, given.json)


if __name__ == "__main__":
    main()
