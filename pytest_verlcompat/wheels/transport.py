"""Fetches bytes over HTTP with retries, byte ranges, counters and redaction.

The only module of the room that opens a connection. It knows nothing of indexes or wheels.

* :class:`Transport` keeps connections alive, retries what may pass (dropped connections,
  truncated bodies, 429 and 5xx), and counts requests and body bytes.
* :func:`redact_url` is what every message of ours prints instead of an address, because
  an index address may carry a user name, a password or a signed query.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from pytest_verlcompat.errors import IndexUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_OK = 200
_PARTIAL = 206
_NOT_FOUND = frozenset({404, 410})
_CHUNK_BYTES = 1 << 16


def redact_url(url: str) -> str:
    """Return *url* without user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server sent back, whole."""

    status: int
    """HTTP status: 200, 206, 404 or 410; any other is raised as an error."""
    body: bytes
    headers: Mapping[str, str]
    """Header names in lower case."""
    url: str
    """Address after redirects; may hold credentials, never print it."""

    @property
    def found(self) -> bool:
        """True unless the server says that there is no such thing."""
        return self.status not in _NOT_FOUND

    @property
    def partial(self) -> bool:
        """True when the server honoured the range that was asked for."""
        return self.status == _PARTIAL

    @property
    def start(self) -> int | None:
        """Position of the first byte of a partial body; None when not said."""
        first = self.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
        return int(first) if first.isdigit() else None

    @property
    def total_bytes(self) -> int | None:
        """Size of the whole resource, from ``Content-Range``; None when not said."""
        total = self.headers.get("content-range", "").rpartition("/")[2]
        return int(total) if total.isdigit() else None


class Transport:
    """One pool of connections with retries; safe to share between threads.

    Attributes ``requests_sent`` and ``bytes_read`` count since construction (bodies only).
    """

    def __init__(
        self,
        *,
        attempts: int = 4,
        backoff_s: float = 0.5,
        timeout_s: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import requests

        self._session = requests.Session()
        self._failure = requests.RequestException
        self._session.headers["User-Agent"] = "pytest-verlcompat"
        bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
        if bundle:
            self._session.verify = bundle
        self._attempts = attempts
        self._backoff_s = backoff_s
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._lock = threading.Lock()
        self.requests_sent = 0
        self.bytes_read = 0

    def close(self) -> None:
        """Drop every kept connection."""
        self._session.close()

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        span: tuple[int, int | None] | None = None,
        limit_bytes: int = 1 << 30,
    ) -> Answer:
        """Return the resource at *url*, or the part of it that *span* names.

        Args:
            url: Address; credentials in it are never printed.
            headers: Sent besides the defaults.
            span: First byte and the byte after the last; ``(-n, None)`` is the last n bytes.
            limit_bytes: A longer body is an error, and is not read to its end.

        A server that ignores *span* gives an answer that is not ``partial``, without body.

        Raises:
            IndexUnavailableError: If the server stays silent or broken after all attempts.
        """
        sent = dict(headers or {})
        if span is not None:
            sent["Range"] = _range_header(span)
            sent["Accept-Encoding"] = "identity"
        problem = "no attempt was made"
        for attempt in range(self._attempts):
            if attempt:
                self._sleep(self._backoff_s * 2 ** (attempt - 1))
            try:
                answer = self._once(url, sent, limit_bytes=limit_bytes)
            except self._failure as error:
                problem = type(error).__name__
                continue
            if answer.status in _PASSING_STATUSES:
                problem = f"HTTP status {answer.status}"
                continue
            if answer.status in {_OK, _PARTIAL} or not answer.found:
                return answer
            raise IndexUnavailableError(
                f"the server answers with HTTP status {answer.status}; "
                "check the index address and its credentials",
                where=redact_url(url),
            )
        raise IndexUnavailableError(
            f"no usable answer in {self._attempts} attempts ({problem}); try again later",
            where=redact_url(url),
        )

    def _once(self, url: str, headers: Mapping[str, str], *, limit_bytes: int) -> Answer:
        with self._session.get(
            url, headers=headers, timeout=self._timeout_s, stream=True
        ) as response:
            body = bytearray()
            ignored = "Range" in headers and response.status_code == _OK
            for chunk in () if ignored else response.iter_content(_CHUNK_BYTES):
                body += chunk
                if len(body) > limit_bytes:
                    raise IndexUnavailableError(
                        f"the body is longer than {limit_bytes} bytes; refused",
                        where=redact_url(url),
                    )
            with self._lock:
                self.requests_sent += 1
                self.bytes_read += len(body)
            return Answer(
                status=response.status_code,
                body=bytes(body),
                headers={key.lower(): value for key, value in response.headers.items()},
                url=response.url,
            )

    def download(self, url: str, *, write: Callable[[bytes], object], limit_bytes: int) -> None:
        """Pass the whole resource to *write*, chunk by chunk, without holding it in memory.

        Raises:
            IndexUnavailableError: If it is missing, breaks off or exceeds *limit_bytes*.
        """
        total = 0
        try:
            with self._session.get(url, timeout=self._timeout_s, stream=True) as response:
                response.raise_for_status()
                for chunk in response.iter_content(1 << 20):
                    total += len(chunk)
                    if total > limit_bytes:
                        raise IndexUnavailableError(
                            f"the file is longer than {limit_bytes} bytes; refused",
                            where=redact_url(url),
                        )
                    write(chunk)
        except self._failure as error:
            raise IndexUnavailableError(
                f"the download broke off ({type(error).__name__}); try again later",
                where=redact_url(url),
            ) from None
        finally:
            with self._lock:
                self.requests_sent += 1
                self.bytes_read += total


def _range_header(span: tuple[int, int | None]) -> str:
    start, stop = span
    if start < 0:
        return f"bytes={start}"
    return f"bytes={start}-" if stop is None else f"bytes={start}-{stop - 1}"
