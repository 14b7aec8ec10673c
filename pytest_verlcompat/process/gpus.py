"""Which GPUs this process may use, told apart as CUDA tells them apart.

The caller's ``CUDA_VISIBLE_DEVICES`` is read by the rules of CUDA, and what is handed to a
child keeps the caller's way of naming a device: vLLM 0.20.1 takes indices alone
(https://github.com/vllm-project/vllm/issues/41848, read 2026-11-20), so naming by UUID what
the caller named by index would fail a stack that works.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.run import Limits, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NVML_SCRIPT = Path(__file__).with_name("nvml.py")
_READ_TIMEOUT_S = 20.0
_KILL_S = 5.0
_NUMBER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A GPU, or one instance of a GPU in MIG mode."""

    label: str
    """``GPU 1`` or ``GPU 1 MIG 2/0``: no serial number, fit to be published."""
    uuid: str | None
    """``None`` for a GPU that does not answer."""
    entry: str
    """Its name in ``CUDA_VISIBLE_DEVICES``."""
    used_mib: int | None = None
    """Memory in use, by anybody, without what the driver reserves."""
    is_instance: bool = False
    """CUDA shows a process one MIG instance at the most."""
    error: str | None = None
    """Why it does not answer, in NVML's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What NVML said."""

    gpus: tuple[dict[str, Any], ...]
    error: str | None
    """Why nothing can be known about GPUs here."""
    driver: str | None = None
    """Version of the NVIDIA driver."""
    driver_cuda: str | None = None
    """Highest CUDA the driver supports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """The devices that a child of this process could use."""

    devices: tuple[Device, ...]
    note: str | None
    """Why there are none or fewer than were listed."""


def read_gpus(*, timeout_s: float = _READ_TIMEOUT_S) -> Reading:
    """Return what NVML says, or why it says nothing; a driver that hangs is given up.

    A process that waits within a broken driver cannot be killed, so it is not waited for.
    """
    found: list[Reading] = []
    thread = threading.Thread(target=lambda: found.append(_read(timeout_s)), daemon=True)
    thread.start()
    thread.join(timeout_s + _KILL_S)
    if found:
        return found[0]
    return Reading(gpus=(), error=f"NVML gave no answer in {timeout_s:.0f} s and cannot be ended")


def nvml_argv(*words: str) -> list[str]:
    """Return the command that reads NVML; this interpreter, and never the one under test."""
    return [sys.executable, "-I", "-S", str(NVML_SCRIPT), *words]


def _read(timeout_s: float) -> Reading:
    with tempfile.TemporaryDirectory(prefix="verlcompat-") as folder:
        output = Path(folder, "output")
        ended = run(
            nvml_argv(),
            env=tool_environ(os.environ),
            cwd=Path(folder),
            limits=Limits(timeout_s=timeout_s, leave_s=0),
            output=output,
        )
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    if ended.timed_out:
        return Reading(gpus=(), error=f"NVML gave no answer in {timeout_s:.0f} s")
    found = parse_readings(lines)
    how = ended.signal or f"status {ended.exit_status}"
    return found[-1] if found else Reading(gpus=(), error=f"NVML ended with {how}")


def parse_readings(lines: Iterable[str]) -> tuple[Reading, ...]:
    """Return the readings in *lines*; a line that was cut short is left out."""
    found = []
    for line in lines:
        try:
            body = json.loads(line)
            found.append(
                Reading(
                    gpus=tuple(body["gpus"]),
                    error=body.get("error"),
                    driver=body.get("driver"),
                    driver_cuda=body.get("driver_cuda"),
                )
            )
        except (ValueError, KeyError, TypeError):
            continue
    return tuple(found)


def list_visible(text: str | None, reading: Reading) -> Visible:
    """Return the devices that CUDA would show where ``CUDA_VISIBLE_DEVICES`` is *text*.

    Not set means all. The list ends at the first entry that names nothing, or that is of
    another kind than the first; an index takes the digits it starts with; a device that is
    listed twice empties the whole list. An index counts in the driver's order, as in
    ``nvidia-smi``; a child is given ``CUDA_DEVICE_ORDER=PCI_BUS_ID`` so that it counts alike.

    Source: CUDA programming guide 5.2.1.1, CUDA_VISIBLE_DEVICES, for indices, UUIDs, their
    beginnings, MIG names and the cut at an invalid entry; it says nothing of duplicates,
    where torch.cuda._parse_visible_devices (torch 2.8.0) has an empty set. Read 2026-11-20:
    https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/environment-variables.html
    """
    if reading.error is not None:
        return Visible(devices=(), note=reading.error)
    if text is None:
        everything = tuple(device for gpu in reading.gpus for device in _devices(gpu))
        return Visible(devices=everything, note=None if everything else "the driver has no GPU")
    if not text.strip():
        return Visible(devices=(), note="CUDA_VISIBLE_DEVICES is empty")
    found: list[Device] = []
    note = None
    kind = _kind(text)
    for entry in text.split(","):
        device = _find(entry, kind, reading)
        if device is None:
            note = f"CUDA_VISIBLE_DEVICES ends at {entry!r}, which names no device"
            break
        if any(_is_same(device, each) for each in found):
            return Visible(
                devices=(), note=f"CUDA_VISIBLE_DEVICES names {entry!r} twice, which hides all"
            )
        found.append(device)
    return Visible(devices=tuple(found), note=note)


def share(
    visible: Sequence[Device], *, worker: int = 0, workers: int = 1, count: int = 1
) -> tuple[Device, ...]:
    """Return all of *visible* in the order in which *worker* should ask for *count* of them.

    As long as there are enough no two workers begin with the same; where there are not, a
    worker goes on to the next device rather than wait for its own.
    """
    there = len(visible)
    if there == 0:
        return ()
    groups = max(there // max(count, 1), 1)
    group = worker * groups // workers if workers <= groups else worker % groups
    start = group * max(count, 1) % there
    return (*visible[start:], *visible[:start])


def visible_text(devices: Iterable[Device]) -> str:
    """Return the value of ``CUDA_VISIBLE_DEVICES`` that shows *devices* alone."""
    return ",".join(device.entry for device in devices)


def _kind(text: str) -> str:
    return next((prefix for prefix in ("GPU-", "MIG-") if text.startswith(prefix)), "")


def _find(entry: str, kind: str, reading: Reading) -> Device | None:
    if not kind:
        number = _NUMBER.match(entry.strip())
        index = int(number[0]) if number else -1
        if not 0 <= index < len(reading.gpus):
            return None
        # Of a GPU in MIG mode CUDA takes the first instance.
        devices = _devices(reading.gpus[index])
        return dataclasses.replace(devices[0], entry=str(index)) if devices else None
    if not entry.startswith(kind):
        return None
    fits = [
        device
        for gpu in reading.gpus
        for device in _devices(gpu)
        if device.is_instance == (kind == "MIG-") and _is_named(device, gpu, entry)
    ]
    return dataclasses.replace(fits[0], entry=entry) if len(fits) == 1 else None


def _is_named(device: Device, gpu: dict[str, Any], entry: str) -> bool:
    if device.uuid is None:
        return False
    old_name = f"MIG-{gpu.get('uuid')}/{device.label.rpartition(' ')[2]}"
    return device.uuid.startswith(entry) or (device.is_instance and entry == old_name)


def _is_same(one: Device, other: Device) -> bool:
    return one.label == other.label


def _devices(gpu: dict[str, Any]) -> list[Device]:
    """Return a GPU as what CUDA can use of it: itself, or its instances in MIG mode."""
    label = f"GPU {gpu['index']}"
    instances = gpu.get("mig")
    if instances is None:
        return [
            Device(
                label=label,
                uuid=gpu.get("uuid"),
                entry=str(gpu["index"]),
                used_mib=gpu.get("used_mib"),
                error=gpu.get("error"),
            )
        ]
    return [
        Device(
            label=f"{label} MIG {each['instance']}",
            uuid=each["uuid"],
            entry=each["uuid"],
            used_mib=each["used_mib"],
            is_instance=True,
        )
        for each in instances
    ]
