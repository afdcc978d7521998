"""What a saved model says of itself, checked before anything is made from it.

A model may come from a stranger. Nothing here needs to know which method it is: a new one is
checked as all are. What only a method can know of its state, its `set_state` checks itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.checks import array, finite, known_only, mapping, number, plain, text, texts, whole
from srmm.data.embeddings import Embeddings
from srmm.data.labels import check_label_types
from srmm.data.modality import ABSENT, KINDS, check_modalities
from srmm.errors import InputError, SrmmError, StoreError, one_of
from srmm.learning.standardize import Standardizer, standardizer_of
from srmm.learning.training import History

_MOST_LETTERS = 40_000_000  # of all class labels, each as long as the longest: 160 MB
_LONGEST = 600  # letters of what another library says
_MOST_ALONE = 64  # modalities that a model is asked about one by one


def check_config(path: Path, config: Mapping[str, Any]) -> None:
    """Raise `StoreError` naming the first value of a model's config, at `path`, that cannot be.

    What is absent and says nothing of the classifier is put in as None.
    """
    try:
        _check_config(config)
    except (KeyError, InputError) as error:
        raise damaged(path, error) from None


def damaged(place: object, error: Exception) -> StoreError:
    """What to say of a model that could not be made because of that error."""
    if isinstance(error, KeyError):
        why = f"it has no {error}, which its method asks for."
    else:
        words = str(error) if isinstance(error, SrmmError) else f"{type(error).__name__}: {error}"
        why = words[:_LONGEST].rstrip(" .") + "."
    return StoreError(
        f"{place} is damaged, or not as srmm saves a model: {why} Save the model again, or get "
        "another from whoever made it."
    )


def _check_config(config: Mapping[str, Any]) -> None:
    plain("", config)
    check_described(config)
    inputs = mapping("inputs", config["inputs"])
    for name, about in inputs.items():
        check_modalities([name])
        one_of(f"inputs.{name}.kind", mapping(f"inputs.{name}", about).get("kind"), KINDS)
        for key in ("column", "encoder"):
            if about.setdefault(key, None) is not None:
                text(f"inputs.{name}.{key}", about[key])
    _check_origin(config["origin"])
    mapping("about", config["about"])
    mapping("files", config.get("files", {}))  # of which models had none before


def check_described(described: Any) -> None:
    """Raise `InputError` for what `pack` would not have written of a classifier."""
    mapping("the description of a classifier", described)
    text("kind", described["kind"])
    dims = mapping("modalities", described["modalities"])
    check_modalities(list(dims))
    for name, size in dims.items():
        whole(f"modalities.{name}", size, 1, 2**31 - 1)
    _check_classes(described["classes"])
    mapping("state", described["state"])
    _check_training(described["training"])
    for name, settings in mapping("encoders", described["encoders"]).items():
        spec = mapping(f"encoders.{name}", settings).get("spec") if settings is not None else None
        if spec is not None:
            text(f"encoders.{name}.spec", spec)


def check_finite(arrays: Mapping[str, np.ndarray], but: tuple[str, ...] = ()) -> None:
    """Raise `InputError` naming an array with a NaN or an infinity, or a variance below 0.

    `but` are patterns of the names of those that may hold NaN.
    """
    for name, found in arrays.items():
        if any(fnmatchcase(name, pattern) for pattern in but):
            continue
        finite(name, found)
        if name.rpartition(".")[2] in ("var", "running_var") and (found < 0).any():
            raise InputError(
                f"{name} holds {found.min()}, expected variances, which are never < 0."
            )


def standardizer_from(
    arrays: Mapping[str, np.ndarray], dims: Mapping[str, int], *, active: bool
) -> Standardizer | None:
    """The means and standard deviations that a model keeps, (d_m,) each; None if it has none."""
    names = [f"{which}.{name}" for which in ("mean", "std") for name in dims]
    if not any(name in arrays for name in names):
        return None
    scales = {name: v for name, v in arrays.items() if name.startswith(("mean.", "std."))}
    known_only("the tensors", scales, names)
    mean = {n: array(f"mean.{n}", arrays[f"mean.{n}"], (size,)) for n, size in dims.items()}
    std = {n: array(f"std.{n}", arrays[f"std.{n}"], (size,), low=0) for n, size in dims.items()}
    return Standardizer(mean, std, active)


def check_scaled(model: Any) -> None:
    """Raise `InputError` unless a model has the means and deviations that its method needs."""
    if not hasattr(model, "standardizer_"):
        raise InputError("it has no mean.… and std.…, which its method needs.")


def history_from(stored: Any) -> History:
    """What a saved model says of its training."""
    old = {"step": None}  # which models had none of before
    stored = old | mapping("state.history", stored)
    found = mapping("state.history", stored, [one.name for one in fields(History)])
    epochs = found["epochs"]
    if not isinstance(epochs, list) or not all(isinstance(epoch, dict) for epoch in epochs):
        raise InputError("state.history.epochs is expected to be a list of figures by name.")
    for epoch in epochs:
        for key, value in epoch.items():
            if value is not None:  # a figure that was not finite
                number(f"state.history.epochs.{key}", value)
    whole("state.history.best_epoch", found["best_epoch"], 0, len(epochs))
    number("state.history.seconds", found["seconds"], 0)
    if found["step"] is not None:
        whole("state.history.step", found["step"], 1, 2**31 - 1)
    return History(**found)


def checked_class_weight(stored: Any) -> Any:
    """A model's class weights, as JSON; raises `InputError` for what cannot be any."""
    if stored is None or stored == "balanced":
        return stored
    pairs = stored if isinstance(stored, list) else [stored]
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise InputError(
            'state.class_weight is expected to be null, "balanced" or a list of [label, weight].'
        )
    for label, weight in pairs:
        if not isinstance(label, str | int | float):
            raise InputError(
                f"state.class_weight names the label {label!r}, expected text or a number."
            )
        number(f"state.class_weight of {label!r}", weight, 0)
    return stored


