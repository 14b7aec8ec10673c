"""What the machine is, as far as compatibility depends on it."""

from __future__ import annotations

import csv
import os
import platform
import shutil
import tempfile
from pathlib import Path

from pytest_verlcompat.model.machine import Gpu, Machine
from pytest_verlcompat.process.run import Limits, run

_FIELDS = "name,memory.total,compute_cap,driver_version"


def describe_machine() -> Machine:
    """Return this machine: no host name, user, serial number or path in it."""
    libc, version = platform.libc_ver()
    gpus, driver = _gpus()
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        glibc=version if libc == "glibc" else None,
        cpus=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        memory_mib=_memory_mib(),
        driver=driver,
        driver_cuda=_driver_cuda() if driver else None,
        gpus=gpus,
    )


def _memory_mib() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    except (ValueError, OSError, AttributeError):
        return None


def _gpus() -> tuple[tuple[Gpu, ...], str | None]:
    text = _nvidia_smi(f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits")
    wanted = len(_FIELDS.split(","))
    rows = [
        [cell.strip() for cell in row]
        for row in csv.reader(text.splitlines())
        if len(row) == wanted
    ]
    gpus = tuple(
        Gpu(
            name=name,
            memory_mib=int(memory) if memory.isdigit() else None,
            compute_capability=capability or None,
        )
        for name, memory, capability, _ in rows
    )
    return gpus, rows[0][3] if rows else None


def _driver_cuda() -> str | None:
    for line in _nvidia_smi().splitlines():
        _, found, rest = line.partition("CUDA Version:")
        if found:
            return rest.split()[0].strip("|")
    return None


def _nvidia_smi(*words: str) -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    with tempfile.TemporaryDirectory(prefix="verlcompat-") as folder:
        output = Path(folder, "output")
        ended = run(
            [tool, *words],
            env=dict(os.environ),
            cwd=Path(folder),
            limits=Limits(timeout_s=20, leave_s=0),
            output=output,
        )
        return output.read_text(errors="replace") if ended.exit_status == 0 else ""
