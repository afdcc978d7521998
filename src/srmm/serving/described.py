"""What OpenAPI says of `POST /predict`, made from what the model reads."""

from __future__ import annotations

from typing import Any

from srmm.serving.contract import FILES, Contract, ServedModality

_CELLS = {"number": 12.5, "date": "2024-05-17", "yes or no": "yes", "tags": ["a", "b"]}


def predict_description(contract: Contract) -> dict[str, Any]:
    """The request body, with examples: all modalities, one of them, several rows."""
    row = {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "integer"], "description": "what you call the row"},
            **{one.name: _schema(one) for one in contract},
        },
        "additionalProperties": False,
    }
    names = list(contract.modalities)
    whole = {one.name: _example(one) for one in contract}
    first = {names[0]: whole[names[0]]}
    json = {
        "schema": {"oneOf": [row, {"type": "object", "properties": {
            "rows": {"type": "array", "items": row}}}]},
        "examples": {
            "everything": {"summary": "All modalities", "value": whole},
            "one": {"summary": f"Only {names[0]}", "value": first},
            "rows": {"summary": "Two rows", "value": {"rows": [whole, first]}},
        },
    }  # fmt: skip
    form = {
        "type": "object",
        "properties": {
            one.name: {"type": "string", "format": "binary"} if one.kind in FILES
            else {"type": "string"} for one in contract
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
    elif one.kind == "text":
        choices.append({"type": "string"})
    elif one.kind in FILES:
        choices.append({"type": "string", "description": "base64, or a data: URL"})
    return {"description": one.kind, "oneOf": [*choices, vector]}


def _example(one: ServedModality) -> Any:
    if one.columns:
        return {c.name: c.values[0] if c.values else _CELLS.get(c.kind, "…") for c in one.columns}
    if one.kind == "text":
        return "what it is called"
    if one.kind in FILES:
        kind = "image/png" if one.kind in ("image", "face") else "audio/wav"
        return f"data:{kind};base64,…"
    return [0.0] * min(one.embedding_dim, 3)
