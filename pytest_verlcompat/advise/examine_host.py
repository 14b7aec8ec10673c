"""What the machine or the container holds too little of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.advise.advice import Advice, Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.advise.inventory import Inventory

_SHM_MIB = 10 * 1024
"""What verl's documentation gives its containers.

Source: https://verl.readthedocs.io/en/latest/start/install.html, read 2026-11-20.
"""
_SHM_FLOOR_MIB = 1024  # below this the catalogue's own entry speaks


def examine(inventory: Inventory) -> Iterator[Advice]:
    """Yield what of the machine is missing, short, or fine."""
    yield from _gpus(inventory)
    yield from _shared_memory(inventory)
    yield from _cores(inventory)
    yield from _memory(inventory)


def _gpus(inventory: Inventory) -> Iterator[Advice]:
    machine = inventory.host.machine
    if machine.gpus:
        yield Advice(
            code="gpus",
            level=Level.FINE,
            title=f"{len(machine.gpus)} GPU(s): {machine.gpus[0].name}",
            detail=f"driver {machine.driver}, up to CUDA {machine.driver_cuda}",
        )
        return
    yield Advice(
        code="no-gpu",
        level=Level.RISK,
        title="No NVIDIA GPU can be seen",
        detail="A driver is there but answers nothing."
        if machine.driver
        else "There is no driver.",
        remedies=("docker run --gpus all", "srun --gres=gpu:1"),
        costs=("none; for a container", "none; for a login node"),
    )


def _shared_memory(inventory: Inventory) -> Iterator[Advice]:
    size = inventory.host.shm_mib
    if size is None or _SHM_FLOOR_MIB <= size < _SHM_MIB:
        yield Advice(
            code="shm",
            level=Level.RISK,
            title="Shared memory is smaller than verl's containers have",
            detail="There is no such folder." if size is None else f"{size} of {_SHM_MIB} MiB",
            remedies=("docker run --shm-size=10g",),
            costs=("memory of the host",),
        )


def _cores(inventory: Inventory) -> Iterator[Advice]:
    host = inventory.host
    if host.machine.cpus < host.cpus_present and inventory.first("ray") is not None:
        yield Advice(
            code="cores",
            level=Level.RISK,
            title="Ray will start more workers than this process has cores",
            detail=f"{host.machine.cpus} of {host.cpus_present} cores may be used",
            remedies=(f"ray_kwargs.ray_init.num_cpus={host.machine.cpus}",),
            costs=("fewer workers at a time",),
        )


def _memory(inventory: Inventory) -> Iterator[Advice]:
    host = inventory.host
    limit, total = host.cgroup_memory_mib, host.machine.memory_mib
    if limit is not None and total is not None and limit < total // 2:
        yield Advice(
            code="cgroup-memory",
            level=Level.RISK,
            title="The container may use less than half of the machine's memory",
            detail=f"{limit} MiB of {total} MiB",
            remedies=("docker run --memory=0",),
            costs=("nothing keeps the container from using all of it",),
        )
