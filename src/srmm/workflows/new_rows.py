"""New rows on their way past a model, part by part: what is kept of them for a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.labels import known_labels, places_among
from srmm.data.missing import is_marker
from srmm.data.sources import object_array, open_source
from srmm.encoding.summary import EncodingSummary
from srmm.evaluation.answers import Answers, answers_of, joined_answers
from srmm.evaluation.sides import NewRows, Sample
from srmm.fusion import codes_of
from srmm.workflows.data import is_table, labels_as_learnt, row_digests
from srmm.workflows.prediction_run import PredictionRun
from srmm.workflows.predictor import Predictor
from srmm.workflows.rows import Rows, RowsPart, kept_name


def read_new_rows(
    predictor: Predictor,
    rows: Rows,
    trained: set[str],
    *,
    label: str | None = None,
    size: int,
    seed: int = 0,
    progress: Any = False,
) -> NewRows:
    """Read, encode and answer all rows; `trained` are the digests of the training rows.

    The predictor must answer rows without any item by the prior. Of each modality `size` items are
    kept, drawn at random. `label` is the column of labels, if there is one; `rows` carry it.
    """
    model = predictor.model
    rng = np.random.default_rng([seed, 15])
    found = NewRows(tuple(model.modalities_))
    found.present = dict.fromkeys(found.modalities, 0)
    found.samples = {name: Sample(size) for name in found.modalities}
    column = None if label is None else kept_name(predictor.config, label)
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
        # A copy under another name repeats its row, too: by the vectors alone.
        contents = row_digests(Embeddings(embeddings.values, embeddings.position))
        filled = [content for content, some in zip(contents, something, strict=True) if some]
        before = len(digests)
        digests.update(filled)
        found.repeated += len(filled) - (len(digests) - before)
        labels = part.data.labels if column is None else part.kept[column]
        _count_labels(found, labels, predictor.config, known, something, mine)
        _keep_items(found, part, embeddings, rng)
    found.answers = joined_answers(answers) if answers else None
    found.summary = run.summary
    found.notes = _notes(run, found.summary)
    return found


def label_column(
    config: Mapping[str, Any], source: str, columns: Mapping[str, Any] | None
) -> str | None:
    """The column of a table that has labels: the one that is named, or that of training."""
    named: str | None = (columns or {}).get("label")
    column = named or ((config.get("origin") or {}).get("roles") or {}).get("label")
    if column is None or not is_table(source):
        return None
    there = open_source(source, query=(columns or {}).get("query")).columns
    return column if named or column in there else None


def _count_labels(
    found: NewRows,
    labels: np.ndarray | None,
    config: Mapping[str, Any],
    learnt: np.ndarray,
    something: np.ndarray,
    answers: Answers,
) -> None:
    """Whether the answers for the rows with `something` are right, where their labels say so."""
    if labels is None:
        return
    classes = config["classes"]
    tidy = object_array([_tidy(label, classes) for label in labels.tolist()])
    labels = labels_as_learnt(tidy, config)
    given = known_labels(labels)
    y = places_among(labels, classes)
    found.unknown_labels.update(str(label) for label in labels[given & (y < 0)].tolist())
    judged = (given & ~learnt)[something]
    found.labelled += int(judged.sum())
    found.hits += int((answers.predicted[judged] == y[something][judged]).sum())


def _tidy(label: Any, classes: list[Any]) -> Any:
    """A label without blanks around it, None if it stands for nothing."""
    if not isinstance(label, str):
        return label
    label = label.strip()
    return None if not label or (is_marker(label) and label not in classes) else label


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
    notes = [*run.rows.notes, *run.survey.notes, *run.predictor.notes()]
    if summary is not None:
        notes += [*summary.notes, *summary.missing_files(), *summary.cut_notes]
        notes += run.range_notes()
    return tuple(dict.fromkeys(notes))
