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
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.abi_breaks import SILENT_BREAKS, find_silent_break
from pytest_verlcompat.checks.abi_distributions import (
    exact_pin,
    is_for_another_torch,
    preloaded,
    recorded_objects,
    torch_version,
)
from pytest_verlcompat.checks.abi_environment import Environment, Library
from pytest_verlcompat.checks.abi_findings import orphan_finding, silent_finding, unmet_finding
from pytest_verlcompat.checks.abi_gpu import check_gpu_files
from pytest_verlcompat.checks.abi_symbols import (
    ExtensionVerdict,
    find_abi_range,
    undefined_finding,
)
from pytest_verlcompat.checks.abi_tolerance import soften
from pytest_verlcompat.errors import ElfFormatError, WheelFormatError
from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.finding import Finding, Weight
from pytest_verlcompat.wheels.elf import Tables, parse_shared_object, parse_symbols
from pytest_verlcompat.wheels.exports import DEFAULT_MACHINE
from pytest_verlcompat.wheels.images import FileImage
from pytest_verlcompat.wheels.symbols import (
    Origin,
    classify_needs,
    find_origin,
    find_orphans,
    newest,
    origin_of_library,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_verlcompat.wheels.symbols import ExtensionNeeds


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


def check_installed(root: Path, *, capabilities: Iterable[tuple[int, int]] = ()) -> LiveReport:
    """Return what keeps extensions in the site-packages *root* from loading.

    Args:
        root: The folder.
        capabilities: Compute capabilities of the devices at hand; their GPU code is looked for.

    Raises:
        WheelFormatError: If *root* is not a folder.
    """
    if not root.is_dir():
        raise WheelFormatError(
            "is not a folder; give the site-packages of an environment", where=str(root)
        )
    torch = torch_version(root)
    devices = sorted(set(capabilities))
    with contextlib.ExitStack() as stack:
        environment = Environment(root=root, stack=stack)
        findings: list[Finding] = []
        judged: list[str] = []
        scanned = 0
        if torch is not None:
            findings += _load_torch(environment, torch=torch)
            findings += _check_devices(
                {"torch/lib/libtorch_cuda.so": root / "torch" / "lib" / "libtorch_cuda.so"},
                devices=devices,
                owner=f"torch {torch}",
            )
            for owner, names in recorded_objects(root):
                environment.pin, environment.built_for = exact_pin(root, owner), None
                environment.owned = {name.rpartition("/")[2]: root / name for name in names}
                scanned += len(names)
                files = {name: root / name for name in names}
                findings += _check_devices(files, devices=devices, owner=owner)
                for name, found in _judge_all(environment, names, owner=owner, torch=torch):
                    judged.append(name)
                    findings += found
            findings += _foreign_libraries(environment)
    return LiveReport(
        torch=torch, judged=tuple(judged), scanned=scanned, findings=tuple(soften(findings))
    )


def _judge_all(
    environment: Environment, names: Iterable[str], *, owner: str, torch: str
) -> Iterator[tuple[str, list[Finding]]]:
    """Yield each object that binds to torch, with what is wrong with it."""
    for name in names:
        if is_for_another_torch(name, torch):
            continue
        try:
            found = _judge(environment, name=name, owner=owner, torch=torch)
        except ElfFormatError as error:
            found = [_unreadable(name, error, consumer=owner)]
        if found is not None:
            yield name, found


def _check_devices(
    files: Mapping[str, Path], *, devices: Iterable[tuple[int, int]], owner: str
) -> Iterator[Finding]:
    for device in devices:
        yield from check_gpu_files(files, capability=device, consumer=owner)


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
        except ElfFormatError as error:
            findings.append(_unreadable(f"torch/lib/{name}", error, consumer=f"torch {torch}"))
    environment.loaded.update(preloaded(environment.root))
    return findings


def _judge(environment: Environment, *, name: str, owner: str, torch: str) -> list[Finding] | None:
    """Return what is wrong with the object *name*, or None if it does not concern torch.

    Raises:
        ElfFormatError: If it cannot be read, or a library of torch cannot.
    """
    path = environment.root / name
    with FileImage(path, label=name) as image:
        sonames = Tables(image).needed
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
    """Return a finding where what the owner was built for and the installed torch straddle a break.

    What it was built for is what it pins or is labelled for, and else what its symbols say.
    """
    names = [s.name for s in parse_symbols(library.tables) if find_origin(s) is Origin.TORCH]
    if not any(each.concerns(names) for each in SILENT_BREAKS):
        return []
    built_for = [environment.pin] if environment.pin else _symbols_built_for(environment)
    found = find_silent_break(names, built_for=built_for, torch=torch)
    if found is None:
        return []
    return [
        silent_finding(
            found[0],
            name,
            is_certain=found[1],
            built_for=", ".join(built_for),
            consumer=owner,
            provider=f"torch {torch}",
        )
    ]


def _symbols_built_for(environment: Environment) -> tuple[str, ...]:
    """Return the releases that export every symbol of the distribution that is judged."""
    if environment.built_for is None:
        needs: list[ExtensionNeeds] = []
        for path in environment.owned.values():
            with contextlib.suppress(ElfFormatError):  # told when it is judged itself
                library = environment.open(path)
                needs.append(
                    classify_needs(parse_shared_object(library.tables.image), name=path.name)
                )
        bound = [each for each in needs if each.torch]
        exports = environment.exports(bound[0].machine if bound else DEFAULT_MACHINE)
        environment.built_for = find_abi_range(bound, exports=exports) if bound else ()
    return environment.built_for


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
    symbols = [
        (find_origin(each), each.name) for each in parse_symbols(library.tables) if not each.weak
    ]
    wanted = [each for origin, each in symbols if origin in origins]
    reached = [each for each in environment.closure(library).values() if each is not None]
    # What most names are found in comes first.
    reached.sort(key=lambda each: not each.path.name.startswith(("libtorch_cpu", "libc10")))
    missing = [
        name for name in wanted if not any(each.exports(name) for each in [*reached, library])
    ]
    if not missing and Origin.TORCH in origins:
        other = [each for origin, each in symbols if origin is Origin.OTHER]
        orphans = find_orphans(other, needed=library.tables.needed)
        givers = [*reached, *environment.open_loaded()] if orphans else []
        missing = [each for each in orphans if not any(lib.exports(each) for lib in givers)]
        return [orphan_finding(name, missing, consumer=consumer)] if missing else []
    if not missing:
        return []
    if missing[0].startswith("nccl"):
        return [unmet_finding(name, missing, consumer=consumer, provider="the installed NCCL")]
    needs = classify_needs(parse_shared_object(library.tables.image), name=name)
    verdict = ExtensionVerdict(extension=needs, missing=tuple(missing), other_cuda=None)
    exports = environment.exports(needs.machine)
    return [
        undefined_finding(verdict, exports=exports, consumer=consumer, provider=f"torch {torch}")
    ]


def _unreadable(name: str, error: ElfFormatError, *, consumer: str) -> Finding:
    return Finding(
        code="unreadable-extension",
        weight=Weight.UNKNOWN,
        consumer=consumer,
        provider="this machine",
        cause=Cause(kind="unreadable-extension", first_line=f"{name}: {error.message}"),
    )
