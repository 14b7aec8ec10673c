"""Turns the compressed bytes of one member of a wheel into its content, checked.

Whole, in order, or as a prefix that can grow; never more than was declared.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import WheelFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LOCAL_HEADER_BYTES = 30
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_CHUNK_BYTES = 1 << 18
_PIECE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry of a wheel's central directory."""

    name: str
    """Path relative to site-packages."""
    raw_name: str
    """As written in the wheel; differs for ``.data/purelib`` and ``.data/platlib``."""
    method: int
    crc: int
    compressed_bytes: int
    size_bytes: int
    offset: int
    """Of the local header, from the start of the wheel."""
    end: int
    """Where the next member or the central directory starts."""
    problem: str | None = None
    """Why this member must not be read."""


def data_offset(header: bytes, member: Member, *, label: str) -> int:
    """Return where the data of *member* starts, counted from its local *header*.

    Raises:
        WheelFormatError: If *header* is not a local header of that member's method.
    """
    if len(header) < LOCAL_HEADER_BYTES:
        raise WheelFormatError("is truncated", where=f"{label}: {member.name}")
    fields = _LOCAL_HEADER.unpack(header[:LOCAL_HEADER_BYTES])
    if fields[0] != b"PK\3\4":
        raise WheelFormatError(
            "has no local header where the directory says", where=f"{label}: {member.name}"
        )
    return LOCAL_HEADER_BYTES + int(fields[9]) + int(fields[10])


def decompress(record: bytes, member: Member, *, label: str) -> bytes:
    """Return the content of *member*, whose local header *record* starts with.

    Raises:
        WheelFormatError: If length or CRC are not the declared ones.
    """
    where = f"{label}: {member.name}"
    start = data_offset(record, member, label=label)
    data = record[start : start + member.compressed_bytes]
    if len(data) < member.compressed_bytes:
        raise WheelFormatError("is truncated", where=where)
    if member.method == zipfile.ZIP_DEFLATED:
        try:
            data = zlib.decompressobj(-15).decompress(data, member.size_bytes + 1)
        except zlib.error as error:
            raise WheelFormatError(f"cannot be decompressed ({error})", where=where) from error
    if len(data) != member.size_bytes:
        raise WheelFormatError(
            f"holds other than the {member.size_bytes} bytes that it declares", where=where
        )
    if zlib.crc32(data) != member.crc:
        raise WheelFormatError("its content does not have the declared CRC", where=where)
    return data


class PrefixReader:
    """Decompresses a member from its start, only as far as it was asked to.

    *feed* returns the next compressed bytes after the local header, and ``b""`` at the end.
    Asking for more continues where the last call stopped.
    """

    def __init__(self, member: Member, *, feed: Callable[[], bytes], label: str) -> None:
        self._member = member
        self._feed = feed
        self._where = f"{label}: {member.name}"
        self._inflate = zlib.decompressobj(-15) if member.method == zipfile.ZIP_DEFLATED else None
        self._known = bytearray()
        self._taken = 0

    def upto(self, size_bytes: int) -> bytes:
        """Return the first *size_bytes* of the content, fewer if it is shorter.

        Raises:
            WheelFormatError: If the data ends or breaks before that.
        """
        wanted = min(size_bytes, self._member.size_bytes)
        while len(self._known) < wanted:
            chunk = self._next(wanted - len(self._known))
            if not chunk and self._taken >= self._member.compressed_bytes:
                raise WheelFormatError("ends before its declared size", where=self._where)
            self._known += chunk
        return bytes(self._known[:wanted])

    def _next(self, missing: int) -> bytes:
        pending = self._inflate.unconsumed_tail if self._inflate else b""
        if not pending:
            pending = self._feed()[: self._member.compressed_bytes - self._taken]
            self._taken += len(pending)
            if not pending:
                self._taken = self._member.compressed_bytes
        if self._inflate is None:
            return pending
        try:
            return self._inflate.decompress(pending, max(missing, 1))
        except zlib.error as error:
            raise WheelFormatError(
                f"cannot be decompressed ({error})", where=self._where
            ) from error


def compressed_chunks(feed: Callable[[], bytes], member: Member) -> Iterator[bytes]:
    """Yield the compressed bytes of *member*, and nothing of what *feed* gives beyond."""
    left = member.compressed_bytes
    while left > 0:
        chunk = feed()[:left]
        if not chunk:
            return
        left -= len(chunk)
        yield chunk


def inflate(chunks: Iterable[bytes], member: Member, *, label: str) -> Iterator[bytes]:
    """Yield the content of *member* from its compressed *chunks*, holding one at a time.

    Raises:
        WheelFormatError: If it is longer than declared, broken, or has another CRC.
    """
    where = f"{label}: {member.name}"
    decompressor = zlib.decompressobj(-15) if member.method == zipfile.ZIP_DEFLATED else None
    size = crc = 0
    # Small pieces, because what a decompressor leaves over is copied.
    pieces = (chunk[i : i + _PIECE_BYTES] for chunk in chunks for i in _starts(chunk))
    for piece in pieces:
        pending = piece
        while pending:
            content = pending
            if decompressor is not None:
                try:
                    content = decompressor.decompress(pending, _CHUNK_BYTES)
                except zlib.error as error:
                    raise WheelFormatError(
                        f"cannot be decompressed ({error})", where=where
                    ) from error
            pending = decompressor.unconsumed_tail if decompressor else b""
            size += len(content)
            crc = zlib.crc32(content, crc)
            if size > member.size_bytes:
                raise WheelFormatError(
                    f"holds more than the {member.size_bytes} bytes that it declares", where=where
                )
            yield content
    if (size, crc) != (member.size_bytes, member.crc):
        raise WheelFormatError("its content does not have the declared CRC", where=where)


def _starts(chunk: bytes) -> range:
    return range(0, len(chunk), _PIECE_BYTES)
