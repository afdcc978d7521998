"""Changing what lies in a folder of ours, as a stranger could who wrote it whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from srmm.files import listed
from srmm.files.json_files import SEAL, seal_of


def edit_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Let `change` alter the content of a JSON file of ours in place, and seal it anew."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    if SEAL in content:
        content[SEAL] = seal_of(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def reseal(folder: Path) -> None:
    """Give the files of a model or store the digests of what they hold now."""
    for name in ("config.json", "manifest.json"):
        if (folder / name).is_file():
            files = listed(folder)
            for other in (name, "README.md", "_source.json"):
                files.pop(other, None)
            edit_json(folder / name, partial(_with_files, files))


def _with_files(files: dict[str, Any], content: dict[str, Any]) -> None:
    content["files"] = files
