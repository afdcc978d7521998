"""SVG: looked through before it is drawn, as 2 kB of it can ask for any amount of work.

Elements are looked at one after the other, and references followed with a list of what is open, so
that no depth of nesting costs a stack.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from xml.parsers import expat

from PIL import Image

from srmm.data.addresses import open_url
from srmm.data.broken import UnreadableItem
from srmm.data.limits import limit, raised_by
from srmm.errors import one_line

MAX_ENTITIES = 64
MAX_ENTITY_LENGTH = 1024
"""Names of namespaces, as drawing programs shorten them, are no longer."""

MAX_UNITS = 1e7
MAX_ATTRIBUTES = 1000
MAX_NUMBERS = {"numOctaves": 16, "order": 32, "radius": 100}
"""Of filters: the work for each pixel grows with them."""

_LINK = re.compile(r"url\(\s*[\"']?\s*#([^\"')]+)")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_DRAWN_FROM = frozenset(
    ("image", "feImage", "use", "tref", "textPath", "pattern", "filter", "mask", "clipPath")
)
_PICTURES = ("image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp")
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_LAYERS = frozenset(("mask", "clipPath", "pattern", "filter"))
_LAYER_COST, _PRIMITIVE_COST, _SLOW_COST = 20, 500, 2000
"""Elements that take as long: a picture of its own, and a filter that goes over all its pixels."""

_SLOW = ("feTurbulence", "feConvolveMatrix", "feMorphology", "feDiffuseLighting")


def checked_svg(data: bytes) -> str:
    """The text of an SVG that may be drawn.

    Raises `UnreadableItem` with the reason: it is no XML, larger, deeper or of more elements than
    the limits (references multiply and nest what they refer to), refers to itself, or shows a file
    outside of it.
    """
    most = limit("SRMM_MAX_SVG_BYTES")
    if len(data) > most:
        raise UnreadableItem(
            f"is an SVG of {len(data):,} bytes, more than the limit of {most:,} "
            f"{raised_by('SRMM_MAX_SVG_BYTES')}"
        )
    drawing = _Drawing()
    try:
        text = data.decode("utf-8-sig")
        drawing.parser.Parse(text.encode(), True)
    except UnicodeDecodeError:
        raise UnreadableItem("is an SVG that is not in UTF-8: save it in UTF-8") from None
    except expat.ExpatError as error:
        raise UnreadableItem(f"is not an SVG that can be drawn ({one_line(error)})") from None
    drawing.check()
    return text


class _Drawing:
    """The elements of an SVG, numbered as they begin, and what each refers to."""

    def __init__(self) -> None:
        self.most, self.deepest = limit("SRMM_MAX_SVG_ELEMENTS"), limit("SRMM_MAX_SVG_DEPTH")
        self.costs: list[int] = []
        self.inside: list[list[int]] = []
        self.links: list[list[str]] = []
        self.numbers: dict[str, int] = {}
        self.open: list[int] = []
        self.entities = 0
        self.pixels = 0
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.EntityDeclHandler = self._entity

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        number, kind = len(self.costs), name.rpartition(":")[2]
        if len(self.open) >= self.deepest:
            raise UnreadableItem(self._too_deep())
        if number >= self.most:
            raise UnreadableItem(self._too_many())
        if self.open:
            self.inside[self.open[-1]].append(number)
        self.open.append(number)
        self.inside.append([])
        self.costs.append(_cost(kind))
        self.links.append(list(self._links(kind, attributes)))
        if "id" in attributes:
            self.numbers.setdefault(attributes["id"], number)

    def _links(self, kind: str, attributes: dict[str, str]) -> Iterator[str]:
        """The ids that an element refers to; raises `UnreadableItem` for what must not be drawn."""
        if len(attributes) > MAX_ATTRIBUTES:
            raise UnreadableItem(
                f"is an SVG with an element of {len(attributes):,} attributes, more than "
                f"{MAX_ATTRIBUTES:,}"
            )
        for name, value in attributes.items():
            if name.rpartition(":")[2] == "href":
                value = value.strip()
                if not value or not (kind in _DRAWN_FROM or kind.endswith("Gradient")):
                    continue  # where a click leads, and what is not drawn
                if value.startswith("#"):
                    yield value[1:]
                else:
                    self._check_embedded(kind, value)
            elif "url(" in value:
                yield from (link.strip() for link in _LINK.findall(value))
            elif kind == "svg" and name in ("width", "height", "viewBox"):
                _check_units(name, value)
            elif name in MAX_NUMBERS and kind in _SLOW and _largest(value) > MAX_NUMBERS[name]:
                raise UnreadableItem(
                    f"is an SVG with a filter whose {name} is {value[:40]}, more than "
                    f"{MAX_NUMBERS[name]}"
                )

    def _check_embedded(self, kind: str, address: str) -> None:
        if address[:5].lower() != "data:" or kind not in ("image", "feImage"):
            raise UnreadableItem(
                f"is an SVG that shows what lies outside of it ({address[:80]!r}), which is not "
                "read: embed it"
            )
        form = re.split(r"[;,]", address[5:], maxsplit=1)[0].strip().lower()
        picture = open_url(address)
        assert isinstance(picture, bytes)
        if form not in _PICTURES or not picture.startswith(_SIGNATURES):
            raise UnreadableItem(
                f"is an SVG in which another file lies that is no picture of pixels ({form[:40]!r})"
            )
        try:
            with Image.open(io.BytesIO(picture)) as image:
                self.pixels += image.width * image.height
        except Exception as error:  # a decoder given damaged bytes raises anything
            raise UnreadableItem(
                f"is an SVG in which a damaged picture lies ({one_line(error)})"
            ) from None
        if self.pixels > limit("SRMM_MAX_PIXELS"):
            raise UnreadableItem(
                f"is an SVG in which pictures of {self.pixels / 1e6:.0f} megapixels lie, more than "
                f"the limit of {limit('SRMM_MAX_PIXELS') / 1e6:.0f} {raised_by('SRMM_MAX_PIXELS')}"
            )

    def _text(self, text: str) -> None:
        if self.open and "url(" in text:  # a style sheet, most likely
            self.links[self.open[-1]] += [link.strip() for link in _LINK.findall(text)]

    def _end(self, name: str) -> None:
        self.open.pop()

    def _entity(
        self, name: str, is_parameter: bool, value: str | None, *outside: str | None
    ) -> None:
        self.entities += 1
        if value is None or is_parameter:
            raise UnreadableItem(f"is an SVG with an entity from outside of it ({name[:80]!r})")
        if self.entities > MAX_ENTITIES or len(value) > MAX_ENTITY_LENGTH or "&" in value:
            raise UnreadableItem(f"is an SVG whose entities multiply ({name[:80]!r})")

    def check(self) -> None:
        """Raise `UnreadableItem` if what is drawn in the end is too much, too deep or endless."""
        cost: list[int] = [0] * len(self.costs)
        depth: list[int] = [0] * len(self.costs)
        begun = [False] * len(self.costs)
        for start in range(len(self.costs)):
            waiting = [] if depth[start] else [start]
            while waiting:
                number = waiting[-1]
                if depth[number]:
                    waiting.pop()
                    continue
                parts = [*self.inside[number], *self._targets(number)]
                if not begun[number]:
                    begun[number] = True
                    for part in parts:
                        if depth[part] == 0:
                            if begun[part]:
                                raise UnreadableItem("is an SVG that refers to itself")
                            waiting.append(part)
                    continue
                waiting.pop()
                cost[number] = self.costs[number] + sum(cost[part] for part in parts)
                depth[number] = 1 + max((depth[part] for part in parts), default=0)
                if depth[number] > self.deepest:
                    raise UnreadableItem(self._too_deep())
                if cost[number] > self.most:
                    raise UnreadableItem(self._too_many())

    def _targets(self, number: int) -> list[int]:
        return [self.numbers[link] for link in self.links[number] if link in self.numbers]

    def _too_deep(self) -> str:
        return f"is an SVG nested more than {self.deepest:,} deep {raised_by('SRMM_MAX_SVG_DEPTH')}"

    def _too_many(self) -> str:
        return (
            f"is an SVG that draws more than {self.most:,} elements, repeated ones and filters "
            f"counted {raised_by('SRMM_MAX_SVG_ELEMENTS')}"
        )


def _cost(kind: str) -> int:
    """How many plain elements take as long to draw as one of this kind."""
    if kind.startswith("fe"):
        return _SLOW_COST if kind in _SLOW else _PRIMITIVE_COST
    return _LAYER_COST if kind in _LAYERS else 1


def _largest(text: str) -> float:
    return max((abs(float(number)) for number in _NUMBER.findall(text)), default=0.0)


def _check_units(name: str, value: str) -> None:
    largest = _largest(value)
    if not math.isfinite(largest) or largest > MAX_UNITS:
        raise UnreadableItem(
            f"is an SVG whose {name} is {value[:40]!r}, more than {MAX_UNITS:,.0f}"
        )
