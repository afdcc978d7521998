"""A fitted model as a folder that any program with ONNX Runtime can use.

classifier.onnx    probabilities from one tensor per modality and which of them are present
encoders/          per modality the encoder's graph, and a text's tokenizer, where they can be
srmm.json          modalities, classes, what is done to items, and a digest of every file
predict.py         a few lines that use it all; encode.py, which they need for raw items
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from srmm.data.embeddings import Embeddings
from srmm.data.missing import described
from srmm.data.modality import pattern_mask, usable_patterns
from srmm.errors import InputError, SrmmError
from srmm.exporting.encoders import export_encoder
from srmm.exporting.graphs import ClassifierGraph
from srmm.exporting.writing import OUTPUTS, PRESENT, check_installed, input_names, write_graph
from srmm.files import is_of_format, json_ready, listed, replacing_folder, write_json
from srmm.learning.describe import describe_model
from srmm.learning.standardize import Standardizer, standardizer_of
from srmm.learning.surroundings import undisturbed
from srmm.workflows.places import EXPORT as FORMAT
from srmm.workflows.places import check_place
from srmm.workflows.predictor import Predictor
from srmm.workflows.reading import kept_options
from srmm.workflows.rows import with_inputs

VERSION = 1
ABOUT, GRAPH = "srmm.json", "classifier.onnx"
TOLERANCE = 1e-5
"""Largest difference of any probability from the model's own."""
COVERAGES = (0.8, 0.9, 0.95, 0.99)
_ROWS = 8  # made-up instances of each presence pattern, on which they are compared
_WIDE = 2.0  # standard deviations: some of them are strange, too
_STANDALONE = Path(__file__).parent / "standalone"


class Exported(NamedTuple):
    """What was written."""

    folder: Path
    files: tuple[str, ...]
    patterns: int
    """Presence patterns in which graph and model were compared."""
    largest_difference: float
    """Of any probability, there."""
    notes: tuple[str, ...]
    """What could not be exported, and what to do instead."""


@undisturbed(learning=True)  # PyTorch's exporter stumbles in inference mode
def export_onnx(
    model: Any, folder: str | Path, *, encoders: bool = True, overwrite: bool = False
) -> Exported:
    """Write a fitted model to `folder` as ONNX graphs, described in `srmm.json`.

    The classifier is one graph for every presence pattern and any number of rows. Its inputs are a
    float tensor (n, d_m) per modality and `present`, boolean (n, M); standardisation, fusion and
    its learnt weights are inside. What stands for an absent item is never looked at. Its outputs
    are `probabilities` (n, C), for a row without any item the class shares of training, and, where
    it comes for free, `alone` (n, M, C): what each modality says by itself, NaN where absent.

    Parameters
    ----------
    model : fitted classifier, `srmm.Predictor`, or the folder of a saved model
        Encoders are known of the latter two, and where the embeddings say what made them.
    folder : path
    encoders : bool
        Whether encoders are exported, too, where ONNX can hold them.
    overwrite : bool
        Whether an export that is already there is replaced, with all that its folder holds.

    Raises
    ------
    InputError
        For a method that cannot be exported, by name, or a folder that is taken.
    MissingExtraError
        Unless the extra "onnx" is installed.
    SrmmError
        If the graph does not give the model's probabilities in every presence pattern.
    """
    check_installed()
    folder = Path(folder)
    _check_free(folder, overwrite)
    model, config = _opened(model)
    graph = ClassifierGraph(model)
    sizes = dict(model.embedding_dims_)
    with replacing_folder(folder) as temporary:
        write_graph(graph, sizes, temporary / GRAPH)
        patterns, difference = compare(model, temporary / GRAPH)
        about, notes = _described(model, config, temporary if encoders else None)
        about["compared"] = {"patterns": patterns, "largest_difference": difference}
        for name in ("predict.py", "encode.py"):
            shutil.copyfile(_STANDALONE / name, temporary / name)
        about["files"] = listed(temporary)
        write_json(temporary / ABOUT, json_ready(about))
    return Exported(folder, (*about["files"], ABOUT), patterns, difference, tuple(notes))


