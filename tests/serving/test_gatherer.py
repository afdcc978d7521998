"""The queue: what is computed together, and when."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from srmm.serving.gatherer import Gatherer
from srmm.serving.limits import Limits


async def batches(limits: Limits, *sizes: int) -> tuple[list[list[int]], list[Any], float]:
    """(the sizes of requests in each batch, the answers, seconds) of requests that come at once."""
    found: list[list[int]] = []

    def work(batch: Any) -> list[Any]:
        found.append([len(asked) for asked in batch])
        return [f"{len(asked)} rows" for asked in batch]

    gatherer = Gatherer(work, limits)
    gatherer.start()
    started = time.monotonic()
    answers = await asyncio.gather(*(gatherer.ask(range(n)) for n in sizes))  # type: ignore
    seconds = time.monotonic() - started
    await gatherer.stop()
    return found, answers, seconds


def test_enough_rows_do_not_wait_and_requests_stay_whole() -> None:
    limits = Limits(batch_rows=4, wait_ms=20_000)
    found, answers, seconds = asyncio.run(batches(limits, 1, 2, 2, 2, 9, 4))
    assert found == [[1, 2], [2, 2], [9], [4]]
    assert answers == ["1 rows", "2 rows", "2 rows", "2 rows", "9 rows", "4 rows"]
    assert seconds < 10


def test_a_few_rows_wait_for_others() -> None:
    found, _, seconds = asyncio.run(batches(Limits(batch_rows=4, wait_ms=100), 1, 1))
    assert found == [[1, 1]]
    assert seconds >= 0.09


def test_it_stops_once_all_is_answered() -> None:
    async def stopping() -> Any:
        gatherer = Gatherer(lambda batch: time.sleep(0.05) or ["said"] * len(batch), Limits())
        gatherer.start()
        asking = asyncio.gather(*(gatherer.ask(range(40)) for _ in range(3)))  # type: ignore
        await asyncio.sleep(0)
        await gatherer.stop()
        return await asyncio.wait_for(asking, 5)  # what is not answered by now never is

    assert asyncio.run(stopping()) == ["said"] * 3
