"""Reads which GPUs the fat binaries of a shared object carry code for.

Walks the containers of the section ``.nv_fatbin``: each holds images for one architecture,
as machine code (``sm_90``) or as PTX (``compute_90``). The section is found by the section
headers; where they were stripped, the answer is None.

Source: the vendor documents neither header; their fields are those of
https://github.com/n-eiling/cuda-fatbin-decompression (fatbin-decompress.h, 2023), read
2026-11-20, and fit the wheels of vLLM 0.11.0 and sgl-kernel 0.3.9.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ElfFormatError

if TYPE_CHECKING:
    from pytest_verlcompat.wheels.images import Image

_MAGIC = 0xBA55ED50
_CONTAINER = struct.Struct("<IHHQ")
_ENTRY = struct.Struct("<HHIQQHHI")
_PTX, _CODE = 1, 2
_SECTION = struct.Struct("<IIQQQQIIQQ")
_MAX_SECTIONS = 4096
_MAX_IMAGES = 1_000_000


def find_architectures(image: Image) -> tuple[str, ...] | None:
    """Return the GPU architectures of *image*, sorted; None where they cannot be read."""
    try:
        section = _find_section(image, b".nv_fatbin")
        if section is None:
            return None
        return tuple(sorted(_walk(image, *section), key=_rank))
    except (ElfFormatError, struct.error):
        return None


def _rank(name: str) -> tuple[int, str]:
    digits = "".join(filter(str.isdigit, name))
    return (int(digits or 0), name)


def _find_section(image: Image, wanted: bytes) -> tuple[int, int] | None:
    """Return offset and size of the section called *wanted*."""
    (table,) = struct.unpack("<Q", image.read(40, 8))
    size, count, names_index = struct.unpack("<HHH", image.read(58, 6))
    if size != _SECTION.size or not names_index < count <= _MAX_SECTIONS:
        return None
    rows = list(_SECTION.iter_unpack(image.read(table, size * count)))
    names = image.read(rows[names_index][4], rows[names_index][5])
    for row in rows:
        if names[row[0] : row[0] + len(wanted) + 1] == wanted + b"\0":
            return int(row[4]), int(row[5])
    return None


def _walk(image: Image, start: int, size: int) -> set[str]:
    found: set[str] = set()
    position, end = start, start + size
    for _ in range(_MAX_IMAGES):
        if position + _CONTAINER.size > end:
            break
        magic, _, header, length = _CONTAINER.unpack(image.read(position, _CONTAINER.size))
        if magic != _MAGIC:
            position += 8  # containers are aligned, with zeros between them
            continue
        inner, stop = position + header, min(position + header + length, end)
        while inner + _ENTRY.size <= stop:
            entry = _ENTRY.unpack(image.read(inner, _ENTRY.size))
            if entry[0] in {_PTX, _CODE}:
                found.add(f"{'sm' if entry[0] == _CODE else 'compute'}_{entry[7]}")
            inner += max(entry[2] + entry[3], _ENTRY.size)
        position = max(-(-stop // 8) * 8, position + 8)
    return found
