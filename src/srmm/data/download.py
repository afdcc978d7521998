"""Fetching the pictures and sounds that a table names by http and https addresses.

Each address is fetched once, to a file named by a digest of it; a second run fetches only what
lacks. A file is written beside its place and moved there whole, so half of one never counts.

Who fills a table may not be who runs this: an address that leads into the private network, at once
or by a redirect, is refused unless that is asked for. The machine that was really connected to is
looked at before anything is sent to it, as a name may stand for another one a moment later.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import socket
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from srmm.data.addresses import Unfetched, is_web_address, without_password
from srmm.data.columns import PATH_KINDS
from srmm.errors import InputError, one_line
from srmm.files import replacing_file
from srmm.version import __version__

MAX_BYTES = 200_000_000
"""Larger files are not fetched."""

MAX_REDIRECTS = 5
WAIT_SECONDS = 20
"""For a connection, and between two pieces of an answer."""

MAX_SECONDS = 300
"""For one file, from first to last."""

WORKERS = 8
_FAILED = "could not be fetched: "
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class _NotFetchedError(Exception):
    """Why an address could not be fetched: `str(error)`, one line such as "404 Not Found"."""


def fetch_items(
    items: Mapping[str, np.ndarray], kinds: Mapping[str, str], folder: Path, *, allow_private: bool
) -> tuple[str, ...]:
    """Put the paths of fetched files in place of the addresses among the items of each modality.

    An address that cannot be fetched becomes an `Unfetched`, which is read as an unreadable item.
    Returns a sentence for each modality that has one.
    """
    wanted = {
        name: {row: url for row, item in enumerate(column) if (url := _address(item)) is not None}
        for name, column in items.items()
        if kinds[name] in PATH_KINDS
    }
    urls = dict.fromkeys(url for rows in wanted.values() for url in rows.values())
    if not urls:
        return ()
    fetched = fetch(urls, folder, allow_private=allow_private)
    notes = []
    for name, rows in wanted.items():
        for row, url in rows.items():
            items[name][row] = fetched[url]
        failed = Counter(f.reason.removeprefix(_FAILED) for u in set(rows.values())
                         if isinstance(f := fetched[u], Unfetched))  # fmt: skip
        if failed:
            reasons = ", ".join(f"{reason} ({n:,})" for reason, n in failed.most_common(5))
            notes.append(
                f"{sum(failed.values()):,} of the {len(set(rows.values())):,} addresses of "
                f"{name!r} could not be fetched and count as absent: {reasons}"
                f"{', …' * (len(failed) > 5)}. The same command tries them again."
            )
    return tuple(notes)


def fetch(
    urls: Iterable[str], folder: Path, *, allow_private: bool = False
) -> dict[str, str | Unfetched]:
    """Address → the absolute path of its file in `folder`, or `Unfetched` with the reason."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Nothing can be fetched to {folder} ({error.strerror}): name a folder."
        ) from None
    web = _client_library()
    limits = web.Limits(max_connections=WORKERS)
    # No proxy, no .netrc: the machine that is checked is the one that is asked, and no password of
    # this machine's user is sent to one that a table names.
    client = web.Client(timeout=WAIT_SECONDS, trust_env=False, limits=limits)

    def one(url: str) -> str | Unfetched:
        path = (folder / file_name(url)).absolute()
        try:
            if not path.is_file():
                _fetch_one(web, client, url, path, allow_private)
            return str(path)
        except _NotFetchedError as error:
            return Unfetched(without_password(url), f"{_FAILED}{error}")

    urls = list(dict.fromkeys(urls))
    with client, ThreadPoolExecutor(WORKERS) as pool:
        try:
            return dict(zip(urls, pool.map(one, urls), strict=True))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def file_name(url: str) -> str:
    """What the file of an address is called: a digest, and the ending that the address has."""
    ending = PurePosixPath(re.split(r"[?#]", url, maxsplit=1)[0]).suffix.lower()
    digest = hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return digest + (ending if _ENDING.fullmatch(ending) else "")


def _address(item: Any) -> str | None:
    if isinstance(item, dict) and not item.get("bytes"):
        item = item.get("path")
    return item.strip() if is_web_address(item) else None


