"""Reads the end of a deflated file in a wheel without what stands before it.

torch's libraries were edited after linking: their names stand at the end of a file of a
gigabyte, compressed. A deflated stream is made of blocks, each with codes of its own, that may
copy from the 32 KiB before them and depend on nothing else. So the reading starts in the middle:
at the first bit at which blocks follow one another to the very end of the stream. What was
copied from the unknown 32 KiB is told by decoding twice with two fillings of it: bytes that
come out the same do not depend on it. Only such bytes are given.

Source: RFC 1951, https://www.rfc-editor.org/rfc/rfc1951, read 2026-11-20.
"""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pytest_verlcompat.errors import ElfFormatError
from pytest_verlcompat.wheels.images import PF_EXECUTE, PT_LOAD, Segment, parse_segments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.wheels.inflate import Member

_WINDOW_BYTES = 1 << 15
_SEARCHED_BYTES = 1 << 18
_TRIED_BYTES = 1 << 13
_PIECE_BYTES = 1 << 18
_HEAD_BYTES = 1 << 16
_FRONT_BYTES = 48 << 20
_KEPT_BYTES = 128 << 20
_BITS = 8
_FILLINGS = (b"\0" * _WINDOW_BYTES, b"\xff" * _WINDOW_BYTES)
_MOST_CODES = 29
_DYNAMIC_BLOCK = 0b100
"""Lowest bits of a block that is not the last one and has codes of its own."""


class EndUnreadableError(Exception):
    """The end cannot be told from a part of the stream; the caller reads it all."""


@runtime_checkable
class Packed(Protocol):
    """A wheel that gives the compressed bytes of its members."""

    label: str

    def member(self, name: str) -> Member:
        """Return what the directory says of *name*."""

    def read_packed(self, name: str, start: int, stop: int) -> bytes:
        """Return these compressed bytes of *name*, counted from the first of its data."""

    def read_prefix(self, name: str, size_bytes: int) -> bytes:
        """Return the first *size_bytes* of the content."""


