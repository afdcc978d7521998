"""Predict with an exported model: python predict.py image=shoe.jpg text="a red shoe"

Needs numpy and onnxruntime; for raw pictures pillow, for raw texts tokenizers (see encode.py). A
modality that is left out is absent; name=vector.npy gives an embedding in place of the raw item.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

FOLDER = Path(__file__).resolve().parent


def predict(
    embeddings: dict[str, np.ndarray], folder: Path = FOLDER
) -> tuple[np.ndarray, np.ndarray]:
    """{modality: (n, d)}, an absent item a row of NaN → labels (n,), probabilities (n, classes)."""
    about = json.loads((folder / "srmm.json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(str(folder / about["graph"]["file"]))
    n = len(next(iter(embeddings.values())))
    given, present = {}, []
    for name, one in about["modalities"].items():
        nothing = np.full((n, one["size"]), np.nan)
        given[one["input"]] = np.asarray(embeddings.get(name, nothing), dtype=np.float32)
        present.append(~np.isnan(given[one["input"]]).all(axis=1))
    given[about["graph"]["present"]] = np.stack(present, axis=1)
    probabilities = session.run(["probabilities"], given)[0]
    return np.array(about["classes"])[probabilities.argmax(axis=1)], probabilities


if __name__ == "__main__":
    from encode import embed_all  # type: ignore[import-not-found]

    labels, found = predict(embed_all(FOLDER, dict(word.split("=", 1) for word in sys.argv[1:])))
    print(labels[0], f"{found[0].max():.4f}")
