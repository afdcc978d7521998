"""Items given by a URL: `data:` holds them, `file://` names a file, others lie elsewhere."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from srmm.data.broken import UnreadableItem

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://|(?i:data):")
_USER = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]*://)[^/?#]*@")


class Unfetched(str):
    """An address that was tried in vain, and why."""

    reason: str

    def __new__(cls, address: str, reason: str) -> Unfetched:
        made = super().__new__(cls, address)
        made.reason = reason
        return made

    def __reduce__(self) -> tuple[type[Unfetched], tuple[str, str]]:
        return Unfetched, (str(self), self.reason)


def is_url(text: str) -> bool:
    """Whether a path is a URL."""
    return _URL.match(text) is not None


def is_web_address(item: Any) -> bool:
    """Whether an item is text that begins with http:// or https://."""
    return isinstance(item, str) and item[:8].lower().startswith(("http://", "https://"))


def local_item(cell: Any) -> Any:
    """The bytes in a `data:` URL, the path in a `file://` URL; anything else as it is.

    Also a URL that is damaged, without blanks around it: whoever reads the item says why.

    >>> local_item("data:;base64,R0lG"), local_item("file:///photos/red%20shoe.jpg")
    (b'GIF', '/photos/red shoe.jpg')
    """
    if not isinstance(cell, str) or isinstance(cell, Unfetched):
        return cell
    url = cell.strip()
    if not is_url(url):
        return cell
    try:
        return open_url(url)
    except UnreadableItem:
        return url


def open_url(url: str) -> bytes | str:
    """The bytes or the path that a URL stands for; `UnreadableItem` if it is of neither kind."""
    if url[:5].lower() == "data:":
        return _content(url)
    if url[:7].lower() == "file://":
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise UnreadableItem(f"is no valid URL ({error})") from None
        if parts.netloc.lower() not in ("", "localhost"):
            raise UnreadableItem(f"is a file on the machine {parts.netloc!r}, not on this one")
        return unquote(parts.path)
    if isinstance(url, Unfetched):
        raise UnreadableItem(url.reason)
    more = " (or fetch all of them: --download FOLDER)" if is_web_address(url) else ""
    raise UnreadableItem(f"is a URL; download it first and give the path of the file{more}")


def without_password(url: str) -> str:
    """The address without user and password, to be shown.

    >>> without_password("https://ann:1234@shop.org/1.jpg")
    'https://shop.org/1.jpg'
    """
    return _USER.sub(r"\1", url)  # also of an address that is too damaged to be taken apart


def _content(url: str) -> bytes:
    head, comma, content = url[5:].partition(",")
    if not comma:
        raise UnreadableItem("is a data: URL without a comma, behind which its content would be")
    try:
        data = unquote_to_bytes(content)
    except UnicodeEncodeError:
        raise UnreadableItem("is a data: URL with characters that are no valid Unicode") from None
    if not head.lower().endswith(";base64"):
        return data
    data = bytes(data).translate(None, b" \t\r\n").rstrip(b"=")
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
    except binascii.Error:
        raise UnreadableItem("is a data: URL whose content is not base64") from None
