"""Knows which names each torch release exports to extensions, from data shipped with us.

The data is one file, ``data/torch_exports.xz``: a header line of JSON, a line with one
number per name that says where it is exported, and the sorted names, for all machines.
Names that no extension can bind to (local to a function, in an unnamed namespace, of libraries
that torch links statically) are left out. ``verlcompat abi --index-torch 2.8.0`` adds or
replaces a release, and with ``--check`` compares it; the file then holds the same bytes
wherever it is written.

torch's libraries were edited after linking, so that names and hash table stand at their end,
and symbols at their start: a release costs the two ends of the compressed libraries.
"""

from __future__ import annotations

import bisect
import dataclasses
import json
import lzma
import re
from dataclasses import asdict, dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import UsageError, WheelFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LIBRARIES = (
    "libc10.so",
    "libc10_cuda.so",
    "libtorch_cpu.so",
    "libtorch_cuda.so",
    "libtorch_python.so",
    "libtorch.so",
)
DEFAULT_MACHINE = "x86_64"
_FORMAT = 2
_DATA = "torch_exports.xz"
_BINDABLE = re.compile(
    r"_Z(?!Z|GVZ|T[ISV]Z|GR)\w*?(?<!\d)(?:3c10|2at|5torch|6caffe2|4c10d)"
    r"|_Z\d+(?:THP|TH|c10_)|aoti_|torch_|TH[PC]|c10_"
)
_NOT_BINDABLE = re.compile(r"_GLOBAL__N_|__nv_hdl_|__nv_|12_GLOBAL__N")
_LOCAL_CUDA = re.compile(r"cu(\d+)\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchRelease:
    """One wheel of torch whose exports are known."""

    version: str
    wheel: str
    """File name."""
    sha256: str | None
    cuda: int | None
    """CUDA major its libraries name; None for a build without CUDA."""
    needed: Mapping[str, tuple[str, ...]]
    """DT_NEEDED of each library."""
    architectures: tuple[str, ...] = ()
    """GPUs that its kernels were compiled for, as it says itself; empty where it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseExports:
    """A release with what its libraries export."""

    release: TorchRelease
    names: Mapping[str, frozenset[str]]
    """Library to bindable names."""


class TorchExports:
    """Names exported by every known release for one machine, answered by name."""

    def __init__(
        self,
        releases: Sequence[TorchRelease],
        *,
        names: Sequence[str],
        places: Sequence[tuple[int, ...]],
        machine: str = DEFAULT_MACHINE,
    ) -> None:
        """Make a table.

        Args:
            releases: In version order; a release's place is its bit.
            names: Sorted; some may be exported on other machines only.
            places: For each name, a bit set of releases for each of :data:`LIBRARIES`.
            machine: As ELF files name it here, such as ``aarch64``.
        """
        self.machine = machine
        self.releases = tuple(releases)
        self._names = names
        self._places = places
        self._bits = {release.version: bit for bit, release in enumerate(self.releases)}

    @property
    def versions(self) -> tuple[str, ...]:
        """Every known release, oldest first."""
        return tuple(release.version for release in self.releases)

    def release(self, version: str) -> TorchRelease:
        """Return the release *version*; a local label such as ``+cu128`` sets its CUDA.

        Raises:
            UsageError: If that release was not indexed.
        """
        try:
            parsed = Version(version)
        except InvalidVersion as error:
            raise UsageError(f"{version!r} is not a version; write it like 2.8.0") from error
        bit = self._bits.get(parsed.public)
        if bit is None:
            raise UsageError(
                f"the exports of torch {version} for {self.machine} are not known here (known: "
                f"{', '.join(self.versions)}); add them with "
                f"'verlcompat abi --index-torch {parsed.public}'"
            )
        found = self.releases[bit]
        if parsed.local is None:
            return found
        label = _LOCAL_CUDA.fullmatch(parsed.local)
        cuda = int(label[1]) if label else None
        # Builds for another CUDA are compiled for other GPUs.
        return dataclasses.replace(found, cuda=cuda, architectures=())

    def exporters(self, name: str) -> dict[str, tuple[str, ...]]:
        """Return library to the releases in which it exports *name*."""
        index = bisect.bisect_left(self._names, name)
        if index == len(self._names) or self._names[index] != name:
            return {}
        return {
            library: tuple(
                release.version for bit, release in enumerate(self.releases) if bits >> bit & 1
            )
            for library, bits in zip(LIBRARIES, self._places[index], strict=True)
            if bits
        }

    def releases_with(self, name: str) -> tuple[str, ...]:
        """Return the releases of which any library exports *name*, oldest first."""
        found = {version for versions in self.exporters(name).values() for version in versions}
        return tuple(version for version in self.versions if version in found)

    def missing(
        self, names: Iterable[str], *, needed: Iterable[str], release: TorchRelease
    ) -> tuple[str, ...]:
        """Return those of *names* that no library reached from *needed* exports in *release*."""
        reached = reach(needed, release.needed)
        chosen = [place for place, library in enumerate(LIBRARIES) if library in reached]
        bit = self._bits[release.version]
        found: list[str] = []
        for name in names:
            index = bisect.bisect_left(self._names, name)
            known = index < len(self._names) and self._names[index] == name
            if not (known and any(self._places[index][c] >> bit & 1 for c in chosen)):
                found.append(name)
        return tuple(found)

    def relatives(self, name: str) -> tuple[str, ...]:
        """Return the other exported names of the same function: other parameter types."""
        stem = _stem(name)
        if stem is None:
            return ()
        first = bisect.bisect_left(self._names, stem)
        last = bisect.bisect_left(self._names, stem + "\x7f")
        found = (other for other in self._names[first:last] if other != name)
        return tuple(other for other in found if self.exporters(other))

    def exported_by(self, version: str) -> ReleaseExports:
        """Return everything that is known of the release *version*.

        Raises:
            UsageError: If that release was not indexed.
        """
        release = self.release(version)
        bit = self._bits[release.version]
        return ReleaseExports(
            release=release,
            names={
                library: frozenset(
                    name
                    for name, places in zip(self._names, self._places, strict=True)
                    if places[place] >> bit & 1
                )
                for place, library in enumerate(LIBRARIES)
                if library in release.needed
            },
        )


def reach(needed: Iterable[str], libraries: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return which of *libraries* the loader opens for *needed*, directly or not."""
    found: set[str] = set()
    waiting = [soname for soname in needed if soname in libraries]
    while waiting:
        soname = waiting.pop()
        if soname not in found:
            found.add(soname)
            waiting.extend(other for other in libraries[soname] if other in libraries)
    return frozenset(found)


def _stem(name: str) -> str | None:
    """Return the part of a mangled name before its parameters; None for template code."""
    match = re.match(r"_Z(N[KVRO]*)?", name)
    if match is None:
        return None
    position = match.end()
    while digits := re.compile(r"\d+").match(name, position):
        position = digits.end() + int(digits[0])
        if match[1] is None:
            return name[:position]
    return name[: position + 1] if name[position : position + 1] == "E" else None


def is_bindable(name: str) -> bool:
    """Return whether an extension could bind to the exported *name* and mean torch's."""
    return bool(_BINDABLE.match(name)) and not _NOT_BINDABLE.search(name)


def merge_exports(known: TorchExports, added: Iterable[ReleaseExports]) -> TorchExports:
    """Return *known* with the releases *added*, which replace those of the same version."""
    table: dict[str, dict[str, set[str]]] = {}
    releases = {release.version: release for release in known.releases}
    for each in added:
        releases[each.release.version] = each.release
        for library, exported in each.names.items():
            for name in exported:
                table.setdefault(name, {}).setdefault(library, set()).add(each.release.version)
    new = {each.release.version for each in added}
    ordered = sorted(releases.values(), key=lambda release: Version(release.version))
    for name in known._names:  # noqa: SLF001 -- the merge is part of the table
        for library, versions in known.exporters(name).items():
            kept = set(versions) - new
            if kept:
                table.setdefault(name, {}).setdefault(library, set()).update(kept)
    bits = {release.version: 1 << bit for bit, release in enumerate(ordered)}
    ordered_names = sorted(table)
    places = [
        tuple(
            sum(bits[version] for version in table[name].get(library, ())) for library in LIBRARIES
        )
        for name in ordered_names
    ]
    return TorchExports(ordered, names=ordered_names, places=places, machine=known.machine)


def render_exports(tables: Iterable[TorchExports]) -> bytes:
    """Return *tables*, one a machine, in the form of the data file; equal ones give equal bytes."""
    ordered = sorted((each for each in tables if each.releases), key=lambda table: table.machine)
    merged: dict[str, list[int]] = {}
    for place, table in enumerate(ordered):
        for name, bits in zip(table._names, table._places, strict=True):  # noqa: SLF001 -- the writer of the format
            if any(bits):
                row = merged.setdefault(name, [0] * len(LIBRARIES) * len(ordered))
                row[place * len(LIBRARIES) : (place + 1) * len(LIBRARIES)] = bits
    names = sorted(merged)
    places = [tuple(merged[name]) for name in names]
    kinds = sorted(set(places))
    number = {kind: index for index, kind in enumerate(kinds)}
    header = {
        "format": _FORMAT,
        "written_by": "verlcompat abi --index-torch VERSION...",
        "libraries": LIBRARIES,
        "machines": {
            table.machine: [asdict(release) for release in table.releases] for table in ordered
        },
        "places": kinds,
    }
    column = " ".join(str(number[each]) for each in places)
    text = "\n".join([json.dumps(header, sort_keys=True), column, "\n".join(names)])
    return lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)


