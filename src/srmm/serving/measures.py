"""What a server counts, in Prometheus' words."""

from __future__ import annotations

import os
from collections import Counter as Counted
from collections.abc import Sequence
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from srmm.serving.answers import Answer
from srmm.serving.counts import SEVERAL

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TENTHS = tuple(i / 10 for i in range(11))


class Measures:
    """Counts of one server; of all its processes where there are several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        shared: Any = {"registry": self.registry}
        self.requests = Counter(
            "srmm_requests", "Requests by route and status", ["route", "status"], **shared
        )
        self.seconds = Histogram(
            "srmm_request_seconds", "From a request's head to its answer", ["route"],
            buckets=_SECONDS, **shared,
        )  # fmt: skip
        self.rows = Counter("srmm_rows", "Rows that were predicted", **shared)
        self.present = Counter(
            "srmm_items_present", "Rows that had the modality", ["modality"], **shared
        )
        self.broken = Counter(
            "srmm_items_broken", "Items that were there and could not be read", ["modality"],
            **shared,
        )  # fmt: skip
        self.nothing = Counter(
            "srmm_rows_nothing_present", "Rows predicted from nothing, by the prior", **shared
        )
        self.refused = Counter("srmm_rows_refused", "Rows refused as having nothing", **shared)
        self.labels = Counter("srmm_labels", "Rows by predicted label", ["label"], **shared)
        self.entropy = Histogram(
            "srmm_entropy", "Entropy of the answers, of that of an even one (0 sure, 1 even)",
            buckets=_TENTHS, **shared,
        )  # fmt: skip
        self.batch_rows = Histogram(
            "srmm_batch_rows", "Rows computed together", buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            **shared,
        )  # fmt: skip
        self.batch_seconds = Histogram(
            "srmm_batch_seconds", "Time of a batch in the model", buckets=_SECONDS, **shared
        )
        self.waiting = Gauge(
            "srmm_requests_waiting", "Requests that wait for the model",
            multiprocess_mode="livesum", **shared,
        )  # fmt: skip

    def batch(self, rows: int, seconds: float) -> None:
        """Count one batch."""
        self.batch_rows.observe(rows)
        self.batch_seconds.observe(seconds)

    def answered(self, answers: Sequence[Answer], modalities: tuple[str, ...]) -> None:
        """Count the rows of some answers."""
        if not answers:
            return
        present = np.concatenate([answer.present for answer in answers])
        self.rows.inc(len(present))
        self.nothing.inc(int((~present.any(axis=1)).sum()))
        for name, there in zip(modalities, present.sum(axis=0).tolist(), strict=True):
            self.present.labels(name).inc(there)
        for answer in answers:
            for name, n in answer.broken.items():
                self.broken.labels(name).inc(n)
        labels = Counted(str(said["label"]) for answer in answers for said in answer.predictions)
        for label, n in labels.items():
            self.labels.labels(label).inc(n)
        probabilities = np.concatenate([answer.probabilities for answer in answers])
        for value in relative_entropy(probabilities).tolist():
            self.entropy.observe(value)

    def text(self) -> bytes:
        """All counts in Prometheus' text format."""
        if not os.environ.get(SEVERAL):
            return generate_latest(self.registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)
        return generate_latest(everyone)


def relative_entropy(probabilities: np.ndarray) -> np.ndarray:
    """(n,): the entropy of each row, as a share of that of an even one.

    >>> relative_entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).tolist()
    [0.0, 1.0]
    """
    logs = np.log(probabilities, where=probabilities > 0, out=np.zeros_like(probabilities))
    entropy = -(probabilities * logs).sum(axis=1)
    return np.abs(entropy / np.log(max(probabilities.shape[1], 2)))
