"""Would the extensions of an installed environment load? Read from its files, in place.

Finds every name and library as the dynamic loader would, by the hash tables of the torch
that is installed, and loads nothing: a broken stack cannot take the check down with it.
Standard library and ``packaging`` only, because the plugin runs it in that environment.

Judged are the shared objects that installed distributions record and that link to torch,
and torch's own need of NCCL. The driver's libcuda is not judged: a machine without a GPU
gives the same answer as one with it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ElfFormatError, WheelFormatError
from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.finding import Finding, Weight
from pytest_verlcompat.wheels.elf import GnuHash, Tables, parse_shared_object, parse_symbols
from pytest_verlcompat.wheels.images import FileImage
from pytest_verlcompat.wheels.symbols import (
    Origin,
    demangle,
    find_origin,
    newest,
    origin_of_library,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


_RECORDED = re.compile(rb"^\"?([^,\"\n]+\.so(?:\.\d+)*)\"?,", re.MULTILINE)
_SYSTEM_FOLDERS = (
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/cuda/lib64",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveReport:
    """What was judged in one environment, and what was found."""

    torch: str | None
    """Installed version of torch; None where it is not installed."""
    judged: tuple[str, ...]
    """Shared objects that link to torch, relative to site-packages."""
    scanned: int
    """Shared objects that were opened to see whether they do."""
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Library:
    """An opened shared object with its tables."""

    path: Path
    tables: Tables
    hash: GnuHash | None
    names: frozenset[str] = frozenset()
    """What it exports, where it has no hash table to ask."""

    def exports(self, name: str) -> bool:
        """Return whether it gives *name* to others."""
        return self.hash.exports(name) if self.hash is not None else name in self.names


@dataclass(slots=True)
class _Environment:
    """The libraries of one site-packages, each opened once."""

    root: Path
    stack: contextlib.ExitStack
    opened: dict[Path, _Library | None] = field(default_factory=dict)
    loaded: dict[str, Path] = field(default_factory=dict)
    """Soname to file, for what ``import torch`` has loaded before any extension."""
    owned: dict[str, Path] = field(default_factory=dict)
    """File name to file, for the shared objects of the distribution that is judged.

    Packages load their own libraries by path before what needs them."""

    def open(self, path: Path) -> _Library:
        """Return the library at *path*.

        Raises:
            ElfFormatError: If it cannot be read.
        """
        known = self.opened.get(path)
        if known is None:
            image = self.stack.enter_context(FileImage(path, label=path.name))
            tables = Tables(image)
            if tables.has_gnu_hash:
                known = _Library(path, tables, GnuHash(tables))
            else:
                names = frozenset(parse_shared_object(image, exports=True).exported)
                known = _Library(path, tables, None, names)
            self.opened[path] = known
        return known

    def locate(self, soname: str, *, by: _Library) -> Path | None:
        """Return the file the loader would open for *soname*, needed by *by*; None for none."""
        if soname in self.loaded:
            return self.loaded[soname]
        origin = str(by.path.resolve().parent)
        own = [
            Path(part.replace("$ORIGIN", origin).replace("${ORIGIN}", origin))
            for part in by.tables.search_path
        ]
        given = [Path(part) for part in os.environ.get("LD_LIBRARY_PATH", "").split(":") if part]
        for folder in [*own, *given, *map(Path, _SYSTEM_FOLDERS)]:
            candidate = folder / soname
            if candidate.is_file():
                return candidate
        return self.owned.get(soname)

    def closure(self, start: _Library) -> dict[str, _Library | None]:
        """Return soname to library for all that the loader opens; None where it finds none."""
        found: dict[str, _Library | None] = {}
        waiting = [(soname, start) for soname in start.tables.needed]
        while waiting:
            soname, by = waiting.pop()
            if soname in found or origin_of_library(soname) is Origin.SYSTEM:
                continue
            path = self.locate(soname, by=by)
            library = None
            if path is not None:
                try:
                    library = self.open(path)
                except ElfFormatError:
                    library = None
            found[soname] = library
            if library is not None:
                waiting.extend((each, library) for each in library.tables.needed)
        return found


def check_installed(root: Path) -> LiveReport:
    """Return what keeps extensions in the site-packages *root* from loading.

    Raises:
        WheelFormatError: If *root* is not a folder.
    """
    if not root.is_dir():
        raise WheelFormatError(
            "is not a folder; give the site-packages of an environment", where=str(root)
        )
    torch = _torch_version(root)
    with contextlib.ExitStack() as stack:
        environment = _Environment(root=root, stack=stack)
        findings: list[Finding] = []
        judged: list[str] = []
        scanned = 0
        if torch is not None:
            findings += _load_torch(environment, torch=torch)
            for owner, names in _recorded_objects(root):
                environment.owned = {name.rpartition("/")[2]: root / name for name in names}
                scanned += len(names)
                for name in names:
                    found = _judge(environment, name=name, owner=owner, torch=torch)
                    if found is not None:
                        judged.append(name)
                        findings += found
    return LiveReport(torch=torch, judged=tuple(judged), scanned=scanned, findings=tuple(findings))


def _torch_version(root: Path) -> str | None:
    """Return the version of torch with its local label, as torch itself tells it."""
    try:
        text = (root / "torch" / "version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    told = re.search(r"^__version__ *(?:: *\w+ *)?= *['\"]([^'\"]+)", text, re.MULTILINE)
    return told[1] if told else None


def _load_torch(environment: _Environment, *, torch: str) -> list[Finding]:
    """Note what ``import torch`` loads; return its unmet needs of NCCL."""
    findings: list[Finding] = []
    start = environment.root / "torch" / "lib" / "libtorch_python.so"
    for name in ("libtorch_python.so", "libtorch_global_deps.so", "libtorch_cuda.so"):
        path = start.with_name(name)
        if not path.is_file():
            continue
        try:
            library = environment.open(path)
        except ElfFormatError as error:
            findings.append(_unreadable(f"torch/lib/{name}", error, consumer=f"torch {torch}"))
            continue
        for soname, needed in environment.closure(library).items():
            if needed is not None:
                environment.loaded[soname] = needed.path
        environment.loaded[name] = path
        if name == "libtorch_cuda.so":
            findings += _check_symbols(
                environment,
                library,
                name=f"torch/lib/{name}",
                consumer=f"torch {torch}",
                torch=torch,
                origins=frozenset({Origin.NCCL}),
            )
    return findings


def _recorded_objects(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield name and version of each distribution, with its shared objects inside of *root*."""
    for record in sorted(root.glob("*.dist-info/RECORD")):
        name, _, version = record.parent.name.removesuffix(".dist-info").rpartition("-")
        if name == "torch" or name.startswith(("nvidia_", "triton")):
            continue
        try:
            body = record.read_bytes()
        except OSError:
            continue
        paths = [match[1].decode("utf-8", "replace") for match in _RECORDED.finditer(body)]
        inside = [path for path in paths if ".." not in path.split("/") and path[0] != "/"]
        if inside:
            yield f"{name} {version}", inside