def compare(model: Any, file: Path) -> tuple[int, float]:
    """(patterns, largest difference) of a graph's probabilities from the model's own.

    On made-up instances of every usable presence pattern, NaN where an item is absent, and on one
    without any item. Raises `SrmmError` if they differ.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    arrays, present = made_up(model)
    names = input_names(list(arrays))
    given = {names[name]: array for name, array in arrays.items()} | {PRESENT: present}
    got = session.run(["probabilities"], given)[0]
    something = present.any(axis=1)
    expected = np.tile(model.class_prior_, (len(present), 1))
    shown = Embeddings.from_arrays(arrays, present=present)[something]
    expected[something] = model.predict_proba(shown)
    apart = np.abs(got - expected).max(axis=1)
    worst = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    if not apart[worst] <= TOLERANCE:
        there = [name for name, has in zip(arrays, present[worst], strict=True) if has]
        raise SrmmError(
            f"The exported graph gives probabilities {apart[worst]:.1e} apart from the model's "
            f"with {' and '.join(there) or 'nothing'} present, more than {TOLERANCE:g}. It is not "
            "kept; use the model with srmm.load, and tell the authors of srmm."
        )
    return len(np.unique(present[something], axis=0)), float(apart[worst])


def made_up(model: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Instances {modality: (n, d_m)} like those of training and stranger, and present (n, M)."""
    names = model.modalities_
    masks = [pattern_mask(pattern, names) for pattern in usable_patterns(names)]
    present = np.vstack([np.repeat(masks, _ROWS, axis=0), np.zeros((1, len(names)), dtype=bool)])
    rng, standardizer = np.random.default_rng(0), _standardizer(model)
    arrays = {}
    for m, (name, size) in enumerate(model.embedding_dims_.items()):
        loud = rng.uniform(0, _WIDE, size=(len(present), 1))
        drawn = loud * rng.standard_normal((len(present), size))
        arrays[name] = standardizer.mean[name] + drawn * standardizer.std[name]
        arrays[name][~present[:, m]] = np.nan
    return {name: array.astype(np.float32) for name, array in arrays.items()}, present


def _opened(model: Any) -> tuple[Any, dict[str, Any]]:
    """(classifier, config with "inputs")."""
    if isinstance(model, str | Path):
        model = Predictor(model, device="cpu")
    if isinstance(model, Predictor):
        return model.model, model.config
    if not hasattr(model, "embedding_dims_"):
        raise InputError(
            f"Expected a fitted classifier of srmm or a saved model's folder, got {model!r:.200}. "
            "Fit it first."
        )
    alone = {"inputs": {}, "modalities": model.embedding_dims_, "encoders": model.encoders_}
    return model, with_inputs(alone)


def _check_free(folder: Path, overwrite: bool) -> None:
    check_place(folder, utf8=True)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not is_of_format(folder / ABOUT, FORMAT):
        raise InputError(f"{folder} exists and is no exported model. Choose another folder.")
    if not overwrite:
        raise InputError(
            f"{folder} already holds an exported model. Overwrite it (overwrite=True, --overwrite) "
            "or choose another."
        )


def _described(
    model: Any, config: Mapping[str, Any], folder: Path | None
) -> tuple[dict[str, Any], list[str]]:
    """The content of srmm.json, and notes; encoders are written to `folder` if there is one."""
    modalities, notes = {}, []
    standardizer, names = _standardizer(model), input_names(model.modalities_)
    for name, size in model.embedding_dims_.items():
        read = config["inputs"].get(name, {})
        modalities[name] = {
            "input": names[name],
            "size": size,
            "kind": read.get("kind"),
            "column": read.get("column"),
            "standardised": _numbers(standardizer, name),
            "encoder": None,
        }
        spec = read.get("encoder")
        if folder is not None and spec and spec != "identity":
            exported, note = export_encoder(spec, read["kind"], name, folder)
            modalities[name]["encoder"] = exported
            notes += [note] if note else []
        elif spec:
            modalities[name]["encoder"] = {"name": spec, "kind": read.get("kind"), "graph": None}
    about = {
        "format": FORMAT,
        "version": VERSION,
        "method": describe_model(model)["method"],
        "modalities": modalities,
        "classes": model.classes_.tolist(),
        "graph": {"file": GRAPH, PRESENT: PRESENT, "outputs": list(OUTPUTS)},
        "nothing_present": {
            "graph": "prior",
            "model": model.when_nothing_present,
            "prior": model.class_prior_.tolist(),
        },
        "sets": _sets(model),
        "missing": described(kept_options(config).get("missing", "auto")),
        "hub": config.get("hub"),
        "versions": describe_model(model)["versions"],
    }
    return about, notes


def _numbers(standardizer: Standardizer, name: str) -> dict[str, Any] | None:
    """What the graph itself subtracts and divides by; None if it leaves numbers as they are."""
    if not standardizer.active:
        return None
    mean, scale = standardizer.mean[name], standardizer.scale(name)
    return {"by": "the graph", "mean": mean.tolist(), "scale": scale.tolist()}


def _sets(model: Any) -> list[dict[str, Any]]:
    """Per presence pattern and coverage: a class is in the set whose 1 − probability is no more."""
    if model.calibration_ is None:
        return []
    patterns = usable_patterns(model.modalities_)
    masks = np.array([pattern_mask(pattern, model.modalities_) for pattern in patterns])
    limits = {coverage: model.calibration_.limits(masks, coverage) for coverage in COVERAGES}
    return [
        {
            "present": list(pattern),
            "limits": {
                str(coverage): float(limit[i]) if np.isfinite(limit[i]) else None
                for coverage, limit in limits.items()
            },
        }
        for i, pattern in enumerate(patterns)
    ]


def _standardizer(model: Any) -> Standardizer:
    found = standardizer_of(getattr(model, "model_", model))
    assert found is not None  # as every method has one that can be exported
    return found
