"""Unpack the joined stream into an environment, trusting nothing it says about places."""

from __future__ import annotations

import gzip
import os
import posixpath
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from pytest_verlcompat.errors import BundleError, DiskSpaceError
from pytest_verlcompat.execute.pieces import PieceReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_verlcompat.execute.manifest import Manifest

_BUFFER_BYTES = 1 << 20
_SPARE_BYTES = 256 << 20


def unpack(paths: Sequence[Path], manifest: Manifest, *, into: Path) -> None:
    """Write the files in the pieces *paths* below *into*.

    Only files and links are taken; none may lie, or lead, outside of *into*, replace another,
    or go through a link; and there are no more of them than the manifest says.

    Raises:
        BundleError: If the stream holds something else, or ends early.
        DiskSpaceError: If there is not room enough.
    """
    into.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(into).free
    if free_bytes < manifest.unpacked_bytes + _SPARE_BYTES:
        raise DiskSpaceError(
            f"{free_bytes >> 20} MiB are free, {manifest.unpacked_bytes >> 20} MiB are needed",
            where=str(into),
        )
    try:
        with (
            _decompressed(PieceReader(paths), manifest.compression) as stream,
            tarfile.open(fileobj=stream, mode="r|", bufsize=_BUFFER_BYTES) as archive,
        ):
            _Unpacking(archive, manifest, into).run()
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BundleError(f"the stream cannot be read: {error}") from error
    except OSError as error:
        raise BundleError(f"cannot be unpacked: {error}", where=str(into)) from error


class _Unpacking:
    """One archive on its way to the disk."""

    def __init__(self, archive: tarfile.TarFile, manifest: Manifest, into: Path) -> None:
        self._archive = archive
        self._manifest = manifest
        self._into = into
        self._links: set[str] = set()
        self._folders: set[str] = set()

    def run(self) -> None:
        files, left_bytes = 0, self._manifest.unpacked_bytes
        for entry in self._archive:
            files += 1
            left_bytes -= entry.size
            if files > self._manifest.files or left_bytes < 0:
                raise BundleError("holds more than its manifest says", where=entry.name)
            self._check(entry.name)
            if entry.issym():
                self._link(entry)
            elif entry.isreg():
                self._write(entry)
            else:
                raise BundleError("is neither a file nor a link", where=entry.name)
        if files != self._manifest.files:
            raise BundleError(f"ends after {files} of {self._manifest.files} files")

    def _check(self, name: str) -> None:
        """Refuse a name that is not plainly below the folder, or that goes through a link."""
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or posixpath.normpath(name) != name:
            raise BundleError("has a path that leads elsewhere", where=name)
        for count in range(1, len(parts) + 1):
            if "/".join(parts[:count]) in self._links:
                raise BundleError("goes through a link of the bundle", where=name)

    def _link(self, entry: tarfile.TarInfo) -> None:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(entry.name), entry.linkname))
        if entry.linkname.startswith("/") or target == ".." or target.startswith("../"):
            raise BundleError(f"is a link to {entry.linkname!r}, outside", where=entry.name)
        place = self._place(entry.name)
        place.symlink_to(entry.linkname)
        self._links.add(entry.name)

    def _write(self, entry: tarfile.TarInfo) -> None:
        source = self._archive.extractfile(entry)
        assert source is not None  # noqa: S101 -- it is a regular file
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        mode = 0o755 if entry.mode & 0o100 else 0o644
        with os.fdopen(os.open(self._place(entry.name), flags, mode), "wb") as target:
            shutil.copyfileobj(source, target, _BUFFER_BYTES)

    def _place(self, name: str) -> Path:
        """Return where *name* goes; its folder is there then."""
        place = self._into / name
        folder = posixpath.dirname(name)
        if folder not in self._folders:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.parent.resolve().is_relative_to(self._into.resolve()):
                raise BundleError("would be written elsewhere", where=name)
            self._folders.add(folder)
        return place


def _decompressed(pieces: PieceReader, compression: str) -> IO[bytes]:
    if compression == "gzip":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=pieces, mode="rb"))
    try:
        import zstandard  # noqa: PLC0415 -- gzip does without
    except ImportError as error:
        raise BundleError(
            "zstandard cannot be loaded by this Python; start the runner with the Python the "
            "bundle was made for, or bundle with --compress gzip"
        ) from error
    source = cast("IO[bytes]", pieces)
    return cast(
        "IO[bytes]", zstandard.ZstdDecompressor().stream_reader(source, read_size=_BUFFER_BYTES)
    )
