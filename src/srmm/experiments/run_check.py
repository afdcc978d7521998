"""Whether the configuration of a finished run says all that running it again needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def check_run(config: Mapping[str, Any]) -> None:
    """Raise `ValueError` for a configuration of another shape than `reproduce` writes."""
    _is("experiment", config.get("experiment"), str)
    _is("data", config.get("data"), list)
    for key in ("variants", "settings", "versions"):
        _is(key, config.get(key), dict)
    for about in config["data"]:
        _is("data", about, dict)
        for key in ("name", "store", "key"):
            _is(f"{key} of the data", about.get(key), str)
        _is("limit", about.get("limit"), int | None)
        for key in ("variants", "settings"):
            _is(f"{key} of {about['name']!r}", config[key].get(about["name"]), list)
    if not config["data"]:
        raise ValueError("it names no data")
    _is("seeds", config.get("seeds"), int)
    _is("dropped", config.get("dropped"), str | None)
    _is("max_epochs", config.get("max_epochs"), int | None)
    _is("methods", config.get("methods"), list)
    for name in config["methods"]:
        _is("a method", name, str)
    config["versions"].setdefault("srmm", "unknown")
    _is("revision", config.get("revision"), str | None)


def _is(what: str, value: Any, kind: Any) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = getattr(kind, "__name__", str(kind))
        raise ValueError(f"{what} is {str(value)[:60]!r}, expected {expected}")
