"""What this machine offers to a training, read within a fraction of a second.

No process is started but one that asks the driver's library, and only where there is a driver:
``nvidia-smi`` may take seconds, and a library that hangs must not take the doctor with it.
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import ToolMissingError
from pytest_verlcompat.model.machine import Gpu, Machine
from pytest_verlcompat.process.run import Limits, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_DRIVER = Path("/proc/driver/nvidia/version")
_DRIVER_VERSION = re.compile(r"(?:Module|x86_64|aarch64)\s{1,4}(\d{3}(?:\.\d+){1,2})")
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
_NVML = """
import ctypes, json
library = ctypes.CDLL("libnvidia-ml.so.1")
if library.nvmlInit_v2() == 0:
    text = ctypes.create_string_buffer(96)
    library.nvmlSystemGetDriverVersion(text, 96)
    cuda = ctypes.c_int()
    library.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(cuda))
    count = ctypes.c_uint()
    library.nvmlDeviceGetCount_v2(ctypes.byref(count))
    devices = []
    for index in range(count.value):
        device = ctypes.c_void_p()
        if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) != 0:
            continue
        name = ctypes.create_string_buffer(96)
        library.nvmlDeviceGetName(device, name, 96)
        memory = (ctypes.c_ulonglong * 3)()
        library.nvmlDeviceGetMemoryInfo(device, memory)
        major, minor = ctypes.c_int(), ctypes.c_int()
        library.nvmlDeviceGetCudaComputeCapability(
            device, ctypes.byref(major), ctypes.byref(minor))
        devices.append([name.value.decode(), memory[0] >> 20, major.value, minor.value])
    print(json.dumps({"driver": text.value.decode(), "cuda": cuda.value, "devices": devices}))
"""


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
    cgroup_memory_mib: int | None
    """What the container may use; ``None`` where it is not limited."""
    cpus_present: int
    """Cores of the machine, those this process may not use included."""
    in_container: bool


def read_host() -> Host:
    """Return what this machine offers."""
    libc, version = platform.libc_ver()
    nvml = _ask_nvml()
    shm = _shm()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Host(
        machine=Machine(
            system=platform.system(),
            architecture=platform.machine(),
            glibc=version if libc == "glibc" else None,
            cpus=len(os.sched_getaffinity(0)),
            memory_mib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
            driver=nvml.get("driver") or _driver_of_kernel(),
            driver_cuda=_cuda(nvml.get("cuda")),
            gpus=tuple(
                Gpu(name=name, memory_mib=memory, compute_capability=f"{major}.{minor}")
                for name, memory, major, minor in nvml.get("devices", ())
            ),
        ),
        shm_mib=shm[0] if shm else None,
        shm_free_mib=shm[1] if shm else None,
        nofile=soft,
        nofile_hard=hard,
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


def _ask_nvml() -> dict[str, Any]:
    if not (_DRIVER.exists() or Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()):
        return {}
    try:
        ended = run(
            [sys.executable, "-I", "-S", "-c", _NVML],
            env=dict(os.environ),
            cwd=Path("/"),
            limits=Limits(timeout_s=_NVML_S, leave_s=0.0),
        )
        reply = json.loads(ended.tail.strip().splitlines()[-1])
    except (ToolMissingError, ValueError, IndexError):
        reply = None
    return reply if isinstance(reply, dict) else ask_smi(os.environ)


def ask_smi(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what ``nvidia-smi`` says, in the form NVML's reply has; empty where it says nothing.

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


def _driver_of_kernel() -> str | None:
    try:
        found = _DRIVER_VERSION.search(_DRIVER.read_text("utf-8", "replace"))
    except OSError:
        return None
    return found[1] if found else None


def _cuda(number: int | None) -> str | None:
    return f"{number // 1000}.{number % 1000 // 10}" if number else None


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
