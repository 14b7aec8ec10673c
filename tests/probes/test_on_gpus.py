"""Probes on GPUs of their own: what they see, what they leave, what is not their fault."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.model.machine import Machine
from pytest_verlcompat.model.outcome import Ending, Outcome
from pytest_verlcompat.probes.launch import Patient
from pytest_verlcompat.probes.on_gpus import launch_on
from pytest_verlcompat.probes.registry import Probe, read_probe
from pytest_verlcompat.process import gpu_lease
from pytest_verlcompat.process.gpu_lease import GpuPool
from tests.fake_nvml import FakeNvml, install_fake_nvml, uuid

if TYPE_CHECKING:
    from pytest_verlcompat.model.evidence import Evidence

HEAD = """
TITLE = "a probe of the tests"
RUNG = "gpu"
DISTRIBUTIONS = ()
GPUS = {gpus}
TIMEOUT_S = 30.0


def probe(request):
    import os, time

    def use(mib, status=0):
        with open({path!r} + ".new", "w") as handle:
            handle.write(f"{{status}} {uuid} {{mib}}\\n" * {visible})
        os.replace({path!r} + ".new", {path!r})

"""


@pytest.fixture
def nvml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """Return a fake library with one empty GPU."""
    monkeypatch.setattr(gpu_lease, "_SETTLE_S", 0.5)
    fake = install_fake_nvml(tmp_path, monkeypatch)
    fake.gpus(20)
    return fake


def make_probe(nvml: FakeNvml, body: str, *, gpus: int = 1) -> Probe:
    """Return a probe whose function ends with *body*; ``use(MiB)`` fills the fake GPU."""
    path = nvml.path.with_name("wanted.py")
    head = HEAD.format(gpus=gpus, path=str(nvml.path), uuid=uuid(0), visible=1)
    path.write_text(head + textwrap.indent(textwrap.dedent(body), "    "), encoding="utf-8")
    return read_probe(path)


def launch(nvml: FakeNvml, body: str, *, gpus: int = 1, kernels: Path | None = None) -> Evidence:
    """Return what running such a probe came to."""
    patient = Patient(
        python=Path(sys.executable),
        interpreter="CPython",
        versions={},
        lock_sha256="0" * 64,
        environment_id=None,
        machine=Machine(system="Linux", architecture="x86_64", glibc=None, cpus=1, memory_mib=1),
        kernels=kernels,
    )
    logs = nvml.path.parent / "logs"
    return launch_on(GpuPool(wait_s=0), make_probe(nvml, body, gpus=gpus), patient, logs=logs)


def is_running(process: int) -> bool:
    """Return whether *process* still does anything; one that nobody has reaped does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


SEEN = """
return {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")}
"""


def test_devices_are_set_before_the_probe_starts(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child sees its devices alone, counted as the driver counts them."""
    nvml.gpus(5000, 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    record = launch(nvml, SEEN)

    assert record.outcome is Outcome.PASSED
    assert record.facts["CUDA_VISIBLE_DEVICES"] == "1"
    assert record.facts["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_probe_without_gpus_keeps_the_callers_devices(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe that needs no GPU is neither given nor denied one."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,7")
    record = launch(nvml, SEEN, gpus=0)

    assert record.facts["CUDA_VISIBLE_DEVICES"] == "0,7"
    assert "gpu_memory" not in record.facts


def test_peak_and_return_of_memory_are_recorded(nvml: FakeNvml) -> None:
    """The record says what the probe used at most, and what was in use before and after."""
    record = launch(nvml, "use(4020); time.sleep(1.5); use(20); return {}")

    assert record.peak_gpu_mib == 4000
    assert record.facts["gpu_memory"] == {
        "devices": ["GPU 0"],
        "before_mib": 20,
        "peak_mib": 4000,
        "after_mib": 20,
    }


def test_memory_left_behind_is_recorded(nvml: FakeNvml) -> None:
    """Memory that does not come back is in the record, and passes no judgement by itself."""
    record = launch(nvml, "use(700); return {}")

    assert record.facts["gpu_memory"]["after_mib"] == 700
    assert record.outcome is Outcome.PASSED


def test_too_few_gpus_skip_and_start_nothing(nvml: FakeNvml) -> None:
    """What is missing is the text of the skip; no process is started."""
    record = launch(nvml, "return {}", gpus=2)

    assert (record.outcome, record.ending) == (Outcome.SKIPPED, Ending.NOT_STARTED)
    assert record.lacks == ("2 free GPUs; visible: 1",)


@pytest.mark.parametrize(("status", "word"), [(15, "GPU is lost"), (999, "unknown error")])
def test_gpu_that_falls_off_the_bus_never_fails_the_stack(
    nvml: FakeNvml, status: int, word: str
) -> None:
    """A failure on a GPU that got lost is a skip that says so and keeps what was raised."""
    record = launch(nvml, f"use(20, {status}); raise RuntimeError('unspecified launch failure')")

    assert record.outcome is Outcome.SKIPPED
    assert record.lacks == (f"a GPU that stays on the bus (GPU 0: {word}, while the probe ran)",)
    assert record.cause is not None
    assert record.cause.first_line == "unspecified launch failure"


def test_out_of_memory_on_a_gpu_others_fill_never_fails_the_stack(nvml: FakeNvml) -> None:
    """Running out of memory that somebody else took meanwhile is a skip that says how much."""
    record = launch(nvml, "use(70020); raise RuntimeError('CUDA error: out of memory')")

    assert record.outcome is Outcome.SKIPPED
    assert record.lacks == (
        "a GPU of its own (70000 MiB were taken by others while the probe ran)",
    )


def test_out_of_memory_on_its_own_gpu_is_a_failure(nvml: FakeNvml) -> None:
    """Running out of memory where nobody else is, is the stack's own doing."""
    record = launch(nvml, "raise RuntimeError('CUDA error: out of memory')")

    assert record.outcome is Outcome.FAILED


def test_child_left_on_the_gpu_is_killed_and_fails(nvml: FakeNvml) -> None:
    """A probe that leaves a process behind has failed, and the process is gone."""
    record = launch(
        nvml,
        """
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        return {"child": child.pid}
        """,
    )

    assert (record.outcome, record.ending) == (Outcome.FAILED, Ending.LEFT_PROCESSES)
    assert not is_running(record.facts["child"])


COMPILE = """
from pathlib import Path
kept = Path.home() / ".cache" / "flashinfer" / "sampling.so"
there = kept.exists()
kept.parent.mkdir(parents=True, exist_ok=True)
kept.write_bytes(b"kernel")
compiled = Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR", Path.home() / "none"))
again = compiled.exists()
compiled.mkdir(parents=True, exist_ok=True)
return {"there": there, "again": again}
"""


def test_kernels_compiled_by_one_probe_serve_the_next(nvml: FakeNvml, tmp_path: Path) -> None:
    """What was compiled stays with the environment, and a record says whether it was there."""
    first, second = (launch(nvml, COMPILE, kernels=tmp_path / "kernels") for _ in range(2))
    without = launch(nvml, COMPILE)

    assert [record.facts["there"] for record in (first, second, without)] == [False, True, False]
    assert [record.facts["again"] for record in (first, second, without)] == [False, True, False]
    assert first.facts["kernel_files"] == {"before": 0, "after": 1}
    assert second.facts["kernel_files"] == {"before": 1, "after": 1}
    assert "kernel_files" not in without.facts
