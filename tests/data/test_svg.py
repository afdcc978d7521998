"""SVGs that ask for more than a picture's worth of work, or for what is not theirs."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from srmm.data.broken import UnreadableItem
from srmm.data.pictures import decode_here
from srmm.data.svg import checked_svg


def svg(body: str, attributes: str = 'viewBox="0 0 9 9"', before: str = "") -> bytes:
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"{before}<svg {spaces} {attributes}>{body}</svg>".encode()


def nested(depth: int) -> str:
    return "<g>" * depth + '<rect width="1" height="1"/>' + "</g>" * depth


def referring(levels: int, times: int) -> str:
    """Groups, each of which shows the one before some times."""
    groups = [
        f'<g id="a{i}">' + f'<use xlink:href="#a{i - 1}"/>' * times + "</g>"
        for i in range(1, levels)
    ]
    return f'<defs><g id="a0"><path d="M0 0"/></g>{"".join(groups)}</defs>'


def embedded(form: str, content: bytes) -> str:
    address = f"data:{form};base64,{base64.b64encode(content).decode()}"
    return f'<image width="9" height="9" href="{address}"/>'


def png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


ADOBE = (
    '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://w3.org/1.dtd" ['
    '<!ENTITY ns_svg "http://www.w3.org/2000/svg">]>'
)


@pytest.mark.parametrize(
    "data",
    [
        svg(nested(60)),
        svg(referring(5, 4) + '<use href="#a4"/>'),
        svg('<rect width="9" height="9" style="fill:url(#p)"/><pattern id="p" width="1"/>'),
        svg('<a href="https://example.org/"><rect width="9" height="9"/></a>'),
        svg('<style>@import url("https://example.org/font.css");</style><text>9</text>'),
        svg('<g id="a"><rect width="9"/><set href="#a" attributeName="x" to="3"/></g>'),
        svg(embedded("image/png", png(9))),
        svg("<rect/>", before=ADOBE),
        b"\xef\xbb\xbf" + svg('<use href="#nowhere"/>'),
    ],
)
def test_what_drawing_programs_write_is_drawn(data: bytes) -> None:
    assert checked_svg(data).encode() == data.removeprefix(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (svg(nested(300)), "nested more than 100 deep"),
        (svg(nested(100_000)), "nested more than 100 deep"),
        (svg(referring(300, 1)), "nested more than 100 deep"),
        (svg(referring(12, 10)), "draws more than 200,000 elements"),
        (svg('<g mask="url(#m)"/>' * 3000 + f'<mask id="m">{"<g/>" * 100}</mask>'), "draws more"),
        (svg(f'<filter id="f">{"<feTurbulence/>" * 200}</filter>'), "draws more than"),
        (svg('<feTurbulence numOctaves="99999999"/>'), "numOctaves is 99999999, more than 16"),
        (svg('<feMorphology radius="3 4000"/>'), "radius is 3 4000"),
        (svg('<g id="a"><use href="#a"/></g>'), "refers to itself"),
        (svg('<g id="a" mask="url(#b)"/><mask id="b"><use href="#a"/></mask>'), "itself"),
        (svg('<image href="/home/ann/1.png"/>'), "lies outside of it ('/home/ann/1.png')"),
        (svg('<image xlink:href=" ../1.png"/>'), "lies outside of it"),
        (svg('<image xmlns:x="http://www.w3.org/1999/xlink" x:href="1.png"/>'), "outside of it"),
        (svg('<use href="https://example.org/a.svg#b"/>'), "outside of it"),
        (svg('<filter><feImage href="file:///1.png"/></filter>'), "outside of it"),
        (svg(embedded("image/svg+xml", svg(""))), "no picture of pixels ('image/svg+xml')"),
        (svg(embedded("image/png", svg(""))), "no picture of pixels"),
        (svg(embedded("image/png", b"\x89PNG")), "a damaged picture lies"),
        (svg("&x;", before='<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/hosts">]>'), "outside"),
        (svg("", before='<!DOCTYPE svg [<!ENTITY a "x"><!ENTITY b "&a;&a;">]>'), "multiply"),
        (svg("", 'width="1e30" height="1"'), "width is '1e30'"),
        (svg("<g " + " ".join(f'a{i}=""' for i in range(2000)) + "/>"), "2,000 attributes"),
        (b"<svg><g></svg>", "is not an SVG that can be drawn (mismatched tag"),
    ],
)
def test_what_asks_for_too_much_is_refused(data: bytes, expected: str) -> None:
    with pytest.raises(UnreadableItem) as refused:
        checked_svg(data)
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_limits_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRMM_MAX_SVG_DEPTH", "400")
    assert checked_svg(svg(nested(300)))
    monkeypatch.setenv("SRMM_MAX_SVG_BYTES", "100")
    with pytest.raises(UnreadableItem, match=r"more than the limit of 100 .*SRMM_MAX_SVG_BYTES"):
        checked_svg(svg(nested(300)))


def test_embedded_pictures_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRMM_MAX_PIXELS", "1_000_000")
    assert checked_svg(svg(embedded("image/png", png(900))))
    with pytest.raises(UnreadableItem, match="pictures of 2 megapixels lie"):
        checked_svg(svg(embedded("image/png", png(900)) * 2))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_other_encodings_than_utf_8_are_named(encoding: str) -> None:
    data = svg("<text>é</text>").decode().encode(encoding)
    expected = "not in UTF-8" if encoding == "latin-1" else "is an SVG in UTF-16: save it in UTF-8"
    with pytest.raises(UnreadableItem, match=expected):
        decode_here(data)
