"""`srmm encoders`, `srmm datasets` and `srmm methods`"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from srmm.cli.options import Talk


def encoders(*, talk: Talk = Talk()) -> None:
    """List the encoders: what they read, their size, source and licence."""
    from srmm.encoders import available_encoders

    entries = {}
    for name, about in available_encoders().items():
        told = asdict(about)
        del told["classes"]  # code, of which the kinds are what a reader wants
        entries[name] = {"name": name, "kinds": about.kinds, **told}
    _show(entries, talk)


def datasets(*, talk: Talk = Talk()) -> None:
    """List the data sets `srmm` can read by name, and how to get them."""
    from srmm.datasets import DATASETS

    _show({name: asdict(about) for name, about in DATASETS.items()}, talk)


def methods(*, talk: Talk = Talk()) -> None:
    """List the methods of `srmm fit --method`: what each is, and where it comes from."""
    from srmm.methods import METHODS

    abouts = [entry.about for entry in METHODS.entries().values()]
    entries: dict[str, dict[str, Any]] = {
        about.shown_name: {
            "description": about.description,
            "parameters": tuple(f"{key}={value}" for key, value in about.parameters.items()),
            "source": about.source,
        }
        for about in abouts
    }
    classes: dict[tuple[str, str], list[str]] = {}
    for name, about in entries.items():
        implied = ", ".join(about["parameters"])
        named = f"{name} ({implied})" if implied else name
        classes.setdefault((about["description"], about["source"]), []).append(named)
    blocks = [
        "\n".join([*names, f"  {description}", f"  source: {source}"])
        for (description, source), names in classes.items()
    ]
    talk.result(entries, "\n\n".join(blocks))


def _show(entries: Mapping[str, Mapping[str, Any]], talk: Talk) -> None:
    blocks = []
    for name, about in entries.items():
        lines = [name]
        for key, value in about.items():
            if key == "name" or value in (None, "", (), False):
                continue
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            shown = "yes" if value is True else shown
            lines.append(f"  {key.replace('_', ' ')}: {shown}")
        blocks.append("\n".join(lines))
    talk.result(entries, "\n\n".join(blocks))
