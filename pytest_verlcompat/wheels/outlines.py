"""Outlines of released files that are shipped with us, found by the content of the file.

Parsing what verl and the engines consist of takes seconds; most of it is released files that
were parsed before. An outline is taken from here only where path, size and CRC-32 of a file are
those of a file in a release, so one that was edited is parsed like any other.

The data is one file, ``data/outlines.bin``, written by ``verlcompat space-rungs --outlines``: the
digest of the code that makes outlines, sorted keys, and one compressed body a key, which a body
of the same file in another release helps to compress. Outlines of other code are none: whoever
edits that code parses everything until the file is written again.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path

from pytest_verlcompat.wheels.surface_outline import Outline, decode, encode

DATA = Path(__file__).with_name("data") / "outlines.bin"
"""Where the outlines that are shipped lie."""

Place = tuple[str, str]
"""Path of a file inside of its release, and its stamp."""


class Kind(Enum):
    """What is known of a file."""

    CONSUMER = "consumer"
    """Its outline with the uses inside functions, as is kept of what imports others."""
    PROVIDER = "provider"
    """Its outline."""
    EXPORTS = "exports"
    """Its literal ``__all__``."""


_CODE = ("surface_collect.py", "surface_extract.py", "surface_lazy.py", "surface_outline.py",
         "surface_signature.py", "surface_uses.py")  # fmt: skip
_HEAD = struct.Struct("<8s32sII")
_MAGIC = b"VCOUTL02"
_KEY_BYTES = 8
_NUMBER = struct.Struct("<I")
_WINDOW_BYTES = 1 << 15
"""What deflate looks back."""


def stamp_of(content: bytes) -> str:
    """Return size and CRC-32 of *content*, as the directory of a wheel lists them."""
    return f"{len(content)}-{zlib.crc32(content):08x}"


@lru_cache(maxsize=1)
def code_sha256() -> bytes:
    """Return the digest of the code that turns a file into an outline."""
    digest = hashlib.sha256()
    for name in _CODE:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.digest()


def _key(path: str, stamp: str, kind: Kind) -> bytes:
    text = f"{kind.value} {path}\0{stamp}"
    return hashlib.blake2b(text.encode(), digest_size=_KEY_BYTES).digest()


class KnownOutlines(MutableMapping[Place, Outline]):
    """Outlines by path and stamp: those shipped, and those added in this process.

    Args:
        consumer: Whether uses inside functions were kept, as is done for what imports others.
    """

    def __init__(self, *, consumer: bool, data: Path = DATA) -> None:
        self._kind = Kind.CONSUMER if consumer else Kind.PROVIDER
        self._shelf = _load(data)
        self._added: dict[Place, Outline] = {}

    def __getitem__(self, place: Place) -> Outline:
        added = self._added.get(place)
        if added is not None:
            return added
        path, stamp = place
        body = self._shelf.body(_key(path, stamp, self._kind))
        if body is None:
            raise KeyError(place)
        return decode(json.loads(body))

    def __setitem__(self, place: Place, outline: Outline) -> None:
        self._added[place] = outline

    def __delitem__(self, place: Place) -> None:
        del self._added[place]

    def __iter__(self) -> Iterator[Place]:
        """Yield what was added; what is shipped is known by the digest of its place only."""
        return iter(self._added)

    def __len__(self) -> int:
        return len(self._added)


class KnownExports:
    """Literal ``__all__`` of released modules, by path and stamp of the file."""

    def __init__(self, data: Path = DATA) -> None:
        self._shelf = _load(data)

    def get(self, path: str, stamp: str) -> tuple[str, ...] | None:
        """Return the names, none where the module lists none; ``None`` for an unknown file."""
        body = self._shelf.body(_key(path, stamp, Kind.EXPORTS))
        return None if body is None else tuple(json.loads(body))


@dataclass(frozen=True, slots=True)
class _Shelf:
    places: Mapping[bytes, int]
    """Index of each key."""
    bases: memoryview
    """For each key the index of the one whose body helps to read its own; its own for none."""
    offsets: memoryview
    bodies: memoryview
    common: bytes

    def body(self, key: bytes) -> bytes | None:
        """Return what is kept under *key*, ``None`` where nothing is."""
        index = self.places.get(key)
        if index is None:
            return None
        (base,) = _NUMBER.unpack_from(self.bases, index * _NUMBER.size)
        helping = self.common if base == index else self._read(base, self.common)
        return self._read(index, helping)

    def _read(self, index: int, helping: bytes) -> bytes:
        start, end = (self._offset_at(each) for each in (index, index + 1))
        reader = zlib.decompressobj(wbits=-15, zdict=helping[-_WINDOW_BYTES:])
        return reader.decompress(self.bodies[start:end]) + reader.flush()

    def _offset_at(self, index: int) -> int:
        (offset,) = _NUMBER.unpack_from(self.offsets, index * _NUMBER.size)
        return int(offset)


_NONE = memoryview(b"")
_EMPTY = _Shelf({}, _NONE, _NONE, _NONE, b"")


@lru_cache(maxsize=2)
def _load(path: Path) -> _Shelf:
    """Return what lies in *path*; an empty shelf where it is missing, or of other code."""
    try:
        body = memoryview(path.read_bytes())
        magic, code, count, common_bytes = _HEAD.unpack_from(body)
    except (OSError, struct.error):
        return _EMPTY
    if magic != _MAGIC or code != code_sha256():
        return _EMPTY
    position = _HEAD.size
    parts = []
    sizes = (count * _KEY_BYTES, count * _NUMBER.size, (count + 1) * _NUMBER.size, common_bytes)
    for size in sizes:
        parts.append(body[position : position + size])
        position += size
    keys, bases, offsets, common = parts
    step = range(0, len(keys), _KEY_BYTES)
    places = {bytes(keys[at : at + _KEY_BYTES]): index for index, at in enumerate(step)}
    return _Shelf(places, bases, offsets, body[position:], bytes(common))


def render_known(
    outlines: Iterable[tuple[Place, Outline, Kind]],
    exports: Iterable[tuple[Place, Sequence[str]]] = (),
) -> bytes:
    """Return the file that holds *outlines* and *exports*.

    The same of them give the same bytes, in whatever order they come.
    """
    texts: dict[bytes, bytes] = {}
    groups: dict[tuple[Kind, str], set[bytes]] = {}

    def put(place: Place, kind: Kind, value: list[object]) -> None:
        key = _key(*place, kind)
        texts[key] = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        groups.setdefault((kind, place[0]), set()).add(key)

    for place, outline, kind in outlines:
        if outline.problem is None:
            put(place, kind, encode(outline))
    for place, names in exports:
        put(place, Kind.EXPORTS, list(names))
    return _packed(texts, groups.values())


def _packed(texts: Mapping[bytes, bytes], groups: Iterable[set[bytes]]) -> bytes:
    """Return the file; of each group the longest text helps to compress the others."""
    common = _common_words(texts)
    keys = sorted(texts)
    place = {key: index for index, key in enumerate(keys)}
    base = {key: max(group, key=lambda each: (len(texts[each]), each))
            for group in groups for key in group}  # fmt: skip
    bodies = [
        _compressed(texts[key], common if base[key] == key else texts[base[key]]) for key in keys
    ]
    offsets = [0]
    for body in bodies:
        offsets.append(offsets[-1] + len(body))
    head = _HEAD.pack(_MAGIC, code_sha256(), len(keys), len(common))
    numbers = (*(place[base[key]] for key in keys), *offsets)
    return b"".join((head, *keys, *map(_NUMBER.pack, numbers), common, *bodies))


def _compressed(text: bytes, helping: bytes) -> bytes:
    helping = helping[-_WINDOW_BYTES:]
    writer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, helping)
    return writer.compress(text) + writer.flush()


def _common_words(texts: Mapping[bytes, bytes]) -> bytes:
    """Return what many outlines have in common, the most common last, for the compressor."""
    words: Counter[bytes] = Counter()
    for key in sorted(texts):
        words.update(set(texts[key].split(b'"')))
    saved = {word: count * len(word) for word, count in words.items() if len(word) > 3}  # noqa: PLR2004 -- shorter words cost what they save
    chosen: list[bytes] = []
    size = 0
    for word in sorted(saved, key=lambda each: (-saved[each], each)):
        size += len(word) + 3
        if size > _WINDOW_BYTES:
            break
        chosen.append(word)
    return b'","'.join(reversed(chosen))
