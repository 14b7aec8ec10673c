"""What carrying costs: seconds, bytes and pieces of the golden cell; the same outcomes there."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.environments.build import Environment, build_environment
from pytest_verlcompat.environments.interpreters import find_python
from pytest_verlcompat.execute.bundle import Packing, write_bundle
from pytest_verlcompat.execute.manifest import RUNNER
from pytest_verlcompat.execute.workspace import Workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.probes.launch import Patient
from pytest_verlcompat.probes.on_gpus import launch_on
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.process.gpu_lease import GpuPool
from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.resolve.lock import Lock, load_lock
from pytest_verlcompat.store.jsonl import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from pytest_verlcompat.model.cell import Cell

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "reports" / "figures" / "bundle_bench.json"
COMMAND = "pytest -m bench tests/benchmarks/test_bundle_bench.py"
CELL = "verl0.6.1-vllm0.11.0-numpy1.26.4-opencv4.9.0.80-uvloop0.21.0-python3.11-2025-11-20"

pytestmark = pytest.mark.bench


@dataclass(frozen=True)
class Golden:
    """The golden cell, built, and the folder it is carried in."""

    cell: Cell
    lock: Lock
    environment: Environment
    out: Path


class Cost:
    """Wall clock and processor seconds of a block, children that ended in it included."""

    def __enter__(self) -> Self:
        self._wall, self._cpu = time.monotonic(), _cpu_s()
        return self

    def __exit__(self, *_: object) -> None:
        self.figures = {
            "seconds": round(time.monotonic() - self._wall, 1),
            "cpu_seconds": round(_cpu_s() - self._cpu, 1),
            "load_average": round(os.getloadavg()[0], 1),
        }


def _cpu_s() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def _say(_: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Golden:
    """Return the golden cell; its environment is built if it is not there."""
    workspace = Workspace(root=ROOT)
    cell = load_matrix(workspace.matrix).cells[CELL]
    lock = load_lock(cell, folder=workspace.locks)
    built = build_environment(cell, lock, folder=workspace.environments, say=_say)
    assert isinstance(built, Environment)
    return Golden(
        cell=cell, lock=lock, environment=built, out=tmp_path_factory.mktemp("golden") / "out"
    )


@pytest.fixture(scope="module")
def figures() -> Iterator[dict[str, Any]]:
    """Return what becomes the figure file."""
    found: dict[str, Any] = {}
    yield found
    body = {
        "title": "What carrying a 10 GB cell costs",
        "command": COMMAND,
        "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),
        "machine": {
            "cpus": os.cpu_count(),
            "memory_gib": round((describe_machine().memory_mib or 0) / 1024),
            "platform": platform.platform(),
            "note": "shared with other work; see load_average",
        },
        "figures": found,
    }
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def test_golden_cell_is_bundled(golden: Golden, figures: dict[str, Any]) -> None:
    """The whole environment becomes pieces of 60 MiB."""
    with Cost() as cost:
        manifest = write_bundle(
            golden.cell,
            golden.lock,
            golden.environment,
            folder=golden.out,
            packing=Packing(),
            say=_say,
        )
    figures["bundle"] = {
        **cost.figures,
        "files": manifest.files,
        "unpacked_bytes": manifest.unpacked_bytes,
        "bytes": manifest.bytes,
        "pieces": len(manifest.pieces),
        "runner_bytes": (golden.out / RUNNER).stat().st_size,
    }

    assert manifest.unpacked_bytes > 8 << 30
    assert max(piece.bytes for piece in manifest.pieces) <= 60 << 20


def _unbundle(golden: Golden, *words: str) -> subprocess.CompletedProcess[str]:
    """Return how the runner ended on a Python that has nothing installed."""
    python = find_python(golden.cell.python)
    return subprocess.run(
        [python, "-I", "-S", golden.out / RUNNER, "unbundle", golden.out, *words],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )


def test_golden_cell_is_unbundled(golden: Golden, figures: dict[str, Any]) -> None:
    """A bare Python checks and unpacks the pieces; the second time it has nothing to do."""
    with Cost() as cost:
        first = _unbundle(golden, "--no-run")
    with Cost() as again:
        second = _unbundle(golden, "--no-run")
    figures["unbundle"] = cost.figures
    figures["unbundle_again"] = again.figures

    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert "unpacking" in first.stderr
    assert "unpacking" not in second.stderr


def test_cpu_rungs_there_are_those_of_the_cell(golden: Golden, figures: dict[str, Any]) -> None:
    """Probe by probe, the carried environment comes to the outcome of the one it was made of."""
    probes = [
        probe
        for probe in list_probes()
        if probe.rung is Rung.CPU and probe.applies_to(golden.lock.versions)
    ]
    patient = Patient(
        python=golden.environment.python,
        interpreter=golden.environment.interpreter,
        versions=golden.lock.versions,
        lock_sha256=golden.lock.sha256,
        environment_id=golden.environment.id,
        machine=describe_machine(),
        cell_id=golden.cell.id,
        values=golden.cell.values,
    )
    logs = golden.out / "logs-here"
    here = {each.name: launch_on(GpuPool(), each, patient, logs=logs) for each in probes}
    ended = _unbundle(golden, *(word for each in probes for word in ("--probe", each.name)))
    there = {each.subject: each for each in load([golden.out / "evidence.jsonl"]).records}
    figures["cpu_outcomes"] = {
        name: f"{here[name].outcome.value} here, {there[name].outcome.value} carried"
        for name in sorted(here)
    }

    assert probes
    assert {name: each.outcome for name, each in there.items()} == {
        name: each.outcome for name, each in here.items()
    }, ended.stderr
