"""The page at `/`, its files, and the pictures of the nearest items."""

from __future__ import annotations

import asyncio
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from srmm.report.style import PALETTE
from srmm.serving.desk import Desk
from srmm.serving.refusals import Refusal

_FILES = {
    "app.js": "text/javascript",
    "sound.js": "text/javascript",
    "style.css": "text/css",
    "icon.svg": "image/svg+xml",
}


def page_routes(desk: Desk) -> APIRouter:
    """The page and what it is made of; the same files for every model."""
    router = APIRouter(include_in_schema=False)
    folder = files("srmm.serving") / "page"
    contents = {name: (folder / name).read_bytes() for name in ("index.html", *_FILES)}
    colours = colour_variables()

    @router.get("/")
    async def page() -> Response:
        return Response(contents["index.html"], media_type="text/html; charset=utf-8")

    @router.get("/page/colours.css")
    async def colour_sheet() -> Response:
        return Response(colours, media_type="text/css; charset=utf-8")

    @router.get("/page/{name}")
    async def file(name: str) -> Response:
        if name not in _FILES:
            raise Refusal(404, "There is nothing at this address.")
        return Response(contents[name], media_type=f"{_FILES[name]}; charset=utf-8")

    @router.get("/nearest/{number:int}/{modality}")
    async def picture(number: int, modality: str) -> Response:
        found = None
        if desk.neighbours is not None:
            found = await asyncio.to_thread(desk.neighbours.picture, number, modality)
        if found is None:
            raise Refusal(404, "There is no such picture.")
        return Response(found, media_type="image/jpeg")

    return router


def colour_variables() -> str:
    """The report's colours as variables of a style sheet, light and dark."""
    light, dark = (
        "".join(f"--{role}: {colours[mode]};" for role, colours in PALETTE.items())
        for mode in (0, 1)
    )
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