class EndsImage:
    """A shared object in a wheel of which start and end are read, and little between."""

    def __init__(self, wheel: Packed, name: str) -> None:
        """Read the start and the program headers.

        Raises:
            EndUnreadableError: If the end cannot be told from less than the whole.
            ElfFormatError: If it is no shared object.
        """
        self.label = f"{wheel.label}: {name}"
        self._wheel, self._name = wheel, name
        self._size_bytes = wheel.member(name).size_bytes
        self._front = wheel.read_prefix(name, _HEAD_BYTES)
        self._end = _End(wheel, name)
        self._parts: list[tuple[int, bytes]] = []
        self._segments: tuple[Segment, ...] = ()
        self._segments = parse_segments(self)[1]

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly *size* bytes from *offset*.

        Raises:
            ElfFormatError: If they are outside of the file, or too many.
            EndUnreadableError: If they can be told from the whole file only.
        """
        stop = offset + size
        if 0 <= offset <= stop <= max(_HEAD_BYTES, min(_FRONT_BYTES, self._size_bytes // 2)):
            if stop > len(self._front):
                self._front = self._wheel.read_prefix(self._name, stop)
            if stop <= len(self._front):
                return self._front[offset:stop]
        for start, body in self._parts:
            if start <= offset and stop <= start + len(body):
                return body[offset - start : stop - start]
        first, last = self._surroundings(offset, stop)
        self._parts.append((first, self._end.take(first, last)))
        return self.read(offset, size)

    def _surroundings(self, start: int, stop: int) -> tuple[int, int]:
        """Return what is loaded together with these bytes, for the next questions."""
        last = self._size_bytes
        if not 0 <= start <= stop <= last:
            raise ElfFormatError(
                f"points at {stop - start} bytes at offset {start}, outside of the file",
                where=self.label,
            )
        if stop - start > _KEPT_BYTES:
            raise ElfFormatError(f"points at {stop - start} bytes; refused", where=self.label)
        for each in self._segments:
            end = each.offset + each.file_bytes
            small = each.file_bytes <= _KEPT_BYTES and not each.flags & PF_EXECUTE
            if each.kind == PT_LOAD and each.offset <= start and stop <= end <= last and small:
                return each.offset, end
        return start, stop


class _End:
    """The end of one deflated member, fetched as far back as was needed."""

    def __init__(self, wheel: Packed, name: str) -> None:
        self._wheel = wheel
        self._member = member = wheel.member(name)
        if member.method != zipfile.ZIP_DEFLATED:
            raise EndUnreadableError(name)
        self._packed = b""
        self._body = b""
        """Blocks up to the end of the stream, from a whole byte on."""
        self._position = member.size_bytes
        """Where in the content they start."""

    def take(self, first: int, last: int) -> bytes:
        """Return the content from *first* to *last*.

        Raises:
            EndUnreadableError: If that takes as much as the whole.
        """
        while True:
            if self._position <= first:
                found = self._decode(first, last)
                if found is not None:
                    return found
            self._grow(first)

    def _grow(self, first: int) -> None:
        """Fetch more, at first what *first* probably asks for."""
        member = self._member
        share = member.compressed_bytes / max(1, member.size_bytes)
        guess = _SEARCHED_BYTES + int((member.size_bytes - first) * min(share, 0.25))
        fetched = max(guess, len(self._packed) * 3 // 2)
        start = member.compressed_bytes - fetched
        if fetched > member.compressed_bytes * 2 // 3:
            raise EndUnreadableError(member.name)
        stop = member.compressed_bytes - len(self._packed)
        self._packed = self._wheel.read_packed(member.name, start, stop) + self._packed
        found = _find_block(self._packed)
        if found is not None:
            self._body = _shift(self._packed[found // _BITS :], found % _BITS)
            length = sum(map(len, _inflate(self._body, _FILLINGS[0])))
            self._position = member.size_bytes - length
            if self._position < 0:
                raise EndUnreadableError(member.name)  # it holds more than it declares

    def _decode(self, first: int, last: int) -> bytes | None:
        """Return these bytes, None where they depend on what stands before."""
        kept = bytearray()
        position = self._position
        both = (_inflate(self._body, filling) for filling in _FILLINGS)
        for one, other in zip(*both, strict=True):
            if first < position + len(one) and position < last:
                low, high = max(0, first - position), last - position
                if one[low:high] != other[low:high]:
                    return None
                kept += one[low:high]
            position += len(one)
        return bytes(kept)


def _find_block(packed: bytes) -> int | None:
    """Return the first bit at which blocks begin that go on to the end of the stream.

    Looks for blocks with codes of their own, the only kind whose start is telling: the bits
    100 (not the last block, dynamic codes), then at most 29 codes of each kind.
    """
    head = packed[: _SEARCHED_BYTES + _TRIED_BYTES]
    shifted = [_shift(head, bits) for bits in range(_BITS)]
    last = min(_SEARCHED_BYTES, len(packed) - _TRIED_BYTES)
    for place in range(max(0, last)):
        for bits in range(_BITS):
            body = shifted[bits]
            low = body[place]
            if low & 7 != _DYNAMIC_BLOCK or max(low >> 3, body[place + 1] & 31) > _MOST_CODES:
                continue
            if _decodes(body[place : place + _TRIED_BYTES]) and _ends(packed, place, bits):
                return place * _BITS + bits
    return None


def _shift(body: bytes, bits: int) -> bytes:
    """Return *body* without its first *bits* bits; a byte of zeros may stand at the end."""
    if bits == 0:
        return body
    return (int.from_bytes(body, "little") >> bits).to_bytes(len(body), "little")


def _decodes(body: bytes) -> bool:
    try:
        zlib.decompressobj(-zlib.MAX_WBITS, zdict=_FILLINGS[0]).decompress(body, _PIECE_BYTES)
    except zlib.error:
        return False
    return True


def _ends(packed: bytes, place: int, bits: int) -> bool:
    """Return whether the stream from there on is sound and ends with *packed*."""
    try:
        for _ in _inflate(_shift(packed[place:], bits), _FILLINGS[0]):
            pass
    except zlib.error:
        return False
    return True


def _inflate(body: bytes, filling: bytes) -> Iterator[bytes]:
    """Yield the content of the deflated *body*, which must end with its last block.

    Raises:
        zlib.error: If it breaks, ends early or goes on beyond its last block.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=filling)
    for place in range(0, len(body), _PIECE_BYTES):
        pending = body[place : place + _PIECE_BYTES]
        while pending and not inflater.eof:
            yield inflater.decompress(pending, 4 * _PIECE_BYTES)
            pending = inflater.unconsumed_tail
    while not inflater.eof and (rest := inflater.decompress(b"", _PIECE_BYTES)):
        yield rest
    # Shifting may leave one byte of zeros behind the last block.
    if not inflater.eof or len(inflater.unused_data) > 1:
        raise zlib.error("does not end where its last block does")
