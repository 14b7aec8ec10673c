"""A log file that is redacted line by line, bounded in size, and knows its digest."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_LINE_BYTES = 1 << 14
_HELD_BYTES = 1 << 10
"""Kept back of a line that is not over: a secret may have come only in part."""
_CUTS = 8
_KEEP_BYTES = 4 << 20
_TAIL_CHARACTERS = 8 << 10
_END_BYTES = 2 * _TAIL_CHARACTERS


class Log:
    """Takes raw output in pieces and keeps it as redacted lines.

    A line longer than 16 KiB is cut into several. After 4 MiB nothing more is written to the
    file, and no more time is spent on it, but the tail stays current.
    """

    def __init__(self, path: Path | None, *, redact: Callable[[str], str]) -> None:
        self._path = path
        self._redact = redact
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._rest = b""
        self._end = b""
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
        self._end = (self._end + chunk)[-_END_BYTES:]
        if self._file is None or self.written_bytes >= _KEEP_BYTES:
            self._rest = b""
            return
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._keep(line)
        if len(self._rest) > _LINE_BYTES:
            end = self._find_cut(self._rest)
            self._keep(self._rest[:end])
            self._rest = self._rest[end:]

    @property
    def tail(self) -> str:
        """The last lines, at most 8 KiB."""
        end = self._end
        if self.seen_bytes > len(end):  # what it begins with may be a part of a secret
            end = end[(end.find(b"\n", 0, _HELD_BYTES) + 1) or _HELD_BYTES :]
        lines = end.removesuffix(b"\n").split(b"\n")
        return "\n".join(map(self._clean, lines))[-_TAIL_CHARACTERS:]

    def _find_cut(self, line: bytes) -> int:
        """Return where *line* may be cut: where no secret stands across."""
        whole = self._clean(line)
        last = len(line) - _HELD_BYTES
        for end in range(last, last - _CUTS * _HELD_BYTES, -_HELD_BYTES):
            if self._clean(line[:end]) + self._clean(line[end:]) == whole:
                return end
        return last

    def _clean(self, line: bytes) -> str:
        return self._redact(line.decode("utf-8", errors="replace").rstrip("\r"))

    def _keep(self, line: bytes) -> None:
        text = self._clean(line)
        for start in range(0, max(len(text), 1), _LINE_BYTES):
            self._write(text[start : start + _LINE_BYTES])

    def _write(self, text: str) -> None:
        if self._file is None or self.written_bytes >= _KEEP_BYTES:
            return
        data = (text + "\n").encode("utf-8", errors="replace")
        self._file.write(data)
        self._file.flush()
        self._digest.update(data)
        self.written_bytes += len(data)
