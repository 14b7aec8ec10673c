"""What this machine offers to a training, read within a fraction of a second.

No process is started but one that asks the driver's library, and only where there is a driver:
``nvidia-smi`` may take seconds, and a library that hangs must not take the doctor with it.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import ToolMissingError
from pytest_verlcompat.model.machine import Gpu, Machine
from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.process.run import Limits, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_DRIVER_FILES = tuple(map(Path, ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")))
_OWN_CGROUP = Path("/proc/self/cgroup")
_NVML_S = 0.7
_SMI_S = 3.0
_SMI_FIELDS = ("name", "memory.total", "compute_cap", "driver_version")
_UNLIMITED_BYTES = 1 << 60
_COMPILERS = ("cc", "gcc", "clang")
_LIBRARY_FOLDERS = (
    "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """This machine, container limits included."""

    machine: Machine
    shm_mib: int | None
    """Size of ``/dev/shm``; ``None`` where there is none."""
    shm_free_mib: int | None
    nofile: int
    """Soft limit of open files; what can be set without privileges is `nofile_hard`."""
    nofile_hard: int
    processes: int
    """Soft limit of processes and threads of this user; below 0 where there is none."""
    cgroup_memory_mib: int | None
    """What the container may use; ``None`` where it is not limited."""
    cpus_present: int
    """Cores of the machine, those this process may not use included."""
    in_container: bool


def read_host() -> Host:
    """Return what this machine offers."""
    shm = _shm()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Host(
        machine=_machine(),
        shm_mib=shm[0] if shm else None,
        shm_free_mib=shm[1] if shm else None,
        nofile=soft,
        nofile_hard=hard,
        processes=resource.getrlimit(resource.RLIMIT_NPROC)[0],
        cgroup_memory_mib=cgroup_memory(),
        cpus_present=os.cpu_count() or 1,
        in_container=Path("/.dockerenv").exists() or Path("/run/.containerenv").exists(),
    )


def find_places(names: Iterable[str], *, environ: Mapping[str, str]) -> dict[str, bool]:
    """Return whether each ``program:NAME`` or ``library:NAME`` of *names* is there."""
    found = {}
    for key in names:
        kind, _, name = key.partition(":")
        if kind == "program":
            found[key] = _program(name, environ)
        elif kind == "library":
            extra = environ.get("LD_LIBRARY_PATH", "").split(":")
            folders = (*(each for each in extra if each), *_LIBRARY_FOLDERS)
            found[key] = any(Path(folder, name).exists() for folder in folders)
    return found


def _program(name: str, environ: Mapping[str, str]) -> bool:
    path = environ.get("PATH", os.defpath)
    if name == "cc":
        wanted = (environ.get("CC", "").split(" ")[0], *_COMPILERS)
        return any(each and shutil.which(each, path=path) for each in wanted)
    return shutil.which(name, path=path) is not None


def _machine() -> Machine:
    """Return this machine; where the driver's library is silent, its tool may know the GPUs."""
    machine = describe_machine(timeout_s=_NVML_S)
    if machine.gpus or not any(path.exists() for path in _DRIVER_FILES):
        return machine
    said = ask_smi(os.environ)
    return dataclasses.replace(
        machine,
        driver=said.get("driver") or machine.driver,
        gpus=tuple(
            Gpu(name=name, memory_mib=memory, compute_capability=f"{major}.{minor}")
            for name, memory, major, minor in said.get("devices", ())
        ),
    )


def ask_smi(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what ``nvidia-smi`` says of driver and devices; empty where it says nothing.

    Asked only where the driver's library does not answer, because it may take its time.
    """
    program = shutil.which("nvidia-smi", path=environ.get("PATH", os.defpath))
    if program is None:
        return {}
    try:
        ended = run(
            [program, f"--query-gpu={','.join(_SMI_FIELDS)}", "--format=csv,noheader,nounits"],
            env=dict(environ),
            cwd=Path("/"),
            limits=Limits(timeout_s=_SMI_S, leave_s=0.0),
        )
    except ToolMissingError:
        return {}
    devices, driver = [], None
    for line in ended.tail.splitlines():
        words = [each.strip() for each in line.split(",")]
        if len(words) != len(_SMI_FIELDS) or not words[1].isdigit():
            continue
        major, _, minor = words[2].partition(".")
        if major.isdigit() and minor.isdigit():
            devices.append([words[0], int(words[1]), int(major), int(minor)])
            driver = words[3]
    return {"driver": driver, "devices": devices} if devices else {}


def _shm() -> tuple[int, int] | None:
    try:
        figures = os.statvfs("/dev/shm")  # noqa: S108 -- the shared memory itself is asked about
    except OSError:
        return None
    return (
        figures.f_frsize * figures.f_blocks >> 20,
        figures.f_frsize * figures.f_bavail >> 20,
    )


def cgroup_memory(*, root: Path = Path("/sys/fs/cgroup"), own: Path = _OWN_CGROUP) -> int | None:
    """Return the least MiB that this process's groups allow, ``None`` where none limits it.

    Inside a container the root is the container's own group; in a batch job the limit stands in
    the group of the job or above it, so each folder on the way up is asked.
    """
    limits = []
    for folder in _groups(root, own):
        for name in ("memory.max", "memory.limit_in_bytes"):
            try:
                text = (folder / name).read_text("utf-8").strip()
            except OSError:
                continue
            if text.isdigit() and int(text) < _UNLIMITED_BYTES:
                limits.append(int(text) >> 20)
    return min(limits, default=None)


def _groups(root: Path, own: Path) -> Iterator[Path]:
    yield root
    yield root / "memory"
    try:
        lines = own.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = (*line.split(":", 2), "", "")[:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        base = root / "memory" if controllers else root
        path = base / place.lstrip("/")
        while path != base and ".." not in path.parts:
            yield path
            path = path.parent
