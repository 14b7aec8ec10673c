"""Read from the index which releases of the three projects exist, and what each declares."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import IndexUnavailableError, WheelFormatError
from pytest_verlcompat.resolve.markers import linux_environment

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from packaging.metadata import Metadata

    from pytest_verlcompat.wheels.index import IndexClient, IndexFile

FLOORS: Mapping[str, str] = {"verl": "0.2", "vllm": "0.6.3", "sglang": "0.4.4"}
"""Older releases speak to engines and trainers that nobody can install any more."""

PINNED = frozenset({
    "verl", "vllm", "sglang", "torch", "transformers", "numpy", "opencv-python-headless", "ray",
    "tensordict", "uvloop", "flash-attn", "pyarrow", "datasets", "setuptools", "trl",
    "flashinfer-python", "sgl-kernel", "sglang-kernel", "huggingface-hub", "numba", "triton",
})  # fmt: skip
"""Distributions whose requirements are worth a line in an axis file."""

EXTRAS: Mapping[str, frozenset[str] | None] = {
    "verl": None,
    "vllm": frozenset(),
    "sglang": frozenset({"srt", "runtime-common"}),
}
"""Extras whose requirements count, None for all: those through which verl asks for an engine."""

_LATE = dt.timedelta(days=7)
"""A wheel added later than this belongs to a repair, not to the release."""

_OLD_GLIBC = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One release as the index shows it."""

    version: str
    uploaded: dt.date | None
    """Day (UTC) of its first file; None where the index does not say."""
    installable: dt.date | None
    """Day by which every wheel for x86-64 Linux that belongs to the release was there."""
    requires_python: str | None
    tags: tuple[str, ...]
    """Tags of its wheels that x86-64 Linux could take."""
    glibc: str | None
    """Lowest glibc that one of its wheels asks for; None for pure Python."""
    yanked: bool
    sdist_only: bool
    pins: tuple[str, ...] | None = None
    """Its requirements on other axes; None if its metadata was not read."""
    extras: tuple[str, ...] | None = None


def find_releases(client: IndexClient, name: str, *, floor: str) -> list[Found]:
    """Return the releases of *name* from *floor* on, oldest version first, without metadata.

    Raises:
        IndexUnavailableError: If the index does not answer with a list of files, or lists none:
            a project that had releases yesterday has some today.
    """
    files = client.releases(name)
    if not files:
        raise IndexUnavailableError("the index lists no file of it", where=name)
    by_version: dict[Version, list[IndexFile]] = {}
    for file in files:
        by_version.setdefault(file.version, []).append(file)
    least = Version(floor)
    return [
        _found(version, by_version[version]) for version in sorted(by_version) if version >= least
    ]


def read_pins(
    client: IndexClient, name: str, versions: Sequence[str], *, workers: int = 4
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]] | str]:
    """Return pins and extras per version, or a sentence that says why they are unknown."""
    by_version: dict[str, list[IndexFile]] = {}
    for file in client.releases(name):
        by_version.setdefault(str(file.version), []).append(file)

    def read(version: str) -> tuple[tuple[str, ...], tuple[str, ...]] | str:
        wheels = sorted(
            (file for file in by_version.get(version, ()) if file.is_wheel),
            key=lambda file: (not _fits(file), file.filename),
        )
        if not wheels:
            return "it has no wheel to read the metadata of"
        try:
            return _declared(client.metadata(wheels[0]), name)
        except (IndexUnavailableError, WheelFormatError) as error:
            return str(error)

    with ThreadPoolExecutor(workers) as pool:
        return dict(zip(versions, pool.map(read, versions), strict=True))


def _found(version: Version, files: Sequence[IndexFile]) -> Found:
    wheels = [file for file in files if file.is_wheel]
    fitting = [file for file in wheels if _fits(file)]
    times = [file.upload_time for file in files if file.upload_time is not None]
    first = min(times) if len(times) == len(files) else None
    last = None
    if first is not None:
        near = [
            file.upload_time
            for file in fitting
            if file.upload_time and file.upload_time < first + _LATE
        ]
        last = max(near, default=max(times))
    tags = sorted({str(tag) for file in fitting for tag in file.tags if _is_linux(tag.platform)})
    required = {file.requires_python for file in files if file.requires_python}
    return Found(
        version=str(version),
        uploaded=first.date() if first else None,
        installable=last.date() if last else None,
        requires_python=max(required, default=None),
        tags=tuple(tags),
        glibc=_glibc(tags),
        yanked=all(file.yanked for file in files),
        sdist_only=not wheels,
    )


def _fits(file: IndexFile) -> bool:
    return any(_is_linux(tag.platform) for tag in file.tags)


def _is_linux(platform: str) -> bool:
    return platform == "any" or (platform.endswith("x86_64") and "linux" in platform)


def _glibc(tags: Collection[str]) -> str | None:
    floors = []
    for tag in tags:
        platform = tag.split("-")[2]
        if platform.startswith("manylinux_"):
            floors.append(".".join(platform.split("_")[1:3]))
        elif platform.partition("_")[0] in _OLD_GLIBC:
            floors.append(_OLD_GLIBC[platform.partition("_")[0]])
        elif platform == "any":
            return None
    return min(floors, key=Version, default=None)


def _declared(metadata: Metadata, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the requirements on other axes that x86-64 Linux has, and the extras."""
    declared = {canonicalize_name(each) for each in metadata.provides_extra or ()}
    wanted = EXTRAS.get(name)
    extras = tuple(sorted(declared if wanted is None else declared & wanted))
    pins = [
        _spelled(each)
        for each in metadata.requires_dist or ()
        if canonicalize_name(each.name) in PINNED
        and (canonicalize_name(each.name) != name or each.specifier)
        and _applies(each, extras)
    ]
    return tuple(sorted(dict.fromkeys(pins))), extras


def _applies(requirement: Requirement, extras: Sequence[str]) -> bool:
    if requirement.marker is None:
        return True
    return any(
        requirement.marker.evaluate(linux_environment(python=f"3.{minor}", extra=extra))
        for extra in ("", *extras)
        for minor in range(10, 14)
    )


def _spelled(requirement: Requirement) -> str:
    """Return *requirement* in one spelling, its specifiers in version order."""
    name = canonicalize_name(requirement.name)
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    parts = sorted(requirement.specifier, key=lambda each: (_number(each.version), each.operator))
    marker = f"; {requirement.marker}" if requirement.marker else ""
    return f"{name}{extras}{','.join(map(str, parts))}{marker}"


def _number(text: str) -> Version:
    try:
        return Version(text.removesuffix(".*"))
    except InvalidVersion:
        return Version("0")


def parse_pins(texts: Sequence[str]) -> list[Requirement]:
    """Return *texts* as requirements; what cannot be parsed is left out."""
    found = []
    for text in texts:
        try:
            found.append(Requirement(text))
        except InvalidRequirement:
            continue
    return found
