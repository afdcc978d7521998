"""A handler for Hugging Face inference endpoints: `srmm push` copies it beside the model."""

from __future__ import annotations

import base64
from typing import Any

import srmm

FILES = ("image", "face", "audio", "voice")
"""Kinds of items that are sent as their bytes in base64; a path would be one of this machine."""


class EndpointHandler:
    """{"inputs": {"photo": "<base64>", "title": "red shoe"}} → a list with a label per row.

    "inputs" is a row or a list of rows; what a row lacks is left out or null.
    """

    def __init__(self, path: str = "") -> None:
        self.model = srmm.load(path)
        self.kinds: dict[str, str] = {}
        for name, about in self.model.config["inputs"].items():
            self.kinds |= {key: about["kind"] for key in (name, about.get("column")) if key}

    def __call__(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        given = data.get("inputs", data)
        rows = [self._opened(row) for row in (given if isinstance(given, list) else [given])]
        frame = self.model.predict_frame(rows, probabilities=True)
        found = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
        return [{str(key): value for key, value in row.items()} for row in found]

    def _opened(self, row: dict[str, Any]) -> dict[str, Any]:
        return {
            key: base64.b64decode(value, validate=True)
            if value is not None and self.kinds.get(key) in FILES
            else value
            for key, value in row.items()
        }
