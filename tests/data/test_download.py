"""Fetching addresses: once, whole, within limits, and not from inside the private network."""

from __future__ import annotations

import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest

from srmm.data import download
from srmm.data.addresses import Unfetched
from srmm.data.download import fetch, file_name
from srmm.data.table import read_table
from srmm.errors import InputError


class Shop(http.server.BaseHTTPRequestHandler):
    """A shop's server: what it answers depends on the path."""

    asked: ClassVar[Counter[str]] = Counter()
    broken: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        if self.path in self.broken:
            return self.answer(b"", 503)
        if self.path == "/cut.jpg":
            return self.answer(b"half", length=8)
        if self.path == "/page.jpg":
            return self.answer(b"<html>", kind="text/html; charset=utf-8")
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            return self.end_headers()
        if self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            while True:
                try:
                    self.wfile.write(b"x" * 1000)
                except OSError:
                    return None
        known = self.path.startswith("/photo")
        return self.answer(
            b"photo" if known else b"", 200 if known or "empty" in self.path else 404
        )

    def answer(
        self, body: bytes, status: int = 200, kind: str = "image/jpeg", length: int = -1
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length < 0 else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def shop() -> Iterator[str]:
    Shop.asked.clear()
    Shop.broken.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def fetch_here(urls: list[str], folder: Path) -> list[str | Unfetched]:
    return list(fetch(urls, folder, allow_private=True).values())


def test_each_is_fetched_once_and_lacking_ones_again(shop: str, tmp_path: Path) -> None:
    urls = [f"{shop}/photo/1.jpg?size=2", f"{shop}/photo/2.jpg", f"{shop}/photo/1.jpg?size=2"]
    Shop.broken.add("/photo/2.jpg")
    first, second = fetch_here(urls, tmp_path / "new")
    assert Path(first).read_bytes() == b"photo"
    assert Path(first).name == file_name(urls[0])
    assert first.endswith(".jpg")
    assert isinstance(second, Unfetched)
    assert second.reason == "could not be fetched: 503 Service Unavailable"
    assert len(list((tmp_path / "new").iterdir())) == 1
    Shop.broken.clear()
    again = fetch_here(urls, tmp_path / "new")
    assert again[0] == first
    assert Path(again[1]).read_bytes() == b"photo"
    assert Shop.asked == {"/photo/1.jpg?size=2": 1, "/photo/2.jpg": 2}


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/no.jpg", "404 Not Found"),
        ("/cut.jpg", "complete message body"),
        ("/page.jpg", "the answer is a web page"),
        ("/empty.jpg", "the answer is empty"),
        ("/endless", "more than 0.1 MB"),
        ("/to/file:///etc/passwd", "leads to file://, not to http or https"),
        ("/to//to//to//to//to//to//to//photo", "more than 5 redirects"),
    ],
)
def test_what_cannot_be_fetched_leaves_nothing(
    shop: str, tmp_path: Path, path: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 100_000)
    (failed,) = fetch_here([shop + path], tmp_path)
    assert isinstance(failed, Unfetched)
    assert says in failed.reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["http://[bad/1.jpg", "http://", "http://a:x/1.jpg", f"http://{'a' * 70}.b/1.jpg",
            "http://ann:hunter2@[bad/1.jpg", "http://a\0b/1.jpg", "http://no.invalid/1.jpg"],
)  # fmt: skip
def test_a_damaged_address_is_one_item_that_fails(tmp_path: Path, url: str) -> None:
    for private in (False, True):
        (failed,) = fetch([url], tmp_path, allow_private=private).values()
        assert isinstance(failed, Unfetched)
        assert failed.reason.startswith("could not be fetched: ")
        assert "hunter2" not in failed + failed.reason


def test_redirects_are_followed(shop: str, tmp_path: Path) -> None:
    urls = [f"{shop}/to//to//photo/1.jpg", f"{shop}/to/{shop}/photo/2.jpg"]
    assert [Path(path).read_bytes() for path in fetch_here(urls, tmp_path)] == [b"photo"] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_the_private_network_is_not_asked(shop: str, tmp_path: Path, host: str) -> None:
    url = shop.replace("127.0.0.1", host) + "/photo/1.jpg"
    (refused,) = fetch([url], tmp_path).values()
    assert isinstance(refused, Unfetched)
    assert "lies in a private network, which --private-addresses" in refused.reason
    assert not Shop.asked


def test_a_name_that_stands_for_another_machine_when_it_counts(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked public when it was looked up; the connection goes to 127.0.0.1."""
    answers = [[(0, 0, 0, "", ("93.184.215.14", 80))]]
    look_up = download.socket.getaddrinfo
    monkeypatch.setattr(
        download.socket,
        "getaddrinfo",
        lambda *a, **more: answers.pop() if answers else look_up(*a, **more),
    )
    checked: list[str] = []
    real = download._check_public
    monkeypatch.setattr(download, "_check_public", lambda a: (checked.append(a), real(a)))
    (refused,) = fetch([f"{shop.replace('127.0.0.1', 'localhost')}/photo/1.jpg"], tmp_path).values()
    assert isinstance(refused, Unfetched)
    assert "private network" in refused.reason
    assert checked == ["93.184.215.14", "127.0.0.1"]
    assert not Shop.asked  # connected, and nothing sent


def test_a_redirect_into_the_private_network(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = download._check_public
    seen: list[str] = []

    def as_if_the_first_were_public(address: str) -> None:
        seen.append(address)
        if len(seen) > 3:  # looked up, connected, answered; then the redirect
            real(address)

    monkeypatch.setattr(download, "_check_public", as_if_the_first_were_public)
    (refused,) = fetch([f"{shop}/to/{shop}/photo/1.jpg"], tmp_path).values()
    assert isinstance(refused, Unfetched)
    assert "private network" in refused.reason
    assert list(Shop.asked) == [f"/to/{shop}/photo/1.jpg"]


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "fe80::1%eth0", "fd00::1", "0.0.0.0",
     "224.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    with pytest.raises(download._NotFetchedError):
        download._check_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    download._check_public(address)


def test_a_table_of_addresses(shop: str, tmp_path: Path) -> None:
    password = shop.replace("//", "//ann:hunter2@")
    frame = pd.DataFrame(
        {
            "photo": [f"{shop}/photo/1.jpg", None, f"{shop}/no.jpg", "own.jpg",
                      f"{password}/none.jpg"],
            "cell": [{"bytes": None, "path": f"{shop}/photo/1.jpg"}, None, None, None, None],
            "title": [f"{shop}/photo/1.jpg", "a", "b", "c", "d"],
        }
    )  # fmt: skip
    table = read_table(frame, image=["photo", "cell"], text="title",
                       download=tmp_path, allow_private=True)  # fmt: skip
    photo = table.items["photo"]
    assert Path(photo[0]).read_bytes() == b"photo"
    assert photo[1:4].tolist() == [None, f"{shop}/no.jpg", "own.jpg"]
    assert table.items["cell"][0] == photo[0]
    assert table.items["text"].tolist() == frame["title"].tolist()
    assert "hunter2" not in str(photo[4])
    assert table.notes == (
        "2 of the 3 addresses of 'photo' could not be fetched and count as absent: "
        "404 Not Found (2). The same command tries them again.",
    )
    with pytest.raises(InputError, match="allow_private is for download=FOLDER"):
        read_table(frame, text="title", allow_private=True)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Nothing can be fetched to"):
        read_table(frame, image="photo", download=tmp_path / "file")
