"""Reads the dynamic tables of shared objects: 64-bit little-endian ELF, as torch's wheels hold.

What the dynamic loader would read, and nothing else: program headers, ``.dynamic``, symbols,
versions and hash tables. Section headers are never needed, so stripped files read the same.
Every offset and count is checked against the file before it is believed. Nothing is loaded.

The parser is ours because pyelftools decodes a symbol in tens of microseconds, and torch
exports hundreds of thousands; it is the oracle of our tests.

Source: https://gabi.xinuos.com/elf/ (ELF gABI 4.3 draft), and for the GNU hash table and
symbol versions https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/, read 2026-11-20.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ElfFormatError
from pytest_verlcompat.wheels.images import (
    MAX_DYNAMIC_BYTES,
    PT_DYNAMIC,
    PT_LOAD,
    Image,
    parse_segments,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SYMBOL = struct.Struct("<IBBHQQ")
_PAIR = struct.Struct("<QQ")
_MAX_SYMBOLS = 4_000_000
_MAX_CHAIN = 100_000
_MAX_NAME_BYTES = 1 << 18
_MAX_STRINGS_BYTES = 256 << 20
_MAX_VERSIONS = 10_000
_DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ = 1, 4, 5, 6, 10
_DT_SONAME, _DT_RPATH, _DT_RUNPATH = 14, 15, 29
_DT_GNU_HASH, _DT_VERSYM, _DT_VERNEED, _DT_VERNEEDNUM = (
    0x6FFFFEF5,
    0x6FFFFFF0,
    0x6FFFFFFE,
    0x6FFFFFFF,
)
_GLOBAL, _WEAK, _UNIQUE = 1, 2, 10
_BINDS = frozenset({_GLOBAL, _WEAK, _UNIQUE})
_WORD = struct.Struct("<I")
_VISIBLE = frozenset({0, 3})  # default and protected
_VERSION_MASK = 0x7FFF
_NO_VERSION: tuple[None, None] = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """One entry of the dynamic symbol table."""

    name: str
    """Mangled."""
    defined: bool
    weak: bool
    version: str | None = None
    """Version the symbol is bound to, such as ``GLIBC_2.34``."""
    library: str | None = None
    """Soname of the library that version is expected from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedObject:
    """What a shared object needs and gives, by its dynamic tables."""

    machine: str
    """``x86_64`` or ``aarch64``, otherwise ``machine N``."""
    soname: str | None
    needed: tuple[str, ...]
    """DT_NEEDED, in order."""
    search_path: tuple[str, ...]
    """DT_RUNPATH or DT_RPATH, split at colons."""
    undefined: tuple[Symbol, ...]
    exported: tuple[str, ...]
    """Names another object can bind to; empty unless asked for."""
    versions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Versions it needs, by soname."""


class Tables:
    """The dynamic tables of *image*, located but mostly unread.

    Raises:
        ElfFormatError: If they are missing, or point out of the file.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self.machine, self.segments = parse_segments(image)
        self._entries = self._read_dynamic()
        string_bytes = self._one(_DT_STRSZ)
        if not 0 < string_bytes <= _MAX_STRINGS_BYTES:
            raise self._error(f"declares a string table of {string_bytes} bytes; refused")
        self.strings = image.read(self._offset(_DT_STRTAB), string_bytes)

    def _error(self, message: str) -> ElfFormatError:
        return ElfFormatError(message, where=self.image.label)

    def _read_dynamic(self) -> list[tuple[int, int]]:
        for segment in self.segments:
            if segment.kind == PT_DYNAMIC:
                if segment.file_bytes > MAX_DYNAMIC_BYTES:
                    raise self._error(
                        f"declares a dynamic section of {segment.file_bytes} bytes; refused"
                    )
                size = segment.file_bytes - segment.file_bytes % _PAIR.size
                rows = _PAIR.iter_unpack(self.image.read(segment.offset, size))
                entries: list[tuple[int, int]] = []
                for tag, value in rows:
                    if tag == 0:
                        break
                    entries.append((tag, value))
                return entries
        raise self._error("has no dynamic section; it is statically linked or damaged")

    def _values(self, tag: int) -> list[int]:
        return [value for key, value in self._entries if key == tag]

    def _one(self, tag: int) -> int:
        values = self._values(tag)
        if not values:
            raise self._error(f"lacks entry {tag:#x} in its dynamic section")
        return values[0]

    def has(self, tag: int) -> bool:
        """Return whether the dynamic section has an entry *tag*."""
        return bool(self._values(tag))

    @property
    def has_gnu_hash(self) -> bool:
        """Whether names can be looked up by :class:`GnuHash`."""
        return self.has(_DT_GNU_HASH)

    def _offset(self, tag: int) -> int:
        address = self._one(tag)
        for segment in self.segments:
            inside = segment.address <= address < segment.address + segment.file_bytes
            if segment.kind == PT_LOAD and inside:
                return address - segment.address + segment.offset
        raise self._error(f"entry {tag:#x} points at address {address:#x}, which is not loaded")

    def text(self, start: int) -> str:
        """Return the string at *start* of the string table."""
        end = self.strings.find(b"\0", start, start + _MAX_NAME_BYTES)
        if not 0 <= start < len(self.strings) or end < 0:
            raise self._error(f"names the string {start}, outside of its string table")
        return self.strings[start:end].decode("utf-8", "replace")

    @property
    def soname(self) -> str | None:
        """DT_SONAME."""
        values = self._values(_DT_SONAME)
        return self.text(values[0]) if values else None

    @property
    def needed(self) -> tuple[str, ...]:
        """DT_NEEDED, in order."""
        return tuple(map(self.text, self._values(_DT_NEEDED)))

    @property
    def search_path(self) -> tuple[str, ...]:
        """DT_RUNPATH, or DT_RPATH where there is none."""
        values = self._values(_DT_RUNPATH) or self._values(_DT_RPATH)
        return tuple(part for value in values for part in self.text(value).split(":") if part)

    def symbol_rows(self) -> Sequence[tuple[int, int, int, int, int, int]]:
        """Return name, info, other, section, value and size of every dynamic symbol."""
        count = self._symbol_count()
        if count > _MAX_SYMBOLS:
            raise self._error(f"declares {count} symbols; refused")
        body = self.image.read(self._offset(_DT_SYMTAB), count * _SYMBOL.size)
        return list(_SYMBOL.iter_unpack(body))

    def _symbol_count(self) -> int:
        if self.has(_DT_GNU_HASH):
            return GnuHash(self).symbol_count()
        if self.has(_DT_HASH):
            _, chains = struct.unpack("<II", self.image.read(self._offset(_DT_HASH), 8))
            return int(chains)
        # Without hash table the string table follows the symbols, by convention of linkers.
        size = self._offset(_DT_STRTAB) - self._offset(_DT_SYMTAB)
        if size < 0:
            raise self._error("has neither a hash table nor its strings behind its symbols")
        return size // _SYMBOL.size

    def defines(self, index: int, name: bytes) -> bool:
        """Return whether symbol *index* is called *name* and can be bound to."""
        position = self._offset(_DT_SYMTAB) + index * _SYMBOL.size
        row = _SYMBOL.unpack(self.image.read(position, _SYMBOL.size))
        start, end = row[0], row[0] + len(name)
        return (
            row[3] != 0
            and row[1] >> 4 in _BINDS
            and row[2] & 3 in _VISIBLE
            and self.strings[start:end] == name
            and self.strings[end : end + 1] == b"\0"
        )

    def versions(self) -> dict[int, tuple[str, str]]:
        """Return version number to (version name, soname it is expected from)."""
        if not self.has(_DT_VERNEED):
            return {}
        found: dict[int, tuple[str, str]] = {}
        position = self._offset(_DT_VERNEED)
        left = _MAX_VERSIONS
        for _ in range(min(self._one(_DT_VERNEEDNUM), _MAX_VERSIONS)):
            row = struct.unpack("<HHIII", self.image.read(position, 16))
            library = self.text(row[2])
            inner = position + row[3]
            for _ in range(row[1]):
                left -= 1
                if left < 0:
                    raise self._error(f"needs more than {_MAX_VERSIONS} versions; refused")
                version = struct.unpack("<IHHII", self.image.read(inner, 16))
                found[version[2] & _VERSION_MASK] = (self.text(version[3]), library)
                if version[4] == 0:
                    break
                inner += version[4]
            if row[4] == 0:
                break
            position += row[4]
        return found

    def version_numbers(self, count: int) -> Sequence[int]:
        """Return the version number of each of *count* symbols; empty without versions."""
        if not self.has(_DT_VERSYM):
            return ()
        body = self.image.read(self._offset(_DT_VERSYM), 2 * count)
        return [number & _VERSION_MASK for (number,) in struct.iter_unpack("<H", body)]


