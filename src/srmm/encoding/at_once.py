"""The long loop for items that need no opening: whole blocks of them, without threads and files.

Vectors, and cells of columns, are encoded in less time than handing each to a thread takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from srmm.data.blocks import Cells
from srmm.encoders import Encoder
from srmm.encoding.chunks import Chunk, checked, encode_in_chunks, not_finite

BLOCK_ITEMS = 1 << 16
"""Items at a time: what memory holds."""

Loop = Callable[..., Iterator[Chunk]]


def loop_for(encoder: Encoder, items: Sequence[Any], loop: Loop) -> Loop:
    """`encode_at_once` where the encoder takes these items as they are, else `loop`.

    An encoder says of which class such items are by an attribute `at_once`.
    """
    taken = getattr(encoder, "at_once", None)
    if loop is not encode_in_chunks or taken is None or set(map(type, items)) != {taken}:
        return loop
    return encode_at_once if taken is Cells or _are_vectors(items) else loop


def _are_vectors(items: Sequence[np.ndarray]) -> bool:
    """Whether opening them would change nothing: finite float32 vectors of one length."""
    if {(item.dtype.str, item.shape) for item in items} != {("<f4", (len(items[0]),))}:
        return False
    return bool(np.isfinite(np.stack(items)).all())


def encode_at_once(
    items: list[Any],
    keys: np.ndarray,
    encoder: Encoder,
    *_: Any,
    progress: Callable[[int], None],
    **__: Any,
) -> Iterator[Chunk]:
    """The chunks of `items`, as `encode_in_chunks` gives them, each of one block.

    There is nothing to go on with after a kill: the whole takes seconds.
    """
    for start in range(0, len(items), BLOCK_ITEMS):
        block = items[start : start + BLOCK_ITEMS]
        values = checked(encoder, block)
        good = np.isfinite(values).all(axis=1)
        failures: dict[int, str | None] = {
            i: not_finite(encoder) for i in np.flatnonzero(~good).tolist()
        }
        row = np.where(good, np.cumsum(good) - 1, -1)
        progress(len(block))
        yield Chunk(values[good], row, failures)
