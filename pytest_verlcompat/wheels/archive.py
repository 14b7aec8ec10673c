"""One way to read files of a distribution, wherever they lie: :class:`FileTree`.

Three kinds, all closed by ``with`` or :meth:`FileTree.close`:

* :class:`InstalledTree` - a site-packages folder, whole or one distribution of it;
* :class:`WheelFile` - a ``.whl`` on disk;
* :class:`~pytest_verlcompat.wheels.remote.RemoteWheel` - a wheel behind a URL, read by byte range.

>>> with open_wheel("dist/example-1.0-py3-none-any.whl") as tree:    # doctest: +SKIP
...     sources = tree.read_many(n for n in tree.names() if n.endswith(".py"))

Names are posix paths relative to site-packages. Nothing is executed, nothing is unpacked.
What is damaged or hostile raises :class:`WheelFormatError` naming the member; with
``read_many(..., on_error=...)`` the rest is still read.
"""

from __future__ import annotations

import csv
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.wheels.zipped import DEFAULT_LIMITS, Limits, WheelFile, collect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from pytest_verlcompat.wheels.cache import MemberCache
    from pytest_verlcompat.wheels.remote import RemoteWheel
    from pytest_verlcompat.wheels.transport import Transport

__all__ = ["FileTree", "InstalledTree", "WheelFile", "open_wheel"]


