"""Reads which GPUs the fat binaries of a shared object carry code for.

Walks the containers of the sections that ``nvcc`` writes: each holds images for one
architecture, as machine code (``sm_90a``) or as PTX (``compute_90``). A mapped file is
hopped through by the lengths in the headers; a file that passes as a stream, or whose section
headers were stripped, is searched for containers.

Source: the vendor documents neither header; their first fields are those of
https://github.com/n-eiling/cuda-fatbin-decompression (fatbin-decompress.h, 2023), read
2026-11-20. That bit 20 of the flags is the ``a`` of an architecture and bit 21 its ``f`` was
seen in what nvcc 13.0.88 writes for ``sm_90``, ``sm_90a``, ``sm_100a`` and ``sm_100f``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ElfFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_verlcompat.wheels.images import Image

_SECTIONS = frozenset({b".nv_fatbin", b"__nv_relfatbin"})
_MAGIC = 0xBA55ED50
_START = struct.pack("<IHH", _MAGIC, 1, 16)
_CONTAINER = struct.Struct("<IHHQ")
_ENTRY = struct.Struct("<HHIQQHHIQQ")
_LEAST_ENTRY_BYTES = 32
_MOST_ENTRY_BYTES = 1 << 16
_ALIGNMENT = 8
_PTX, _CODE = 1, 2
_SPECIFIC, _FAMILY = 1 << 20, 1 << 21
_SECTION = struct.Struct("<IIQQQQIIQQ")
_MAX_SECTIONS = 4096
_MAX_IMAGES = 1_000_000
_MOST_CONTAINER_BYTES = 1 << 34


def find_architectures(image: Image) -> tuple[str, ...] | None:
    """Return the GPU architectures of *image*, sorted; empty where it has no GPU code.

    None where the section headers do not tell where that would be.
    """
    try:
        sections = _find_sections(image)
        return None if sections is None else sort_architectures(_walk_all(image, sections))
    except (ElfFormatError, struct.error):
        return None


def iterate_architectures(image: Image) -> Iterator[str]:
    """Yield the architecture of every image, as often as there are; nothing once it is damaged.

    Whoever has found what was looked for stops, and the rest is not read.
    """
    try:
        yield from _walk_all(image, _find_sections(image) or ())
    except (ElfFormatError, struct.error):
        return


def _walk_all(image: Image, sections: Iterable[tuple[int, int]]) -> Iterator[str]:
    for start, size in sections:
        yield from _walk(image, start, size)


def sort_architectures(names: Iterable[str]) -> tuple[str, ...]:
    """Return each of *names* once, oldest architecture first."""
    return tuple(sorted(set(names), key=lambda name: (_digits(name), name)))


def _digits(name: str) -> int:
    return int("".join(filter(str.isdigit, name)) or 0)


def _find_sections(image: Image) -> list[tuple[int, int]] | None:
    """Return offset and size of the sections with GPU code, None without section headers."""
    (table,) = struct.unpack("<Q", image.read(40, 8))
    size, count, names_index = struct.unpack("<HHH", image.read(58, 6))
    if size != _SECTION.size or not names_index < count <= _MAX_SECTIONS:
        return None
    rows = list(_SECTION.iter_unpack(image.read(table, size * count)))
    names = image.read(rows[names_index][4], rows[names_index][5])
    found: list[tuple[int, int]] = []
    for row in rows:
        end = names.find(b"\0", row[0])
        if names[row[0] : end] in _SECTIONS:
            found.append((int(row[4]), int(row[5])))
    return found


def _walk(image: Image, start: int, size: int) -> Iterator[str]:
    position, end = start, start + size
    for _ in range(_MAX_IMAGES):
        if position + _CONTAINER.size > end:
            break
        magic, _, header, length = _CONTAINER.unpack(image.read(position, _CONTAINER.size))
        if magic != _MAGIC:
            position += _ALIGNMENT  # containers are aligned, with zeros between them
            continue
        inner, stop = position + header, min(position + header + length, end)
        while inner + _ENTRY.size <= stop:
            name, step = _read_entry(image.read(inner, _ENTRY.size))
            if name is not None:
                yield name
            inner += step
        position = max(_align(stop), position + _ALIGNMENT)


def _read_entry(body: bytes) -> tuple[str | None, int]:
    """Return the architecture of one image, if it has code for one, and where the next is."""
    kind, _, header, length, _, _, _, number, _, flags = _ENTRY.unpack(body)
    step = max(header + length, _LEAST_ENTRY_BYTES)
    if kind not in {_PTX, _CODE}:
        return None, step
    letter = "a" if flags & _SPECIFIC else "f" if flags & _FAMILY else ""
    return f"{'sm' if kind == _CODE else 'compute'}_{number}{letter}", step


def _align(position: int) -> int:
    return -(-position // _ALIGNMENT) * _ALIGNMENT


def scan_architectures(chunks: Iterable[bytes]) -> tuple[str, ...]:
    """Return the GPU architectures of a shared object that passes by in order.

    Holds one of *chunks* and a few bytes of the one before.
    """
    scanner = _Scanner()
    for chunk in chunks:
        scanner.feed(chunk)
    return sort_architectures(scanner.found)


class _Scanner:
    """Looks for containers in a stream, and hops through their images."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self._body = b""
        self._start = 0
        """Where in the file ``_body`` starts."""
        self._next = 0
        """Where in the file the next header is looked for."""
        self._stop = 0
        """Where the container ends that ``_next`` lies in; 0 outside of one."""

    def feed(self, chunk: bytes) -> None:
        self._body += chunk
        while self._step():
            pass
        cut = min(max(self._next - self._start, 0), len(self._body))
        self._body = self._body[cut:]
        self._start += cut

    def _step(self) -> bool:
        """Return whether a header was read, or the end of a container reached."""
        place = self._next - self._start
        if self._stop:
            if self._next + _ENTRY.size > self._stop:
                self._next, self._stop = _align(self._stop), 0
                return True
            body = self._body[place : place + _ENTRY.size] if place >= 0 else b""
            if len(body) < _ENTRY.size:
                return False
            name, step = _read_entry(body)
            if name is not None:
                self.found.add(name)
            self._next += step
            return True
        return place >= 0 and self._find_container(place)

    def _find_container(self, place: int) -> bool:
        needed = _CONTAINER.size + _ENTRY.size
        found = self._body.find(_START, place)
        if found < 0:
            self._next = max(self._next, self._start + len(self._body) - len(_START) + 1)
            return False
        self._next = self._start + found
        body = self._body[found : found + needed]
        if len(body) < needed:
            return False
        _, _, header, length = _CONTAINER.unpack(body[: _CONTAINER.size])
        kind, _, entry_bytes, *_ = _ENTRY.unpack(body[header:needed])
        shaped = kind in {_PTX, _CODE} and _LEAST_ENTRY_BYTES <= entry_bytes <= _MOST_ENTRY_BYTES
        if self._next % _ALIGNMENT == 0 and shaped and length <= _MOST_CONTAINER_BYTES:
            self._stop = self._next + header + length
            self._next += header
        else:
            self._next += len(_START)
        return True