def parse_exports(body: bytes, *, label: str = _DATA) -> dict[str, TorchExports]:
    """Return the tables in *body*, by machine.

    Raises:
        WheelFormatError: If it is damaged or of another format.
    """
    try:
        head, column, text = lzma.decompress(body).decode().split("\n", 2)
        header = json.loads(head)
        if header["format"] != _FORMAT or tuple(header["libraries"]) != LIBRARIES:
            raise WheelFormatError("was written by another release of this program", where=label)
        names = text.split("\n") if text else []
        kinds = [tuple(each) for each in header["places"]]
        numbers = [int(number) for number in column.split()]
        tables: dict[str, TorchExports] = {}
        for place, (machine, releases) in enumerate(sorted(header["machines"].items())):
            own = slice(place * len(LIBRARIES), (place + 1) * len(LIBRARIES))
            cut = [kind[own] for kind in kinds]
            tables[machine] = TorchExports(
                [_parse_release(fields) for fields in releases],
                names=names,
                places=[cut[number] for number in numbers],
                machine=machine,
            )
    except (lzma.LZMAError, ValueError, KeyError, TypeError, IndexError) as error:
        raise WheelFormatError(
            f"is damaged ({error}); write it again with 'verlcompat abi --index-torch'",
            where=label,
        ) from error
    return tables


def _parse_release(fields: dict[str, Any]) -> TorchRelease:
    needed = {library: tuple(sonames) for library, sonames in fields["needed"].items()}
    architectures = tuple(fields["architectures"])
    return TorchRelease(**{**fields, "needed": needed, "architectures": architectures})


def load_tables() -> dict[str, TorchExports]:
    """Return the tables shipped with this package, by machine; empty where there is none yet.

    Raises:
        WheelFormatError: If the file is damaged.
    """
    try:
        body = (resources.files("pytest_verlcompat.wheels") / "data" / _DATA).read_bytes()
    except FileNotFoundError:
        return {}
    return parse_exports(body)


def load_exports(machine: str = DEFAULT_MACHINE) -> TorchExports:
    """Return the table for *machine* that is shipped with this package, empty without one.

    Raises:
        WheelFormatError: If the file is damaged.
    """
    known = load_tables().get(machine)
    return known or TorchExports((), names=(), places=(), machine=machine)
