"""What a model says to some rows: label, probabilities, set, each modality alone, and shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.modality import ABSENT
from srmm.encoding.summary import UnreadableEntry
from srmm.errors import InputError, some_of
from srmm.evaluation.sets import ranked_sets
from srmm.evaluation.shapley import MOST, shapley_shares
from srmm.learning.base import Scorer
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
    """What the model says to all rows of a batch that have something, as plain Python values."""

    def __init__(self, model: Any, embeddings: Embeddings, batch: Sequence[Asked]) -> None:
        self.present = np.asarray(embeddings.present)
        n, M, C = *self.present.shape, len(model.classes_)
        self.fused, alone = np.tile(model.class_prior_, (n, 1)), np.full((n, M, C), np.nan)
        shares, prior = np.full((n, M), np.nan), np.full(n, np.nan)
        rows = np.flatnonzero(self.present.any(axis=1))
        if len(rows):
            explained = np.repeat([a.wanted.explain for a in batch], [len(a) for a in batch])
            scorer = model.scorer(embeddings)
            self.fused[rows] = scorer(rows, self.present[rows])
            alone[self.present] = _each_alone(scorer, self.present)
            rows = rows[explained[rows]] if M <= MOST else rows[:0]
        if len(rows):
            known = _known(scorer, self.present, self.fused, alone)
            found = shapley_shares(known, rows, self.present[rows], model.class_prior_)
            shares[rows], prior[rows] = found.shares, found.prior
        self.classes: list[Any] = model.classes_.tolist()
        most = max(C if a.wanted.top is None else a.wanted.top for a in batch)
        order = np.argsort(-self.fused, axis=1, kind="stable")[:, :most]
        self.order = order.tolist()
        self.probabilities = np.take_along_axis(self.fused, order, axis=1).tolist()
        self.own = np.where(self.present, _best(alone), -1).tolist()
        self.own_probability = _at(alone, _best(alone)).tolist()
        self.of_answer = _at(alone, self.fused.argmax(axis=1)[:, None]).tolist()
        self.shares, self.prior = _numbers(shares), _numbers(prior)
        self.has = self.present.tolist()


def _each_alone(scorer: Scorer, present: np.ndarray) -> np.ndarray:
    """(n_items, C): what each item says alone, in the order of `present`, from one pass."""
    rows, columns = np.nonzero(present)
    return scorer(rows, columns[:, None] == np.arange(present.shape[1]))


def _known(scorer: Scorer, present: np.ndarray, fused: np.ndarray, alone: np.ndarray) -> Scorer:
    """`scorer`, but what all of a row's items say, and what each alone, is not asked again."""

    def known(rows: np.ndarray, shown: np.ndarray) -> np.ndarray:
        found, rest = fused[rows], (shown != present[rows]).any(axis=1)
        single = np.flatnonzero(rest & (shown.sum(axis=1) == 1))
        found[single] = alone[rows[single], shown[single].argmax(axis=1)]
        rest[single] = False
        if rest.any():
            found[rest] = scorer(rows[rest], shown[rest])
        return found

    return known


def _best(alone: np.ndarray) -> np.ndarray:
    """(n, M): the class that each item alone speaks for; of an absent one any."""
    return np.nan_to_num(alone, nan=-1).argmax(axis=2)


def _at(alone: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(n, M): what `alone` (n, M, C) gives the class of each item."""
    classes = np.broadcast_to(classes, alone.shape[:2])
    return np.take_along_axis(alone, classes[..., None], axis=2)[..., 0]


def _numbers(values: np.ndarray) -> list[Any]:
    """The values as Python's, None where they are NaN."""
    found = values.astype(object)
    found[np.isnan(values)] = None
    return found.tolist()


def _answer(
    model: Any, spoken: _Spoken, asked: Asked, start: int, broken: Sequence[UnreadableEntry]
) -> Answer | Refusal:
    rows, wanted = slice(start, start + len(asked)), asked.wanted
    present, fused = spoken.present[rows], spoken.fused[rows]
    reasons = {(entry.row - start, entry.modality): entry.reason for entry in broken}
    nothing = [i for i, has in enumerate(spoken.has[rows]) if not any(has)]
    if nothing and model.when_nothing_present == "error":
        return _nothing(asked, nothing, reasons)
    sets = _sets(model, fused, present, wanted.coverage)
    predictions = []
    for i in range(len(asked)):
        row = start + i
        order, probabilities = spoken.order[row], spoken.probabilities[row]
        said: dict[str, Any] = {
            "label": spoken.classes[order[0]],
            "probability": probabilities[0],
            "nothing_present": i in nothing,
            "probabilities": [
                {"label": spoken.classes[c], "probability": probability}
                for c, probability in list(zip(order, probabilities, strict=True))[: wanted.top]
            ],
            "set": None if sets is None else {"coverage": wanted.coverage, "labels": sets[i]},
            "modalities": {
                name: {
                    **_status(asked, i, name, spoken.has[row][m], reasons),
                    **_says(spoken, row, m),
                }
                for m, name in enumerate(model.modalities_)
            },
            "prior_share": spoken.prior[row],
            "notes": asked.notes[i],
        }
        predictions.append({"id": asked.ids[i], **said} if asked.ids[i] is not None else said)
    counts: dict[str, int] = {}
    for entry in broken:
        counts[entry.modality] = counts.get(entry.modality, 0) + 1
    return Answer(predictions, fused, present, counts)


def _nothing(asked: Asked, rows: list[int], reasons: dict[tuple[int, str], str]) -> Refusal:
    """The refusal of rows with nothing, which this model is not to answer."""
    listed = some_of(rows, 10)
    which = f"Rows {listed} have nothing" if len(rows) > 1 else f"Row {listed} has nothing"
    if len(asked) == 1:
        which = "There is nothing"
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


def _says(spoken: _Spoken, row: int, m: int) -> dict[str, Any]:
    """What a modality alone says, and what it has to do with the answer."""
    if not spoken.has[row][m]:
        return {"label": None, "probability": None, "of_answer": None, "share": None}
    return {
        "label": spoken.classes[spoken.own[row][m]],
        "probability": spoken.own_probability[row][m],
        "of_answer": spoken.of_answer[row][m],
        "share": spoken.shares[row][m],
    }


def _sets(
    model: Any, fused: np.ndarray, present: np.ndarray, coverage: float | None
) -> list[list[Any]] | None:
    if coverage is None or getattr(model, "calibration_", None) is None:
        return None
    inside = model.check_coverage(coverage).sets(fused, present, coverage)
    return ranked_sets(model.classes_, inside, fused)


def as_refusal(error: Exception) -> Exception:
    """What is wrong with a request as the refusal of it; any other error as it is."""
    return Refusal(422, str(error)) if isinstance(error, InputError) else error
