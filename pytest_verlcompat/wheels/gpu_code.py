"""Reads for which GPUs the shared objects of a wheel or a distribution carry code.

On disk that is a walk from header to header. In a compressed wheel the headers lie behind
what they head, and nothing can be skipped: an object is read whole or not at all. Within a
limit the small ones are read, and the others are named with what they would cost.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ElfFormatError, WheelFormatError
from pytest_verlcompat.wheels.archive import InstalledTree
from pytest_verlcompat.wheels.ends import Packed
from pytest_verlcompat.wheels.fatbin import (
    find_architectures,
    scan_architectures,
    sort_architectures,
)
from pytest_verlcompat.wheels.images import FileImage
from pytest_verlcompat.wheels.zipped import WheelFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_verlcompat.wheels.archive import FileTree
    from pytest_verlcompat.wheels.cache import MemberCache

REMOTE_BYTES = 3 << 20
"""What is read of a wheel on an index for its GPU code, unless all of it is asked for."""
_KEY = "\0gpu-code.1"
_LIBRARY = re.compile(r"\.so(\.\d+)*$")
_CUBIN = re.compile(r"(?:(?<![A-Za-z])sm|Sm)_?(\d{2,3}[af]?)[^/]*\.cubin$")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuCode:
    """What was found in the objects of one tree."""

    architectures: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Object to ``sm_90a`` and ``compute_90``; empty where it has no GPU code."""
    unread: Mapping[str, int] = field(default_factory=dict)
    """Object to the bytes it would have cost, where that was more than was allowed."""
    problems: tuple[str, ...] = ()
    """Objects that could not be read, each with the reason."""

    @property
    def is_whole(self) -> bool:
        """Whether every object was read."""
        return not self.unread and not self.problems


def read_gpu_code(
    tree: FileTree, *, limit_bytes: int | None = REMOTE_BYTES, cache: MemberCache | None = None
) -> GpuCode:
    """Return the GPU code of every shared object in *tree*.

    Args:
        tree: What is on disk is always read.
        limit_bytes: Compressed bytes to read of a wheel elsewhere; None for all.
        cache: Where the answer for a wheel with a digest is kept.

    Raises:
        WheelFormatError: If the tree itself cannot be read.
        IndexUnavailableError: If it is remote and the server fails.
    """
    everything = tree.names()
    names = [name for name in everything if _LIBRARY.search(name)]
    if isinstance(tree, InstalledTree):
        return _read_files(tree, names)
    loose = _name_cubins(everything)
    digest = tree.digest if cache else None
    known = _load(cache, digest) if cache and digest else {}
    costs = {name: _cost_bytes(tree, name) for name in names}
    left = None if limit_bytes is None or isinstance(tree, WheelFile) else limit_bytes
    found = dict(known)
    unread: dict[str, int] = {}
    problems: list[str] = []
    for name in sorted(names, key=lambda name: costs[name]):
        if name in found:
            continue
        if left is not None and costs[name] > left:
            unread[name] = costs[name]
            continue
        try:
            found[name] = scan_architectures(tree.stream(name))
        except WheelFormatError as error:
            problems.append(f"{name}: {error.message}")
        left = None if left is None else left - costs[name]
    if cache and digest and len(found) > len(known):
        cache.save(digest, {_KEY: json.dumps(found, sort_keys=True).encode()})
    return GpuCode(architectures=found | loose, unread=unread, problems=tuple(problems))


def _name_cubins(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return what the names of loose kernels say, as one entry for all of them.

    flashinfer-cubin holds sixteen thousand of them, and no shared object.
    """
    found = [match[1] for name in names if (match := _CUBIN.search(name))]
    if not found:
        return {}
    architectures = sort_architectures(f"sm_{number}" for number in found)
    return {f"{len(found)} files *.cubin, by their names": architectures}


def _load(cache: MemberCache, digest: str) -> dict[str, tuple[str, ...]]:
    body = cache.load(digest, _KEY)
    return {name: tuple(each) for name, each in json.loads(body).items()} if body else {}


def _cost_bytes(tree: FileTree, name: str) -> int:
    return tree.member(name).compressed_bytes if isinstance(tree, Packed) else tree.size_bytes(name)


def _read_files(tree: InstalledTree, names: Iterable[str]) -> GpuCode:
    found: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    for name in names:
        try:
            with FileImage(tree.path_of(name), label=name) as image:
                found[name] = read_image(image)
        except ElfFormatError as error:
            problems.append(f"{name}: {error.message}")
    return GpuCode(architectures=found, problems=tuple(problems))


def read_image(image: FileImage) -> tuple[str, ...]:
    """Return the GPU architectures of a file, searching all of it where headers were stripped."""
    found = find_architectures(image)
    return scan_architectures(image.chunks()) if found is None else found