def check_answers(model: Any) -> None:
    """Ask a model that was just made about an average instance, whole and each modality alone.

    What fits together in no check above is found here: a part that is lacking, another length.
    Raises `InputError` if it cannot answer with probabilities.
    """
    embeddings = average_instances(model)
    asked: Callable[[Embeddings], np.ndarray] = model.predict_proba
    try:
        probabilities = asked(embeddings)
    except InputError:
        return  # the instance is none that this model takes, and it says so
    except Exception as error:
        raise InputError(
            f"the model cannot predict ({type(error).__name__}: {error}): its parts do not fit "
            "together."
        ) from error
    array("its probabilities", probabilities, (len(embeddings), len(model.classes_)))


def average_instances(model: Any) -> Embeddings:
    """Instances of the training mean: one with all modalities, others with one each."""
    known = standardizer_of(model)
    dims = model.embedding_dims_
    values = {
        name: np.zeros((1, size), np.float32)
        if known is None
        else known.mean[name][None].astype(np.float32)
        for name, size in dims.items()
    }
    rows = 1 + (min(len(dims), _MOST_ALONE) if len(dims) > 1 else 0)
    position = np.full((rows, len(dims)), ABSENT)
    position[0] = 0
    position[np.arange(1, rows), np.arange(rows - 1)] = 0
    return Embeddings(values, position)


def _check_classes(classes: Any) -> None:
    if not isinstance(classes, list) or len(classes) < 2:
        n = f"{len(classes)} labels" if isinstance(classes, list) else type(classes).__name__
        raise InputError(f"classes is {n}, expected a list of two labels or more.")
    longest = max((len(label) for label in classes if isinstance(label, str)), default=1)
    if longest * len(classes) > _MOST_LETTERS:
        raise InputError(
            f"classes has {len(classes):,} labels, of which one has {longest:,} letters: too many "
            f"to hold (expected {_MOST_LETTERS:,} at most, each label as long as the longest)."
        )
    labels = check_label_types(classes, " in classes")
    if labels.tolist() != classes or not (labels[:-1] < labels[1:]).all():
        raise InputError("classes is expected to be sorted, with each label once.")


def _check_training(training: Any) -> None:
    mapping("training", training)
    whole("training.n_train", training.get("n_train", 0))
    whole("training.n_validation", training.get("n_validation", 0))
    number("training.seconds", training.get("seconds", 0), 0)
    for name, share in mapping("training.holes", training.get("holes", {})).items():
        number(f"training.holes.{name}", share, 0, 1)
    for code, n in mapping("training.patterns", training.get("patterns", {})).items():
        whole("training.patterns, a code", int(code) if code.isdecimal() else code)
        whole(f"training.patterns.{code}", n)
    texts("training.left_out", training.get("left_out", []))
    text("training.digest", training.get("digest", ""))


def _check_origin(origin: Any) -> None:
    if origin is None:
        return
    mapping("origin", origin)
    for key in ("name", "attribution", "store", "folder", "query"):
        if origin.get(key) is not None:
            text(f"origin.{key}", origin[key])
    for key in ("roles", "reading", "rare", "dataset", "expected", "ranges"):
        mapping(f"origin.{key}", origin.get(key) or {})
    for name, ranges in (origin.get("ranges") or {}).items():
        _check_ranges(f"origin.ranges.{name}", ranges)
    texts("origin.notes", origin.get("notes", []))
    for role, column in (origin.get("roles") or {}).items():
        one = texts if isinstance(column, list) else text
        one(f"origin.roles.{role}", column)


def _check_ranges(place: str, ranges: Any) -> None:
    """The names of a modality's numbers, and the lowest and highest of each in training."""
    mapping(place, ranges, ("names", "low", "high"))
    names = texts(f"{place}.names", ranges["names"])
    for key in ("low", "high"):
        if not isinstance(ranges[key], list) or len(ranges[key]) != len(names):
            raise InputError(f"{place}.{key} is expected to be a list of {len(names):,} numbers.")
        for one in ranges[key]:
            number(f"{place}.{key}", one)
