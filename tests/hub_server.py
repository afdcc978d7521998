"""A small server that speaks the Hugging Face hub's protocol, as far as models here need it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

TOKEN = "hf_a-token-of-the-tests"


class Hub:
    """Repositories in memory: name → branch or commit → files by path."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}
        self.commits: dict[tuple[str, str], str] = {}
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []
        """What was asked for, "GET /…"."""

    def commit(self, repo: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Add files to a branch; the commit's 40 digits."""
        branches = self.repos.setdefault(repo, {})
        whole = {**branches.get(branch, branches.get("main", {})), **files}
        listing = json.dumps([(path, hashlib.sha1(x).hexdigest()) for path, x in whole.items()])
        sha = hashlib.sha1(listing.encode()).hexdigest()
        branches[branch] = branches[sha] = whole
        self.commits[repo, branch] = self.commits[repo, sha] = sha
        return sha

    def fetched(self) -> list[str]:
        """The files that were read from repositories, each once."""
        paths = [line.split("/resolve/", 1)[1] for line in self.asked if "GET" in line]
        return sorted({path.split("/", 1)[1] for path in paths})


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._file(body=False)

    def do_GET(self) -> None:
        if "/resolve/" in self.path:
            return self._file(body=True)
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/?]+))?(\?.*)?", self.path)
        if found and found[1] in self.hub.repos:
            branch = unquote(found[2] or "main")
            files = self.hub.repos[found[1]].get(branch, {})
            return self._json(
                {
                    "id": found[1],
                    "sha": self.hub.commits.get((found[1], branch)),
                    "siblings": [{"rfilename": name} for name in files],
                    "tags": [],
                    "private": self.hub.private.get(found[1], False),
                }
            )
        return self._error(404, "RepoNotFound")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/api/validate-yaml":  # of the card
            return self._json({"warnings": [], "errors": []})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._error(401, None)
        if self.path == "/api/repos/create":
            about = json.loads(body)
            repo = f"{about['organization']}/{about['name']}"
            if repo in self.hub.repos:
                return self._json({"error": "taken", "url": self._url(repo)}, status=409)
            self.hub.private[repo] = about.get("visibility") == "private" or bool(
                about.get("private")
            )
            self.hub.commit(repo, {".gitattributes": b""})
            return self._json({"url": self._url(repo)})
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(preupload|commit|branch)/(.+)", self.path)
        assert found, self.path
        repo, what, branch = found[1], found[2], unquote(found[3])
        if what == "branch":
            self.hub.commit(repo, {}, branch)
            return self._json({})
        if what == "preupload":
            files = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            return self._json({"files": files})
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"])
            for line in lines
            if line["key"] == "file"
        }
        sha = self.hub.commit(repo, files, branch)
        url = f"{self._url(repo)}/commit/{sha}"
        return self._json({"success": True, "commitUrl": url, "commitOid": sha})

    def _file(self, *, body: bool) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/([^?]+)(\?.*)?", self.path)
        if not found or found[1] not in self.hub.repos:
            return self._error(404, "RepoNotFound")
        repo, branch, path = found[1], unquote(found[2]), unquote(found[3])
        if branch not in self.hub.repos[repo]:
            return self._error(404, "RevisionNotFound")
        content = self.hub.repos[repo][branch].get(path)
        if content is None:
            return self._error(404, "EntryNotFound", self.hub.commits[repo, branch])
        self.send_response(200)
        self.send_header("X-Repo-Commit", self.hub.commits[repo, branch])
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)
        return None

    def _url(self, repo: str) -> str:
        return f"http://{self.headers['Host']}/{repo}"

    def _json(self, content: Any, status: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _error(self, status: int, code: str | None, commit: str | None = None) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serving(cache: Path) -> Iterator[Hub]:
    """A hub that huggingface_hub talks to in place of the real one, with a cache of its own."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        constants = "huggingface_hub.constants."
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        patch.setattr(constants + "ENDPOINT", endpoint)
        patch.setattr(
            constants + "HUGGINGFACE_CO_URL_TEMPLATE",
            endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        )
        patch.setattr(constants + "HF_HUB_OFFLINE", False)
        patch.setattr(constants + "HF_HUB_CACHE", str(cache))
        patch.setattr(constants + "HF_TOKEN_PATH", str(cache / "no token"))
        patch.setenv("HF_ENDPOINT", endpoint)
        patch.setenv("HF_HOME", str(cache))
        patch.delenv("HF_TOKEN", raising=False)
        patch.delenv("HF_HUB_OFFLINE", raising=False)
        try:
            yield hub
        finally:
            server.shutdown()
            server.server_close()
