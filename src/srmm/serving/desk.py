"""Where every route asks the model: one object with all that answering needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from starlette.requests import Request

from srmm.data.columns import PATH_KINDS
from srmm.data.modality import PICTURE_KINDS
from srmm.errors import InputError, SrmmError
from srmm.serving.answers import COVERAGE, Answer, answer_batch, as_refusal
from srmm.serving.asked import Asked, Wanted, read_asked
from srmm.serving.contract import Contract
from srmm.serving.facts import model_facts, read_report
from srmm.serving.gatherer import Gatherer, Work, each_on_its_own
from srmm.serving.limits import Limits
from srmm.serving.measures import Measures
from srmm.serving.neighbours import open_neighbours
from srmm.serving.refusals import Refusal
from srmm.serving.samples import picture, tone
from srmm.workflows.predictor import Predictor

_MOST_NEAREST = 50
_FEW = 4


class Desk:
    """A model, what it reads, its queue and its counts.

    Parameters
    ----------
    predictor : Predictor
    limits : Limits
    report : path, optional
        The JSON of `srmm evaluate`, for the accuracy to expect.
    store : path, optional
        The store that the model was trained on, for the nearest items.
    root : path, optional
        Where pictures of the store's rows may be read from, beside the store itself.

    Raises
    ------
    InputError
        If report or store are not this model's.
    """

    def __init__(
        self,
        predictor: Predictor,
        limits: Limits,
        *,
        report: Path | None = None,
        store: Path | None = None,
        root: Path | None = None,
    ) -> None:
        self.predictor, self.limits = predictor, limits
        self.measures, self.contract = Measures(), Contract(predictor)
        self.notes: list[str] = []
        self.neighbours = None
        if store is not None:
            self.neighbours, self.notes = open_neighbours(predictor, store, root)
        content = None if report is None else read_report(report, self.contract)
        self.facts = model_facts(predictor, self.contract, limits, content)
        self.facts["nearest"] = self.neighbours is not None
        work = self._counted(each_on_its_own(self._work))
        self.gatherer = Gatherer(work, limits, self.measures.batch)
        self.is_stopping = False
        self.warmed: Callable[[], Any] = lambda: None
        """Called once all is loaded; for who owns the process."""

    async def ask(self, rows: Sequence[Mapping[str, Any]], wanted: Wanted, where: str) -> Answer:
        """The answer to some rows; raises `Refusal`."""
        reading = partial(read_asked, self.predictor, self.contract, rows, wanted, where=where)
        # Handing a few embeddings to a thread takes longer than reading them.
        asked = reading() if _are_few_vectors(rows) else await asyncio.to_thread(reading)
        self.measures.waiting.set(self.gatherer.waiting + 1)
        try:
            answer: Answer = await self.gatherer.ask(asked)
        except Refusal as refusal:
            self.measures.refused.inc(len(refusal.more.get("nothing_present", ())))
            raise
        except InputError as error:
            raise as_refusal(error) from None
        finally:
            self.measures.waiting.set(self.gatherer.waiting)
        return answer

    def wanted(self, request: Request) -> Wanted:
        """What the query of a request asks for; `Refusal` naming what it cannot be."""
        query = dict(request.query_params)
        for name, value in request.query_params.multi_items():
            if value != query[name]:
                raise Refusal(422, "It is given twice. Give it once.", field=name[:60])
            if name not in ("coverage", "explain", "top", "nearest"):
                raise Refusal(
                    422, "Unknown; expected coverage, explain, top or nearest.", field=name[:60]
                )
        coverage: float | None = COVERAGE
        if "coverage" in query:
            coverage = None if query["coverage"] == "none" else _within(query["coverage"])
            if coverage is not None and getattr(self.predictor.model, "calibration_", None) is None:
                raise Refusal(422, "The model kept no scores of held-out instances, so it cannot "
                              "promise a coverage. Leave it out, or ask for none.",
                              field="coverage")  # fmt: skip
        explain = query.get("explain", "true").lower()
        if explain not in ("true", "false"):
            raise Refusal(422, "Expected true or false.", field="explain")
        top = query.get("top", "10")
        nearest = _whole("nearest", query.get("nearest", "0"), 0, _MOST_NEAREST)
        if nearest and self.neighbours is None:
            raise Refusal(422, "The server has no training items: it was started without --store.",
                          field="nearest")  # fmt: skip
        return Wanted(
            coverage,
            explain == "true",
            None if top == "all" else _whole("top", top, 1, len(self.predictor.classes_)),
            nearest,
        )

    def warm_up(self) -> None:
        """Load the encoders by one row of nothing in particular, so that no request waits for it.

        Raises `SrmmError` if an encoder cannot be loaded.
        """
        row: dict[str, Any] = {}
        for one in self.contract:
            if not one.is_raw:
                row[one.name] = [0.0] * one.embedding_dim
            elif one.kind in PATH_KINDS:
                row[one.name] = picture(96) if one.kind in PICTURE_KINDS else tone(1, 16_000)
            elif one.kind == "text":
                row[one.name] = "warming up"
        if not row:
            return
        (answer,) = self._work([read_asked(self.predictor, self.contract, [row], Wanted())])
        broken = [] if isinstance(answer, Exception) else answer.predictions[0]["modalities"]
        for name in broken:
            if broken[name]["status"] == "broken":
                raise SrmmError(
                    f"The encoder of {name!r} does not read a plain sample: it "
                    f"{broken[name]['reason']}."
                )

    def why_not_ready(self) -> str | None:
        """Why no request should be sent now; None if one may."""
        if self.is_stopping:
            return "The server is stopping."
        if self.gatherer.waiting >= self.limits.queue:
            return "Too many requests are waiting."
        if self.gatherer.stuck_for > self.limits.answer_seconds:
            return f"One batch has been computed for {self.gatherer.stuck_for:.0f} s."
        return None

    def _work(self, batch: Sequence[Asked]) -> list[Any]:
        return answer_batch(self.predictor, batch, self.neighbours)

    def _counted(self, work: Work) -> Work:
        """`work`, whose answers are counted a batch at a time."""

        def counted(batch: Sequence[Asked]) -> list[Any]:
            answers = work(batch)
            given = [answer for answer in answers if isinstance(answer, Answer)]
            self.measures.answered(given, self.predictor.modalities)
            return answers

        return counted


def _are_few_vectors(rows: Sequence[Any]) -> bool:
    """Whether rows are a few, and hold embeddings alone."""
    if len(rows) > _FEW or not all(isinstance(row, Mapping) for row in rows):
        return False
    items = [item for row in rows for name, item in row.items() if name != "id"]
    return all(
        item is None or (isinstance(item, list) and not isinstance((item or [0])[0], str))
        for item in items
    )


def _within(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not 0 < value < 1:
        raise Refusal(422, "Expected a number between 0 and 1, or none.", field="coverage")
    return value


def _whole(name: str, text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < least:
        raise Refusal(422, f"Expected a whole number from {least}.", field=name)
    return min(int(text), most)
