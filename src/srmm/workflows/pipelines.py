"""Saving a classifier, or a `Pipeline` of `Encode` and a classifier, in one folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from srmm.encoders import Encoder, FittableEncoder, is_encoder
from srmm.encoding.transformer import Encode
from srmm.errors import InputError
from srmm.learning import saving
from srmm.learning.base import EmbeddingClassifier


def save_pretrained(model: Any, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write a fitted classifier, or a pipeline with its encoders, to `folder`; return the path.

    `srmm.load(folder)` then predicts from raw rows what the pipeline did; `srmm.from_pretrained`
    gives the classifier alone.

    Parameters
    ----------
    model : classifier, or Pipeline of two steps, `srmm.Encode` and a classifier
    overwrite : bool
        Whether a model that is already there is replaced.

    Raises
    ------
    InputError
        For another pipeline, an encoder that no name loads again, or a folder that is taken.
    """
    if not isinstance(model, Pipeline):
        return saving.save_pretrained(model, folder, overwrite=overwrite)
    steps = [step for _, step in model.steps]
    if len(steps) != 2 or not all(map(isinstance, steps, (Encode, EmbeddingClassifier))):
        names = ", ".join(type(step).__name__ for step in steps)
        raise InputError(
            "A pipeline is saved if its steps are srmm.Encode and a classifier of srmm, got "
            f"{names}. Save the classifier alone: srmm.save_pretrained(pipeline[-1], folder)."
        )
    transformer, classifier = steps
    check_is_fitted(transformer, "encoders_")
    where = transformer.folder
    origin = {"name": "a pipeline", "folder": None if where is None else str(Path(where).resolve())}
    with tempfile.TemporaryDirectory(prefix="srmm-") as scratch:
        inputs = {
            name: {
                "kind": encoder.kind,
                "column": name,
                "encoder": _spec(name, encoder, Path(scratch)),
            }
            for name, encoder in transformer.encoders_.items()
        }
        return saving.save_pretrained(
            classifier, folder, inputs=inputs, origin=origin, overwrite=overwrite
        )


def _spec(name: str, encoder: Encoder, scratch: Path) -> str:
    """What loads the encoder again; one that was fitted is written to the scratch folder."""
    spec = encoder.settings.get("spec")
    if isinstance(encoder, FittableEncoder):
        encoder.save(scratch / name)
        return f"{encoder.name}:{scratch / name}"
    if is_encoder(spec):
        return str(spec)
    raise InputError(
        f"The encoder of {name!r} is an object of {type(encoder).__name__}, which no name loads "
        "again. Give Encode a name of `srmm encoders`, or make yours one (docs: extending)."
    )
