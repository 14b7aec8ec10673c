"""Does what is installed carry code for this GPU? By its fat binaries, without running any.

A distribution is told of only where none of its objects has code for the device: that some
kernels exist for one architecture alone is how the libraries are built. For torch that is
certain to fail; a kernel library may be passed over by a stack that picks another.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ElfFormatError, UsageError
from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.finding import Finding, Weight
from pytest_verlcompat.wheels.fatbin import iterate_architectures, sort_architectures
from pytest_verlcompat.wheels.images import FileImage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_ARCHITECTURE = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")
_CAPABILITY = re.compile(r"(\d+)\.(\d)")


def parse_capability(text: str) -> tuple[int, int]:
    """Return major and minor of a compute capability such as ``9.0``.

    Raises:
        UsageError: If it is not written like that.
    """
    match = _CAPABILITY.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no compute capability; write it like 9.0")
    return int(match[1]), int(match[2])


def find_support(architectures: Iterable[str], capability: tuple[int, int]) -> str | None:
    """Return how such code runs on a device: ``code``, ``ptx``, or None for not at all.

    Machine code runs on its major version from its minor on, PTX on anything newer. With ``a``
    either is for that very device, with ``f`` for its family: here, the same major version.

    Source: CUDA C++ Programming Guide 13.0, sections on binary compatibility, PTX compatibility
    and family-specific features, read 2026-11-20.
    """
    found: str | None = None
    for name in architectures:
        match = _ARCHITECTURE.fullmatch(name)
        if match is None:
            continue
        built, letter = (int(match[2]), int(match[3])), match[4]
        same = built[0] == capability[0] and built <= capability
        bound = built == capability if letter == "a" else same
        if match[1] == "sm" and bound:
            return "code"
        if match[1] == "compute" and (bound if letter else built <= capability):
            found = "ptx"
    return found


def check_gpu_code(
    objects: Mapping[str, tuple[str, ...]],
    *,
    capability: tuple[int, int],
    consumer: str,
) -> Iterator[Finding]:
    """Yield a finding if *objects* carry GPU code, and none of it for *capability*.

    Args:
        objects: Every object of one distribution, with its architectures.
        capability: Compute capability of the device.
        consumer: Name and version of the distribution.
    """
    carried = {name: found for name, found in objects.items() if found}
    if carried and not any(find_support(found, capability) for found in carried.values()):
        yield _no_code(carried, capability=capability, consumer=consumer)


def check_gpu_files(
    files: Mapping[str, Path], *, capability: tuple[int, int], consumer: str
) -> Iterator[Finding]:
    """Yield the same for installed *files*, reading only until code for the device is found."""
    carried: dict[str, tuple[str, ...]] = {}
    for name, path in files.items():
        try:
            with FileImage(path, label=name) as image:
                found: set[str] = set()
                for architecture in iterate_architectures(image):
                    if architecture not in found and find_support([architecture], capability):
                        return
                    found.add(architecture)
        except ElfFormatError:
            continue  # told by whoever judges its symbols
        if found:
            carried[name] = sort_architectures(found)
    if carried:
        yield _no_code(carried, capability=capability, consumer=consumer)


def _no_code(
    carried: Mapping[str, tuple[str, ...]], *, capability: tuple[int, int], consumer: str
) -> Finding:
    device = ".".join(map(str, capability))
    everything = sort_architectures(name for found in carried.values() for name in found)
    is_torch = consumer.partition(" ")[0] == "torch"
    return Finding(
        code="no-code-for-gpu",
        weight=Weight.BROKEN if is_torch else Weight.SUSPECT,
        consumer=consumer,
        provider=f"a GPU of compute capability {device}",
        cause=Cause(
            kind="cudaErrorNoKernelImageForDevice",
            first_line="CUDA error: no kernel image is available for execution on the device",
            detail=(
                f"compute capability {device}; {', '.join(sorted(carried))}: "
                f"{', '.join(everything)}"
            ),
        ),
    )