def gnu_hash(name: bytes) -> int:
    """Return the 32-bit hash of *name* that GNU hash tables are made of."""
    code = 5381
    for byte in name:
        code = (code * 33 + byte) & 0xFFFFFFFF
    return code


class GnuHash:
    """The GNU hash table of *tables*: which names are exported, as the loader finds them."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._image = tables.image
        self._start = tables._offset(_DT_GNU_HASH)  # noqa: SLF001 -- one parser in two classes
        head = self._image.read(self._start, 16)
        sizes: tuple[int, int, int, int] = struct.unpack("<IIII", head)
        self.buckets, self.first, self.blooms, self.shift = sizes
        if not (0 < self.buckets < _MAX_SYMBOLS and 0 < self.blooms < _MAX_SYMBOLS):
            raise tables._error(  # noqa: SLF001 -- the same
                f"declares a hash table of {self.buckets} buckets; refused"
            )
        bucket_start = self._start + 16 + 8 * self.blooms
        self._chain_start = bucket_start + 4 * self.buckets
        body = self._image.read(self._start + 16, 8 * self.blooms + 4 * self.buckets)
        self._blooms = struct.unpack(f"<{self.blooms}Q", body[: 8 * self.blooms])
        self._buckets: tuple[int, ...] = struct.unpack(f"<{self.buckets}I", body[8 * self.blooms :])

    def exports(self, name: str) -> bool:
        """Return whether *name* is defined here, looked up as the dynamic loader does."""
        encoded = name.encode()
        code = gnu_hash(encoded)
        word = self._blooms[(code // 64) % self.blooms]
        if not (word >> (code % 64)) & (word >> ((code >> self.shift) % 64)) & 1:
            return False
        start = self._buckets[code % self.buckets]
        if start < self.first:
            return False
        for index in range(start, start + _MAX_CHAIN):
            position = self._chain_start + 4 * (index - self.first)
            (value,) = _WORD.unpack(self._image.read(position, 4))
            if value | 1 == code | 1 and self._tables.defines(index, encoded):
                return True
            if value & 1:
                return False
        return False

    def symbol_count(self) -> int:
        """Return how many dynamic symbols there are, hashed or not."""
        last = max(self._buckets)
        if last < self.first:
            return self.first
        while True:
            if last > _MAX_SYMBOLS:
                raise ElfFormatError("its hash table has no end; refused", where=self._image.label)
            position = self._chain_start + 4 * (last - self.first)
            if self._image.read(position, 1)[0] & 1:
                return last + 1
            last += 1


def parse_shared_object(image: Image, *, exports: bool = False) -> SharedObject:
    """Return what *image* needs and, with *exports*, what it gives.

    Raises:
        ElfFormatError: If it is no 64-bit little-endian shared object, or is damaged.
    """
    tables = Tables(image)
    rows = tables.symbol_rows()
    by_library: dict[str, list[str]] = {}
    for version, library in tables.versions().values():
        by_library.setdefault(library, []).append(version)
    return SharedObject(
        machine=tables.machine,
        soname=tables.soname,
        needed=tables.needed,
        search_path=tables.search_path,
        undefined=parse_symbols(tables, rows),
        exported=tuple(_exported(tables, rows)) if exports else (),
        versions={library: tuple(sorted(names)) for library, names in sorted(by_library.items())},
    )


def parse_exported(image: Image) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return DT_NEEDED and the names that others can bind to; versions are not asked for.

    Raises:
        ElfFormatError: If it is no 64-bit little-endian shared object, or is damaged.
    """
    tables = Tables(image)
    return tables.needed, tuple(_exported(tables, tables.symbol_rows()))


def parse_symbols(
    tables: Tables, rows: Sequence[tuple[int, int, int, int, int, int]] | None = None
) -> tuple[Symbol, ...]:
    """Return the names that *tables* expect another object to define, with their versions.

    Raises:
        ElfFormatError: If a table points out of the file.
    """
    rows = tables.symbol_rows() if rows is None else rows
    versions = tables.versions()
    numbers = tables.version_numbers(len(rows)) or [0] * len(rows)
    return tuple(
        Symbol(
            name=tables.text(row[0]),
            defined=False,
            weak=row[1] >> 4 == _WEAK,
            version=versions.get(number, _NO_VERSION)[0],
            library=versions.get(number, _NO_VERSION)[1],
        )
        for row, number in zip(rows, numbers, strict=False)
        if row[3] == 0 and row[0] and row[1] >> 4 in {_GLOBAL, _WEAK}
    )


def _exported(tables: Tables, rows: Sequence[tuple[int, int, int, int, int, int]]) -> Iterator[str]:
    for name, info, other, section, _, _ in rows:
        bound = info >> 4 in _BINDS
        if section and name and bound and other & 3 in _VISIBLE:
            yield tables.text(name)
