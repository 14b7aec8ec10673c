"""Reads from one wheel of torch what its libraries export, and for which GPUs it says it is.

The big libraries are read by their two ends. torch_python is read whole, and holds the list
of architectures as text: ``torch.cuda.get_arch_list()`` answers with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.wheels.elf import parse_exported
from pytest_verlcompat.wheels.ends import EndsImage, EndUnreadableError, Packed
from pytest_verlcompat.wheels.exports import (
    LIBRARIES,
    ReleaseExports,
    TorchRelease,
    is_bindable,
)
from pytest_verlcompat.wheels.images import SparseImage, keep_loaded_parts
from pytest_verlcompat.wheels.symbols import cuda_majors

if TYPE_CHECKING:
    from pytest_verlcompat.wheels.archive import FileTree

_WHOLE_BYTES = 16 << 20
_SMALL_BYTES = 96 << 20
# Source: CUDA_ARCH_FLAGS in torch/csrc/cuda/Module.cpp of torch 2.8.0; seen as this text in the
# wheels of torch 2.4.0 to 2.15.0, read 2026-11-20. What stands before it need not end in a zero.
_LISTED = re.compile(rb"((?:sm|compute)_\d+[af]?(?: (?:sm|compute)_\d+[af]?)+) ?\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Library:
    needed: tuple[str, ...]
    exported: tuple[str, ...]
    architectures: tuple[str, ...] = ()


def read_release(tree: FileTree, *, version: str, sha256: str | None) -> ReleaseExports:
    """Return what the libraries of the torch wheel or installation *tree* export.

    Raises:
        WheelFormatError: If it holds none of torch's libraries.
        ElfFormatError: If one of them cannot be read.
    """
    present = set(tree.names())
    found = {
        library: _read_library(tree, path)
        for library in LIBRARIES
        if (path := f"torch/lib/{library}") in present
    }
    if "libc10.so" not in found:
        raise WheelFormatError("has no torch/lib/libc10.so", where=tree.label)
    majors = cuda_majors(soname for each in found.values() for soname in each.needed)
    release = TorchRelease(
        version=version,
        wheel=tree.label,
        sha256=sha256,
        cuda=majors[0] if majors else None,
        needed={library: each.needed for library, each in found.items()},
        architectures=next((e.architectures for e in found.values() if e.architectures), ()),
    )
    names = {
        library: frozenset(filter(is_bindable, each.exported)) for library, each in found.items()
    }
    return ReleaseExports(release=release, names=names)


def _read_library(tree: FileTree, path: str) -> _Library:
    """Return what the library at *path* says, reading its two ends if it is big."""
    if isinstance(tree, Packed) and tree.member(path).compressed_bytes > _WHOLE_BYTES:
        try:
            needed, exported = parse_exported(EndsImage(tree, path))
            return _Library(needed=needed, exported=exported)
        except EndUnreadableError:
            pass  # it is read whole below
    label = f"{tree.label}: {path}"
    if tree.size_bytes(path) > _SMALL_BYTES:
        needed, exported = parse_exported(keep_loaded_parts(tree.stream(path), label=label))
        return _Library(needed=needed, exported=exported)
    body = b"".join(tree.stream(path))
    needed, exported = parse_exported(SparseImage([(0, body)], label=label))
    listed = _LISTED.search(body)
    architectures = tuple(listed[1].decode().split()) if listed else ()
    return _Library(needed=needed, exported=exported, architectures=architectures)
