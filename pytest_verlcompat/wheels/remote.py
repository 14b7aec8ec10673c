"""Reads wheels over HTTP by byte range: the directory, then only the members asked for.

Ranges that lie close together become one request. What was read whole, and the directory,
is kept in a :class:`~pytest_verlcompat.wheels.cache.MemberCache` under the wheel's digest,
so that a second reader sends no request at all. A server without ranges costs the whole
wheel: it is downloaded to a temporary file, and ``fallback`` says so.
"""

from __future__ import annotations

import io
import json
import logging
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import IndexUnavailableError, WheelFormatError
from pytest_verlcompat.wheels.inflate import (
    LOCAL_HEADER_BYTES,
    Member,
    PrefixReader,
    compressed_chunks,
    data_offset,
    decompress,
    inflate,
)
from pytest_verlcompat.wheels.transport import Answer, Transport, redact_url
from pytest_verlcompat.wheels.zipped import (
    DEFAULT_LIMITS,
    Directory,
    Limits,
    WheelFile,
    check_whole,
    collect,
    parse_directory,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from typing_extensions import Self

    from pytest_verlcompat.wheels.cache import MemberCache

_LOGGER = logging.getLogger(__name__)
_DIRECTORY_KEY = "\0directory.1"
_TAIL_BYTES = 1 << 18
"""Holds the directory of four wheels in five of vLLM and SGLang (73 to 610 KB, read 2026-11-20);
with 64 KB, nine in ten needed a second request for it."""

_GAP_BYTES = 160 << 10
"""The 5,445 members of 116 wheels are 840 runs with 128 KB, for 86 MB; 588 with 256, for 134."""

_SPAN_BYTES = 8 << 20
_FIRST_PREFIX_BYTES = 1 << 16
_MAX_PREFIX_STEP_BYTES = 1 << 20


class RemoteWheel:
    """A wheel behind a URL, as a :class:`~pytest_verlcompat.wheels.archive.FileTree`."""

    def __init__(
        self,
        url: str,
        *,
        digest: str | None = None,
        transport: Transport | None = None,
        cache: MemberCache | None = None,
        limits: Limits = DEFAULT_LIMITS,
        gap_bytes: int = _GAP_BYTES,
    ) -> None:
        """Make a reader; no request is sent before the first question.

        Args:
            url: Address; credentials in it are never printed.
            digest: SHA-256 of the wheel, from the index; nothing is cached without it.
            transport: Connections to use, and their counters; a new pool by default.
            cache: Where what was read is kept.
            limits: What is read at most.
            gap_bytes: Unwanted bytes that are read through rather than send a new request.
        """
        self.label = redact_url(url).rpartition("/")[2]
        self.digest = digest
        self.fallback: str | None = None
        """Why the whole wheel was downloaded; None while it was not."""
        self.bytes_read = 0
        self.requests_sent = 0
        """Of this wheel alone; a transport may serve several."""
        self.members_read = 0
        """Files that came with them; read one by one, each would be a request."""
        self._url = url
        self.transport = transport or Transport()
        self._cache = cache if digest else None
        self._limits = limits
        self._gap_bytes = gap_bytes
        self._directory: Directory | None = None
        self._whole: WheelFile | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._prefix: tuple[str, PrefixReader] | None = None
        self._end: tuple[int, bytes] | None = None
        """Where the bytes start that came with the directory, and they themselves."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete what was downloaded to disk and forget what was read."""
        self._prefix = self._end = None
        if self._whole is not None:
            self._whole.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def names(self) -> Sequence[str]:
        """Return every file, by its path relative to site-packages."""
        return list(self._members().members)

    def size_bytes(self, name: str) -> int:
        """Return the declared decompressed size of *name*."""
        return self._members().member(name, label=self.label).size_bytes

    def stamp(self, name: str) -> str | None:
        """Return size and checksum of *name* as the directory lists them."""
        member = self._members().member(name, label=self.label)
        return f"{member.size_bytes}-{member.crc:08x}"

    def read(self, name: str) -> bytes:
        """Return the content of *name*, checked.

        Raises:
            WheelFormatError: If it is missing, too big, damaged or hostile.
            IndexUnavailableError: If the server fails.
        """
        return self.read_many([name])[name]

    def read_many(
        self,
        names: Iterable[str],
        *,
        on_error: Callable[[WheelFormatError], None] | None = None,
    ) -> dict[str, bytes]:
        """Return the content of each name; with *on_error*, bad ones are told and left out.

        Raises:
            WheelFormatError: If one is missing, too big, damaged or hostile.
            IndexUnavailableError: If the server fails.
        """
        wanted = list(dict.fromkeys(names))
        found = self._cache.load_many(self.digest or "", wanted) if self._cache else {}
        missing = [name for name in wanted if name not in found]
        if not missing:
            return found
        directory = self._members()
        if self._whole is not None:
            return found | self._whole.read_many(missing, on_error=on_error)

        def find(name: str) -> Member:
            member = directory.member(name, label=self.label)
            check_whole(member, label=self.label, limits=self._limits)
            return member

        members = collect(find, missing, on_error=on_error)
        records = {member.name: record for member, record in self._records(members.values())}

        def unpack(name: str) -> bytes:
            return decompress(records.pop(name), members[name], label=self.label)

        fresh = collect(unpack, list(records), on_error=on_error)
        if self._cache and fresh:
            self._cache.save(self.digest or "", fresh)
        return found | fresh

    def read_prefix(self, name: str, size_bytes: int) -> bytes:
        """Return the first *size_bytes* of *name*; asking for more continues cheaply.

        Raises:
            WheelFormatError: If it is missing or damaged before that point.
            IndexUnavailableError: If the server fails.
        """
        directory = self._members()
        if self._whole is not None:
            return self._whole.read_prefix(name, size_bytes)
        wanted = min(size_bytes, self._limits.prefix_bytes)
        if self._prefix is None or self._prefix[0] != name:
            member = directory.member(name, label=self.label)
            feed = self._feed(member, first_bytes=_guess_compressed(member, wanted))
            self._prefix = (name, PrefixReader(member, feed=feed, label=self.label))
        return self._prefix[1].upto(wanted)

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield the content of *name* in order; fetches all of it, holds little of it.

        Raises:
            WheelFormatError: If it is missing, damaged or longer than declared.
            IndexUnavailableError: If the server fails.
        """
        directory = self._members()
        if self._whole is not None:
            yield from self._whole.stream(name)
            return
        member = directory.member(name, label=self.label)
        feed = self._feed(member, first_bytes=_MAX_PREFIX_STEP_BYTES, longest=_SPAN_BYTES)
        yield from inflate(compressed_chunks(feed, member), member, label=self.label)

    def _feed(
        self, member: Member, *, first_bytes: int, longest: int = _MAX_PREFIX_STEP_BYTES
    ) -> Callable[[], bytes]:
        """Return a function that fetches the member's data in growing steps."""
        position = member.offset
        step = first_bytes
        started = False

        def feed() -> bytes:
            nonlocal position, step, started
            stop = min(position + step, member.end)
            if stop <= position:
                return b""
            data = self._span(position, stop)
            position = stop
            step = min(step * 2, longest)
            if started:
                return data
            started = True
            return data[data_offset(data, member, label=self.label) :]

        return feed

    def _records(self, members: Iterable[Member]) -> Iterator[tuple[Member, bytes]]:
        """Yield each member with its bytes from the local header on, few requests for all."""
        group: list[Member] = []
        for member in sorted(members, key=lambda member: member.offset):
            if group and (
                member.offset - group[-1].end > self._gap_bytes
                or member.end - group[0].offset > _SPAN_BYTES
            ):
                yield from self._fetch(group)
                group = []
            group.append(member)
        if group:
            yield from self._fetch(group)

    def _fetch(self, group: Sequence[Member]) -> Iterator[tuple[Member, bytes]]:
        start = group[0].offset
        data = self._span(start, group[-1].end)
        self.members_read += len(group)
        for member in group:
            yield member, data[member.offset - start : member.end - start]

    def _span(self, start: int, stop: int) -> bytes:
        if self._end is not None and start >= self._end[0]:
            first, data = self._end
            return data[start - first : stop - first]
        answer = self._get((start, stop), limit_bytes=stop - start)
        if not answer.partial or answer.start != start or len(answer.body) != stop - start:
            raise IndexUnavailableError(
                f"asked for {stop - start} bytes and got {len(answer.body)}",
                where=redact_url(self._url),
            )
        return answer.body

    def _members(self) -> Directory:
        if self._directory is None:
            known = self._cache.load(self.digest or "", _DIRECTORY_KEY) if self._cache else None
            if known is not None:
                self._directory = _decode_directory(known)
            else:
                self._directory = self._read_directory()
                # The directory is known even when the rest had to be downloaded whole.
                if self._cache and self._whole is None:
                    body = _encode_directory(self._directory)
                    self._cache.save(self.digest or "", {_DIRECTORY_KEY: body})
        return self._directory

    def _read_directory(self) -> Directory:
        tail = self._tail()
        if tail is None:
            return self._download()
        size, body = tail
        self._end = size - len(body), body
        stream = _TailStream(size=size, tail=body, fetch=self._span, limits=self._limits)
        # zipfile needs read, seek and tell only.
        return parse_directory(io.BufferedReader(stream), label=self.label, limits=self._limits)

    def _tail(self) -> tuple[int, bytes] | None:
        """Return the wheel's size and its last bytes, or None from a server without ranges."""
        try:
            answer = self._get((-_TAIL_BYTES, None), limit_bytes=_TAIL_BYTES)
        except IndexUnavailableError:
            # Some servers know plain ranges, but refuse those that count from the end.
            answer = None
        if answer is None or (answer.partial and answer.start is None):
            answer = self._get((0, 1), limit_bytes=1)
        if not answer.found:
            raise IndexUnavailableError(
                "the index lists this file, but it is not there", where=redact_url(self._url)
            )
        size = answer.total_bytes
        if not answer.partial or size is None:
            return None
        if answer.start == size - len(answer.body):
            return size, answer.body
        return size, self._span(max(0, size - _TAIL_BYTES), size)

    def _get(self, span: tuple[int, int | None], *, limit_bytes: int) -> Answer:
        answer = self.transport.get(self._url, span=span, limit_bytes=limit_bytes)
        self.requests_sent += 1
        self.bytes_read += len(answer.body)
        return answer

    def _download(self) -> Directory:
        self.fallback = "the server has no byte ranges; the whole wheel was downloaded"
        _LOGGER.warning("%s: %s", self.label, self.fallback)
        self._temporary = tempfile.TemporaryDirectory(prefix="verlcompat-wheel-")
        path = Path(self._temporary.name, self.label)
        with path.open("wb") as stream:
            self.transport.download(
                self._url, write=stream.write, limit_bytes=self._limits.wheel_bytes
            )
        self.requests_sent += 1
        self.bytes_read += path.stat().st_size
        self._whole = WheelFile(path, limits=self._limits)
        return self._whole.directory


class _TailStream(io.RawIOBase):
    """A remote file of which the tail is here; earlier bytes are fetched when read."""

    def __init__(
        self, *, size: int, tail: bytes, fetch: Callable[[int, int], bytes], limits: Limits
    ) -> None:
        super().__init__()
        self._size = size
        self._start = size - len(tail)
        self._tail = tail
        self._fetch = fetch
        self._limits = limits
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("seek before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # io declares the wider WriteableBuffer
        wanted = min(len(buffer), max(0, self._size - self._position))
        if wanted and self._position < self._start:
            if self._size - self._position > self._limits.directory_bytes:
                raise OSError("the central directory is absurdly large")
            self._tail = self._fetch(self._position, self._start) + self._tail
            self._start = self._position
        begin = self._position - self._start
        data = self._tail[begin : begin + wanted]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _guess_compressed(member: Member, wanted: int) -> int:
    """Return how many bytes of the wheel probably hold the first *wanted* of a member."""
    share = wanted * member.compressed_bytes // max(1, member.size_bytes)
    name_bytes = len(member.raw_name.encode())
    guess = LOCAL_HEADER_BYTES + name_bytes + max(share, min(wanted, _FIRST_PREFIX_BYTES))
    return min(guess, _MAX_PREFIX_STEP_BYTES)


def _encode_directory(directory: Directory) -> bytes:
    return json.dumps([asdict(member) for member in directory.members.values()]).encode()


def _decode_directory(body: bytes) -> Directory:
    members = [Member(**fields) for fields in json.loads(body)]
    return Directory(members={member.name: member for member in members})
