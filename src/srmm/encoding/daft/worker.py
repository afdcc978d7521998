"""One worker process of an encoding job: it is sent the items of a chunk, and returns the chunk."""

from __future__ import annotations

import contextlib
import io
import pickle
import traceback
from pathlib import Path
from typing import Any

from PIL import Image

from srmm.data.broken import AbsentFile, UnreadableItem
from srmm.data.embeddings import same_settings
from srmm.data.items import ItemReader
from srmm.encoders import Encoder, FittableEncoder, encoder_kind, load_encoder
from srmm.encoders.engines import engine_of, with_engine, with_precision
from srmm.encoding.chunks import Chunk, encode_chunk, item_reader
from srmm.errors import InputError, SrmmError

LIVES = 3
"""Workers that a chunk may cost before it is taken to be what kills them."""

NAMESPACE = "srmm"
"""Where in a Ray cluster the actor that counts lives is found."""

_THREADS = 2
"""Per worker: one opens an item while another waits for the disk."""


class ChunkWorker:
    """Encodes chunks, with an encoder that is loaded when the first one comes.

    Parameters
    ----------
    encoder : bytes
        From `pack_encoder`.
    folder : str or None
        What relative paths resolve against.
    batch_size : int
    lives : str or None
        The name of the Ray actor that counts how often each chunk was begun. Ray gives the chunk
        of a worker that died to the next one, and the next, for ever: so a worker refuses it.
    """

    def __init__(self, encoder: bytes, folder: str | None, batch_size: int, lives: str | None):
        self.packed_encoder = encoder
        self.reader = ItemReader(folder)
        self.batch_size = batch_size
        self.lives = lives
        self.encoder: Encoder | None = None

    def encode(self, number: Any, items: Any) -> list[bytes]:
        """Per chunk (two `daft.Series`, its number and its `pack_items`) its number and outcome."""
        outcomes = zip(number.to_pylist(), items.to_pylist(), strict=True)
        return [pickle.dumps((n, self._outcome(n, packed))) for n, packed in outcomes]

    def _outcome(self, number: int, packed: bytes) -> Chunk | Exception | None:
        """The chunk; what is wrong with the encoder; None if it has cost all its lives."""
        # Daft prints what a worker says among the results that the command prints.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                if self.lives is not None and _begun(self.lives, number) > LIVES:
                    return None
                if self.encoder is None:
                    self.encoder = unpack_encoder(self.packed_encoder)
                return encode_chunk(
                    pickle.loads(packed),
                    self.encoder,
                    self.reader,
                    batch_size=self.batch_size,
                    workers=_THREADS,
                )
            except Exception as error:  # as it is there: trying again elsewhere would not help
                return _portable_error(error)


def _begun(lives: str, number: int) -> int:
    import ray

    return ray.get(ray.get_actor(lives, namespace=NAMESPACE).begin.remote(number))


def _portable_error(error: Exception) -> Exception:
    if not isinstance(error, SrmmError):
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # exceptions with arguments of their own often cannot be made again
        return SrmmError(f"{type(error).__name__}: {error}")
    return error


def pack_encoder(encoder: Encoder) -> bytes:
    """What a worker makes the encoder again from: its name if it has one, else the object.

    Raises `InputError` if it has no name and cannot be pickled.
    """
    from daft import pickle as by_value  # also takes classes of a notebook, or of the main program

    spec = encoder.settings.get("spec")
    named = isinstance(spec, str) and _is_name(spec) and not isinstance(encoder, FittableEncoder)
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


def _is_name(spec: str) -> bool:
    try:
        encoder_kind(spec)
    except InputError:
        return False
    return True


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
        return failure


def _or_unreadable(item: Any, kind: str, reader: ItemReader) -> Any:
    try:
        pickle.dumps(item)
    except Exception as error:
        try:
            item_reader(kind, reader)(item)
        except (AbsentFile, UnreadableItem) as failure:
            return failure
        return UnreadableItem(f"cannot be sent to a worker process ({type(error).__name__})")
    return item


def absolute(folder: Path | None) -> str:
    """Where relative paths start, in the words of a process with another current folder."""
    return str((folder or Path()).absolute())
