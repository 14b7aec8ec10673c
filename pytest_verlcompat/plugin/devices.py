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


class _Held:
    """One lease of the pool, and how many of this process use it."""

    def __init__(self, lease: Lease, *, locks: contextlib.ExitStack) -> None:
        self.lease = lease
        self.locks = locks
        self.users = 0


class Devices:
    """Lends what this process holds already before it asks *pool* for more.

    Other sessions and workers are kept off by the pool's locks; a test that has an engine and
    asks for a GPU shares that of the engine, where waiting would be waiting for itself. Who
    leaves last gives back: an engine may outlive the test that it shared a GPU with.
    """

    def __init__(self, pool: GpuPool) -> None:
        self._pool = pool
        self._held: list[_Held] = []

    @contextlib.contextmanager
    def borrow(self, count: int) -> Iterator[Lease | Lack]:
        """Give *count* devices, those held first, or say why there are none."""
        devices: list[Device] = []
        with contextlib.ExitStack() as used:
            for held in tuple(self._held):
                if len(devices) < count:
                    devices += used.enter_context(self._using(held))
            if len(devices) < count:
                found = self._take(count - len(devices))
                if isinstance(found, Lack):
                    yield found
                    return
                devices += used.enter_context(self._using(found))
            yield Lease(devices=tuple(devices[:count]))

    def _take(self, count: int) -> _Held | Lack:
        locks = contextlib.ExitStack()
        found = locks.enter_context(self._pool.borrow(count))
        if isinstance(found, Lack):
            locks.close()
            return found
        return _Held(found, locks=locks)

    @contextlib.contextmanager
    def _using(self, held: _Held) -> Iterator[tuple[Device, ...]]:
        if held.users == 0:
            self._held.append(held)
        held.users += 1
        try:
            yield held.lease.devices
        finally:
            held.users -= 1
            if held.users == 0:
                self._held.remove(held)
                held.locks.close()


@contextlib.contextmanager
def showing(lease: Lease) -> Iterator[Gpus]:
    """Show the devices of *lease* alone to this process and those it starts, for a while.

    Raises:
        UsageError: If torch has opened CUDA in this process, which fixes what it sees.
    """
    if cuda_is_open():
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


def cuda_is_open() -> bool:
    """Return whether torch, imported by somebody else, has opened CUDA; it is never imported."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    return bool(cuda is not None and cuda.is_initialized())
