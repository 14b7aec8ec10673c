"""Reads the cache of the dynamic loader: which libraries this machine itself provides.

Source: glibc 2.36, elf/cache.c and sysdeps/generic/dl-cache.h (format 1.1), read 2026-11-20.
"""

from __future__ import annotations

import struct
from pathlib import Path

_CACHE = Path("/etc/ld.so.cache")
_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER_BYTES = 48
_ENTRY = struct.Struct("<iIIIQ")
_MAX_ENTRIES = 1_000_000


def load_loader_cache(path: Path = _CACHE) -> dict[str, Path]:
    """Return soname to file; empty where there is no cache, or one of another format."""
    try:
        body = path.read_bytes()
    except OSError:
        return {}
    start = body.find(_MAGIC)
    if start < 0 or len(body) < start + _HEADER_BYTES:
        return {}
    (count,) = struct.unpack_from("<I", body, start + len(_MAGIC))
    first = start + _HEADER_BYTES
    if count > _MAX_ENTRIES or first + count * _ENTRY.size > len(body):
        return {}
    found: dict[str, Path] = {}
    for _, key, value, _, _ in _ENTRY.iter_unpack(body[first : first + count * _ENTRY.size]):
        soname, file = _text(body, start + key), _text(body, start + value)
        if soname and file:
            found.setdefault(soname, Path(file))
    return found


def _text(body: bytes, start: int) -> str:
    end = body.find(b"\0", start)
    return body[start:end].decode("utf-8", "replace") if 0 <= start < end else ""
