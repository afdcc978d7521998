"""What a model says to some rows: label, probabilities, set, each modality alone, and shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.modality import ABSENT
from srmm.encoding.summary import UnreadableEntry
from srmm.errors import InputError
from srmm.evaluation.sets import ranked_sets
from srmm.evaluation.shapley import MOST, shapley_shares
from srmm.serving.asked import Asked, joined_tables
from srmm.serving.neighbours import Neighbours
from srmm.serving.refusals import Refusal
from srmm.workflows.predictor import Predictor

COVERAGE = 0.9
"""Of the prediction sets, where a request does not say."""


class Answer(NamedTuple):
    """The answer to one request: JSON values, and the figures behind them.

    Parameters
    ----------
    predictions : list of n dicts
    probabilities : float array of shape (n, n_classes)
    present : bool array of shape (n, M)
    broken : dict of str to int
        How many items of each modality could not be read.
    """

    predictions: list[dict[str, Any]]
    probabilities: np.ndarray
    present: np.ndarray
    broken: dict[str, int]


def answer_batch(
    predictor: Predictor, batch: Sequence[Asked], neighbours: Neighbours | None = None
) -> list[Answer | Refusal]:
    """The answer to each request; a `Refusal` where rows have nothing and the model wants some.

    Raises `InputError` if some item is not what the model can take.
    """
    embeddings, unreadable = _embedded(predictor, batch)
    spoken = _Spoken(predictor.model, embeddings, batch)
    answers: list[Answer | Refusal] = []
    start = 0
    for asked in batch:
        rows = range(start, start + len(asked))
        mine = [entry for entry in unreadable if entry.row in rows]
        answer = _answer(predictor.model, spoken, asked, start, mine)
        if neighbours is not None and asked.wanted.nearest and isinstance(answer, Answer):
            near = neighbours.nearest(predictor.model, embeddings[rows], asked.wanted.nearest)
            for said, items in zip(answer.predictions, near, strict=True):
                said["nearest"] = items
        answers.append(answer)
        start += len(asked)
    return answers


def _embedded(
    predictor: Predictor, batch: Sequence[Asked]
) -> tuple[Embeddings, list[UnreadableEntry]]:
    """The rows of all requests as the model looks at them, and the items that are broken."""
    made, summary = predictor.encode(joined_tables([asked.table for asked in batch]))
    given: dict[str, dict[int, np.ndarray]] = {}
    start = 0
    for asked in batch:
        for name, rows in asked.vectors.items():
            given.setdefault(name, {}).update({start + row: v for row, v in rows.items()})
        start += len(asked)
    return predictor.model.as_seen(_with_given(made, given)), summary.unreadable


def _with_given(made: Embeddings, given: dict[str, dict[int, np.ndarray]]) -> Embeddings:
    """The embeddings that were made, and those that were given."""
    values = dict(made.values)
    position = dict(zip(made.modalities, made.position.T, strict=True))
    for name, rows in given.items():
        vectors = np.stack(list(rows.values()))
        before = values.get(name, np.empty((0, vectors.shape[1]), np.float32))
        before = before if len(before) else before.reshape(0, vectors.shape[1])
        places = np.array(position.get(name, np.full(len(made), ABSENT)))
        places[list(rows)] = len(before) + np.arange(len(rows))
        values[name], position[name] = np.concatenate([before, vectors]), places
    columns = np.column_stack([position[name] for name in values])
    return Embeddings(values, columns, ids=made.ids, encoders=made.encoders)


class _Spoken:
    """What the model says to all rows of a batch that have something."""

    def __init__(self, model: Any, embeddings: Embeddings, batch: Sequence[Asked]) -> None:
        self.embeddings, self.present = embeddings, np.asarray(embeddings.present)
        n, M, C = *self.present.shape, len(model.classes_)
        self.fused = np.tile(model.class_prior_, (n, 1))
        self.alone = np.full((n, M, C), np.nan)
        self.shares, self.prior = np.full((n, M), np.nan), np.full(n, np.nan)
        rows = np.flatnonzero(self.present.any(axis=1))
        if not len(rows):
            return
        scorer = model.scorer(embeddings)
        self.fused[rows] = scorer(rows, self.present[rows])
        for m in range(M):
            there = np.flatnonzero(self.present[:, m])
            if len(there):
                mask = np.tile(np.arange(M) == m, (len(there), 1))
                self.alone[there, m] = scorer(there, mask)
        explained = np.repeat([a.wanted.explain for a in batch], [len(a) for a in batch])
        rows = rows[explained[rows]] if M <= MOST else rows[:0]
        if len(rows):
            found = shapley_shares(scorer, rows, self.present[rows], model.class_prior_)
            self.shares[rows], self.prior[rows] = found.shares, found.prior


def _answer(
    model: Any, spoken: _Spoken, asked: Asked, start: int, broken: Sequence[UnreadableEntry]
) -> Answer | Refusal:
    rows = slice(start, start + len(asked))
    present, fused = spoken.present[rows], spoken.fused[rows]
    reasons = {(entry.row - start, entry.modality): entry.reason for entry in broken}
    nothing = np.flatnonzero(~present.any(axis=1))
    if len(nothing) and model.when_nothing_present == "error":
        return _nothing(asked, nothing.tolist(), reasons)
    sets = _sets(model, fused, present, asked.wanted.coverage)
    predictions = []
    for i in range(len(asked)):
        best = int(fused[i].argmax())
        row = start + i
        said: dict[str, Any] = {
            "label": _plain(model.classes_[best]),
            "probability": float(fused[i, best]),
            "nothing_present": bool(i in nothing),
            "probabilities": _ranked(model.classes_, fused[i], asked.wanted.top),
            "set": None if sets is None else {"coverage": asked.wanted.coverage, "labels": sets[i]},
            "modalities": {
                name: {
                    **_status(asked, i, name, bool(present[i, m]), reasons),
                    **_says(model, spoken.alone[row, m], spoken.shares[row, m], best),
                }
                for m, name in enumerate(model.modalities_)
            },
            "prior_share": _number(spoken.prior[row]),
            "notes": asked.notes[i],
        }
        predictions.append({"id": asked.ids[i], **said} if asked.ids[i] is not None else said)
    counts: dict[str, int] = {}
    for entry in broken:
        counts[entry.modality] = counts.get(entry.modality, 0) + 1
    return Answer(predictions, fused, present, counts)


def _nothing(asked: Asked, rows: list[int], reasons: dict[tuple[int, str], str]) -> Refusal:
    """The refusal of rows with nothing, which this model is not to answer."""
    listed = ", ".join(map(str, rows[:10])) + (", …" if len(rows) > 10 else "")
    which = "There is nothing" if len(asked) == 1 else f"Rows {listed} have nothing"
    unread = [
        {"row": row, "modality": name, "reason": reason} for (row, name), reason in reasons.items()
    ]
    return Refusal(
        422,
        f"{which} to predict from, and this model was fitted to refuse such rows. Give at least "
        "one item that can be read; or serve it with --when-nothing prior.",
        field=asked.where.format(rows[0]) or None,
        nothing_present=rows,
        broken=unread,
    )


def _status(
    asked: Asked, row: int, name: str, present: bool, reasons: dict[tuple[int, str], str]
) -> dict[str, Any]:
    """Whether an item was there: "present", "absent", "blank" (what stands for nothing was given)
    or "broken", with the reason."""
    if present:
        return {"status": "present"}
    if (row, name) in reasons:
        return {"status": "broken", "reason": reasons[row, name]}
    if name in asked.named[row]:
        return {"status": "blank"}
    return {"status": "absent"}


def _says(model: Any, alone: np.ndarray, share: float, best: int) -> dict[str, Any]:
    """What a modality alone says, and what it has to do with the answer."""
    if np.isnan(alone).any():
        return {"label": None, "probability": None, "of_answer": None, "share": None}
    own = int(alone.argmax())
    return {
        "label": _plain(model.classes_[own]),
        "probability": float(alone[own]),
        "of_answer": float(alone[best]),
        "share": _number(share),
    }


def _sets(
    model: Any, fused: np.ndarray, present: np.ndarray, coverage: float | None
) -> list[list[Any]] | None:
    if coverage is None or getattr(model, "calibration_", None) is None:
        return None
    inside = model.check_coverage(coverage).sets(fused, present, coverage)
    return ranked_sets(model.classes_, inside, fused)


def _ranked(classes: np.ndarray, probabilities: np.ndarray, top: int | None) -> list[Any]:
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [{"label": _plain(classes[c]), "probability": float(probabilities[c])} for c in order]


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def as_refusal(error: Exception) -> Exception:
    """What is wrong with a request as the refusal of it; any other error as it is."""
    return Refusal(422, str(error)) if isinstance(error, InputError) else error
