"""Reads what a shared object needs from its first kilobytes, where a linker left it.

Linkers write hash table, symbols, strings and versions one after the other at the start of
a file, and ``.dynamic``, which says so, behind the code: in a CUDA extension hundreds of
megabytes later. In a compressed wheel that is the whole download. The order is enough:
each table has a shape that can be recognised and checked, and the end of one is the start
of the next.

What cannot be known from the start is the order of DT_NEEDED, so ``needed`` holds the
library names found in the string table, sorted. A file that was edited after linking
(patchelf moves tables to its end) does not have the shape: :class:`NotInFrontError` tells
the caller to read it all.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ElfFormatError
from pytest_verlcompat.wheels.elf import SharedObject, Symbol
from pytest_verlcompat.wheels.images import PT_LOAD, Segment, SparseImage, parse_segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_FIRST_BYTES = 1 << 16
_LAST_BYTES = 64 << 20
_GROWTH = 2
_SYMBOL = struct.Struct("<IBBHQQ")
_GLOBAL, _WEAK, _UNIQUE = 1, 2, 10
_VERSION_MASK = 0x7FFF
_MAX_VERSIONS = 10_000
_MAX_PADDING_BYTES = 1 << 16
_NEVER_VERSIONED = re.compile(r"_ZNK?(3c10|2at|5torch|8pybind11)|_?Py[A-Z_]|_ITM_|__gmon_start__")
# Old enough to be versioned on every system; newer ones may come from a static library.
_ALWAYS_VERSIONED = frozenset(
    {
        "__cxa_finalize",
        "__cxa_atexit",
        "__cxa_begin_catch",
        "__gxx_personality_v0",
        "__stack_chk_fail",
        "_Unwind_Resume",
        "_Znwm",
        "_ZdlPv",
        "memcpy",
        "memmove",
        "memset",
        "memcmp",
        "strlen",
        "strcmp",
        "malloc",
        "free",
        "abort",
    }
)


_PT_NOTE = 4
_MAX_NOTES_BYTES = 4096
_MAX_BUCKETS = 1 << 20
_LIBRARY = re.compile(r"[A-Za-z0-9_+.-]+\.so(\.[0-9A-Za-z_]+)*")
_LOADER = re.compile(r"ld-linux[A-Za-z0-9_.-]*\.so\.[0-9]+")


class NotInFrontError(Exception):
    """The tables are not at the start of the file, or not in a shape that is known."""


class _TooShortError(Exception):
    """More of the file is needed to go on."""


@dataclass(frozen=True, slots=True)
class _Hash:
    """A GNU hash table that passed every check."""

    end: int
    """Where the symbols start, before alignment."""
    symbols: int


def parse_front(read_prefix: Callable[[int], bytes], *, label: str) -> SharedObject:
    """Return what the shared object needs; *read_prefix* gives its first bytes, as asked.

    Raises:
        NotInFrontError: If the tables are elsewhere.
        ElfFormatError: If it is no 64-bit little-endian shared object, or is truncated.
    """
    size = _FIRST_BYTES
    while True:
        body = read_prefix(size)
        machine, segments = parse_segments(SparseImage([(0, body)], label=label))
        limit = max(
            (s.file_bytes for s in segments if s.kind == PT_LOAD and s.offset == 0), default=0
        )
        try:
            return _Front(body, limit=limit, label=label).parse(machine, segments)
        except _TooShortError:
            if size >= min(limit, _LAST_BYTES):
                raise NotInFrontError(label) from None
            if len(body) < size:
                raise ElfFormatError(
                    "ends before the part that it declares to load; it is truncated", where=label
                ) from None
        size = min(size * _GROWTH, max(limit, _FIRST_BYTES))


class _Front:
    def __init__(self, body: bytes, *, limit: int, label: str) -> None:
        self._body = body
        self._limit = limit
        self._label = label

    def _unpack(self, layout: str, position: int) -> tuple[int, ...]:
        size = struct.calcsize(layout)
        if position + size > len(self._body):
            raise _TooShortError
        return struct.unpack_from(layout, self._body, position)

    def parse(self, machine: str, segments: Sequence[Segment]) -> SharedObject:
        """Return the object, or raise for want of bytes or of a known shape."""
        for position in _hash_positions(segments):
            table = self._try_hash(position)
            if table is not None:
                try:
                    return self._parse_behind(table, machine)
                except NotInFrontError:
                    continue  # it only looked like a hash table
        raise NotInFrontError(self._label)

    def _parse_behind(self, table: _Hash, machine: str) -> SharedObject:
        start = -(-table.end // 8) * 8
        stop = start + table.symbols * _SYMBOL.size
        if stop + 1 > len(self._body):
            raise _TooShortError
        rows = list(_SYMBOL.iter_unpack(self._body[start:stop]))
        if any(rows[0]) or self._body[stop] != 0:
            raise NotInFrontError(self._label)
        strings = self._read_strings(stop, rows)
        position, versions = self._find_versions(stop + len(strings), strings, count=len(rows))
        numbers = self._find_numbers(
            position, rows, strings, versions=versions, earliest=stop + len(strings)
        )
        undefined = _undefined(rows, strings, numbers=numbers, versions=versions)
        by_library: dict[str, list[str]] = {}
        for version, library in versions.values():
            by_library.setdefault(library, []).append(version)
        used = {row[0] for row in rows}
        return SharedObject(
            machine=machine,
            soname=None,
            needed=tuple(_libraries(strings, used, by_library, own=self._label)),
            search_path=(),
            undefined=undefined,
            exported=_exported(rows, strings),
            versions={key: tuple(sorted(names)) for key, names in sorted(by_library.items())},
        )

    def _try_hash(self, position: int) -> _Hash | None:
        """Return the hash table at *position* if there is one."""
        buckets, first, blooms, shift = self._unpack("<IIII", position)
        shaped = (
            0 < buckets <= _MAX_BUCKETS
            and 0 < first <= 1 << 22
            and 0 < blooms <= 1 << 20
            and blooms & (blooms - 1) == 0
            and 0 < shift < 64  # noqa: PLR2004 - bits of a bloom word
        )
        start = position + 16 + 8 * blooms
        if not shaped or start + 4 * buckets > self._limit:
            return None
        values = self._unpack(f"<{buckets}I", start)
        if any(value and value < first for value in values):
            return None
        last = max(values)
        chains = start + 4 * buckets
        if last == 0:
            return self._try_symbols(chains, first)
        if chains + 4 * (last - first) > self._limit:
            return None
        while not self._unpack("<I", chains + 4 * (last - first))[0] & 1:
            last += 1
        return self._try_symbols(chains + 4 * (last - first + 1), last + 1)

    def _try_symbols(self, end: int, symbols: int) -> _Hash | None:
        """Return the table if what follows it starts like a symbol table."""
        start = -(-end // 8) * 8
        if start + 2 * _SYMBOL.size > len(self._body):
            raise _TooShortError
        empty = self._body[start : start + _SYMBOL.size]
        second = self._body[start + _SYMBOL.size : start + 2 * _SYMBOL.size]
        plausible = symbols == 1 or any(second)
        return _Hash(end, symbols) if not any(empty) and plausible else None

    def _read_strings(self, start: int, rows: Sequence[tuple[int, ...]]) -> bytes:
        """Return the string table; linkers may leave zeros behind it.

        The empty string stands at its start only, so two zeros in a row end it.
        """
        last = start + max(row[0] for row in rows)
        end = self._body.find(b"\0\0", last)
        if end < 0:
            raise _TooShortError
        return self._body[start : end + 1]

    def _find_versions(
        self, start: int, strings: bytes, *, count: int
    ) -> tuple[int, dict[int, tuple[str, str]]]:
        """Return where the needed versions stand, and what their numbers mean."""
        first = -(-(start + 2 * count) // 8) * 8
        for position in range(first, first + _MAX_PADDING_BYTES, 8):
            if self._unpack("<H", position)[0] == 1:
                try:
                    return position, self._read_versions(position, strings)
                except NotInFrontError:
                    continue  # a 1 of the table before
        raise NotInFrontError(self._label)

    def _read_versions(self, position: int, strings: bytes) -> dict[int, tuple[str, str]]:
        found: dict[int, tuple[str, str]] = {}
        left = _MAX_VERSIONS
        while True:
            version, inner_count, file, first, following = self._unpack("<HHIII", position)
            library = _text(strings, file)
            left -= inner_count
            if version != 1 or inner_count == 0 or left < 0 or not _is_library(library):
                raise NotInFrontError(self._label)
            inner = position + first
            for _ in range(inner_count):
                _, _, number, name, step = self._unpack("<IHHII", inner)
                found[number & _VERSION_MASK] = (_text(strings, name), library)
                inner += step
            if following == 0:
                return found
            position += following

    def _find_numbers(
        self,
        end: int,
        rows: Sequence[tuple[int, ...]],
        strings: bytes,
        *,
        versions: dict[int, tuple[str, str]],
        earliest: int,
    ) -> Sequence[int]:
        """Return the version number of each symbol: the table that ends at *end*, padding aside.

        Of the four places that alignment allows, one must be consistent; if two are, none is
        believed.
        """
        found: list[list[int]] = []
        for padding in (0, 2, 4, 6):
            start = end - padding - 2 * len(rows)
            if start >= earliest and not any(self._body[end - padding : end]):
                numbers = [
                    number & _VERSION_MASK for number in self._unpack(f"<{len(rows)}H", start)
                ]
                if _consistent(numbers, rows, strings, versions=versions):
                    found.append(numbers)
        if len(found) != 1:
            raise NotInFrontError(self._label)
        return found[0]


def _consistent(
    numbers: Sequence[int],
    rows: Sequence[tuple[int, ...]],
    strings: bytes,
    *,
    versions: dict[int, tuple[str, str]],
) -> bool:
    """Return whether each symbol has a version of the kind its name and state allow."""
    if numbers[0] != 0:
        return False
    for number, row in zip(numbers, rows, strict=True):
        if number > 1 and (number not in versions or row[3] != 0):
            return False
        if row[3] == 0 and row[0]:
            name = _text(strings, row[0])
            wrong = _NEVER_VERSIONED.match(name) if number > 1 else name in _ALWAYS_VERSIONED
            if wrong:
                return False
    return True


def _hash_positions(segments: Sequence[Segment]) -> Iterator[int]:
    """Yield where the hash table may start: behind the notes, else somewhere near."""
    first = 64 + 56 * len(segments)
    near = range(-(-first // 8) * 8, first + _MAX_NOTES_BYTES, 8)
    notes = [s.offset + s.file_bytes for s in segments if s.kind == _PT_NOTE]
    behind = [-(-end // 8) * 8 for end in notes if end in range(first, near.stop)]
    yield from dict.fromkeys([*sorted(behind, reverse=True), *near])


def _undefined(
    rows: Iterable[tuple[int, ...]],
    strings: bytes,
    *,
    numbers: Sequence[int],
    versions: dict[int, tuple[str, str]],
) -> tuple[Symbol, ...]:
    found: list[Symbol] = []
    for row, number in zip(rows, numbers, strict=True):
        bind = row[1] >> 4
        if row[3] == 0 and row[0] and bind in {_GLOBAL, _WEAK}:
            version, library = versions.get(number, (None, None))
            found.append(
                Symbol(
                    name=_text(strings, row[0]),
                    defined=False,
                    weak=bind == _WEAK,
                    version=version,
                    library=library,
                )
            )
    return tuple(found)


def _exported(rows: Iterable[tuple[int, ...]], strings: bytes) -> tuple[str, ...]:
    return tuple(
        _text(strings, row[0])
        for row in rows
        if row[3] and row[0] and row[1] >> 4 in {_GLOBAL, _WEAK, _UNIQUE} and not row[2] & 2
    )


def _libraries(strings: bytes, used: set[int], versioned: Iterable[str], *, own: str) -> list[str]:
    """Return the library names of the string table that are no symbol's name.

    The object's own soname, which stands there too, is its file name up to the ``.so``,
    perhaps without the digest that auditwheel puts into it.
    """
    stem = own.rpartition("/")[2].partition(".so")[0]
    own_stems = {stem, re.sub(r"[.-][0-9a-f]{8}$", "", stem)}
    found = set(versioned)
    position = 0
    for text in strings.split(b"\0"):
        if position not in used:
            name = text.decode("utf-8", "replace")
            if _is_library(name):
                found.add(name)
        position += len(text) + 1
    return sorted(name for name in found if name.partition(".so")[0] not in own_stems)


def _is_library(name: str) -> bool:
    return bool(_LIBRARY.fullmatch(name) or _LOADER.fullmatch(name))


def _text(strings: bytes, start: int) -> str:
    end = strings.find(b"\0", start)
    if start >= len(strings) or end < 0:
        raise NotInFrontError("a name outside of the string table")
    return strings[start:end].decode("utf-8", "replace")
