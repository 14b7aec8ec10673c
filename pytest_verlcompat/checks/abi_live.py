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
import platform
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.abi_breaks import find_silent_break
from pytest_verlcompat.checks.abi_environment import Environment, Library
from pytest_verlcompat.checks.abi_symbols import silent_finding
from pytest_verlcompat.errors import ElfFormatError, WheelFormatError
from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.finding import Finding, Weight
from pytest_verlcompat.wheels.elf import Tables, parse_symbols
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
    from pathlib import Path


_PRELOADED = re.compile(r"\"([a-z0-9_]+)\"[,:] *\"(lib[A-Za-z_-]+\.so\.\*\[0-9\])\"")
_FOR_TORCH = re.compile(r"torch[_-]?(\d)\.?(\d{1,2})(?!\d)")
_RECORDED = re.compile(rb"^\"?([^,\"\n]+\.so(?:\.\d+)*)\"?,", re.MULTILINE)


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
        environment = Environment(root=root, stack=stack)
        findings: list[Finding] = []
        judged: list[str] = []
        scanned = 0
        if torch is not None:
            findings += _load_torch(environment, torch=torch)
            for owner, names in _recorded_objects(root):
                environment.pin = _exact_pin(root, owner)
                environment.owned = {name.rpartition("/")[2]: root / name for name in names}
                scanned += len(names)
                for name in names:
                    if is_for_another_torch(name, torch):
                        continue
                    found = _judge(environment, name=name, owner=owner, torch=torch)
                    if found is not None:
                        judged.append(name)
                        findings += found
            findings += _foreign_libraries(environment)
    return LiveReport(torch=torch, judged=tuple(judged), scanned=scanned, findings=tuple(findings))


def is_for_another_torch(name: str, torch: str) -> bool:
    """Return whether the file *name* says that it was built for another release than *torch*.

    Some distributions carry one build a release of torch and load the one whose name fits.

    Source: ``core.py`` of torch-c-dlpack-ext 0.1.5, read 2026-11-20.
    """
    tagged = _FOR_TORCH.search(name.rpartition("/")[2])
    if tagged is None:
        return False
    return [tagged[1], tagged[2]] != torch.partition("+")[0].split(".")[:2]


def _torch_version(root: Path) -> str | None:
    """Return the version of torch with its local label, as torch itself tells it."""
    try:
        text = (root / "torch" / "version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    told = re.search(r"^__version__ *(?:: *\w+ *)?= *['\"]([^'\"]+)", text, re.MULTILINE)
    return told[1] if told else None


def _load_torch(environment: Environment, *, torch: str) -> list[Finding]:
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
    environment.loaded.update(_preloaded(environment.root))
    return findings


def _preloaded(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield soname and file of the CUDA libraries that ``import torch`` opens by name.

    torch names them in its ``__init__``: those that libraries of wheels need and have no path
    to, such as NVRTC, which nothing of torch itself links to.

    Source: ``_load_global_deps`` in ``torch/__init__.py`` of torch 2.8.0 and 2.11.0, read
    2026-11-20.
    """
    try:
        text = (root / "torch" / "__init__.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for folder, pattern in _PRELOADED.findall(text):
        for path in sorted(root.glob(f"nvidia/*/lib/{pattern}")):
            if path.parts[-3] == folder or path.parts[-3].startswith("cu1"):
                yield path.name, path


def _exact_pin(root: Path, owner: str) -> str | None:
    """Return the release of torch that *owner* pins exactly, None for none."""
    try:
        path = root / f"{owner.replace(' ', '-')}.dist-info" / "METADATA"
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    pin = re.search(r"^Requires-Dist: torch *\(? *== *([0-9][0-9.]*)\)? *$", text, re.MULTILINE)
    return pin[1] if pin else None


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


def _judge(environment: Environment, *, name: str, owner: str, torch: str) -> list[Finding] | None:
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
    findings += _check_silent_breaks(environment, library, name=name, owner=owner, torch=torch)
    return findings + _check_symbols(
        environment,
        library,
        name=name,
        consumer=owner,
        torch=torch,
        origins=frozenset({Origin.TORCH, Origin.NCCL}),
    )


def _check_libraries(
    environment: Environment, library: Library, *, name: str, owner: str, torch: str
) -> list[Finding]:
    """Return what torch's side does not give; note what only this machine could give."""
    findings: list[Finding] = []
    for soname, found in environment.closure(library).items():
        origin = origin_of_library(soname)
        if found is not None or origin is Origin.DRIVER:
            continue
        if origin not in {Origin.CUDA, Origin.NCCL, Origin.TORCH}:
            environment.foreign.setdefault(owner, {}).setdefault(soname, []).append(name)
            continue
        cause = Cause(
            kind="ImportError",
            first_line=f"{soname}: cannot open shared object file: No such file or directory",
            detail=f"needed by {name}; torch does not load it, the loader finds none",
        )
        findings.append(
            Finding(
                code="missing-library",
                weight=Weight.BROKEN,
                consumer=owner,
                provider=f"torch {torch}",
                cause=cause,
            )
        )
    return findings


def _foreign_libraries(environment: Environment) -> Iterator[Finding]:
    """Yield one finding a distribution for libraries that optional features of it ask for."""
    for owner, wanted in environment.foreign.items():
        first = next(iter(wanted))
        needed_by = "\n".join(f"{soname}: {', '.join(names)}" for soname, names in wanted.items())
        yield Finding(
            code="missing-library",
            weight=Weight.SUSPECT,
            consumer=owner,
            provider="this machine",
            cause=Cause(
                kind="ImportError",
                first_line=f"{first}: cannot open shared object file: No such file or directory",
                detail=f"libraries that this machine lacks, and what asks for them:\n{needed_by}",
            ),
        )


def _check_floors(library: Library, *, name: str, owner: str) -> list[Finding]:
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


def _check_silent_breaks(
    environment: Environment, library: Library, *, name: str, owner: str, torch: str
) -> list[Finding]:
    """Return a finding where the owner's pin on torch and the installed one straddle a break.

    Without an exact pin nothing tells cheaply what the extension was built for.
    """
    pinned = environment.pin
    if pinned is None:
        return []
    names = [s.name for s in parse_symbols(library.tables) if find_origin(s) is Origin.TORCH]
    found = find_silent_break(names, built_for=[pinned], torch=torch)
    if found is None:
        return []
    return [
        silent_finding(
            found[0],
            name,
            is_certain=found[1],
            built_for=pinned,
            consumer=owner,
            provider=f"torch {torch}",
        )
    ]


def _check_symbols(
    environment: Environment,
    library: Library,
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
