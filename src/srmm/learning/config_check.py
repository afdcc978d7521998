"""Whether the config of a saved model can be one, before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_TEXT_OR_NONE = str | None


def check_config(config: Mapping[str, Any]) -> None:
    """Raise `ValueError` for a config of another shape than `save_pretrained` writes."""
    _is("kind", config.get("kind"), str)
    for key in ("modalities", "inputs", "encoders", "training", "state"):
        _is(key, config.get(key), dict)
    _is("origin", config.get("origin"), dict | None)
    if not config["modalities"]:
        raise ValueError("it names no modality")
    for name, size in config["modalities"].items():
        if not isinstance(size, int) or isinstance(size, bool) or not 0 < size < 2**31:
            raise ValueError(f"embeddings of {name!r} have {size!r} numbers")
    _is("classes", config.get("classes"), list)
    classes = config["classes"]
    kinds = {type(label) for label in classes}
    if len(kinds) != 1 or not kinds <= {str, int, float, bool} or len(set(classes)) < len(classes):
        raise ValueError(f"its classes are {str(classes)[:60]}, expected different labels")
    for name, about in config["inputs"].items():
        _is(f"inputs of {name!r}", about, dict)
        _is(f"the kind of {name!r}", about.get("kind"), str)
        for key in ("column", "encoder"):
            _is(f"{key} of {name!r}", about.get(key), _TEXT_OR_NONE)
            about.setdefault(key, None)
    for name, settings in config["encoders"].items():
        _is(f"encoders of {name!r}", settings, dict | None)
        _is(f"the encoder of {name!r}", (settings or {}).get("spec"), _TEXT_OR_NONE)
    _check_training(config["training"])
    _check_origin(config.get("origin") or {})


def check_arrays(model: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise `ValueError` unless what every model keeps fits its classes and modalities."""
    prior, n = arrays["class_prior"], len(model.classes_)
    if prior.shape != (n,) or not np.isfinite(prior).all():
        raise ValueError(f"the shares of {n} classes are {prior.shape}")
    for name, size in model.embedding_dims_.items():
        for key in (f"mean.{name}", f"std.{name}"):
            if key in arrays and arrays[key].shape != (size,):
                raise ValueError(f"{key} has the shape {arrays[key].shape}, expected ({size},)")


def _check_training(training: Mapping[str, Any]) -> None:
    _is("left_out", training.get("left_out", []), list)
    for name in training.get("left_out", ()):
        _is("left_out", name, str)


def _check_origin(origin: Mapping[str, Any]) -> None:
    for key in ("name", "store", "attribution", "query", "folder"):
        _is(f"origin: {key}", origin.get(key), _TEXT_OR_NONE)
    for key in ("roles", "reading", "rare", "dataset"):
        _is(f"origin: {key}", origin.get(key), dict | None)
    _is("origin: notes", origin.get("notes"), list | None)
    for role, column in (origin.get("roles") or {}).items():
        _is(f"the column of the {role}", column, str)


def _is(what: str, value: Any, kind: Any) -> None:
    if not isinstance(value, kind):
        expected = getattr(kind, "__name__", str(kind))
        raise ValueError(f"{what} is {str(value)[:60]!r}, expected {expected}")
