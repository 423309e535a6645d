"""A local HTTP server that can cut connections, ignore ranges and send the wrong bytes; and assets that point to it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nova_bench.assets import ASSETS, Asset, AssetFile, UrlSource

REVISION = "0123456789abcdef0123456789abcdef01234567"
CONTENT = bytes(range(256)) * 4096  # 1 MiB, no two neighbouring bytes alike


class StandIn(ThreadingHTTPServer):
    """Serves ``files`` by path. ``cut_after`` ends each answer after so many bytes; ``ranges``: whether it resumes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.cut_after: int | None = None
        self.ranges = True
        self.requests: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append((self.command, self.path, wanted))
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted and self.server.ranges else 0
        if start > len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            cut = self.server.cut_after
            self.wfile.write(content[start:] if cut is None else content[start : start + cut])
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def serve_repository(server: StandIn, name: str, files: Mapping[str, bytes]) -> None:
    """Let the stand-in be a hub that has one repository, at :data:`REVISION`."""
    server.headers = {"X-Repo-Commit": REVISION}
    siblings = [{"rfilename": file} for file in files]
    info = {"id": name, "modelId": name, "sha": REVISION, "siblings": siblings, "tags": []}
    tree = [{"type": "file", "path": file, "size": len(content), "oid": ""} for file, content in files.items()]
    for revision in ("main", REVISION):
        server.files[f"/api/models/{name}/revision/{revision}"] = json.dumps(info).encode()
        server.files[f"/api/models/{name}/tree/{revision}?recursive=true&expand=false"] = json.dumps(tree).encode()
    for file, content in files.items():
        server.files[f"/{name}/resolve/{REVISION}/{file}"] = content


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        thread = threading.Thread(target=stand_in.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield stand_in
        stand_in.shutdown()
        thread.join()


@pytest.fixture
def url_asset(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Asset]:
    """An asset named `weights` that the server has, with ``content`` as what was published."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("NOVA_BENCH_OFFLINE", raising=False)

    def make(content: bytes = CONTENT, served: bytes | None = None) -> Asset:
        server.files["/weights.bin"] = content if served is None else served
        file = AssetFile("weights.bin", hashlib.sha256(content).hexdigest(), len(content))
        asset = Asset("weights", "weights of a test", UrlSource(f"{server.url}/weights.bin"), (file,), "MIT")
        monkeypatch.setitem(ASSETS, "weights", asset)
        return asset

    return make
