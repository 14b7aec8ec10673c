"""Gives the ELF parser bytes: from a mapped file, or from the kept parts of a stream.

Also reads what stands at the very start of a file, because that says which parts to keep:
the program headers of 64-bit little-endian shared objects, and a clear error for the rest.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_verlcompat.errors import ElfFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from typing_extensions import Self

HEADER_BYTES = 64
PT_LOAD = 1
PT_DYNAMIC = 2
PF_EXECUTE = 1
MAX_DYNAMIC_BYTES = 1 << 20
_CLASS_64 = 2
_LITTLE_ENDIAN = 1
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_MAX_SEGMENTS = 1024
_KEPT_BYTES = 256 << 20
_MACHINES = {62: "x86_64", 183: "aarch64"}


class Image(Protocol):
    """A file of which parts can be read."""

    label: str
    """What messages call it."""

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly *size* bytes from *offset*, or raise :class:`ElfFormatError`."""


class FileImage:
    """A shared object on disk, mapped; close it or use it in a ``with`` block."""

    def __init__(self, path: Path, *, label: str | None = None) -> None:
        self.label = label or path.name
        descriptor: int | None = None
        try:
            # A pipe must not block, and a device must not be mapped.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self.size_bytes = os.fstat(descriptor).st_size
            self._map = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise ElfFormatError(f"cannot be read ({error})", where=self.label) from error
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._map.close()

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly *size* bytes from *offset*.

        Raises:
            ElfFormatError: If the file does not reach that far.
        """
        if offset < 0 or size < 0 or offset + size > self.size_bytes:
            raise ElfFormatError(
                f"points at {size} bytes at offset {offset}, outside of the file; "
                "it may be truncated",
                where=self.label,
            )
        return self._map[offset : offset + size]

    def chunks(self, size_bytes: int = 1 << 20) -> Iterator[bytes]:
        """Yield the whole file in order."""
        for start in range(0, self.size_bytes, size_bytes):
            yield self._map[start : start + size_bytes]


class SparseImage:
    """Parts of a file, at their offsets; reading elsewhere is an error."""

    def __init__(self, parts: Iterable[tuple[int, bytes]], *, label: str) -> None:
        self.label = label
        self._parts = sorted(parts, key=lambda part: part[0])
        self.kept_bytes = sum(len(body) for _, body in self._parts)

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly *size* bytes from *offset*.

        Raises:
            ElfFormatError: If these bytes were not kept, or are not in the file.
        """
        for start, body in self._parts:
            if start <= offset and offset + size <= start + len(body) and size >= 0:
                return body[offset - start : offset - start + size]
        raise ElfFormatError(
            f"points at {size} bytes at offset {offset}, outside of what it declares to load",
            where=self.label,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One program header."""

    kind: int
    flags: int
    offset: int
    address: int
    file_bytes: int


def parse_segments(image: Image) -> tuple[str, tuple[Segment, ...]]:
    """Return machine and program headers.

    Raises:
        ElfFormatError: If it is no 64-bit little-endian shared object.
    """
    head = image.read(0, HEADER_BYTES)
    if head[:4] != b"\x7fELF":
        raise ElfFormatError("is not an ELF file (no \\x7fELF at its start)", where=image.label)
    if head[4] != _CLASS_64:
        raise ElfFormatError("is a 32-bit ELF file; only 64-bit is read", where=image.label)
    if head[5] != _LITTLE_ENDIAN:
        raise ElfFormatError("is big-endian; only little-endian is read", where=image.label)
    fields = _HEADER.unpack(head)
    kind, machine, table, entry_bytes, count = (fields[i] for i in (1, 2, 5, 9, 10))
    if kind not in {2, 3}:
        raise ElfFormatError(
            f"is an ELF file of type {kind}, not a shared object", where=image.label
        )
    if entry_bytes != _SEGMENT.size or not 0 < count <= _MAX_SEGMENTS:
        raise ElfFormatError(
            f"declares {count} program headers of {entry_bytes} bytes; refused", where=image.label
        )
    body = image.read(table, count * _SEGMENT.size)
    segments = tuple(
        Segment(kind=row[0], flags=row[1], offset=row[2], address=row[3], file_bytes=row[5])
        for row in _SEGMENT.iter_unpack(body)
    )
    return _MACHINES.get(machine, f"machine {machine}"), segments


def keep_loaded_parts(
    chunks: Iterable[bytes], *, label: str, part_bytes: int = 96 << 20
) -> SparseImage:
    """Return the parts of a streamed file that hold dynamic tables, reading it to its end.

    Code and segments longer than *part_bytes* are dropped as they pass, except for the
    start of the file.

    Raises:
        ElfFormatError: If the stream is no shared object that :func:`parse_segments` reads.
    """
    head = bytearray()
    stream = iter(chunks)
    for chunk in stream:
        head += chunk
        if len(head) >= 1 << 16:
            break
    _, segments = parse_segments(SparseImage([(0, bytes(head))], label=label))
    wanted = sorted(
        {
            (segment.offset, segment.offset + segment.file_bytes)
            for segment in segments
            if (segment.kind == PT_DYNAMIC and segment.file_bytes <= MAX_DYNAMIC_BYTES)
            or (
                segment.kind == PT_LOAD
                and not segment.flags & PF_EXECUTE
                and segment.file_bytes <= part_bytes
            )
        }
    )
    total = sum(stop - start for start, stop in wanted)
    if total > _KEPT_BYTES:
        raise ElfFormatError(f"declares {total} bytes of data to keep; refused", where=label)
    kept = [(start, bytearray()) for start, _ in wanted]
    position = 0

    def take(chunk: bytes) -> None:
        nonlocal position
        for (start, stop), (_, body) in zip(wanted, kept, strict=True):
            if start < position + len(chunk) and position < stop:
                body.extend(chunk[max(0, start - position) : stop - position])
        position += len(chunk)

    take(bytes(head))
    for chunk in stream:
        take(chunk)
    parts = [(0, bytes(head)), *((start, bytes(body)) for start, body in kept)]
    return SparseImage(parts, label=label)
