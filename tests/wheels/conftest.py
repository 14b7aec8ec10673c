"""Real wheels built with zipfile, and a real HTTP server that serves them."""

from __future__ import annotations

import contextlib
import http.server
import threading
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

METADATA = b"Metadata-Version: 2.1\nName: example\nVersion: 1.0\nRequires-Dist: torch==2.8.0\n"


class BuildWheel(Protocol):
    """Writes a wheel with these members and returns its path."""

    def __call__(
        self, members: Mapping[str, bytes], *, filename: str = ..., stored: bool = ...
    ) -> Path:
        """Write *members*, compressed unless *stored*, to *filename*."""


@pytest.fixture
def build_wheel(tmp_path: Path) -> BuildWheel:
    """Return a builder of wheels of the distribution ``example``."""

    def build(
        members: Mapping[str, bytes],
        *,
        filename: str = "example-1.0-py3-none-any.whl",
        stored: bool = False,
    ) -> Path:
        path = tmp_path / filename
        method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
            archive.writestr("example-1.0.dist-info/METADATA", METADATA)
        return path

    return build


@dataclass
class Site:
    """What the test server does; change it at any time."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    suffix_ranges: bool = True
    failures: list[int] = field(default_factory=list)
    """Statuses to answer with before behaving; 0 breaks the body off."""
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of every request."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves the files of ``self.site``, and fails as it says."""

    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.site.seen.append((self.path, asked))
        body = self.site.files.get(self.path)
        failure = self.site.failures.pop(0) if self.site.failures else None
        if failure:
            self._send(failure, b"")
        elif body is None:
            self._send(404, b"")
        elif failure == 0:
            self._send(200, body[: len(body) // 2], length=len(body))
            self.close_connection = True
        elif asked is None or not self.site.ranges:
            self._send(200, body)
        else:
            self._send_range(asked.removeprefix("bytes="), body)

    def _send_range(self, asked: str, body: bytes) -> None:
        first, _, last = asked.partition("-")
        if not first and not self.site.suffix_ranges:
            self._send(416, b"")
            return
        start = int(first) if first else max(0, len(body) - int(last))
        stop = min(int(last) + 1, len(body)) if first else len(body)
        self._send(206, body[start:stop], said=f"bytes {start}-{stop - 1}/{len(body)}")

    def _send(
        self, status: int, body: bytes, *, length: int | None = None, said: str | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", self.site.types.get(self.path, "text/html"))
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if said is not None:
            self.send_header("Content-Range", said)
        self.end_headers()
        # A client that has seen enough hangs up.
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Stay silent."""


@pytest.fixture
def site() -> Iterator[Site]:
    """Return a running server on this machine."""
    state = Site()
    handler = type("Handler", (_Handler,), {"site": state})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()
