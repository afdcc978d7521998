"""What a worker process of an encoding job does: it is sent a chunk of items, and encodes it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from PIL import Image

from srmm.data.broken import AbsentFile, UnreadableItem, at_rest
from srmm.data.embeddings import same_settings
from srmm.data.items import ItemReader
from srmm.encoders import Encoder, FittableEncoder, is_encoder, load_encoder
from srmm.encoders.engines import engine_of, with_engine, with_precision
from srmm.encoding.chunks import Chunk, encode_chunk, item_reader
from srmm.errors import InputError

_THREADS = 2
"""Per worker: one opens an item while another waits for the disk."""


class ChunkTask:
    """Encodes chunks.

    Parameters
    ----------
    encoder : bytes
        From `pack_encoder`.
    folder : str
        What relative paths resolve against.
    batch_size : int
    """

    def __init__(self, encoder: bytes, folder: str, batch_size: int):
        self.encoder = unpack_encoder(encoder)
        self.reader = ItemReader(folder)
        self.batch_size = batch_size

    def __call__(self, items: bytes) -> Chunk:
        """The chunk of some `pack_items`."""
        return encode_chunk(
            pickle.loads(items),
            self.encoder,
            self.reader,
            batch_size=self.batch_size,
            workers=_THREADS,
        )


def pack_encoder(encoder: Encoder) -> bytes:
    """What a worker makes the encoder again from: its name if it has one, else the object.

    Raises `InputError` if it has no name and cannot be pickled.
    """
    from daft import pickle as by_value  # also takes classes of a notebook, or of the main program

    spec = encoder.settings.get("spec")
    named = is_encoder(spec) and not isinstance(encoder, FittableEncoder)
    recipe = (spec, encoder.kind, engine_of(encoder) or "torch") if named else encoder
    try:
        return by_value.dumps((recipe, same_settings(encoder.settings)))
    except Exception as error:
        raise InputError(
            f"The encoder {spec or type(encoder).__name__!r} cannot be sent to worker processes "
            f"({type(error).__name__}: {error}). Name one of srmm.encoders.available_encoders(), "
            "make the object one that pickle takes, or use another engine than 'daft'."
        ) from error


def unpack_encoder(packed: bytes) -> Encoder:
    """The encoder, checked to be the same: a cluster may have other weights under that name."""
    recipe, expected = pickle.loads(packed)
    if not isinstance(recipe, tuple):
        return recipe
    spec, kind, engine = recipe
    encoder = with_precision(load_encoder(spec, kind), expected.get("precision", "full"))
    encoder, _ = with_engine(encoder, engine)
    settings = same_settings(encoder.settings)
    different = [key for key in expected if settings.get(key) != expected[key]]
    if different or settings.keys() != expected.keys():
        raise InputError(
            f"The encoder {spec!r} is another one in a worker process: it differs in "
            f"{', '.join(different) or 'its settings'}. Install the same versions, and the same "
            "weights, on every machine."
        )
    return encoder


def pack_items(items: list[Any], kind: str, reader: ItemReader) -> bytes:
    """Items as a worker gets them. Pictures are decoded before; what is broken comes as such."""
    portable = [_portable(item, kind, reader) for item in items]
    try:
        return pickle.dumps(portable)
    except Exception:
        return pickle.dumps([_or_unreadable(item, kind, reader) for item in portable])


def _portable(item: Any, kind: str, reader: ItemReader) -> Any:
    if isinstance(item, memoryview) and kind != "text":
        return bytes(item)
    if not isinstance(item, Image.Image):
        return item
    # One that was opened from a file would lose its orientation, and fail as a whole if broken.
    try:
        return item_reader(kind, reader)(item)
    except UnreadableItem as failure:
        return at_rest(failure)


def _or_unreadable(item: Any, kind: str, reader: ItemReader) -> Any:
    try:
        pickle.dumps(item)
    except Exception as error:
        try:
            item_reader(kind, reader)(item)
        except (AbsentFile, UnreadableItem) as failure:
            return at_rest(failure)
        return UnreadableItem(f"cannot be sent to a worker process ({type(error).__name__})")
    return item


def absolute(folder: Path | None) -> str:
    """Where relative paths start, in the words of a process with another current folder."""
    return str((folder or Path()).absolute())
