"""Where the encoders lie that a saved model names: inside it, or where its maker agreed to.

Whoever writes a config can name any place on the machine of whoever loads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from srmm.encoders import learns_from_items
from srmm.errors import StoreError

ENCODERS = "encoders"
"""The folder of a model with those that were fitted with it."""

_LONGEST = 4096


def check_places(folder: Path, inputs: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `StoreError` for an encoder at a place that no model of ours names.

    One that was fitted lies in the model itself, as `save_pretrained` puts it. Others are names of
    the hub, or absolute paths: a path from wherever one happens to stand is none.
    """
    for name, about in inputs.items():
        spec = about.get("encoder") or ""
        kind, _, place = spec.partition(":")
        inside = f"{ENCODERS}/{name}"
        if len(spec) > _LONGEST or not spec.isprintable():
            raise _refused(folder, name, spec[:60], "a line of text")
        if not place:
            continue
        if learns_from_items(kind):
            if place != inside:
                raise _refused(folder, name, spec, f"'{kind}:{inside}', a folder of the model")
            if not (folder / inside).resolve().is_relative_to(folder.resolve()):
                raise _refused(folder, name, spec, "a folder of the model, not a link out of it")
        elif place.startswith((".", "~")) or (".." in Path(place).parts):
            raise _refused(folder, name, spec, "a name of the Hugging Face hub or an absolute path")


def said_of_encoders(specs: Iterable[tuple[str, str | None]], folder: Path) -> list[str]:
    """A sentence on each encoder, given as (modality, spec), that is no part of the model."""
    said = []
    for name, spec in specs:
        place = (spec or "").partition(":")[2]
        if place and not Path(place).is_relative_to(folder.resolve()):
            said.append(
                f"{name} is encoded by {spec}, which is no part of the model's folder: the model "
                "names it, and it was loaded from there."
            )
    return said


def _refused(folder: Path, name: str, spec: str, expected: str) -> StoreError:
    return StoreError(
        f"{folder} names {spec!r} as the encoder of {name!r}, expected {expected}. Get the model "
        "again from whoever made it, or encode the items yourself and give it embeddings."
    )
