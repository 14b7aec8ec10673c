"""Cut a stream into numbered files, and join them again when every one is right."""

from __future__ import annotations

import hashlib
import io
import re
from typing import TYPE_CHECKING, BinaryIO

from pytest_verlcompat.errors import BundleError
from pytest_verlcompat.execute.manifest import Manifest, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from typing_extensions import Buffer

_CHUNK_BYTES = 1 << 20
_NAME = re.compile(r"piece\.\d+")


class PieceWriter(io.RawIOBase):
    """A file to write to that becomes ``piece.000`` and so on in a folder."""

    def __init__(self, folder: Path, *, piece_bytes: int) -> None:
        super().__init__()
        self._folder = folder
        self._piece_bytes = piece_bytes
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._written_bytes = 0
        self._whole = hashlib.sha256()
        self.pieces: list[Piece] = []
        """The pieces that are complete."""

    @property
    def sha256(self) -> str:
        """Digest of everything that was written."""
        return self._whole.hexdigest()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Take all of *data*."""
        view = memoryview(data).cast("B")
        self._whole.update(view)
        rest = view
        while rest:
            if self._file is None:
                self._file = (self._folder / self._name()).open("xb")
            part = rest[: self._piece_bytes - self._written_bytes]
            self._file.write(part)
            self._digest.update(part)
            self._written_bytes += len(part)
            rest = rest[len(part) :]
            if self._written_bytes == self._piece_bytes:
                self._finish()
        return len(view)

    def close(self) -> None:
        """Complete the last piece."""
        if self._file is not None:
            self._finish()
        super().close()

    def _name(self) -> str:
        return f"piece.{len(self.pieces):03d}"

    def _finish(self) -> None:
        assert self._file is not None  # noqa: S101 -- both callers have looked
        self._file.close()
        self._file = None
        self.pieces.append(
            Piece(name=self._name(), bytes=self._written_bytes, sha256=self._digest.hexdigest())
        )
        self._digest = hashlib.sha256()
        self._written_bytes = 0


class PieceReader(io.RawIOBase):
    """Pieces as one file to read from."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._chunks = _chunks(paths)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a part of *buffer*; 0 is the end of the last piece."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def find_pieces(folder: Path, manifest: Manifest) -> tuple[Path, ...]:
    """Return the pieces in their order, each one looked at to its last byte.

    They may lie in *folder* or in folders below it, since who carries them one at a time
    ends up with folders such as ``pieces-000``.

    Raises:
        BundleError: If one is missing, there twice, surplus, altered, or under the name of
            another; the message names it.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted([*folder.glob("piece.*"), *folder.glob("piece*/piece.*")]):
        if path.is_file() and _NAME.fullmatch(path.name):
            found.setdefault(path.name, []).append(path)
    wanted = {piece.name for piece in manifest.pieces}
    missing = [piece.name for piece in manifest.pieces if piece.name not in found]
    if missing:
        there = f"{len(wanted) - len(missing)} of {len(wanted)} are here"
        raise BundleError(f"missing: {', '.join(missing)} ({there}); carry it too")
    for name, paths in found.items():
        if name not in wanted:
            raise BundleError("surplus: the manifest names no such piece; remove it", where=name)
        if len(paths) > 1:
            raise BundleError(f"is there {len(paths)} times; keep the right one", where=name)
    ordered = tuple(found[piece.name][0] for piece in manifest.pieces)
    for piece, path in zip(manifest.pieces, ordered, strict=True):
        _check(piece, path, manifest)
    return ordered


def _check(piece: Piece, path: Path, manifest: Manifest) -> None:
    digest = hashlib.sha256()
    for chunk in _chunks([path]):
        digest.update(chunk)
    actual = digest.hexdigest()
    if actual == piece.sha256:
        return
    other = next((each.name for each in manifest.pieces if each.sha256 == actual), None)
    if other is not None:
        raise BundleError(f"holds what belongs into {other}; name them right", where=piece.name)
    size = path.stat().st_size
    how = "has the right size" if size == piece.bytes else f"has {size} of {piece.bytes} bytes"
    raise BundleError(
        f"altered: {how} and sha256 {actual[:12]}…, the manifest says {piece.sha256[:12]}…; "
        "carry it again",
        where=piece.name,
    )


def _chunks(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
