"""What a bundle says about itself: ``manifest.json``, the one file that is read first."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import BundleError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1
MANIFEST = "manifest.json"
RUNNER = "verlcompat.pyz"
COMPRESSIONS = ("zstd", "gzip")
_MOST_BYTES = 16 << 20
_PIECE_NAME = re.compile(r"piece\.\d{3,6}")
_PLATFORM = re.compile(r"\w+-manylinux_\d+_\d+")
_MINOR = re.compile(r"\d+\.\d+")
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMG]i?B?|B)?", re.IGNORECASE)
_UNITS = {"b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One file of the cut stream."""

    name: str
    """``piece.000``."""
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What was carried, and how to know that all of it arrived."""

    cell_id: str
    values: Mapping[str, str]
    versions: Mapping[str, str]
    """Of the lock: normalized distribution name to version, what was left out included."""
    lock_sha256: str
    python: str
    """Minor version, ``3.11``."""
    platform: str
    """uv platform triple the lock was made for."""
    left_out: Mapping[str, str]
    """Distributions the target must have by itself, with the version of the lock."""
    dropped: tuple[str, ...]
    """Patterns of files that were not carried."""
    compression: str
    harness: str
    files: int
    unpacked_bytes: int
    bytes: int
    """Of all pieces."""
    sha256: str
    """Of the pieces, joined."""
    pieces: tuple[Piece, ...]

    @property
    def digest(self) -> str:
        """Digest of the whole manifest, and so of everything it stands for."""
        return hashlib.sha256(render_manifest(self).encode()).hexdigest()


def render_manifest(manifest: Manifest) -> str:
    """Return *manifest* as JSON, the same bytes for the same bundle."""
    body = {"format": FORMAT, **dataclasses.asdict(manifest)}
    return json.dumps(body, indent=1, sort_keys=True) + "\n"


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write *manifest* into *folder*, all of it at once."""
    aside = folder / f"{MANIFEST}.new"
    aside.write_text(render_manifest(manifest), encoding="utf-8")
    aside.replace(folder / MANIFEST)


def load_manifest(folder: Path) -> Manifest:
    """Return the manifest of the bundle in *folder*.

    Raises:
        BundleError: If it is missing, altered beyond reading, or of a newer format.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            body = json.loads(file.read(_MOST_BYTES + 1).decode())
    except OSError as error:
        raise BundleError(
            f"cannot be read ({error.strerror}); name the folder the bundle was carried to",
            where=str(path),
        ) from error
    except (ValueError, RecursionError) as error:
        raise BundleError("is not JSON; carry it again", where=MANIFEST) from error
    if not isinstance(body, dict) or not isinstance(body.get("format"), int):
        raise BundleError("names no format; this is no manifest of ours", where=MANIFEST)
    if body["format"] != FORMAT:
        raise BundleError(
            f"is of format {body['format']}, this is a reader of format {FORMAT}; "
            f"use the {RUNNER} that lies beside it",
            where=MANIFEST,
        )
    try:
        return _manifest(body)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BundleError(f"is malformed: {error!r}; carry it again", where=MANIFEST) from error


def parse_size(text: str) -> int:
    """Return the bytes that *text* says: ``60MiB``, ``64MB``, ``62914560``.

    Raises:
        UsageError: If it is no size, or less than 1 KiB.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = (match["unit"] or "b").lower() if match else ""
    size = int(float(match["number"]) * _UNITS[unit.rstrip("b") or "b"]) if match else 0
    if size < 1 << 10:
        raise UsageError(f"{text!r} is no size of a piece; write 60MiB, for instance")
    return size


def _manifest(body: dict[str, Any]) -> Manifest:
    names = {each.name for each in dataclasses.fields(Manifest)}
    values = {name: body[name] for name in names}
    pieces = tuple(
        Piece(name=str(each["name"]), bytes=int(each["bytes"]), sha256=str(each["sha256"]))
        for each in body["pieces"]
    )
    for piece in pieces:
        if not _PIECE_NAME.fullmatch(piece.name):
            raise ValueError(f"{piece.name!r} is no name of a piece")
    for name, pattern in (("platform", _PLATFORM), ("python", _MINOR)):
        if not pattern.fullmatch(body[name]):
            raise ValueError(f"{name} {body[name]!r}")
    if body["compression"] not in COMPRESSIONS:
        raise ValueError(f"compression {body['compression']!r}")
    for name in ("values", "versions", "left_out"):
        values[name] = {str(key): str(value) for key, value in body[name].items()}
    for name in ("files", "unpacked_bytes", "bytes"):
        values[name] = int(body[name])
    return Manifest(**{**values, "dropped": tuple(body["dropped"]), "pieces": pieces})
