"""Pack the environment of a locked cell so that it can be carried to a machine without network.

What comes out: pieces of one compressed tar stream, a runner that needs Python alone, and the
manifest, which is written last. Equal environments give equal bytes.
"""

from __future__ import annotations

import contextlib
import csv
import difflib
import fnmatch
import gzip
import os
import posixpath
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

from packaging.utils import canonicalize_name

from pytest_verlcompat import __version__
from pytest_verlcompat.errors import BundleError, ToolMissingError, UsageError
from pytest_verlcompat.execute.manifest import RUNNER, Manifest, write_manifest
from pytest_verlcompat.execute.pieces import PieceWriter
from pytest_verlcompat.execute.runner import write_runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_verlcompat.environments.build import Environment
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

PIECE_BYTES = 60 << 20
_LEVEL = 6
"""Measured on 175 MiB of a vLLM environment with zstd 1.5.7: level 3 packs 170 MiB/s a core to
46 %, level 6 63 MiB/s to 44 %, level 9 38 MiB/s to 40 %, level 12 18 MiB/s to 40 %."""
_BUFFER_BYTES = 1 << 20
_NEW_YEAR_1980 = 315532800
_RECORD = re.compile(r"(?P<name>.+?)-[^-]+\.dist-info")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How to pack."""

    piece_bytes: int = PIECE_BYTES
    without: tuple[str, ...] = ()
    """Names or patterns of distributions that the target has."""
    drop: tuple[str, ...] = ()
    """Patterns of files, relative to site-packages, that are not needed."""
    compression: str = "zstd"


def write_bundle(
    cell: Cell,
    lock: Lock,
    environment: Environment,
    *,
    folder: Path,
    packing: Packing,
    say: Callable[[str], None],
) -> Manifest:
    """Return the manifest of the bundle written into *folder*, which must be empty.

    Raises:
        UsageError: If *folder* holds something, or no distribution is named as said.
        BundleError: If the environment has a file that cannot be carried.
        ToolMissingError: If zstandard is not installed.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError("is not empty; name another folder with --out", where=str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    prefix = environment.python.parent.parent
    site = Path("lib", f"python{cell.python}", "site-packages")
    records = _records(prefix / site)
    left_out = _left_out(records, packing.without, lock)
    files = _list_files(prefix, site, records, left_out=left_out, drop=packing.drop)
    say(f"packing {len(files)} files")
    pieces = PieceWriter(folder, piece_bytes=packing.piece_bytes)
    unpacked_bytes = _write_stream(pieces, prefix, files, compression=packing.compression)
    say(f"{len(pieces.pieces)} pieces; adding the runner")
    write_runner(
        folder / RUNNER,
        python=environment.python,
        platform=cell.platform,
        with_zstandard=packing.compression == "zstd",
    )
    manifest = Manifest(
        **_about(cell, lock, packing, left_out=left_out),
        files=len(files),
        unpacked_bytes=unpacked_bytes,
        bytes=sum(piece.bytes for piece in pieces.pieces),
        sha256=pieces.sha256,
        pieces=tuple(pieces.pieces),
    )
    write_manifest(manifest, folder)
    return manifest


def _about(cell: Cell, lock: Lock, packing: Packing, *, left_out: Sequence[str]) -> dict[str, Any]:
    """Return what the manifest says of the cell."""
    return {
        "cell_id": cell.id,
        "values": dict(cell.values),
        "versions": dict(lock.versions),
        "lock_sha256": lock.sha256,
        "python": cell.python,
        "platform": cell.platform,
        "left_out": {name: lock.versions[name] for name in left_out},
        "dropped": packing.drop,
        "compression": packing.compression,
        "harness": __version__,
    }


def _write_stream(
    pieces: PieceWriter, prefix: Path, files: Sequence[str], *, compression: str
) -> int:
    """Return the bytes of all *files*, which are written, compressed, into *pieces*."""
    with (
        pieces,
        _compressed(pieces, compression) as stream,
        tarfile.open(
            fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_BUFFER_BYTES
        ) as archive,
    ):
        return sum(_add(archive, prefix, name) for name in files)


def _records(site: Path) -> dict[str, frozenset[str]]:
    """Return for each distribution its files, relative to the environment."""
    found = {}
    for path in sorted(site.glob("*.dist-info/RECORD")):
        match = _RECORD.fullmatch(path.parent.name)
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row[0] for row in csv.reader(file) if row]
        home = PurePosixPath(site.relative_to(site.parents[2]).as_posix())
        if match:
            found[str(canonicalize_name(match["name"]))] = frozenset(
                posixpath.normpath(str(home / row)) for row in rows if not row.startswith("/")
            )
    return found


