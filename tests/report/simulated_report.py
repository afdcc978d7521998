"""A report as `srmm evaluate` writes it, of a simulated test set."""

from __future__ import annotations

from typing import Any

import numpy as np

from srmm.data.modality import presence_patterns

RATES = [rate / 10 for rate in range(11)]


def make_report(
    n_classes: int, modalities: list[str], *, n: int = 480, seed: int = 0
) -> dict[str, Any]:
    """A report as `srmm evaluate` writes it, of a simulated test set: its numbers hang together.

    Each modality alone is right with its own probability, later ones more often; a pattern is
    right when one of its modalities is, and baselines differ from the method by a little noise.
    """
    rng = np.random.default_rng(seed)
    classes = [f"class {i:02d}" for i in range(n_classes)]
    metrics = ["accuracy", "macro_f1"] + ["auroc"] * (n_classes == 2)
    truth = np.arange(n) % n_classes
    skill = np.linspace(0.62, 0.8, len(modalities))
    right = rng.random((n, len(modalities))) < skill
    other = (
        truth + 1 + rng.integers(0, max(n_classes - 1, 1), n) ** 2 % max(n_classes - 1, 1)
    ) % n_classes
    patterns = presence_patterns(modalities)

    def hits(pattern, shift=0.0):
        chosen = right[:, [modalities.index(m) for m in pattern]].any(axis=1)
        return chosen ^ (rng.random(n) < 0.04 + shift)

    def entry(pattern, shift=0.0):
        accuracy = float(hits(pattern, shift).mean())
        half = 1.96 * (accuracy * (1 - accuracy) / n) ** 0.5
        values = {"accuracy": accuracy, "macro_f1": accuracy - 0.013, "auroc": accuracy + 0.04}
        out: dict[str, Any] = {"present": list(pattern), "n": n}
        for metric in metrics:
            out[metric] = values[metric]
            out[f"{metric}_ci"] = [values[metric] - half, min(1.0, values[metric] + half)]
        return out

    ours = [entry(pattern) for pattern in patterns]
    for e in ours:
        full = ours[0]["accuracy"]
        difference = e["accuracy"] - full
        e |= {
            "n_same": n,
            "accuracy_same": e["accuracy"],
            "complete_same": full,
            "difference": difference,
            "difference_ci": [difference - 0.02, difference + 0.02],
            "relative_drop": 1 - e["accuracy"] / full,
        }
    router = [entry(pattern, 0.02) for pattern in patterns]
    alone = {f"unimodal:{m}": [entry([m], 0.01)] for m in modalities}

    def curve(entries, modality):
        rest = tuple(m for m in modalities if m != modality)
        ends = [
            next(e for e in entries if tuple(e["present"]) == p) for p in (tuple(modalities), rest)
        ]
        mixed = {k: [(1 - r) * ends[0][k] + r * ends[1][k] for r in RATES] for k in metrics}
        out = {"n": n, "missing_rate": RATES, "available": [1 - r for r in RATES], **mixed}
        out["accuracy_ci"] = [[a - 0.02, a + 0.02] for a in mixed["accuracy"]]
        out["relative_drop"] = [1 - a / mixed["accuracy"][0] for a in mixed["accuracy"]]
        return out | {f"{k}_sd": [0.006] * 11 for k in metrics[1:]}

    several = len(modalities) > 1
    hit = hits(modalities)
    predicted = np.where(hit, truth, other)
    matrix = np.zeros((n_classes, n_classes), dtype=int)
    np.add.at(matrix, (truth, predicted), 1)
    recall = matrix.diagonal() / matrix.sum(axis=1)
    centres = rng.normal(size=(n_classes, 2)) * 12
    shown = [tuple(modalities)] + [p for p in patterns if len(p) == len(modalities) - 1]
    points = [centres[truth] + rng.normal(size=(n, 2)) * (1 + i) for i in range(len(shown))]

    def item(i, k):
        return {
            "id": f"item-{i}",
            "label": classes[truth[i]],
            "predicted": classes[predicted[i]],
            "probability": 0.99 - 0.01 * k,
            "present": modalities,
            "prior": 1 / n_classes,
            "shares": {m: 0.3 - 0.2 * j for j, m in enumerate(modalities)},
            "alone": {
                m: {"label": classes[(truth[i] + j) % n_classes], "probability": 0.8 / (j + 1)}
                for j, m in enumerate(modalities)
            },
            "raw": {m: f"raw {m} of {i}" for m in modalities},
        }

    def compared(entries, difference, p):
        return {
            **{k: v for k, v in entries[0].items() if k != "present"},
            "n_without": 3,
            "difference": difference,
            "difference_ci": [difference - 0.02, difference + 0.02],
            "p": p,
            "p_holm": p,
            "patterns": {
                "difference": difference,
                "difference_ci": [difference - 0.01, difference + 0.01],
            },
        }

    diagram = {
        "n": n,
        "log_loss": 0.412,
        "calibration_error": 0.031,
        "calibration_error_by_chance": 0.024,
        "bins": [
            {"low": b / 10, "high": (b + 1) / 10, "n": n // 4, "confidence": b / 10 + 0.05,
             "accuracy": b / 10}
            for b in (3, 5, 7, 9)
        ],
    }  # fmt: skip
    promised = [
        {"promised": c, "found": c + 0.01, "found_ci": [c - 0.02, c + 0.03], "mean_size": 1.2,
         "single": 0.8}
        for c in (0.8, 0.9)
    ]  # fmt: skip
    return {
        "format": "srmm-report",
        "version": 1,
        "title": f"{n_classes} classes",
        "created": "2026-11-24T10:00:00",
        "attribution": "Pictures: somebody, CC BY-SA 4.0.",
        "data": {
            "name": "simulated",
            "n_instances": 4 * n,
            "classes": classes,
            "splits": {"train": 3 * n, "validation": 0, "test": n},
            "modalities": {
                m: {
                    "embedding_dim": 384 + i,
                    "encoder": {"name": "minilm", "normalize": False} if i else None,
                    "present": {"train": 3 * n - 10 * i, "test": n},
                }
                for i, m in enumerate(modalities)
            },
            "test_presence": [{"present": modalities, "n": n}],
            "notes": ["7 rows are the same as another one."],
            "left_out": {"without a label": 4, "with a label but no item": 0},
            "near_duplicates": {
                "cosine": 0.99,
                "n": n,
                "of": n,
                "modalities": {m: {"n": n, "near": 12} for m in modalities},
                "rows": {"near": 12, "accuracy_near": 1.0, "accuracy_others": 0.71},
            },
        },
        "model": {
            "method": "srmm",
            "recipe": "paper",
            "parameters": {"hidden_dim": 768, "standardize": False},
            "n_parameters": 1260389,
            "random_state": 0,
            "versions": {"srmm": "0.1.0", "torch": "2.13.0"},
        },
        "metrics": metrics,
        "patterns": ours,
        "overall": {k: v for k, v in ours[0].items() if k != "present"},
        "comparison": {
            **{name: compared(entries, 0.09, 0.0004) for name, entries in alone.items()},
            **({"router": compared(router, 0.004, 0.41)} if several else {}),
        },
        "absence": [],
        "trust": {
            "overall": diagram,
            "patterns": [{"present": list(p), **diagram} for p in patterns],
            "selective": {
                "n": n,
                "answered": [0.5, 1.0],
                "accuracy": [0.99, 0.9],
                "targets": [
                    {"accuracy": 0.95, "handed_over": 0.2, "found": 0.95, "threshold": 0.6},
                    {"accuracy": 0.99, "handed_over": None, "found": None, "threshold": None},
                ],
            },
            "sets": [
                {"present": None, "n": n, "hidden": False, "coverages": promised},
                *(
                    {"present": list(p), "n": n, "hidden": i > 0, "coverages": promised}
                    for i, p in enumerate(patterns)
                ),
            ],
        },
        "shapley": {
            "n": n,
            "of": n,
            "prior": 1 / n_classes,
            "probability": 0.9,
            "modalities": [
                {"modality": m, "n": n, "mean": 0.2, "against": 0.1} for m in modalities
            ],
        },
        "curves": {m: curve(ours, m) for m in modalities} if several else {},
        "corruption": [
            {
                "scale": scale,
                "sigma": s,
                "accuracy": 0.9 - 0.5 * s,
                "accuracy_sd": 0.01 * s,
                "macro_f1": 0.88 - 0.55 * s,
                "macro_f1_sd": 0.02 * s,
                "relative_drop": 0.5 * s / 0.9,
            }
            for scale in ("absolute", "relative")
            for s in (0, 0.1, 0.5, 1.0)
        ],
        "baselines": alone
        | (
            {"router": router, "logreg-concat": [entry(p, 0.03) for p in patterns]}
            if several
            else {}
        ),
        "baseline_curves": {"router": {m: curve(router, m) for m in modalities}} if several else {},
        "classes": [
            {
                "label": c,
                "n": int(matrix[i].sum()),
                "precision": recall[i] * 0.98,
                "recall": recall[i],
                "f1": recall[i] * 0.99,
                "recall_by_pattern": [
                    {"present": list(p), "recall": recall[i] * (1 - 0.2 * rng.random() * (j > 0))}
                    for j, p in enumerate(patterns)
                ],
            }
            for i, c in enumerate(classes)
        ],
        "confusion": {"labels": classes, "matrix": matrix.tolist()},
        "projection": {
            "method": "t-SNE",
            "panels": [
                {
                    "present": list(p),
                    "x": xy[:, 0].tolist(),
                    "y": xy[:, 1].tolist(),
                    "label": [classes[t] for t in truth],
                }
                for p, xy in zip(shown, points, strict=True)
            ],
        },
        "mistakes": [item(i, k) for k, i in enumerate(np.flatnonzero(~hit)[:8])],
        "right": [item(i, k) for k, i in enumerate(np.flatnonzero(hit)[:2])],
        "label_errors": {
            "n": 3 * n,
            "n_suspect": 31,
            "items": [item(i, k) | {"own": 0.01} for k, i in enumerate(np.flatnonzero(~hit)[:3])],
        },
        "training": {
            "epochs": 30,
            "best_epoch": 22,
            "seconds": 71.3,
            "n_train": 3 * n - 150,
            "n_validation": 150,
            "holes": dict.fromkeys(modalities, 0.02),
            "history": [
                {
                    "epoch": e,
                    "train_loss": 2 / e,
                    "validation_loss": 2.2 / e + e / 99,
                    "validation_accuracy": 0.9 - 0.5 / e,
                }
                for e in range(1, 31)
            ],
        },
    }
