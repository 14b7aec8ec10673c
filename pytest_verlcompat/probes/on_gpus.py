"""Run a probe on as many GPUs as it asks for, and give them back as they were."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import TYPE_CHECKING

from pytest_verlcompat import __version__
from pytest_verlcompat.model.evidence import Evidence
from pytest_verlcompat.model.outcome import Ending, Outcome
from pytest_verlcompat.probes.launch import Patient, launch
from pytest_verlcompat.process.clock import timestamp
from pytest_verlcompat.process.gpu_lease import TOLERANCE_MIB, Lack, Lease, Lender, Watch

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.probes.registry import Probe

_OUT_OF_MEMORY = re.compile(r"out of memory|CUBLAS_STATUS_ALLOC_FAILED", re.IGNORECASE)
_SPARE_S = 120.0
"""How much longer than the probe may run the watch goes on: stacks, leftovers, kills."""


def launch_on(pool: Lender, probe: Probe, patient: Patient, *, logs: Path) -> Evidence:
    """Return the evidence of running *probe* once, on GPUs of its own where it needs some.

    A probe that needs none keeps the caller's ``CUDA_VISIBLE_DEVICES``: an empty one is an
    error by itself in several releases of vLLM, so hiding the GPUs would change the answer.
    """
    if probe.gpus == 0:
        return launch(probe, patient, logs=logs)
    with pool.borrow(probe.gpus) as lease:
        if isinstance(lease, Lack):
            return _skipped(probe, patient, lease)
        before = count_kernels(patient)
        with Watch(lease, limit_s=probe.timeout_s + _SPARE_S) as watch:
            record = launch(probe, patient, logs=logs, visible_devices=lease.visible_devices)
        if before is not None:
            compiled = {"before": before, "after": count_kernels(patient)}
            record = dataclasses.replace(record, facts={**record.facts, "kernel_files": compiled})
        return judge_memory(record, lease=lease, watch=watch)


def count_kernels(patient: Patient) -> int | None:
    """Return how many files of compiled kernels are kept; ``None`` where none are."""
    if patient.kernels is None:
        return None
    return sum(len(files) for _, _, files in os.walk(patient.kernels))


def judge_memory(record: Evidence, *, lease: Lease, watch: Watch) -> Evidence:
    """Return *record* with what happened on its devices.

    A device that fell off the bus, and one that others filled while the probe ran out of
    memory, say nothing about the stack: a failure there becomes a skip and keeps its cause.
    """
    memory = {
        "devices": [device.label for device in lease.devices],
        "before_mib": lease.used_mib,
        "peak_mib": watch.peak_mib,
        "after_mib": watch.after_mib,
    }
    measured = dataclasses.replace(
        record, peak_gpu_mib=watch.peak_mib, facts={**record.facts, "gpu_memory": memory}
    )
    lack = _lost(lease, watch, record)
    if lack is None or record.outcome is not Outcome.FAILED:
        return measured
    return dataclasses.replace(measured, outcome=Outcome.SKIPPED, lacks=(lack,))


def _lost(lease: Lease, watch: Watch, record: Evidence) -> str | None:
    if watch.error is not None:
        return f"a GPU that stays on the bus ({watch.error}, while the probe ran)"
    left_mib = (watch.after_mib or 0) - lease.used_mib
    text = f"{record.cause} {record.cause.detail}" if record.cause else ""
    if left_mib > TOLERANCE_MIB and _OUT_OF_MEMORY.search(text):
        return f"a GPU of its own ({left_mib} MiB were taken by others while the probe ran)"
    return None


def _skipped(probe: Probe, patient: Patient, lack: Lack) -> Evidence:
    return Evidence(
        cell_id=patient.cell_id,
        subject=probe.name,
        rung=probe.rung,
        outcome=Outcome.SKIPPED,
        ending=Ending.NOT_STARTED,
        started_at=timestamp(),
        duration_s=0.0,
        machine=patient.machine,
        harness=__version__,
        subject_sha256=probe.sha256,
        lock_sha256=patient.lock_sha256,
        environment_id=patient.environment_id,
        interpreter=patient.interpreter,
        lacks=(lack.text,),
    )
