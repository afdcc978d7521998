"""Predict with an exported model: python predict.py image=shoe.jpg text="a red shoe"

Needs numpy and onnxruntime; for raw pictures pillow, for raw texts tokenizers (see encode.py). A
modality that is left out is absent; name=vector.npy gives an embedding in place of the raw item.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it else reports its use
import onnxruntime

FOLDER = Path(__file__).resolve().parent


def predict(
    embeddings: dict[str, np.ndarray], folder: Path = FOLDER
) -> tuple[np.ndarray, np.ndarray]:
    """{modality: (n, d)}, an absent item a row of NaN → labels (n,), probabilities (n, classes).

    ValueError for what the graph would answer all the same: names it does not know, other shapes,
    a row that is partly NaN or infinite.
    """
    about = json.loads((folder / "srmm.json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(str(folder / about["graph"]["file"]))
    rows = checked(embeddings, about["modalities"])
    n = len(next(iter(rows.values())))
    given, present = {}, []
    for name, one in about["modalities"].items():
        given[one["input"]] = rows.get(name, np.full((n, one["size"]), np.nan, np.float32))
        present.append(~np.isnan(given[one["input"]]).all(axis=1))
    given[about["graph"]["present"]] = np.stack(present, axis=1)
    probabilities = session.run(["probabilities"], given)[0]
    return np.array(about["classes"])[probabilities.argmax(axis=1)], probabilities


def checked(embeddings: dict[str, Any], modalities: dict[str, Any]) -> dict[str, np.ndarray]:
    """The embeddings as float32; ValueError naming the first that the model does not take."""
    known = ", ".join(modalities)
    if not embeddings:
        raise ValueError(f"There is no item: give one at least, of {known}.")
    rows: dict[str, np.ndarray] = {}
    for name, given in embeddings.items():
        if name not in modalities:
            raise ValueError(f"There is no modality {name!r}; there are {known}.")
        if np.ma.isMaskedArray(given):  # what is masked would be taken for a number
            raise ValueError(f"{name} is a masked array: fill it with NaN, {name}.filled(np.nan).")
        size, found = modalities[name]["size"], as_numbers(name, given)
        if found.ndim != 2 or found.shape[1] != size:
            raise ValueError(f"{name} is of shape {found.shape}, expected (n, {size}).")
        odd = ~np.isfinite(found).all(axis=1) & ~np.isnan(found).all(axis=1)
        if odd.any():
            raise ValueError(
                f"Row {odd.argmax()} of {name} is partly NaN or infinite. An item is all numbers, "
                "or all NaN, which means absent."
            )
        rows[name] = found
    lengths = {name: len(found) for name, found in rows.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"All modalities must have one row per instance, got {lengths} rows.")
    return rows


def as_numbers(name: str, given: Any) -> np.ndarray:
    """An array as float32; ValueError for what is no numbers, such as dates and complex ones."""
    try:
        found = np.asarray(given)
        if found.dtype.kind in "mMcV":
            raise ValueError(f"dtype {found.dtype}")
        with np.errstate(over="ignore"):
            return found.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold rows of numbers of one length ({error}).") from None


if __name__ == "__main__":
    from encode import check_files, embed_all, named_items  # type: ignore[import-not-found]

    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a class is any text
    try:
        check_files(FOLDER)
        labels, found = predict(embed_all(FOLDER, named_items(sys.argv[1:])))
    except ImportError as error:
        sys.exit(f"error: {error}. Raw pictures need pillow, raw texts tokenizers: install them.")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    print(labels[0], f"{found[0].max():.4f}")
