"""New rows on their way past a model, part by part: what is kept of them for a comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.labels import known_labels
from srmm.data.rare import relabelled
from srmm.encoding.summary import EncodingSummary
from srmm.evaluation.answers import Answers, answers_of, joined_answers
from srmm.evaluation.sides import NewRows, Sample
from srmm.workflows.data import row_digests
from srmm.workflows.predictor import PredictionRun, Predictor
from srmm.workflows.reference import codes_of
from srmm.workflows.rows import Rows, RowsPart


def read_new_rows(
    predictor: Predictor,
    rows: Rows,
    trained: set[str],
    *,
    size: int,
    seed: int = 0,
    progress: Any = False,
) -> NewRows:
    """Read, encode and answer all rows; `trained` are the digests of the training rows.

    The predictor must answer rows without any item by the prior. Of each modality `size` items are
    kept, drawn at random.
    """
    model = predictor.model
    rng = np.random.default_rng([seed, 15])
    found = NewRows(tuple(model.modalities_))
    found.present = dict.fromkeys(found.modalities, 0)
    found.samples = {name: Sample(size) for name in found.modalities}
    rare = (predictor.config.get("origin") or {}).get("rare")
    answers: list[Answers] = []
    digests: set[str] = set()
    run = PredictionRun(predictor, rows)
    for part, embeddings in run.embeddings(progress=progress):
        present = np.asarray(embeddings.present)
        found.n += len(part.data)
        found.patterns.update(codes_of(present))
        for m, name in enumerate(found.modalities):
            found.present[name] += int(present[:, m].sum())
        mine = answers_of(model.scorer(embeddings), present, getattr(model, "calibration_", None))
        answers.append(mine)
        names = row_digests(embeddings)
        something = np.asarray(present.any(axis=1))
        known = np.array([name in trained for name in names], dtype=bool) & something
        found.trained_on += int(known.sum())
        filled = [name for name, some in zip(names, something, strict=True) if some]
        before = len(digests)
        digests.update(filled)
        found.repeated += len(filled) - (len(digests) - before)
        _count_labels(found, part, rare, something, known, mine, model.classes_)
        _keep_items(found, part, embeddings, rng)
    found.answers = joined_answers(answers) if answers else None
    found.summary = run.summary
    found.notes = _notes(run, found.summary)
    return found


def _count_labels(
    found: NewRows,
    part: RowsPart,
    rare: Any,
    something: np.ndarray,
    known: np.ndarray,
    answers: Answers,
    classes: np.ndarray,
) -> None:
    """Whether the answers are right, where the rows say so."""
    labels = part.data.labels
    if labels is None:
        return
    if rare and rare["names"]:
        labels = relabelled(labels, rare)
    index = {label: c for c, label in enumerate(classes.tolist())}
    given = known_labels(labels)
    y = np.array([index.get(label, -1) for label in labels.tolist()])
    found.unknown_labels.update(str(label) for label in labels[given & (y < 0)].tolist())
    judged = (given & ~known)[something]
    found.labelled += int(judged.sum())
    found.hits += int((answers.predicted[judged] == y[something][judged]).sum())


def _keep_items(
    found: NewRows, part: RowsPart, embeddings: Embeddings, rng: np.random.Generator
) -> None:
    ids = part.kept.get("id")
    for name in found.modalities:
        rows, vectors = embeddings.items(name)
        keys = rng.random(len(rows))
        if not len(rows):
            continue
        if isinstance(part.data, Embeddings):
            column = part.data.raw.get(name)
        else:
            column = part.data.items.get(name)
            found.folder = part.data.folder
        raw = [None if column is None else column[row] for row in rows]
        numbers = (part.first_row + rows).tolist()
        named = numbers if ids is None else [ids[row] for row in rows]
        found.samples[name].add(keys, numbers, named, raw, np.asarray(vectors))


def _notes(run: PredictionRun, summary: EncodingSummary | None) -> tuple[str, ...]:
    """What reading took for granted, and what it met; presence is told by the comparison."""
    notes = [*run.rows.notes, *run.survey.notes]
    if summary is not None:
        notes += [*summary.notes, *summary.missing_files(), *summary.cut_notes]
    return tuple(dict.fromkeys(notes))
