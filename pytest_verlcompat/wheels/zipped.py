"""Reads wheels on disk, and the parts of the zip format that remote wheels need as well.

Whatever a wheel declares is checked before memory is spent on it: member count, sizes,
compression ratio, overlapping members, names that leave the tree, names that occur twice
with different content, and after reading the length and the CRC.

Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT 6.3.10, and
https://packaging.python.org/specifications/binary-distribution-format/, read 2026-11-20.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, TypeVar

from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.wheels.inflate import (
    LOCAL_HEADER_BYTES,
    Member,
    PrefixReader,
    compressed_chunks,
    data_offset,
    decompress,
    inflate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from typing_extensions import Self

_ENCRYPTED = 0x1
_CHUNK_BYTES = 1 << 18
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is read at most before a wheel counts as hostile."""

    members: int = 200_000
    member_bytes: int = 32 << 20
    """Decompressed size of a member that is read whole."""
    prefix_bytes: int = 256 << 20
    """Longest prefix of a member."""
    ratio: int = 250
    """Decompressed by compressed size, for members over one MiB that are read whole."""
    directory_bytes: int = 64 << 20
    wheel_bytes: int = 8 << 30


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The members of a wheel by their path relative to site-packages."""

    members: dict[str, Member] = field(default_factory=dict)

    def member(self, name: str, *, label: str) -> Member:
        """Return the entry of *name*.

        Raises:
            WheelFormatError: If there is none, or it must not be read.
        """
        member = self.members.get(name)
        if member is None:
            raise WheelFormatError("no such member", where=f"{label}: {name}")
        if member.problem is not None:
            raise WheelFormatError(member.problem, where=f"{label}: {name}")
        return member


def parse_directory(stream: IO[bytes], *, label: str, limits: Limits) -> Directory:
    """Return the members of the zip archive in *stream*.

    Raises:
        WheelFormatError: If it is none, is truncated, or has names that leave the tree.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            infos = archive.infolist()
            directory_start = archive.start_dir
    # zipfile lets these through on damaged input, beside its own error.
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        struct.error,
        ValueError,
        EOFError,
        OSError,
    ) as error:
        raise WheelFormatError(
            f"is not a readable zip archive ({error}); it may be truncated", where=label
        ) from error
    if len(infos) > limits.members:
        raise WheelFormatError(
            f"declares {len(infos)} members, more than {limits.members}; refused", where=label
        )
    members: dict[str, Member] = {}
    for member in _members(infos, directory_start=directory_start, label=label):
        known = members.get(member.name)
        if known is None:
            members[member.name] = member
        elif (known.crc, known.size_bytes) != (member.crc, member.size_bytes):
            members[member.name] = replace(known, problem="occurs twice with different content")
    return Directory(members=members)


def _members(
    infos: Sequence[zipfile.ZipInfo], *, directory_start: int, label: str
) -> Iterator[Member]:
    offsets = sorted({info.header_offset for info in infos})
    ends = dict(zip(offsets, [*offsets[1:], directory_start], strict=bool(offsets)))
    for info in infos:
        if info.is_dir():
            continue
        _refuse_escape(info.orig_filename, label=label)
        end = ends[info.header_offset]
        needed = info.header_offset + LOCAL_HEADER_BYTES + info.compress_size
        problem = None
        if needed > end or info.header_offset < 0:
            problem = "overlaps another member or the directory; refused"
        elif info.flag_bits & _ENCRYPTED:
            problem = "is encrypted; wheels are not"
        elif info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            problem = f"uses compression method {info.compress_type}; wheels use 0 or 8"
        yield Member(
            name=_installed_name(info.filename),
            raw_name=info.filename,
            method=info.compress_type,
            crc=info.CRC,
            compressed_bytes=info.compress_size,
            size_bytes=info.file_size,
            offset=info.header_offset,
            end=end,
            problem=problem,
        )


def _refuse_escape(name: str, *, label: str) -> None:
    parts = name.split("/")
    if ".." in parts or name.startswith("/") or "\\" in name or "\0" in name or ":" in parts[0]:
        raise WheelFormatError(
            "names a path outside of the tree; refused", where=f"{label}: {name!r}"
        )


def _installed_name(name: str) -> str:
    """Return where an installer puts *name*, relative to site-packages."""
    head, _, rest = name.partition("/")
    for scheme in ("purelib/", "platlib/"):
        if head.endswith(".data") and rest.startswith(scheme):
            return rest.removeprefix(scheme)
    return name


def check_whole(member: Member, *, label: str, limits: Limits) -> None:
    """Refuse a member that is too big or too compressed to be read whole.

    Raises:
        WheelFormatError: In that case, with the sizes that were declared.
    """
    if member.size_bytes > limits.member_bytes:
        raise WheelFormatError(
            f"declares {member.size_bytes} bytes, more than {limits.member_bytes}; refused",
            where=f"{label}: {member.name}",
        )
    big = member.size_bytes > 1 << 20
    if big and member.size_bytes > limits.ratio * max(1, member.compressed_bytes):
        raise WheelFormatError(
            f"declares {member.size_bytes} bytes from {member.compressed_bytes}; "
            "a zip bomb, refused",
            where=f"{label}: {member.name}",
        )