def _judge(environment: _Environment, *, name: str, owner: str, torch: str) -> list[Finding] | None:
    """Return what is wrong with the object *name*, or None if it does not concern torch."""
    path = environment.root / name
    try:
        with FileImage(path, label=name) as image:
            sonames = Tables(image).needed
    except ElfFormatError as error:
        return [_unreadable(name, error, consumer=owner)]
    if not any(origin_of_library(soname) is Origin.TORCH for soname in sonames):
        return None
    library = environment.open(path)
    findings = _check_libraries(environment, library, name=name, owner=owner, torch=torch)
    findings += _check_floors(library, name=name, owner=owner)
    return findings + _check_symbols(
        environment,
        library,
        name=name,
        consumer=owner,
        torch=torch,
        origins=frozenset({Origin.TORCH, Origin.NCCL}),
    )


def _check_libraries(
    environment: _Environment, library: _Library, *, name: str, owner: str, torch: str
) -> list[Finding]:
    findings: list[Finding] = []
    for soname, found in environment.closure(library).items():
        origin = origin_of_library(soname)
        if found is not None or origin is Origin.DRIVER:
            continue
        certain = origin in {Origin.CUDA, Origin.NCCL, Origin.TORCH}
        findings.append(
            Finding(
                code="missing-library",
                weight=Weight.BROKEN if certain else Weight.SUSPECT,
                consumer=owner,
                provider=f"torch {torch}" if certain else "this machine",
                cause=Cause(
                    kind="ImportError",
                    first_line=f"{soname}: cannot open shared object file: "
                    "No such file or directory",
                    detail=f"needed by {name}; torch does not load it, the loader finds none",
                ),
            )
        )
    return findings


def _check_floors(library: _Library, *, name: str, owner: str) -> list[Finding]:
    versions = [version for version, _ in library.tables.versions().values()]
    host = platform.libc_ver()[1]
    floor = newest(versions, prefix="GLIBC_")
    newer = newest([f"GLIBC_{floor}", f"GLIBC_{host}"], prefix="GLIBC_")
    if not floor or not host or newer == host:
        return []
    return [
        Finding(
            code="glibc-floor",
            weight=Weight.BROKEN,
            consumer=owner,
            provider=f"glibc {host}",
            cause=Cause(
                kind="ImportError",
                first_line=f"libc.so.6: version `GLIBC_{floor}' not found (required by {name})",
            ),
        )
    ]


def _check_symbols(
    environment: _Environment,
    library: _Library,
    *,
    name: str,
    consumer: str,
    torch: str,
    origins: frozenset[Origin],
) -> list[Finding]:
    """Return one finding for all names of *origins* that no reachable library exports."""
    wanted = [
        symbol.name
        for symbol in parse_symbols(library.tables)
        if not symbol.weak and find_origin(symbol) in origins
    ]
    reached = [each for each in environment.closure(library).values() if each is not None]
    # What most names are found in comes first.
    reached.sort(key=lambda each: not each.path.name.startswith(("libtorch_cpu", "libc10")))
    missing = [
        name for name in wanted if not any(each.exports(name) for each in [*reached, library])
    ]
    if not missing:
        return []
    nccl = missing[0].startswith("nccl")
    detail = demangle(missing[0])
    if len(missing) > 1:
        detail += f"\n{len(missing) - 1} more missing: " + ", ".join(missing[1:12])
    return [
        Finding(
            code="undefined-symbol",
            weight=Weight.BROKEN,
            consumer=consumer,
            provider="the installed NCCL" if nccl else f"torch {torch}",
            cause=Cause(
                kind="ImportError",
                first_line=f"{name}: undefined symbol: {missing[0]}",
                detail=detail,
            ),
        )
    ]


def _unreadable(name: str, error: ElfFormatError, *, consumer: str) -> Finding:
    return Finding(
        code="unreadable-extension",
        weight=Weight.UNKNOWN,
        consumer=consumer,
        provider="this machine",
        cause=Cause(kind="unreadable-extension", first_line=f"{name}: {error.message}"),
    )
