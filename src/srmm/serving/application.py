"""The application: every route of the server, behind its guard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from srmm.serving.bodies import read_rows
from srmm.serving.described import predict_description, refusals
from srmm.serving.desk import Desk
from srmm.serving.guard import Guard, failed
from srmm.serving.json_values import JsonAnswer
from srmm.serving.limits import Limits
from srmm.serving.pages import page_routes
from srmm.serving.protocol import protocol_routes
from srmm.serving.refusals import Refusal
from srmm.version import __version__
from srmm.workflows.predictor import Predictor


def make_application(
    predictor: Predictor,
    *,
    limits: Limits | None = None,
    report: Path | None = None,
    store: Path | None = None,
    root: Path | None = None,
    keys: Iterable[str] = (),
    hosts: Iterable[str] = (),
) -> Any:
    """The ASGI application that serves a model.

    Parameters
    ----------
    predictor : Predictor
        What `srmm.load` gives.
    limits : Limits, optional
    report, store, root : path, optional
        See `Desk`.
    keys, hosts : iterable of str
        See `Guard`.

    Raises
    ------
    InputError
        If report or store are not this model's.
    """
    limits = limits or Limits()
    desk = Desk(predictor, limits, report=report, store=store, root=root)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(desk.warm_up)
        desk.warmed()
        desk.gatherer.start()
        yield
        desk.is_stopping = True
        await desk.gatherer.stop()

    app = FastAPI(
        title=f"srmm: {desk.facts['name']}",
        description="Classification from several modalities, any of which may be missing.",
        version=__version__,
        lifespan=running,
        docs_url=None,  # their pages fetch scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses=refusals(),
    )
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, failed)
    _add_routes(app, desk)
    app.include_router(protocol_routes(desk))
    app.include_router(page_routes(desk))
    app.state.desk = desk
    return Guard(app, limits=limits, measures=desk.measures, keys=keys, hosts=hosts)


def _add_routes(app: FastAPI, desk: Desk) -> None:
    @app.post(
        "/predict",
        summary="Predict one row or many from whatever each has",
        openapi_extra=predict_description(desk.contract),
        responses=refusals(400, 408, 413, 415, 422),
    )
    async def predict(request: Request) -> Response:
        """What is left out is absent. What is there and cannot be read counts as absent, too, and
        the answer names it. The query may hold `coverage` (of the prediction set; 0.9, or none),
        `explain` (Shapley shares; true), `top` (classes listed; 10, or all) and `nearest`
        (training items listed; 0)."""
        request.scope["route"] = route  # as FastAPI would; the guard counts by it
        wanted = desk.wanted(request)
        rows, where = await read_rows(request, desk.contract, desk.limits)
        answer = await desk.ask(rows, wanted, where)
        return JsonAnswer({"model": desk.facts["name"], "predictions": answer.predictions})

    # Asked first, and without what FastAPI does for parameters, of which there are none.
    route = Route("/predict", predict, methods=["POST"])
    app.router.routes.insert(0, route)

    @app.get("/model", summary="What the model reads, knows and is worth")
    async def model() -> JSONResponse:
        return JSONResponse(desk.facts)

    @app.get("/health", summary="Whether the process answers")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/ready", summary="Whether requests may be sent")
    async def ready() -> JSONResponse:
        why = desk.why_not_ready()
        if why is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": why}, 503, {"Retry-After": "1"})

    @app.get(
        "/metrics", summary="Counts, in Prometheus' text format", response_class=PlainTextResponse
    )
    async def metrics() -> Response:
        return Response(desk.measures.text(), media_type="text/plain; version=0.0.4")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return JSONResponse(error.content(request.url.path), error.status, error.headers)


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reasons = {404: "There is nothing at this address.", 405: "Not with this method."}
    reason = reasons.get(error.status_code, str(error.detail))
    refusal = Refusal(error.status_code, reason)
    content = refusal.content(request.url.path)
    return JSONResponse(content, refusal.status, dict(error.headers or {}))
