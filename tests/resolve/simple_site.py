"""A package index in this process: simple pages with upload times, tiny wheels and sdists.

It can also fail the ways that real ones do: be down, cut a page, answer garbage, hang.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import http.server
import io
import os
import tarfile
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from tests.tiny import write_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pytest

DAY = "2025-01-10"


@dataclass
class Entry:
    """One file of a page."""

    filename: str
    body: bytes
    uploaded: str
    requires_python: str | None = None
    yanked: bool = False


@dataclass
class SimpleSite:
    """The index; change anything at any time."""

    folder: Path
    address: str = ""
    pages: dict[str, list[Entry]] = field(default_factory=dict)
    fault: str | None = None
    """``down``, ``garbage``, ``cut`` or ``hang``; None for a healthy index."""
    dated: bool = True
    requests: list[str] = field(default_factory=list)

    @property
    def index_url(self) -> str:
        """Root of the simple pages."""
        return f"{self.address}/simple"

    def add(
        self,
        name: str,
        version: str,
        *,
        requires: Iterable[str] = (),
        uploaded: str = DAY,
        requires_python: str | None = None,
        yanked: bool = False,
        tags: str = "py3-none-any",
        extras: Iterable[str] = (),
    ) -> None:
        """Publish a wheel."""
        path = write_wheel(
            self.folder, name, version, requires=requires, tags=tags, extras=tuple(extras)
        )
        entry = Entry(path.name, path.read_bytes(), uploaded, requires_python, yanked)
        self.pages.setdefault(canonicalize_name(name), []).append(entry)

    def publish(self, path: Path) -> None:
        """Publish the wheel at *path* as it is."""
        name = canonicalize_name(path.name.partition("-")[0])
        self.pages.setdefault(name, []).append(Entry(path.name, path.read_bytes(), DAY))

    def add_sdist(
        self, name: str, version: str, *, files: dict[str, str], uploaded: str = DAY
    ) -> None:
        """Publish a source distribution that holds *files*."""
        entry = Entry(f"{name}-{version}.tar.gz", pack(f"{name}-{version}", files), uploaded)
        self.pages.setdefault(canonicalize_name(name), []).append(entry)

    def page(self, name: str) -> bytes:
        """Return the page of *name*, as broken as the fault asks for."""
        links = [self._link(entry) for entry in self.pages[name]]
        text = f"<!DOCTYPE html>\n<html><body>\n{''.join(links)}</body>\n</html>\n"
        if self.fault == "cut":
            return text.encode()[: len(text) * 2 // 3]
        return b"{]" if self.fault == "garbage" else text.encode()

    def _link(self, entry: Entry) -> str:
        digest = hashlib.sha256(entry.body).hexdigest()
        attributes = [f'href="/files/{entry.filename}#sha256={digest}"']
        if self.dated:
            attributes.append(f'data-upload-time="{entry.uploaded}T12:00:00.000000Z"')
        if entry.requires_python:
            attributes.append(f'data-requires-python="{html.escape(entry.requires_python)}"')
        if entry.yanked:
            attributes.append('data-yanked="broken"')
        return f"<a {' '.join(attributes)}>{entry.filename}</a><br/>\n"


def pack(folder: str, files: dict[str, str]) -> bytes:
    """Return a gzipped tar of *files* below *folder*."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return sink.getvalue()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves ``self.site``."""

    protocol_version = "HTTP/1.1"
    site: SimpleSite

    def do_GET(self) -> None:
        self.site.requests.append(self.path)
        if self.site.fault == "hang":
            time.sleep(5)
        if self.site.fault == "down":
            self._send(503, b"")
        elif self.path.startswith("/simple/"):
            name = self.path.split("/")[2]
            known = name in self.site.pages
            self._send(200 if known else 404, self.site.page(name) if known else b"")
        else:
            filename = self.path.rpartition("/")[2]
            every = (entry for page in self.site.pages.values() for entry in page)
            found = next((entry for entry in every if entry.filename == filename), None)
            self._send(200 if found else 404, found.body if found else b"")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _send(self, status: int, body: bytes) -> None:
        kind = "application/octet-stream" if "/files/" in self.path else "text/html"
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Stay silent."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent about clients that hang up."""


def use_alone(site: SimpleSite, monkeypatch: pytest.MonkeyPatch, *, scratch: Path) -> None:
    """Make *site* all that uv and we are configured with, with caches of their own."""
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_DEFAULT_INDEX", site.index_url)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(scratch / "uv-cache"))
    monkeypatch.setenv("VERLCOMPAT_CACHE_DIR", str(scratch / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[SimpleSite]:
    """Yield an empty index that answers on a free port."""
    site = SimpleSite(folder=folder)
    handler = type("Handler", (_Handler,), {"site": site})
    with _Server(("127.0.0.1", 0), handler) as server:
        site.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
