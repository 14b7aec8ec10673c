"""Knows which names each torch release exports to extensions, from data shipped with us.

The data is one file, ``data/torch_exports.xz``: a header line of JSON, a line with one
number per name that says where it is exported, and the sorted names. Names that no
extension can bind to (local to a function, in an unnamed namespace, of libraries that torch
links statically) are left out. ``verlcompat abi --index-torch 2.8.0`` adds or replaces a
release; the file then holds the same bytes wherever it is written.

torch's libraries were edited after linking, so that names and hash table stand at their end:
a release costs a pass over the whole compressed libraries, of which little is held.
"""

from __future__ import annotations

import bisect
import json
import lzma
import re
from dataclasses import asdict, dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import UsageError, WheelFormatError
from pytest_verlcompat.wheels.elf import parse_shared_object
from pytest_verlcompat.wheels.images import keep_loaded_parts
from pytest_verlcompat.wheels.symbols import cuda_majors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_verlcompat.wheels.archive import FileTree

LIBRARIES = (
    "libc10.so",
    "libc10_cuda.so",
    "libtorch_cpu.so",
    "libtorch_cuda.so",
    "libtorch_python.so",
    "libtorch.so",
)
_FORMAT = 1
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseExports:
    """A release with what its libraries export."""

    release: TorchRelease
    names: Mapping[str, frozenset[str]]
    """Library to bindable names."""


class TorchExports:
    """Names exported by every known release, answered by name."""

    def __init__(
        self,
        releases: Sequence[TorchRelease],
        *,
        names: Sequence[str],
        places: Sequence[tuple[int, ...]],
    ) -> None:
        """Make a table.

        Args:
            releases: In version order; a release's place is its bit.
            names: Sorted.
            places: For each name, a bit set of releases for each of :data:`LIBRARIES`.
        """
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
                f"the exports of torch {version} are not known here (known: "
                f"{', '.join(self.versions)}); add them with "
                f"'verlcompat abi --index-torch {parsed.public}'"
            )
        found = self.releases[bit]
        if parsed.local is None:
            return found
        label = _LOCAL_CUDA.fullmatch(parsed.local)
        return TorchRelease(
            version=found.version,
            wheel=found.wheel,
            sha256=found.sha256,
            cuda=int(label[1]) if label else None,
            needed=found.needed,
        )

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
        return tuple(other for other in self._names[first:last] if other != name)


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


def read_release(tree: FileTree, *, version: str, sha256: str | None) -> ReleaseExports:
    """Return what the libraries of the torch wheel or installation *tree* export.

    Raises:
        WheelFormatError: If it holds none of torch's libraries.
        ElfFormatError: If one of them cannot be read.
    """
    present = set(tree.names())
    names: dict[str, frozenset[str]] = {}
    needed: dict[str, tuple[str, ...]] = {}
    for library in LIBRARIES:
        path = f"torch/lib/{library}"
        if path not in present:
            continue
        found = parse_shared_object(keep_loaded_parts(tree.stream(path), label=path), exports=True)
        names[library] = frozenset(filter(is_bindable, found.exported))
        needed[library] = found.needed
    if "libc10.so" not in names:
        raise WheelFormatError("has no torch/lib/libc10.so", where=tree.label)
    majors = cuda_majors(soname for each in needed.values() for soname in each)
    release = TorchRelease(
        version=version,
        wheel=tree.label,
        sha256=sha256,
        cuda=majors[0] if majors else None,
        needed=needed,
    )
    return ReleaseExports(release=release, names=names)


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
    return TorchExports(ordered, names=ordered_names, places=places)


def render_exports(exports: TorchExports) -> bytes:
    """Return *exports* in the form of the data file; equal tables give equal bytes."""
    kinds = sorted(set(exports._places))  # noqa: SLF001 -- reader and writer of one format
    number = {places: index for index, places in enumerate(kinds)}
    header = {
        "format": _FORMAT,
        "written_by": "verlcompat abi --index-torch VERSION...",
        "libraries": LIBRARIES,
        "releases": [asdict(release) for release in exports.releases],
        "places": kinds,
    }
    column = " ".join(str(number[places]) for places in exports._places)  # noqa: SLF001 -- the same
    names = "\n".join(exports._names)  # noqa: SLF001 -- the same
    text = f"{json.dumps(header, sort_keys=True)}\n{column}\n{names}"
    return lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)


def parse_exports(body: bytes, *, label: str = _DATA) -> TorchExports:
    """Return the table in *body*.

    Raises:
        WheelFormatError: If it is damaged or of another format.
    """
    try:
        head, column, names = lzma.decompress(body).decode().split("\n", 2)
        header = json.loads(head)
        kinds = [tuple(places) for places in header["places"]]
        releases = [_parse_release(fields) for fields in header["releases"]]
        places = [kinds[int(number)] for number in column.split()]
        known = header["format"] == _FORMAT and tuple(header["libraries"]) == LIBRARIES
    except (lzma.LZMAError, ValueError, KeyError, TypeError, IndexError) as error:
        raise WheelFormatError(
            f"is damaged ({error}); write it again with 'verlcompat abi --index-torch'",
            where=label,
        ) from error
    if not known:
        raise WheelFormatError("was written by another release of this program", where=label)
    return TorchExports(releases, names=names.split("\n") if names else [], places=places)


def _parse_release(fields: dict[str, Any]) -> TorchRelease:
    needed = {library: tuple(sonames) for library, sonames in fields["needed"].items()}
    return TorchRelease(**{**fields, "needed": needed})


def load_exports() -> TorchExports:
    """Return the table shipped with this package, empty where there is none yet.

    Raises:
        WheelFormatError: If the file is damaged.
    """
    try:
        body = (resources.files("pytest_verlcompat.wheels") / "data" / _DATA).read_bytes()
    except FileNotFoundError:
        return TorchExports((), names=(), places=())
    return parse_exports(body)
