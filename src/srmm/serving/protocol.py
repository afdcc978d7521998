"""The Open Inference Protocol, version 2: a tensor per modality, absent where it is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import JSONResponse

from srmm.data.columns import PATH_KINDS
from srmm.serving.answers import COVERAGE, Answer
from srmm.serving.asked import Wanted
from srmm.serving.bodies import check_count, read_json
from srmm.serving.contract import ServedModality
from srmm.serving.datatypes import TYPES, wrong_value
from srmm.serving.described import refusals
from srmm.serving.desk import Desk
from srmm.serving.refusals import Refusal, readable
from srmm.version import __version__

_OUTPUTS = ("label", "probability", "probabilities", "present", "set", "nothing_present")


def protocol_routes(desk: Desk) -> APIRouter:
    """The routes under `/v2`."""
    router = APIRouter(
        prefix="/v2", tags=["Open Inference Protocol v2"], responses=refusals(as_text=True)
    )
    named = refusals(404, 422, as_text=True)
    name = desk.facts["name"]
    known = {"enum": [name]}

    @router.get("", summary="The server")
    async def server() -> JSONResponse:
        return JSONResponse({"name": "srmm", "version": __version__, "extensions": []})

    @router.get("/health/live", summary="Whether the process answers")
    async def live() -> JSONResponse:
        return JSONResponse({"live": True})

    @router.get("/health/ready", summary="Whether requests may be sent")
    async def ready() -> JSONResponse:
        why = desk.why_not_ready()
        return JSONResponse({"ready": why is None}, 200 if why is None else 503)

    @router.get("/models/{model}", summary="The model's tensors", responses=named)
    async def metadata(model: str = Path(json_schema_extra=known)) -> JSONResponse:
        _check_name(model, name)
        return JSONResponse(
            {
                "name": name,
                "versions": ["1"],
                "platform": "srmm",
                "inputs": [tensor for one in desk.contract for tensor in _tensors(one)],
                "outputs": _output_tensors(desk),
            }
        )

    @router.get("/models/{model}/ready", summary="Whether the model may be asked", responses=named)
    async def model_ready(model: str = Path(json_schema_extra=known)) -> JSONResponse:
        _check_name(model, name)
        why = desk.why_not_ready()
        return JSONResponse({"name": name, "ready": why is None}, 200 if why is None else 503)

    @router.post(
        "/models/{model}/infer", summary="Predict rows given as tensors",
        responses=refusals(400, 404, 408, 413, 422, as_text=True),
        openapi_extra={"requestBody": {"content": {"application/json": {
            "schema": _schema(desk), "example": _example(desk)}}}},
    )  # fmt: skip
    async def infer(request: Request, model: str = Path(json_schema_extra=known)) -> JSONResponse:
        _check_name(model, name)
        if request.headers.get("inference-header-content-length"):
            raise Refusal(400, "Binary tensors are not read: send their data as JSON.")
        body = await read_json(request)
        if not isinstance(body, Mapping):
            raise Refusal(400, "Expected an object with inputs.")
        rows = _rows(body.get("inputs"))
        check_count(len(rows), desk.limits)
        outputs = _asked_outputs(body.get("outputs"))
        answer = await desk.ask(rows, Wanted(COVERAGE, explain=False, top=None), "rows[{}]")
        found = {
            "model_name": name,
            "model_version": "1",
            "outputs": _outputs(desk, answer, outputs),
        }
        id = body.get("id")
        return JSONResponse(found if id is None else {**found, "id": readable(str(id), 200)})

    return router


def _check_name(model: str, name: str) -> None:
    if model != name:
        raise Refusal(404, f"There is no model {model[:60]!r}; the one served is {name!r}.")


def _rows(inputs: Any) -> list[dict[str, Any]]:
    """The tensors as rows: modality, or column → item."""
    if not isinstance(inputs, list) or not inputs:
        raise Refusal(400, "Expected a list of tensors, one at least.", field="inputs")
    columns: dict[str, list[Any]] = {}
    for i, tensor in enumerate(inputs):
        where = f"inputs[{i}]"
        if not isinstance(tensor, Mapping) or not isinstance(tensor.get("name"), str):
            raise Refusal(400, "Expected a tensor: name, shape, datatype, data.", field=where)
        if tensor["name"] in columns:
            raise Refusal(400, f"{tensor['name'][:60]!r} is given twice.", field=where)
        columns[tensor["name"]] = _items(tensor, where)
    lengths = {name: len(items) for name, items in columns.items()}
    if len(set(lengths.values())) > 1:
        raise Refusal(
            400, f"The tensors have different numbers of rows: {lengths}.", field="inputs"
        )
    n = next(iter(lengths.values()))
    return [{name: items[row] for name, items in columns.items()} for row in range(n)]


def _items(tensor: Mapping[str, Any], where: str) -> list[Any]:
    """The items (n,) of a tensor of shape (n,), (n, 1) or (n, d)."""
    data, kind = tensor.get("data"), tensor.get("datatype")
    if kind not in TYPES:
        raise Refusal(400, f"Expected a datatype of {', '.join(TYPES)}.", field=f"{where}.datatype")
    shape = _shape(tensor.get("shape"), f"{where}.shape")
    if not isinstance(data, list):
        raise Refusal(400, "Expected the data as a list.", field=f"{where}.data")
    width = shape[1] if len(shape) == 2 else 1
    rows = _rows_of(data, shape)
    # Of a row that is null nothing is made: a shape can name any width.
    filled = sum(width if row is None else len(row) for row in rows)
    if len(rows) != shape[0] or any(row is not None and len(row) != width for row in rows):
        raise Refusal(
            400, f"{filled:,} values do not fill a shape of {shape}.", field=f"{where}.data"
        )
    for row in rows:
        if row is not None and (wrong := wrong_value(row, kind)):
            raise Refusal(400, wrong, field=f"{where}.data")
    if len(shape) == 1 or (width == 1 and kind == "BYTES"):
        return [None if row is None else row[0] for row in rows]
    return [None if row is None or all(v is None for v in row) else row for row in rows]


def _shape(shape: Any, where: str) -> list[int]:
    plain = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    if not plain or len(shape) not in (1, 2):
        raise Refusal(400, "Expected a shape [n], [n, 1] or [n, d].", field=where)
    found: list[int] = shape
    return found


def _rows_of(data: list[Any], shape: list[int]) -> list[list[Any] | None]:
    """The values row by row: data may be nested as the shape is, or flat; a null row is absent."""
    if (
        len(shape) == 2
        and len(data) == shape[0]
        and all(row is None or isinstance(row, list) for row in data)
    ):
        return data
    width = max(1, shape[1] if len(shape) == 2 else 1)
    return [data[i : i + width] for i in range(0, len(data), width)]


def _asked_outputs(outputs: Any) -> list[str]:
    if not outputs:
        return list(_OUTPUTS)
    if not isinstance(outputs, list):
        raise Refusal(400, "Expected a list of tensors to answer with.", field="outputs")
    names: list[Any] = [one.get("name") if isinstance(one, Mapping) else None for one in outputs]
    for name in names:
        if name not in _OUTPUTS:
            raise Refusal(
                400, f"There is no output {str(name)[:60]!r}; there are {', '.join(_OUTPUTS)}.",
                field="outputs",
            )  # fmt: skip
    return names


def _outputs(desk: Desk, answer: Answer, names: list[str]) -> list[dict[str, Any]]:
    said, found = answer.predictions, []
    labels = {tensor["name"]: tensor["datatype"] for tensor in _output_tensors(desk)}
    data: dict[str, np.ndarray | list[Any]] = {
        "label": [one["label"] for one in said],
        "probability": [one["probability"] for one in said],
        "probabilities": answer.probabilities,
        "present": answer.present,
        "nothing_present": [one["nothing_present"] for one in said],
    }
    if said and said[0]["set"] is not None:
        # Sets have several sizes, tensors one: which classes are in it.
        inside = [[c in set(one["set"]["labels"]) for c in desk.facts["classes"]] for one in said]
        data["set"] = np.array(inside)
    for name in names:
        if name in data:
            values = data[name]
            shape = list(np.shape(values))
            flat = np.asarray(values).ravel().tolist() if isinstance(values, np.ndarray) else values
            kind = labels[name]
            flat = [str(value) for value in flat] if kind == "BYTES" else flat
            found.append({"name": name, "datatype": kind, "shape": shape, "data": flat})
    return found


def _tensors(one: ServedModality) -> list[dict[str, Any]]:
    if one.kind in PATH_KINDS or one.kind == "text":
        about = "base64 or data: URL" if one.kind in PATH_KINDS else "text"
        return [
            {"name": one.name, "datatype": "BYTES", "shape": [-1], "parameters": {"item": about}}
        ]
    if one.as_cells:
        types = {"number": "FP64", "yes or no": "BOOL"}
        return [
            {"name": c.name, "datatype": types.get(c.kind, "BYTES"), "shape": [-1]}
            for c in one.columns
        ]
    return [{"name": one.name, "datatype": "FP32", "shape": [-1, one.embedding_dim]}]


def _output_tensors(desk: Desk) -> list[dict[str, Any]]:
    classes = desk.facts["classes"]
    whole = all(type(label) is int for label in classes)
    tensors = [
        ("label", "INT64" if whole else "BYTES", [-1]),
        ("probability", "FP64", [-1]),
        ("probabilities", "FP64", [-1, len(classes)]),
        ("present", "BOOL", [-1, len(desk.contract.modalities)]),
        ("set", "BOOL", [-1, len(classes)]),
        ("nothing_present", "BOOL", [-1]),
    ]
    return [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in tensors]


def _schema(desk: Desk) -> dict[str, Any]:
    """Of a request: what any tensor has to have; how much fits together no schema can say."""
    names = [tensor["name"] for one in desk.contract for tensor in _tensors(one)]
    sizes = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1,
             "maxItems": 2}  # fmt: skip
    tensor = {
        "type": "object", "required": ["name", "shape", "datatype", "data"],
        "properties": {"name": {"type": "string", "examples": names}, "shape": sizes,
                       "datatype": {"enum": list(TYPES)}, "data": {"type": "array"}},
    }  # fmt: skip
    inputs = {"type": "array", "items": tensor, "minItems": 1}
    return {"type": "object", "required": ["inputs"], "properties": {"inputs": inputs}}


def _example(desk: Desk) -> dict[str, Any]:
    tensor = _tensors(next(iter(desk.contract)))[0]
    value: Any = {"BYTES": "…", "BOOL": True}.get(tensor["datatype"], 0.5)
    width = tensor["shape"][1] if len(tensor["shape"]) == 2 else None
    data = [value] * (width or 1)
    shape = [1, width] if width else [1]
    return {"inputs": [{**tensor, "shape": shape, "data": data}]}
