"""What a record says about the machine it was made on: no host, user or serial number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One device as its driver names it."""

    name: str
    memory_mib: int | None
    compute_capability: str | None
    """Major.minor, e.g. ``9.0``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The part of a machine that compatibility depends on."""

    system: str
    """``Linux``."""
    architecture: str
    """``x86_64``."""
    glibc: str | None
    """Version of the C library; ``None`` where it is another one."""
    cpus: int
    """Cores this process may use."""
    memory_mib: int | None
    driver: str | None = None
    """Version of the NVIDIA driver; ``None`` where there is none."""
    driver_cuda: str | None = None
    """Highest CUDA the driver supports."""
    gpus: tuple[Gpu, ...] = ()

    def __str__(self) -> str:
        gpu = f"{len(self.gpus)} x {self.gpus[0].name}" if self.gpus else "no GPU"
        glibc = f"glibc {self.glibc}" if self.glibc else "no glibc"
        return f"{self.system} {self.architecture}, {glibc}, {gpu}"
