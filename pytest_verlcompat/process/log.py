"""A log file that is redacted line by line, bounded in size, and knows its digest."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_LINE_BYTES = 1 << 14
_KEEP_BYTES = 4 << 20
_TAIL_BYTES = 8 << 10


class Log:
    """Takes raw output in pieces and keeps it as redacted lines.

    A line longer than 16 KiB is cut into several. After 4 MiB nothing more is written to the
    file, but the tail stays current.
    """

    def __init__(self, path: Path | None, *, redact: Callable[[str], str]) -> None:
        self._path = path
        self._redact = redact
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._rest = b""
        self._tail: deque[str] = deque()
        self._tail_bytes = 0
        self.seen_bytes = 0
        self.written_bytes = 0
        self.sha256: str | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._rest:
            self._keep(self._rest)
            self._rest = b""
        if self._file is not None:
            self._file.close()
            self.sha256 = self._digest.hexdigest()

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of raw output."""
        self.seen_bytes += len(chunk)
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._keep(line)
        while len(self._rest) > _LINE_BYTES:
            self._keep(self._rest[:_LINE_BYTES])
            self._rest = self._rest[_LINE_BYTES:]

    @property
    def tail(self) -> str:
        """The last lines, at most 8 KiB."""
        return "\n".join(self._tail)

    def _keep(self, line: bytes) -> None:
        text = self._redact(line.decode("utf-8", errors="replace").rstrip("\r"))
        self._tail.append(text)
        self._tail_bytes += len(text) + 1
        while self._tail_bytes > _TAIL_BYTES and len(self._tail) > 1:
            self._tail_bytes -= len(self._tail.popleft()) + 1
        if self._file is None or self.written_bytes >= _KEEP_BYTES:
            return
        data = (text + "\n").encode("utf-8", errors="replace")
        self._file.write(data)
        self._file.flush()
        self._digest.update(data)
        self.written_bytes += len(data)