def _left_out(
    records: dict[str, frozenset[str]], without: Iterable[str], lock: Lock
) -> tuple[str, ...]:
    found: set[str] = set()
    for asked in without:
        pattern = asked.lower() if "*" in asked else str(canonicalize_name(asked))
        names = {name for name in records if fnmatch.fnmatchcase(name, pattern)}
        names &= lock.versions.keys()
        if not names:
            near = difflib.get_close_matches(pattern, lock.versions, n=3, cutoff=0.5)
            hint = f"; nearest: {', '.join(near)}" if near else ""
            raise UsageError(f"--without {asked!r} names nothing in the lock{hint}")
        found |= names
    return tuple(sorted(found))


def _list_files(
    prefix: Path,
    site: Path,
    records: dict[str, frozenset[str]],
    *,
    left_out: Sequence[str],
    drop: Sequence[str],
) -> list[str]:
    """Return the names of all files to carry, sorted.

    That is everything in site-packages, and what distributions recorded elsewhere: programs in
    ``bin``, data in ``share``. What belongs to the environment itself is made anew.
    """
    kept = {file for name, files in records.items() if name not in left_out for file in files}
    gone = {file for name in left_out for file in records[name]} - kept
    found = {
        file
        for file in kept
        if not file.startswith((f"{site.as_posix()}/", "../")) and os.path.lexists(prefix / file)
    }
    found.update(
        name
        for name in _walk(prefix, site)
        if name not in gone and not _matches(posixpath.relpath(name, site.as_posix()), drop)
    )
    return sorted(name for name in found if "__pycache__" not in PurePosixPath(name).parts)


def _walk(prefix: Path, site: Path) -> Iterator[str]:
    for folder, names, files in os.walk(prefix / site):
        here = Path(folder).relative_to(prefix)
        links = [name for name in names if Path(folder, name).is_symlink()]
        for name in [*files, *links]:
            yield (here / name).as_posix()


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _add(archive: tarfile.TarFile, prefix: Path, name: str) -> int:
    """Add one file; return its bytes. Owners, times and rights but one bit are left out."""
    path = prefix / name
    entry = tarfile.TarInfo(name)
    entry.mtime = _NEW_YEAR_1980
    if path.is_symlink():
        if not path.resolve().is_relative_to(prefix.resolve()):
            raise BundleError("is a link that leads out of the environment", where=name)
        entry.type, entry.linkname = tarfile.SYMTYPE, os.path.relpath(path.resolve(), path.parent)
        archive.addfile(entry)
        return 0
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        entry.size = status.st_size
        entry.mode = 0o755 if status.st_mode & 0o100 else 0o644
        archive.addfile(entry, file)
    return entry.size


@contextlib.contextmanager
def _compressed(pieces: PieceWriter, compression: str) -> Iterator[IO[bytes]]:
    if compression == "gzip":
        with gzip.GzipFile(fileobj=pieces, mode="wb", compresslevel=_LEVEL, mtime=0) as plain:
            yield cast("IO[bytes]", plain)
        return
    try:
        import zstandard  # noqa: PLC0415 -- gzip does without
    except ImportError as error:
        raise ToolMissingError(
            'zstandard is not installed; install "pytest-verlcompat[cli]", or use --compress gzip'
        ) from error
    compressor = zstandard.ZstdCompressor(level=_LEVEL, threads=-1)
    with compressor.stream_writer(cast("IO[bytes]", pieces), closefd=False) as file:
        yield file