class FileTree(Protocol):
    """The files of one or more distributions, readable by name."""

    label: str
    """What messages call it."""

    @property
    def digest(self) -> str | None:
        """SHA-256 that identifies the content; None when there is none to be had."""

    def names(self) -> Sequence[str]:
        """Return every file, by its posix path relative to site-packages."""

    def size_bytes(self, name: str) -> int:
        """Return the size of *name*, as declared."""

    def stamp(self, name: str) -> str | None:
        """Return size and checksum as an archive lists them; None where nothing lists them."""

    def read(self, name: str) -> bytes:
        """Return the content of *name*."""

    def read_many(
        self,
        names: Iterable[str],
        *,
        on_error: Callable[[WheelFormatError], None] | None = None,
    ) -> dict[str, bytes]:
        """Return the content of each name in as few steps as the source allows."""

    def read_prefix(self, name: str, size_bytes: int) -> bytes:
        """Return the first *size_bytes* of the content, fewer if it is shorter."""

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield the content in order, holding little of it at a time."""

    def close(self) -> None:
        """Release files and temporary space."""

    def __enter__(self) -> Self:
        """Return this tree, to be closed at the end of the block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Close the tree."""


def open_wheel(
    location: str | Path,
    *,
    digest: str | None = None,
    transport: Transport | None = None,
    cache: MemberCache | None = None,
) -> WheelFile | RemoteWheel:
    """Return a reader of the wheel at *location*: a path, ``file://`` or ``http(s)://``.

    Args:
        location: Path or address; credentials in it are never printed.
        digest: SHA-256 from the index; a remote wheel is cached only with it.
        transport: Connections to use, and their counters; a new pool by default.
        cache: Where members of remote wheels are kept.

    Raises:
        WheelFormatError: If a file on disk cannot be read as a wheel.
    """
    text = str(location)
    scheme = urlsplit(text).scheme
    if scheme in {"http", "https"}:
        # The plugin reads installed trees where requests is not installed.
        from pytest_verlcompat.wheels.remote import RemoteWheel  # noqa: PLC0415 - see above

        return RemoteWheel(text, digest=digest, transport=transport, cache=cache)
    if scheme == "file":
        return WheelFile(Path(unquote(urlsplit(text).path)))
    return WheelFile(Path(location))


class InstalledTree:
    """A site-packages folder, as a :class:`FileTree`.

    With *distribution*, only the files of its RECORD. Links to directories are not
    followed, so loops of links end nothing.
    """

    def __init__(
        self,
        root: Path,
        *,
        distribution: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        if not root.is_dir():
            raise WheelFormatError(
                "is not a folder; give the site-packages of an environment", where=str(root)
            )
        self.label = distribution or root.name
        self._root = root
        self._limits = limits
        self._digest: str | None = None
        self._listed: list[str] | None = None
        if distribution is not None:
            record = find_record(root, distribution)
            self._digest = hashlib.sha256(record.read_bytes()).hexdigest()
            self._listed = list(_recorded_names(record))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing; files are opened for the time of one reading."""

    @property
    def digest(self) -> str | None:
        """SHA-256 of the distribution's RECORD; None for a whole folder."""
        return self._digest

    def path_of(self, name: str) -> Path:
        """Return where *name* lies on disk."""
        return self._root / name

    def names(self) -> Sequence[str]:
        """Return every regular file, in name order for a whole folder."""
        if self._listed is None:
            self._listed = sorted(_walk(self._root))
        return self._listed

    def size_bytes(self, name: str) -> int:
        """Return the size of *name* on disk."""
        return self._stat(name).st_size

    def stamp(self, name: str) -> None:
        """Return None: files on disk may change at any time."""

    def read(self, name: str) -> bytes:
        """Return the content of *name*.

        Raises:
            WheelFormatError: If it is missing, not a regular file, too big or unreadable.
        """
        size = self._stat(name).st_size
        if size > self._limits.member_bytes:
            raise WheelFormatError(
                f"has {size} bytes, more than {self._limits.member_bytes}; refused",
                where=f"{self.label}: {name}",
            )
        return self._read(name, size)

    def read_many(
        self,
        names: Iterable[str],
        *,
        on_error: Callable[[WheelFormatError], None] | None = None,
    ) -> dict[str, bytes]:
        """Return the content of each name; with *on_error*, bad ones are told and left out."""
        return collect(self.read, names, on_error=on_error)

    def read_prefix(self, name: str, size_bytes: int) -> bytes:
        """Return the first *size_bytes* of *name*.

        Raises:
            WheelFormatError: If it is missing, not a regular file or unreadable.
        """
        size = self._stat(name).st_size
        return self._read(name, min(size, size_bytes, self._limits.prefix_bytes))

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield the content of *name* in order.

        Raises:
            WheelFormatError: If it is missing, not a regular file or unreadable.
        """
        self._stat(name)
        with self.path_of(name).open("rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk

    def _stat(self, name: str) -> os.stat_result:
        try:
            found = self.path_of(name).stat()
        except (OSError, ValueError) as error:
            raise WheelFormatError(
                f"is recorded, but cannot be read ({error})", where=f"{self.label}: {name}"
            ) from error
        if not stat.S_ISREG(found.st_mode):
            raise WheelFormatError("is not a regular file", where=f"{self.label}: {name}")
        return found

    def _read(self, name: str, size: int) -> bytes:
        try:
            with self.path_of(name).open("rb") as stream:
                return stream.read(size)
        except OSError as error:
            raise WheelFormatError(
                f"cannot be read ({error.strerror})", where=f"{self.label}: {name}"
            ) from error


def find_record(root: Path, distribution: str) -> Path:
    """Return the RECORD of *distribution* in the site-packages *root*.

    Raises:
        WheelFormatError: If it is not installed there, or was installed without one.
    """
    wanted = canonicalize_name(distribution)
    for folder in sorted(root.glob("*.dist-info")):
        name = folder.name.removesuffix(".dist-info").rpartition("-")[0]
        if canonicalize_name(name) == wanted and (folder / "RECORD").is_file():
            return folder / "RECORD"
    raise WheelFormatError(
        f"{distribution} is not installed here from a wheel (no RECORD)", where=str(root)
    )


def _recorded_names(record: Path) -> Iterator[str]:
    """Yield the recorded files that lie inside of site-packages."""
    text = record.read_text(encoding="utf-8", errors="surrogateescape")
    for row in csv.reader(text.splitlines()):
        if row and not row[0].startswith("/") and ".." not in row[0].split("/"):
            yield row[0]


def _walk(root: Path) -> Iterator[str]:
    for folder, _, files in os.walk(root):
        base = Path(folder).relative_to(root).as_posix()
        for file in files:
            yield file if base == "." else f"{base}/{file}"
