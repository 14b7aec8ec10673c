"""GPUs that the fixtures of one process hold; two of one test share them and do not wait."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.process.gpu_lease import GpuPool, Lack, Lease

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.process.gpus import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """Devices assigned to a test."""

    visible_devices: str
    """Value of ``CUDA_VISIBLE_DEVICES``, ``"2,3"``; in force while the test runs."""
    labels: tuple[str, ...]
    """``GPU 2``, ``GPU 3``: as ``nvidia-smi`` counts them."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.labels)


class Devices:
    """Lends what this process holds already before it asks *pool* for more.

    Other sessions and workers are kept off by the pool's locks; a test that has an engine and
    asks for a GPU shares that of the engine, where waiting would be waiting for itself.
    """

    def __init__(self, pool: GpuPool) -> None:
        self._pool = pool
        self._held: list[Lease] = []

    def find_lack(self, count: int) -> str | None:
        """Return what is lacking for *count* devices, waiting for none."""
        more = count - len(self._devices())
        return self._pool.find_lack(more) if more > 0 else None

    @contextlib.contextmanager
    def borrow(self, count: int) -> Iterator[Lease | Lack]:
        """Give *count* devices, those held first, or say why there are none."""
        held = self._devices()
        if len(held) >= count:
            yield Lease(devices=held[:count])
            return
        with self._pool.borrow(count - len(held)) as found:
            if isinstance(found, Lack):
                yield found
                return
            self._held.append(found)
            try:
                yield Lease(devices=(*held, *found.devices))
            finally:
                self._held.remove(found)

    def _devices(self) -> tuple[Device, ...]:
        return tuple(device for lease in self._held for device in lease.devices)


@contextlib.contextmanager
def showing(lease: Lease) -> Iterator[Gpus]:
    """Show the devices of *lease* alone to this process and those it starts, for a while.

    Raises:
        UsageError: If torch has opened CUDA in this process, which fixes what it sees.
    """
    if _cuda_is_open():
        raise UsageError(
            "torch has opened CUDA in this process, so no device can be assigned to a test any "
            "more; open CUDA in tests or fixtures and not where conftest.py or a module is imported"
        )
    names = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(zip(names, (lease.visible_devices, "PCI_BUS_ID"), strict=True))
    try:
        yield Gpus(
            visible_devices=lease.visible_devices,
            labels=tuple(device.label for device in lease.devices),
        )
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _cuda_is_open() -> bool:
    """Return whether torch, imported by somebody else, has opened CUDA; it is never imported."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    return bool(cuda is not None and cuda.is_initialized())
