"""From a saved model to a smaller one that has learnt from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from srmm.ensemble.classifier import SingleBranchClassifier
from srmm.ensemble.distil import distil
from srmm.errors import InputError
from srmm.learning.saving import check_writable, open_saved, save_pretrained
from srmm.workflows.data import own_embeddings, own_store, split_column
from srmm.workflows.places import check_place
from srmm.workflows.splits import trained_on


def distil_workflow(
    model_folder: Path | str,
    output: Path | str,
    *,
    seed: int = 0,
    overwrite: bool = False,
    epochs: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Any:
    """Distil the model in `model_folder` on the embeddings it was trained on; save it to `output`.

    It reads raw items as the model does, and is evaluated on the same held-out rows.
    """
    model_folder, output = Path(model_folder), Path(output)
    check_place(output, utf8=True)
    if output.exists() and output.resolve() == model_folder.resolve():
        raise InputError(
            f"{output} is the model that is distilled, and would be replaced by what it taught. "
            "Name another folder (--output)."
        )
    check_writable(output.resolve(), overwrite=overwrite)
    model, config, rows = open_saved(model_folder)
    if not isinstance(model, SingleBranchClassifier):
        raise InputError(
            f"{model_folder} is a {type(model).__name__}. What is distilled is the default method, "
            "'srmm': fit that first."
        )
    origin = dict(config.get("origin") or {})
    origin.pop("expected", None)  # which is of the large one
    own = own_embeddings(model_folder, origin, rows)
    if own is None:
        raise InputError(
            f"The embeddings that {model_folder} was trained on are gone "
            f"({origin.get('store') or 'it names none'}), and a model is distilled on them. Put "
            "them back beside it, or fit the model again."
        )
    split = split_column(own, rows)
    student = distil(model, trained_on(own, split), random_state=seed, progress=epochs)
    store = own_store(model_folder, origin)
    if store is not None:
        origin["store"] = os.path.relpath(store, output.resolve().parent)
    save_pretrained(
        student, output, inputs=config["inputs"], origin=origin, rows=rows, overwrite=overwrite
    )
    return student
