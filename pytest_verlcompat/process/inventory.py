"""What the machine is, as far as compatibility depends on it."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from pytest_verlcompat.model.machine import Gpu, Machine
from pytest_verlcompat.process.gpus import read_gpus

_READ_TIMEOUT_S = 20.0
_KERNEL_MODULE = Path("/proc/driver/nvidia/version")
_DRIVER_VERSION = re.compile(r"(?:Module|x86_64|aarch64)\s{1,4}(\d{3}(?:\.\d+){1,2})")


def describe_machine(*, timeout_s: float = _READ_TIMEOUT_S) -> Machine:
    """Return this machine: no host name, user, serial number or path in it.

    Args:
        timeout_s: Seconds that the driver has for its answer.
    """
    libc, version = platform.libc_ver()
    reading = read_gpus(timeout_s=timeout_s)
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        glibc=version if libc == "glibc" else None,
        cpus=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        memory_mib=_memory_mib(),
        driver=reading.driver or _driver_of_kernel(),
        driver_cuda=reading.driver_cuda,
        gpus=tuple(
            Gpu(
                name=gpu["name"],
                memory_mib=gpu["total_mib"],
                compute_capability=gpu.get("capability"),
            )
            for gpu in reading.gpus
            if "error" not in gpu
        ),
    )


def _memory_mib() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    except (ValueError, OSError, AttributeError):
        return None


def _driver_of_kernel() -> str | None:
    """Return what the kernel module says, for a container that has no driver library."""
    try:
        found = _DRIVER_VERSION.search(_KERNEL_MODULE.read_text("utf-8", "replace"))
    except OSError:
        return None
    return found[1] if found else None