def _client_library() -> Any:
    """httpx, by whichever name huggingface_hub has brought it."""
    try:
        return import_module("httpx2")
    except ImportError:
        return import_module("httpx")


def _fetch_one(web: Any, client: Any, url: str, path: Path, allow_private: bool) -> None:
    """Write what the address gives to `path`; `_NotFetchedError` if it gives nothing usable."""
    until = time.monotonic() + MAX_SECONDS
    try:
        for _ in range(MAX_REDIRECTS + 1):
            _check_address(url, allow_private)
            check = {} if allow_private else {"trace": _check_connected}
            with client.stream(
                "GET",
                url,
                headers={"User-Agent": f"srmm/{__version__}", "Accept-Encoding": "identity"},
                follow_redirects=False,
                extensions=check,
            ) as response:
                if not allow_private:
                    _check_peer(response.extensions.get("network_stream"))
                if response.next_request is None:
                    _write(response, path, until)
                    return
                url = str(response.next_request.url)
        raise _NotFetchedError(f"more than {MAX_REDIRECTS} redirects")
    except web.TimeoutException:
        raise _NotFetchedError(f"no answer within {WAIT_SECONDS} s") from None
    except (web.HTTPError, web.InvalidURL, ValueError) as error:
        raise _NotFetchedError(one_line(error)) from None
    except OSError as error:
        raise _NotFetchedError(error.strerror or str(error)) from None


def _write(response: Any, path: Path, until: float) -> None:
    if response.status_code != 200:
        raise _NotFetchedError(f"{response.status_code} {response.reason_phrase}".strip())
    if response.headers.get("content-type", "").lower().startswith("text/html"):
        raise _NotFetchedError("the answer is a web page")
    too_large = f"more than {MAX_BYTES / 1e6:g} MB"
    said = response.headers.get("content-length", "")
    if said.isdigit() and int(said) > MAX_BYTES:
        raise _NotFetchedError(too_large)
    size = 0
    with replacing_file(path) as temporary, temporary.open("wb") as file:
        for piece in response.iter_bytes():
            size += len(piece)
            if size > MAX_BYTES:
                raise _NotFetchedError(too_large)
            if time.monotonic() > until:
                raise _NotFetchedError(f"not complete within {MAX_SECONDS} s")
            file.write(piece)
        if not size:
            raise _NotFetchedError("the answer is empty")


def _check_address(url: str, allow_private: bool) -> None:
    """Refuse what is no http(s) address, and a name that stands for a private one."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise _NotFetchedError(f"no valid address ({error})") from None
    if parts.scheme in ("http", "https") and not parts.hostname:
        raise _NotFetchedError("no valid address (it names no host)")
    if parts.scheme not in ("http", "https"):
        raise _NotFetchedError(f"leads to {parts.scheme or 'no'}://, not to http or https")
    if allow_private:
        return
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise _NotFetchedError(f"unknown host ({error.strerror or error})") from None
    for *_, place in found:
        _check_public(str(place[0]))


def _check_connected(event: str, info: Mapping[str, Any]) -> None:
    """Called by the client at each step: between connecting and sending."""
    if event.endswith("connect_tcp.complete"):
        _check_peer(info.get("return_value"))


def _check_peer(stream: Any) -> None:
    place = None if stream is None else stream.get_extra_info("server_addr")
    if place is None:
        raise _NotFetchedError("it cannot be told which machine answers")
    try:
        _check_public(str(place[0]))
    except _NotFetchedError:
        stream.close()
        raise


def _check_public(text: str) -> None:
    address: Any = ipaddress.ip_address(text.partition("%")[0])
    inner = [address]
    if address.version == 6:  # an IPv4 address in the clothes of one
        inner += [a for a in (address.ipv4_mapped, address.sixtofour) if a is not None]
        if address in _NAT64:
            inner.append(ipaddress.ip_address(int(address) & 0xFFFFFFFF))
    if address.version == 6 and address.ipv4_mapped is not None:
        inner.remove(address)  # never global itself
    if any(not a.is_global or a.is_multicast for a in inner):
        raise _NotFetchedError(
            "it lies in a private network, which --private-addresses (allow_private=True) allows"
        )
