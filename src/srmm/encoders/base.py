"""What an encoder is, and the few things that all encoders need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from srmm.data.modality import KINDS
from srmm.errors import one_of

if TYPE_CHECKING:
    from torch import nn


PARTS = ("kind", "embedding_dim", "batch_size", "settings", "prepare", "encode")


@runtime_checkable
class Encoder(Protocol):
    """A frozen network that turns raw items of one kind into embeddings.

    `prepare` is called in several threads while `encode` runs in one, so that reading and
    resizing overlap with the network. What an embedding is must not depend, beyond float noise, on
    which other items share its batch.

    One that hears or reads only a part of a long item has two things more: `limit`, in words such
    as "256 tokens", and `is_cut(item)`, whether that opened item is longer; called as `prepare` is.
    The summary of an encoding job counts such items. Where another thing than length makes the
    encoder take an item otherwise, `taken` says it, behind "3 of 8 pictures", in place of `limit`.
    One of texts that does not know all letters has `is_unknown(item)`: whether most are unknown.

    Attributes
    ----------
    kind : str
        What it reads, one of `srmm.data.modality.KINDS`.
    embedding_dim : int or None
        The length of an embedding; None if it is the length of the item, as for features.
    batch_size : int
        A good number of items per call of `encode` on this machine.
    settings : dict
        JSON values: "spec", the text `load_encoder` makes it again from (None if it cannot);
        "weights", a digest of the weights; and everything else that decides what an embedding
        means, such as the preprocessing. Stored beside the embeddings. Embeddings of two encoders
        may share a store only if their settings are equal, "spec" aside.
    """

    @property
    def kind(self) -> str: ...

    @property
    def embedding_dim(self) -> int | None: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def settings(self) -> dict[str, Any]: ...

    def prepare(self, item: Any) -> Any:
        """An opened item (RGB picture, text, vector) → what `encode` takes; safe in threads."""
        ...

    def encode(self, prepared: Sequence[Any]) -> np.ndarray:
        """n prepared items → their embeddings, float32 of shape (n, embedding_dim)."""
        ...


@runtime_checkable
class FittableEncoder(Encoder, Protocol):
    """An encoder that learns from training items before it can encode, such as Doc2Vec.

    Until it is fitted, `settings["weights"]` is None. Fitting on the same items again gives the
    same encoder. One that was fitted here has the spec None, and `load_encoder` makes it again
    from "NAME:FOLDER" after `save(FOLDER)`.

    Attributes
    ----------
    name : str
        The NAME.
    is_fitted : bool
    """

    @property
    def name(self) -> str: ...

    @property
    def is_fitted(self) -> bool: ...

    def fit(self, items: Sequence[Any]) -> None:
        """Learn from opened items, those of training rows only; there are no labels."""
        ...

    def save(self, folder: Path) -> object:
        """Write what was learnt to a folder that does not exist, without pickle."""
        ...


@runtime_checkable
class ExplainedEncoder(FittableEncoder, Protocol):
    """A fitted encoder that says in sentences what it made of the items."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What it learnt."""
        ...

    def notes_on(self, items: Sequence[Any]) -> tuple[str, ...]:
        """What is in these items that it did not learn to expect."""
        ...


@dataclass(frozen=True)
class EncoderAbout:
    """What an encoder's file says of it in `ABOUT`: one block of `srmm encoders`.

    Attributes
    ----------
    name : str
        What it is loaded by. It ends with ":NAME" where it takes the name of a model at the
        Hugging Face hub, or a folder with one; with ":FILE" where it takes a file with the
        weights; with ":FOLDER" where it takes a folder with what was fitted.
    good_for : str
        What it tells apart, in a word or two: "speakers", "objects".
    embedding_dim, description, preprocessing, source, licence, needs_network : str
        For people to read, a line each.
    classes : mapping
        Kind of items → what makes the encoder of that kind; called with the NAME, FILE or FOLDER
        where there is one, else with nothing.
    default : tuple of str
        The kinds of which it is the encoder where none is named.
    usual_kind : str
        Of several kinds the one that it is taken for where nothing says which.
    """

    name: str
    good_for: str = field(default="", kw_only=True)
    embedding_dim: str
    description: str
    preprocessing: str
    source: str
    licence: str
    needs_network: str
    classes: Mapping[str, Callable[..., Encoder]]
    default: tuple[str, ...] = ()
    usual_kind: str = ""

    def check(self, module: ModuleType) -> None:
        """Raise `InputError` if it reads items of a kind that there is not."""
        for kind in (*self.classes, *self.default):
            one_of(f"A kind in classes of {self.name!r}", kind, KINDS)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of items it reads."""
        return tuple(self.classes)


def weights_digest(module: nn.Module) -> str:
    """SHA-256 of the network's numbers: the same for the same weights in any file format.

    The names of the parameters and their order are left out: libraries change them between
    versions. So are integers, which count batches or positions, and single numbers.
    """
    import torch

    digests = {
        hashlib.sha256(tensor.detach().cpu().contiguous().view(torch.uint8).numpy()).hexdigest()
        for tensor in module.state_dict().values()
        if tensor.is_floating_point() and tensor.ndim
    }
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def pick_device() -> str:
    """ "cuda" where there is one, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
