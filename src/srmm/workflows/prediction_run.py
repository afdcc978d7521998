"""One way through rows that are to be predicted: surveyed, then encoded and predicted in parts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from srmm.data.embeddings import Embeddings
from srmm.data.table import Table
from srmm.encoding.summary import EncodingSummary, joined, without_encoding
from srmm.errors import InputError
from srmm.evaluation.shapley import check_players
from srmm.learning.probabilities import nothing_there
from srmm.workflows.frames import predictions_frame
from srmm.workflows.presence import presence_notes
from srmm.workflows.ranges import Outside, joined_outside, outside, range_notes
from srmm.workflows.rows import Rows, RowsPart
from srmm.workflows.survey import Survey, survey


class Reader(Protocol):
    """A saved model that makes embeddings of raw rows itself, as a `Predictor` does."""

    folder: Path
    model: Any
    config: dict[str, Any]

    def encode(
        self, part: Table, *, strict: bool, progress: Any
    ) -> tuple[Embeddings, EncodingSummary]:
        """The embeddings of the items of a table."""

    def ready_embeddings(self, part: Table) -> Embeddings | None:
        """The embeddings of a table that needs no encoder; None of any other."""

    def notes(self) -> list[str]:
        """What is to be said of its encoders."""


class PartFacts(NamedTuple):
    """What the rows of a part had, and what is to be said of them."""

    number: int
    first_row: int
    rows: int
    incomplete: int
    """Rows that lack something."""
    summary: EncodingSummary
    notes: tuple[str, ...]
    outside: Outside
    """In how many rows numbers lie outside all that was learnt from."""


class PredictedPart(NamedTuple):
    """The predictions of a part, with the cells that are carried through, and its facts."""

    frame: pd.DataFrame
    facts: PartFacts


def embed_part(
    predictor: Reader, part: RowsPart, *, strict: bool = False, progress: Any = False
) -> tuple[Embeddings, PartFacts]:
    """The embeddings of a part, as the classifier looks at them.

    Raises `InputError` if a row turns out to have nothing that can be read.
    """
    started = time.perf_counter()
    if isinstance(part.data, Embeddings):
        embeddings, summary = part.data, EncodingSummary(len(part.data), 0.0, {})
    else:
        embeddings, summary = predictor.encode(part.data, strict=strict, progress=progress)
    embeddings = predictor.model.as_seen(embeddings)
    summary = replace(
        summary,
        seconds=time.perf_counter() - started,
        modalities=_all_modalities(predictor, summary, embeddings),
    )
    if predictor.model.when_nothing_present == "error":
        _refuse_nothing(embeddings, summary, part.first_row)
    incomplete = int((~embeddings.present.all(axis=1)).sum())
    notes = tuple(predictor.notes())
    beyond = outside(embeddings, _ranges(predictor))
    return embeddings, PartFacts(
        part.number, part.first_row, len(embeddings), incomplete, summary, notes, beyond
    )


def predict_part(
    predictor: Reader,
    part: RowsPart,
    *,
    strict: bool = False,
    progress: Any = False,
    **asked: Any,
) -> PredictedPart:
    """The predictions of a part; `asked` are the options of `predictions_frame`."""
    embeddings, facts = embed_part(predictor, part, strict=strict, progress=progress)
    frame = predictions_frame(predictor.model, embeddings, **asked)
    frame["id"] = part.kept.get("id", part.first_row + np.arange(len(frame)))
    others = [column for column in part.kept if column != "id"]
    for place, column in enumerate(others, 1):
        frame.insert(place, column, part.kept[column])
    return PredictedPart(frame, facts)


def check_asked(model: Any, asked: dict[str, Any]) -> None:
    """Raise for what the model cannot answer, before hours of encoding."""
    if asked.get("coverage") is not None:
        model.check_coverage(asked["coverage"])
    if asked.get("explain"):
        check_players(model.modalities_)


class PredictionRun:
    """Rows on their way: `survey` is known at first, the rest after all parts were looked at.

    `summary` then says what there was, `incomplete` how many rows lacked something.

    Raises `InputError` as `survey` does when it is made, unless a survey is given.
    """

    def __init__(self, predictor: Reader, rows: Rows, known: Survey | None = None) -> None:
        self.predictor, self.rows = predictor, rows
        self.survey: Survey = known or survey(
            rows,
            predictor.model.embedding_dims_,
            when_nothing_present=predictor.model.when_nothing_present,
        )
        self.summary: EncodingSummary | None = None
        self.incomplete = 0
        self._said: list[str] = []
        self._outside: Outside = {}

    def embeddings(
        self, *, strict: bool = False, progress: Any = False
    ) -> Iterator[tuple[RowsPart, Embeddings]]:
        """Each part with its embeddings; raises as `embed_part`."""
        for part in self.rows:
            embeddings, facts = embed_part(self.predictor, part, strict=strict, progress=progress)
            self.add(facts)
            yield part, embeddings

    def predicted(
        self, *, strict: bool = False, progress: Any = False, **asked: Any
    ) -> Iterator[PredictedPart]:
        """The predictions of each part; see `predict_part`."""
        check_asked(self.predictor.model, asked)
        for part in self.rows:
            predicted = predict_part(
                self.predictor, part, strict=strict, progress=progress, **asked
            )
            self.add(predicted.facts)
            yield predicted

    def add(self, facts: PartFacts) -> None:
        """Count a part, in the order of parts."""
        self.summary = joined(self.summary, facts.summary, facts.first_row)
        self.incomplete += facts.incomplete
        self._said += facts.notes
        self._outside = joined_outside([self._outside, facts.outside])

    def notes(self) -> tuple[str, ...]:
        """What was taken for granted, and how the rows differ from those of training."""
        notes = [*self.rows.notes, *self.survey.notes, *self._said]
        if self.summary is not None:
            notes += [*self.summary.notes, *self.summary.missing_files()]
            notes += presence_notes(self.summary, self.predictor.model.training_)
        return tuple(dict.fromkeys([*notes, *self.range_notes()]))

    def range_notes(self) -> list[str]:
        """On numbers that lie outside all that was learnt from, in most rows."""
        return range_notes(self._outside, _ranges(self.predictor))


def _ranges(predictor: Reader) -> Mapping[str, Any]:
    return (predictor.config.get("origin") or {}).get("ranges") or {}


def _all_modalities(
    predictor: Reader, summary: EncodingSummary, embeddings: Embeddings
) -> dict[str, Any]:
    """With those that were not encoded, in the order of the model."""
    there = dict(zip(embeddings.modalities, embeddings.present.sum(axis=0), strict=True))
    kinds = {name: about["kind"] for name, about in predictor.config["inputs"].items()}
    return {
        name: summary.modalities.get(name)
        or without_encoding(kinds.get(name, "features"), len(embeddings), int(n))
        for name, n in there.items()
    }


def _refuse_nothing(embeddings: Embeddings, summary: EncodingSummary, first_row: int) -> None:
    nothing = first_row + np.flatnonzero(~embeddings.present.any(axis=1))
    if not len(nothing):
        return
    reasons = summary.missing_files()
    if summary.unreadable:
        first, more = summary.unreadable[0], len(summary.unreadable) - 1
        others = f" (and {more:,} more)" if more else ""
        reasons.append(f"Unreadable: {first.where}, {first.modality}: {first.reason}{others}.")
    if not reasons:
        abouts = summary.modalities.values()
        reasons = [f"Missing: {a.first_missing}." for a in abouts if a.first_missing]
    message = nothing_there(nothing, first_row + len(embeddings))
    raise InputError(" ".join([message, *reasons]))
