"""Requests that come within a few milliseconds are computed together, one batch after the other."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from srmm.serving.asked import Asked
from srmm.serving.limits import Limits
from srmm.serving.refusals import later

Work = Callable[[Sequence[Asked]], list[Any]]
"""The answers to some requests, in their order; an exception in an answer's place is that
request's own."""


@dataclass
class _Waiting:
    """A request in the queue, and where its answer goes."""

    asked: Asked
    answer: asyncio.Future[Any]


class Gatherer:
    """One queue in front of one model.

    A batch is whatever waits when the model is free and what comes in the next `wait_ms`, up to
    `batch_rows`. The work runs in a thread of its own, so that the server keeps listening.

    Parameters
    ----------
    work : callable
    limits : Limits
    seen : callable (n_rows, seconds), optional
        Told of every batch.
    """

    def __init__(
        self, work: Work, limits: Limits, seen: Callable[[int, float], None] | None = None
    ) -> None:
        self.limits, self._work, self._seen = limits, work, seen
        self._queue: deque[_Waiting] = deque()
        self._some, self._enough, self._none = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._none.set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._loop: asyncio.Task[None] | None = None
        self._rows = 0
        self._busy_since: float | None = None

    def start(self) -> None:
        """Begin to compute; needs a running event loop."""
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Answer what waits, then stop."""
        if self._loop is None:
            return
        await self._none.wait()
        self._loop.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._loop = None

    @property
    def waiting(self) -> int:
        """How many requests wait for the model."""
        return len(self._queue)

    @property
    def stuck_for(self) -> float:
        """Seconds that the batch in work has taken so far; 0 if there is none."""
        return 0.0 if self._busy_since is None else time.monotonic() - self._busy_since

    async def ask(self, asked: Asked) -> Any:
        """The answer to a request.

        Raises `Refusal`: 503 if the queue is full or the answer takes too long; or whatever the
        request itself led to.
        """
        if self._loop is None:
            raise later("The server is stopping.")
        if len(self._queue) >= self.limits.queue:
            raise later("Too many requests are waiting.")
        waiting = _Waiting(asked, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._rows += len(asked)
        self._none.clear()
        self._some.set()
        if self._rows >= self.limits.batch_rows:
            self._enough.set()
        try:
            return await asyncio.wait_for(waiting.answer, self.limits.answer_seconds)
        except TimeoutError:
            seconds = self.limits.answer_seconds
            raise later(f"The answer took longer than {seconds:g} s.", 5) from None

    async def _run(self) -> None:
        while True:
            batch = await self._next_batch()
            wanted = [one for one in batch if not one.answer.done()]  # others gave up
            try:
                if wanted:
                    await self._compute(wanted)
            finally:
                if not self._queue:
                    self._none.set()

    async def _next_batch(self) -> list[_Waiting]:
        await self._some.wait()
        if self._rows < self.limits.batch_rows and self.limits.wait_ms:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), self.limits.wait_ms / 1000)
        batch = [self._queue.popleft()]
        rows = len(batch[0].asked)
        while self._queue and rows + len(self._queue[0].asked) <= self.limits.batch_rows:
            batch.append(self._queue.popleft())
            rows += len(batch[-1].asked)
        self._rows -= rows
        if not self._queue:
            self._some.clear()
        if self._rows < self.limits.batch_rows:
            self._enough.clear()
        return batch

    async def _compute(self, batch: Sequence[_Waiting]) -> None:
        self._busy_since = time.monotonic()
        asked = [one.asked for one in batch]
        try:
            answers = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._work, asked
            )
        except Exception as error:
            answers = [error] * len(batch)
        seconds, self._busy_since = self.stuck_for, None
        if self._seen is not None:
            self._seen(sum(map(len, asked)), seconds)
        for one, answer in zip(batch, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)


def each_on_its_own(work: Work) -> Work:
    """`work`, but where a batch fails, each of its requests is tried alone: one does not fail
    the others."""

    def careful(batch: Sequence[Asked]) -> list[Any]:
        try:
            return work(batch)
        except Exception as error:
            if len(batch) == 1:
                return [error]
        answers: list[Any] = []
        for asked in batch:
            try:
                answers += work([asked])
            except Exception as error:
                answers.append(error)
        return answers

    return careful
