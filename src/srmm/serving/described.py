"""What OpenAPI says of `POST /predict`, made from what the model reads, and of refusals."""

from __future__ import annotations

import base64
from typing import Any

from srmm.data.columns import PATH_KINDS
from srmm.data.modality import PICTURE_KINDS
from srmm.serving.contract import Contract, ServedModality
from srmm.serving.samples import picture, tone

_CELLS = {
    "number": 12.5,
    "date": "2024-05-17",
    "time": "18:54:10",
    "yes or no": "yes",
    "tags": ["a", "b"],
}

_STATUSES = {
    400: "What was sent cannot be read.",
    401: "An API key is needed.",
    403: "A page of another site asks.",
    404: "There is nothing of this name.",
    408: "The body took too long to arrive.",
    413: "More than one request may hold.",
    415: "The body is of a kind that is not read, or compressed.",
    421: "The server is not called by this name.",
    422: "Something in it is not what the model reads; or there is nothing to predict from.",
    503: "The server has its hands full: come again after Retry-After seconds.",
}


def refusals(*statuses: int, as_text: bool = False) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI is to say of these answers; `as_text` as the Open Inference Protocol has them.

    Any request may meet 401, 403, 421 and 503.
    """
    error: dict[str, Any] = {"type": "string"}
    if not as_text:
        field = {"type": ["string", "null"], "description": "where in the request"}
        error = {"type": "object", "required": ["reason", "field"],
                 "properties": {"reason": {"type": "string"}, "field": field}}  # fmt: skip
    schema = {"type": "object", "required": ["error"], "properties": {"error": error}}
    content = {"application/json": {"schema": schema}}
    every = sorted({*statuses, 401, 403, 421, 503})
    return {one: {"description": _STATUSES[one], "content": content} for one in every}


def predict_description(contract: Contract) -> dict[str, Any]:
    """The request body, with examples: all modalities, one of them, several rows."""
    row = {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "integer", "null"], "description": "your name for it"},
            **{one.name: _schema(one) for one in contract},
        },
        "additionalProperties": False,
    }
    rows = {"type": "array", "items": row, "minItems": 1}
    names = list(contract.modalities)
    whole = {one.name: _example(one) for one in contract}
    first = {names[0]: whole[names[0]]}
    json = {
        "schema": {"oneOf": [row, rows, {
            "type": "object", "properties": {"rows": rows}, "required": ["rows"],
            "additionalProperties": False}]},
        "examples": {
            "everything": {"summary": "All modalities", "value": whole},
            "one": {"summary": f"Only {names[0]}", "value": first},
            "rows": {"summary": "Two rows", "value": {"rows": [whole, first]}},
        },
    }  # fmt: skip
    form = {
        "type": "object",
        "properties": {
            one.name: {"type": "string", "format": "binary"} if one.kind in PATH_KINDS
            else {"description": "a text; of features, JSON, too"} for one in contract
        },
    }  # fmt: skip
    content = {"application/json": json, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


def _schema(one: ServedModality) -> dict[str, Any]:
    dim = one.embedding_dim
    vector = {"type": "array", "items": {"type": "number"}, "minItems": dim, "maxItems": dim}
    choices: list[dict[str, Any]] = [{"type": "null"}]
    if one.columns:
        cells = {c.name: {"description": c.kind} for c in one.columns}
        choices.append({"type": "object", "properties": cells, "additionalProperties": False})
        if len(one.columns) == 1:  # whose cell may stand for it
            words = {"type": "array", "items": {"type": "string"}}
            choices += [{"type": ["string", "number", "boolean"]}, *([words] * one.as_cells)]
    elif one.kind == "text":
        choices.append({"type": ["string", "number"]})
    elif one.kind == "features" and one.embedding_dim == 1:
        choices.append({"type": "number"})
    elif one.kind in PATH_KINDS:
        choices.append({"type": "string", "description": "base64, or a data: URL"})
    return {"description": one.kind, "anyOf": [*choices, vector]}


def _example(one: ServedModality) -> Any:
    if one.columns:
        return {c.name: c.values[0] if c.values else _CELLS.get(c.kind, "…") for c in one.columns}
    if one.kind == "text":
        return "what it is called"
    if one.kind in PICTURE_KINDS:
        return "data:image/png;base64," + base64.b64encode(picture(16)).decode()
    if one.kind in PATH_KINDS:
        return "data:audio/wav;base64," + base64.b64encode(tone(0.15, 4000)).decode()
    return [0.0] * one.embedding_dim