class WheelFile:
    """A ``.whl`` on disk, as a :class:`~pytest_verlcompat.wheels.archive.FileTree`."""

    def __init__(self, path: Path, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.label = path.name
        self.fallback: str | None = None
        self.bytes_read = 0
        self.requests_sent = 0
        """Like a remote wheel's: over the network, nothing."""
        self._path = path
        self._limits = limits
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise WheelFormatError(
                f"cannot be opened ({error.strerror}); give the path of a .whl file",
                where=str(path),
            ) from error
        try:
            self.directory = parse_directory(self._file, label=self.label, limits=limits)
        except WheelFormatError:
            self._file.close()
            raise
        self._prefix: tuple[str, PrefixReader] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def digest(self) -> str:
        """SHA-256 of the whole file; reads it once per call."""
        sha256 = hashlib.sha256()
        with self._path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                sha256.update(chunk)
        return sha256.hexdigest()

    def names(self) -> Sequence[str]:
        """Return every file, by its path relative to site-packages."""
        return list(self.directory.members)

    def size_bytes(self, name: str) -> int:
        """Return the declared decompressed size of *name*."""
        return self.directory.member(name, label=self.label).size_bytes

    def stamp(self, name: str) -> str | None:
        """Return size and checksum of *name* as the directory lists them."""
        member = self.directory.member(name, label=self.label)
        return f"{member.size_bytes}-{member.crc:08x}"

    def read(self, name: str) -> bytes:
        """Return the content of *name*, checked.

        Raises:
            WheelFormatError: If it is missing, too big, damaged or hostile.
        """
        member = self.directory.member(name, label=self.label)
        check_whole(member, label=self.label, limits=self._limits)
        self._file.seek(member.offset)
        return decompress(self._file.read(member.end - member.offset), member, label=self.label)

    def read_many(
        self,
        names: Iterable[str],
        *,
        on_error: Callable[[WheelFormatError], None] | None = None,
    ) -> dict[str, bytes]:
        """Return the content of each name; with *on_error*, bad ones are told and left out."""
        return collect(self.read, names, on_error=on_error)

    def read_prefix(self, name: str, size_bytes: int) -> bytes:
        """Return the first *size_bytes* of *name*; asking for more continues cheaply.

        Raises:
            WheelFormatError: If it is missing or damaged before that point.
        """
        wanted = min(size_bytes, self._limits.prefix_bytes)
        if self._prefix is None or self._prefix[0] != name:
            member = self.directory.member(name, label=self.label)
            self._prefix = (name, PrefixReader(member, feed=self._feed(member), label=self.label))
        return self._prefix[1].upto(wanted)

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield the content of *name* in order, holding a chunk at a time.

        Raises:
            WheelFormatError: If it is missing, damaged or longer than declared.
        """
        member = self.directory.member(name, label=self.label)
        feed = self._feed(member)
        yield from inflate(compressed_chunks(feed, member), member, label=self.label)

    def member(self, name: str) -> Member:
        """Return what the directory says of *name*.

        Raises:
            WheelFormatError: If it is not there, or must not be read.
        """
        return self.directory.member(name, label=self.label)

    def read_packed(self, name: str, start: int, stop: int) -> bytes:
        """Return these compressed bytes of *name*, counted from the first of its data.

        Raises:
            WheelFormatError: If it is missing or has no local header.
        """
        member = self.member(name)
        self._file.seek(member.offset)
        header = self._file.read(LOCAL_HEADER_BYTES)
        self._file.seek(member.offset + data_offset(header, member, label=self.label) + start)
        return self._file.read(min(stop, member.compressed_bytes) - start)

    def _feed(self, member: Member) -> Callable[[], bytes]:
        self._file.seek(member.offset)
        header = self._file.read(LOCAL_HEADER_BYTES)
        position = member.offset + data_offset(header, member, label=self.label)

        def feed() -> bytes:
            nonlocal position
            self._file.seek(position)
            chunk = self._file.read(_CHUNK_BYTES)
            position += len(chunk)
            return chunk

        return feed


def collect(
    read: Callable[[str], _T],
    names: Iterable[str],
    *,
    on_error: Callable[[WheelFormatError], None] | None,
) -> dict[str, _T]:
    """Return what *read* gives for each name, handing errors to *on_error* if there is one."""
    found: dict[str, _T] = {}
    for name in names:
        try:
            found[name] = read(name)
        except WheelFormatError as error:
            if on_error is None:
                raise
            on_error(error)
    return found
